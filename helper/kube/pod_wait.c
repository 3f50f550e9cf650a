// SPDX-License-Identifier: Apache-2.0
/*
 * Waiting for a pod: one GET, then a watch from its resourceVersion on.
 *
 *   GET --(object)--> WATCH --(event)--> WATCH
 *    ^                  |--(stream ends)--> WATCH, at the last resourceVersion
 *    \--(410, garbage)--/
 *
 * Only the verbs get and watch are used: a list would be a further right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/listwatch.h"
#include "kube/pod_internal.h"

#define TRIES	     6	 /* requests in a row that may fail once we had an answer */
#define RETRY_MS     100 /* the first pause; doubled each time */
#define RETRY_MAX_MS 2000

struct wait {
	struct tp_kube *k;
	const char *name, *container;
	enum tp_pod_wait what;
	void (*progress)(void *arg, const char *text);
	void *arg;
	struct tp_cancel *c;
	struct tp_err *err;

	long long end;	     /* tp_now_ms; -1: no bound */
	struct tp_json *pod; /* the last one seen */
	char *version;	     /* where to watch from; NULL: GET first */
	char *uid;
	char why[1024];
	char pull_error[800]; /* ErrImagePull's words: they say more than the back-off's */
	int pull_failures;
	bool in_pull_error;

	int result; /* 1 it is so, 0 not yet, -1 ERR */
	bool moved; /* this watch has given an event */
	bool bad_line;
};

static long long left(const struct wait *w)
{
	long long ms;

	if (w->end < 0)
		return -1;
	ms = w->end - tp_now_ms();
	return ms > 0 ? ms : 0;
}

static void set_version(struct wait *w, const char *v)
{
	free(w->version);
	w->version = tp_strdup(v);
}

static int gone(struct wait *w)
{
	if (w->what == TP_POD_GONE)
		return 1;
	return tp_err_set(w->err, TP_ERR_FAILED, "pod \"%s\" was deleted meanwhile", w->name);
}

/* ErrImagePull may pass (a registry had a hiccup); the second time it will not. */
static int count_pull_errors(struct wait *w)
{
	const struct tp_json *list = tp_json_path(w->pod, "status.containerStatuses");
	bool now = false;

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *st = tp_json_at(list, i);
		const char *cname = tp_json_str_at(st, "name");
		const char *reason = tp_json_str_at(st, "state.waiting.reason");
		const char *message = tp_json_str_at(st, "state.waiting.message");

		if (!reason || strcmp(reason, "ErrImagePull") != 0)
			continue;
		if (w->what == TP_POD_CONTAINER_RUNNING && w->container &&
		    (!cname || strcmp(cname, w->container) != 0))
			continue;
		now = true;
		snprintf(w->pull_error, sizeof(w->pull_error), "%s", message ? message : "");
	}
	if (now && !w->in_pull_error)
		w->pull_failures++;
	w->in_pull_error = now;
	if (w->pull_failures < 2 || w->what == TP_POD_GONE)
		return 0;
	return tp_err_set(w->err, TP_ERR_FAILED, "pod \"%s\": ErrImagePull: %s", w->name,
			  w->pull_error);
}

/* Takes over POD. 1, 0 or -1 ERR. */
static int look(struct wait *w, struct tp_json *pod)
{
	const char *uid = tp_json_str_at(pod, "metadata.uid");
	char why[sizeof(w->why)];
	int rc;

	tp_json_free(w->pod);
	w->pod = pod;
	set_version(w, tp_json_str_at(pod, "metadata.resourceVersion"));
	if (!w->uid)
		w->uid = tp_strdup(uid);
	else if (uid && strcmp(uid, w->uid) != 0)
		return gone(w); /* another pod has its name by now */
	rc = tp_pod_judge(pod, w->container, w->what, why, sizeof(why), w->err);
	if (rc < 0 && w->pull_error[0] && w->err && strstr(w->err->msg, "ImagePullBackOff"))
		tp_err_hint(w->err, "%s", w->pull_error);
	if (rc)
		return rc;
	if (count_pull_errors(w))
		return -1;
	if (why[0] && strcmp(why, w->why) != 0) {
		memcpy(w->why, why, sizeof(why));
		if (w->progress)
			w->progress(w->arg, why);
	}
	return 0;
}

/* One event of the watch. 1 ends the watch. */
static int on_line(void *arg, char *line, size_t n)
{
	struct wait *w = arg;
	TP_AUTO_JSON *doc = NULL;
	const struct tp_json *object;
	enum tp_watch_event event;
	TP_AUTO_JW *jw = NULL;
	tp_autofree char *text = NULL;
	struct tp_json *pod;
	size_t len;

	if (!n)
		return 0;
	event = tp_watch_event_parse(line, n, &doc, &object);
	if (event == TP_WATCH_BROKEN) {
		/* A cut line looks like garbage, too: start anew in both cases. */
		w->bad_line = true;
		set_version(w, NULL);
		return 1;
	}
	if (event == TP_WATCH_EXPIRED || event == TP_WATCH_ERROR) {
		/* 410: the server has forgotten that version. Others: the same remedy. */
		tp_verbose("watch of pod %s: %s", w->name,
			   tp_json_str_at(object, "message") ? tp_json_str_at(object, "message") :
							       "an error");
		set_version(w, NULL);
		return 1;
	}
	if (event == TP_WATCH_BOOKMARK) {
		set_version(w, tp_json_str_at(object, "metadata.resourceVersion"));
		return 0;
	}
	w->moved = true;
	if (event == TP_WATCH_GONE) {
		w->result = gone(w);
		return 1;
	}
	/* The object outlives the event: a document of its own. */
	jw = tp_jw_new();
	tp_jw_value(jw, NULL, object);
	text = tp_jw_finish(jw, &len, NULL);
	pod = text ? tp_json_parse(text, len, NULL) : NULL;
	if (!pod)
		return 0;
	w->result = look(w, pod);
	return w->result != 0;
}

