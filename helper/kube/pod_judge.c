// SPDX-License-Identifier: Apache-2.0
/*
 * What a pod's status means for somebody who waits for it. The reasons are
 * the kubelet's (pkg/kubelet/images/types.go, kuberuntime, container/sync_result.go).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kube/pod.h"

/* The kubelet retries after these, but nothing will change by itself. */
static const char *const hopeless[] = {
	"ImagePullBackOff",  "InvalidImageName",	   "ErrImageNeverPull",
	"ImageInspectError", "CreateContainerConfigError", "CreateContainerError",
	"RunContainerError", "CrashLoopBackOff",
};

static bool is_hopeless(const char *reason, const char *message)
{
	/* The kubelet is only late with a config map or secret that is there. */
	if (message && strstr(message, "failed to sync "))
		return false;
	for (size_t i = 0; i < sizeof(hopeless) / sizeof(*hopeless); i++)
		if (strcmp(reason, hopeless[i]) == 0)
			return true;
	return false;
}

/* "exit code 1 (Error): its last words" */
static void say_ended(const struct tp_json *terminated, char *buf, size_t size)
{
	const char *reason = tp_json_str_at(terminated, "reason");
	const char *message = tp_json_str_at(terminated, "message");
	long long code = tp_json_int_at(terminated, "exitCode", -1);
	long long sig = tp_json_int_at(terminated, "signal", 0);
	int n;

	if (sig > 0)
		n = snprintf(buf, size, "signal %lld", sig);
	else
		n = snprintf(buf, size, "exit code %lld", code);
	if (n > 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, "%s%s%s%s%.400s", reason ? " (" : "",
			 reason ? reason : "", reason ? ")" : "", message ? ": " : "",
			 message ? message : "");
}

struct look {
	const struct tp_json *pod;
	const char *name; /* the pod's */
	bool retries;	  /* restartPolicy is not Never */
	char *why;
	size_t why_size;
	struct tp_err *err;
};

static void set_why(struct look *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first thing found is kept: they are looked at in the order in which
 * one has to come before the other. */
static void set_why(struct look *l, const char *fmt, ...)
{
	va_list ap;

	if (!l->why_size || l->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(l->why, l->why_size, fmt, ap);
	va_end(ap);
}

/* One entry of (init)containerStatuses. -1 ERR if it has no hope. */
static int look_at(struct look *l, const struct tp_json *st, const char *kind)
{
	const char *cname = tp_json_str_at(st, "name");
	const struct tp_json *waiting = tp_json_path(st, "state.waiting");
	const struct tp_json *ended = tp_json_path(st, "state.terminated");
	const struct tp_json *last = tp_json_path(st, "lastState.terminated");
	const char *image = tp_json_str_at(st, "image");
	char text[600] = "";

	if (!cname)
		cname = "?";
	if (waiting) {
		const char *reason = tp_json_str_at(waiting, "reason");
		const char *message = tp_json_str_at(waiting, "message");

		if (!reason || !*reason)
			reason = "waiting";
		if (last)
			say_ended(last, text, sizeof(text));
		if (is_hopeless(reason, message)) {
			tp_err_set(l->err, TP_ERR_FAILED, "pod \"%s\", %s \"%s\": %s%s%.800s%s%s",
				   l->name, kind, cname, reason, message ? ": " : "",
				   message ? message : "", last ? "; it ended with " : "", text);
			if (strstr(reason, "Image") && image)
				tp_err_hint(l->err, "The image is \"%s\".", image);
			return -1;
		}
		/* The reason that says nothing comes last in set_why's eyes. */
		if (strcmp(reason, "PodInitializing") != 0 && strcmp(reason, "waiting") != 0)
			set_why(l, "%s \"%s\": %s%s%.400s", kind, cname, reason,
				message ? ": " : "", message ? message : "");
		return 0;
	}
	if (!ended)
		return 0;
	if (tp_json_int_at(ended, "exitCode", -1) == 0 && strcmp(kind, "init container") == 0)
		return 0;
	say_ended(ended, text, sizeof(text));
	if (!l->retries)
		return tp_err_set(l->err, TP_ERR_FAILED, "pod \"%s\": the %s \"%s\" ended with %s",
				  l->name, kind, cname, text);
	set_why(l, "%s \"%s\" ended with %s and will be started again", kind, cname, text);
	return 0;
}

static const struct tp_json *status_of(const struct tp_json *list, const char *name)
{
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *n = tp_json_str_at(tp_json_at(list, i), "name");

		if (!name || (n && strcmp(n, name) == 0))
			return tp_json_at(list, i);
	}
	return NULL;
}

static const struct tp_json *condition(const struct tp_json *pod, const char *type)
{
	const struct tp_json *list = tp_json_path(pod, "status.conditions");

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *t = tp_json_str_at(tp_json_at(list, i), "type");

		if (t && strcmp(t, type) == 0)
			return tp_json_at(list, i);
	}
	return NULL;
}

static bool is_true(const struct tp_json *cond)
{
	const char *s = tp_json_str_at(cond, "status");

	return s && strcmp(s, "True") == 0;
}

static int judge_phase(struct look *l)
{
	const char *phase = tp_json_str_at(l->pod, "status.phase");
	const char *reason = tp_json_str_at(l->pod, "status.reason");
	const char *message = tp_json_str_at(l->pod, "status.message");

	if (tp_json_str_at(l->pod, "metadata.deletionTimestamp"))
		return tp_err_set(l->err, TP_ERR_FAILED, "pod \"%s\" is being deleted", l->name);
	if (!phase || (strcmp(phase, "Failed") != 0 && strcmp(phase, "Succeeded") != 0))
		return 0;
	return tp_err_set(l->err, TP_ERR_FAILED, "pod \"%s\" has ended (%s)%s%s%s%.800s", l->name,
			  phase, reason ? ": " : "", reason ? reason : "", message ? ": " : "",
			  message ? message : "");
}

static int judge_containers(struct look *l, const char *container, enum tp_pod_wait what)
{
	const struct tp_json *inits = tp_json_path(l->pod, "status.initContainerStatuses");
	const struct tp_json *list = tp_json_path(l->pod, "status.containerStatuses");

	for (size_t i = 0; i < tp_json_len(inits); i++)
		if (look_at(l, tp_json_at(inits, i), "init container"))
			return -1;
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *st = tp_json_at(list, i);
		const char *n = tp_json_str_at(st, "name");

		/* The others' troubles are not ours, unless all must be ready. */
		if (what == TP_POD_CONTAINER_RUNNING && container &&
		    (!n || strcmp(n, container) != 0))
			continue;
		if (look_at(l, st, "container"))
			return -1;
	}
	return 0;
}

static bool has_container(const struct tp_json *pod, const char *name)
{
	return status_of(tp_json_path(pod, "spec.containers"), name) ||
	       status_of(tp_json_path(pod, "spec.initContainers"), name);
}

static int judge(struct look *l, const char *container, enum tp_pod_wait what)
{
	const struct tp_json *sched = condition(l->pod, "PodScheduled");
	const struct tp_json *ready = condition(l->pod, "Ready");
	const char *message;

	if (what == TP_POD_GONE) {
		set_why(l, "it is still there");
		return 0;
	}
	if (container && tp_json_path(l->pod, "spec.containers") &&
	    !has_container(l->pod, container))
		return tp_err_set(l->err, TP_ERR_NOT_FOUND, "pod \"%s\" has no container \"%s\"",
				  l->name, container);
	if (what == TP_POD_CONTAINER_RUNNING &&
	    !tp_json_str_at(l->pod, "metadata.deletionTimestamp")) {
		const struct tp_json *st =
			status_of(tp_json_path(l->pod, "status.containerStatuses"), container);

		if (tp_json_path(st, "state.running"))
			return 1;
	}
	/* A container's own trouble says more than the phase that it led to. */
	if (sched && !is_true(sched)) {
		message = tp_json_str_at(sched, "message");
		set_why(l, "it is not scheduled to a node yet%s%.600s", message ? ": " : "",
			message ? message : "");
	}
	if (judge_containers(l, container, what) || judge_phase(l))
		return -1;
	if (what == TP_POD_READY && is_true(ready))
		return 1;
	if (!sched)
		set_why(l, "it is not scheduled to a node yet");
	message = tp_json_str_at(ready, "message");
	if (what == TP_POD_READY && message)
		set_why(l, "not ready: %.600s", message);
	set_why(l, "its containers are being started");
	return 0;
}

int tp_pod_judge(const struct tp_json *pod, const char *container, enum tp_pod_wait what, char *why,
		 size_t why_size, struct tp_err *err)
{
	const char *name = tp_json_str_at(pod, "metadata.name");
	const char *restart = tp_json_str_at(pod, "spec.restartPolicy");
	struct look l = {
		.pod = pod,
		.name = name ? name : "?",
		.retries = !restart || strcmp(restart, "Never") != 0,
		.why = why,
		.why_size = why_size,
		.err = err,
	};

	if (why_size)
		why[0] = '\0';
	return judge(&l, container, what);
}