/* 0 to go on (w->result says whether it is decided), 1 try again, -1 ERR. */
static int get(struct wait *w, struct tp_err *err)
{
	struct tp_json *pod = tp_pod_get(w->k, w->name, w->c, err);

	if (pod) {
		w->result = look(w, pod);
		return 0;
	}
	if (err->kind == TP_ERR_NOT_FOUND && (w->what == TP_POD_GONE || w->uid)) {
		w->result = gone(w);
		return 0;
	}
	return err->kind == TP_ERR_UNREACHABLE && w->uid ? 1 : -1;
}

static int watch(struct wait *w, struct tp_err *err)
{
	tp_autoclean(tp_http_response_free) struct tp_http_response resp = { 0 };
	tp_autofree char *base = tp_kube_pod_path(w->k, NULL, NULL);
	tp_autofree char *sel = tp_asprintf("metadata.name=%s", w->name);
	tp_autofree char *esc = tp_http_escape(sel);
	tp_autofree char *ver = tp_http_escape(w->version);
	tp_autofree char *path =
		tp_asprintf("%s?watch=1&fieldSelector=%s&resourceVersion=%s", base, esc, ver);
	long long ms = left(w);
	struct tp_http_request req = {
		.method = "GET",
		.path = path,
		.timeout_ms = ms < 0  ? -1 :
			      ms == 0 ? 1 :
					(int)ms,
		.line = on_line,
		.line_arg = w,
	};

	w->moved = w->bad_line = false;
	if (tp_kube_do(w->k, &req, &resp, w->c, err)) {
		if (w->result)
			return 0;
		if (err->kind == TP_ERR_TIMEOUT && left(w) == 0)
			return 0;
		return err->kind == TP_ERR_CANCELLED || err->kind == TP_ERR_FORBIDDEN ? -1 : 1;
	}
	if (resp.status == 200) {
		if (w->bad_line)
			tp_err_set(err, TP_ERR_PROTOCOL,
				   "the API server's watch of pod \"%s\" is garbled", w->name);
		return w->bad_line ? 1 : 0;
	}
	tp_kube_fail(w->k, "GET", path, NULL, resp.status, resp.body.data ? resp.body.data : "",
		     resp.body.len, err);
	if (resp.status == 410) {
		set_version(w, NULL);
		return 1;
	}
	return resp.status >= 500 || resp.status == 429 ? 1 : -1;
}

static int timed_out(struct wait *w, int timeout_ms)
{
	static const char *const aims[] = {
		[TP_POD_CONTAINER_RUNNING] = "running",
		[TP_POD_READY] = "ready",
		[TP_POD_GONE] = "gone",
	};

	tp_err_set(w->err, TP_ERR_TIMEOUT, "pod \"%s\" is not %s after %d.%d s%s%s", w->name,
		   aims[w->what], timeout_ms / 1000, timeout_ms % 1000 / 100, w->why[0] ? ": " : "",
		   w->why);
	tp_pod_explain(w->k, w->name, w->uid, w->c, w->err);
	return -1;
}

static int run(struct wait *w, int timeout_ms)
{
	struct tp_err last = { 0 };
	int failures = 0, pause = 0;

	for (;;) {
		int rc;

		if (left(w) == 0)
			return timed_out(w, timeout_ms);
		w->result = 0;
		w->moved = false;
		rc = w->version ? watch(w, &last) : get(w, &last);
		if (w->result)
			return w->result > 0 ? 0 : -1;
		if (rc < 0 || (rc > 0 && failures + 1 >= TRIES)) {
			if (w->err)
				*w->err = last;
			return -1;
		}
		if (tp_cancel_is_set(w->c))
			return tp_err_set(w->err, TP_ERR_CANCELLED, "cancelled");
		/* An idle watch may end at once, again and again: no busy loop. */
		if (rc == 0 && (w->moved || !pause)) {
			failures = 0;
			pause = w->moved ? 0 : 1;
			continue;
		}
		failures = rc > 0 ? failures + 1 : 0;
		pause = pause < RETRY_MS ? RETRY_MS : pause * 2;
		if (pause > RETRY_MAX_MS)
			pause = RETRY_MAX_MS;
		if (tp_cancel_poll(w->c, -1, 0,
				   left(w) >= 0 && left(w) < pause ? (int)left(w) : pause,
				   w->err) < 0)
			return -1;
	}
}

int tp_pod_wait(struct tp_kube *k, const char *name, const char *container, enum tp_pod_wait what,
		int timeout_ms, void (*progress)(void *arg, const char *text), void *arg,
		struct tp_json **pod, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_err own = { 0 };
	struct wait w = {
		.k = k,
		.name = name,
		.container = container,
		.what = what,
		.progress = progress,
		.arg = arg,
		.c = c,
		.err = err ? err : &own,
		.end = timeout_ms < 0 ? -1 : tp_now_ms() + timeout_ms,
	};
	int rc = run(&w, timeout_ms);

	if (pod)
		*pod = tp_steal(&w.pod);
	tp_json_free(w.pod);
	free(w.version);
	free(w.uid);
	return rc;
}
