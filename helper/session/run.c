/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The third part of a session: the user's container, run by the docker CLI
 * in our process group and on our terminal. Signals are the container's:
 *
 *   SIGINT   once: passed on; twice: the container is stopped as `docker stop`
 *            does; a third time: killed
 *   SIGTERM, SIGHUP   passed on, and the container is killed if it has not
 *            ended 10 s later: somebody wants the session to end
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/trim.h"
#include "common/gate.h"
#include "session/ctlsock.h"
#include "session/inject.h"
#include "session/program.h"
#include "session/session.h"
#include "session/timings.h"

#define STOP_GRACE_S 10

static void child_ended(void *arg, int events)
{
	struct tp_session *s = arg;

	(void)events;
	if (tp_child_reap(&s->child, &s->child_status))
		return;
	tp_watch_del(s->child_watch);
	s->child_watch = NULL;
	tp_loop_stop(s->loop, 0);
}

/* The user's container, by its label: its ID (the caller's) and whether it runs. */
static char *find_container(struct tp_session *s, bool *running, struct tp_cancel *c)
{
	tp_autofree char *label = tp_asprintf("%s=%s", TP_LABEL_RUN, s->run_id);
	struct tp_err e = { 0 };
	TP_AUTO_JSON *list = tp_engine_list(s->engine, label, c, &e);

	*running = false;
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *ctr = tp_json_at(list, i);
		const char *role =
			tp_json_str(tp_json_get(tp_json_get(ctr, "Labels"), TP_LABEL_ROLE));
		const char *state = tp_json_str_at(ctr, "State");

		if (!role || strcmp(role, "user"))
			continue;
		*running = state && (!strcmp(state, "running") || !strcmp(state, "paused") ||
				     !strcmp(state, "restarting"));
		return tp_strdup(tp_json_str_at(ctr, "Id"));
	}
	return NULL;
}

static int stop_container_grace(struct tp_session *s, int grace, struct tp_cancel *c,
				struct tp_err *err)
{
	bool running;
	tp_autofree char *id = find_container(s, &running, c);

	if (!id || !running)
		return 0;
	return grace ? tp_engine_stop(s->engine, id, grace, c, err) :
		       tp_engine_kill(s->engine, id, "KILL", c, err);
}

static int stop_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_err e = { 0 };

	(void)err;
	if (stop_container_grace(arg, STOP_GRACE_S, c, &e))
		tp_verbose("%s", e.msg);
	return 0;
}

static int kill_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_err e = { 0 };

	(void)err;
	if (stop_container_grace(arg, 0, c, &e))
		tp_verbose("%s", e.msg);
	return 0;
}

static void grace_over(void *arg)
{
	struct tp_session *s = arg;

	s->stop_timer = NULL;
	if (s->tasks_running < (int)TP_ARRAY_SIZE(s->tasks))
		tp_session_task(s, kill_task);
}

void tp_session_run_signal(struct tp_session *s, int sig)
{
	if (s->plain) {
		tp_program_signal(s, sig);
		return;
	}
	tp_copying_interrupt(s);
	/* From the terminal the CLI, in our process group, has had it too. */
	if (!s->signal_from_terminal && s->child.pid && s->args->sig_proxy)
		tp_child_signal(&s->child, sig);
	switch (sig) {
	case SIGINT:
		if (++s->interrupts < 2 || s->tasks_running == (int)TP_ARRAY_SIZE(s->tasks))
			break;
		if (s->interrupts == 2)
			tp_info("stopping the container; once more kills it");
		tp_session_task(s, s->interrupts == 2 ? stop_task : kill_task);
		break;
	case SIGTERM:
	case SIGHUP:
		if (s->background)
			tp_session_task(s, stop_task);
		else if (!s->stop_timer)
			s->stop_timer = tp_timer_add(s->loop, STOP_GRACE_S * 1000, grace_over, s);
		break;
	default:
		break;
	}
}

static int wait_container_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;

	for (;;) {
		bool running;
		tp_autofree char *id = find_container(s, &running, c);

		if (!id || !running)
			return 0;
		/* Gone is as good as ended; one that --restart starts again has not ended. */
		if (tp_engine_wait(s->engine, id, &s->child_status, c, err))
			return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	}
}

/* The CLI has ended but the container has not: by -d, by the detach keys, or
 * because it was told not to pass signals on. */
static bool lives_on(struct tp_session *s, int code)
{
	bool running;
	tp_autofree char *id = NULL;

	if (!s->args->detach && !(code == 0 && s->args->tty) && s->args->sig_proxy)
		return false;
	id = find_container(s, &running, NULL);
	return id && running;
}

static int launch(struct tp_session *s, struct tp_err *err)
{
	tp_autofree char *session = tp_asprintf("%s=%s", TP_LABEL_SESSION, s->record.id);
	tp_autofree char *owner = tp_asprintf("%s=%s", TP_LABEL_OWNER, s->record.by);
	bool keep = s->args->rm == 0 || (s->args->rm < 0 && s->args->restart);
	tp_autofree char *run = tp_asprintf("%s=%s", TP_LABEL_RUN, s->run_id);
	const char *labels[] = {
		session, owner, run, TP_LABEL_ROLE "=user", keep ? TP_LABEL_KEEP "=yes" : NULL, NULL
	};
	tp_autofree char *volume = tp_record_volume(&s->record);
	tp_autofree char *name = tp_volumes_gate_name(s->record.id);
	tp_autofree char *gates = tp_asprintf("%s/%s", name, s->run_id);
	struct tp_launch_gate gate = { .volume = volume,
				       .address = gates,
				       .command = &s->entrypoint };
	struct tp_launch l = { .ep = &s->ep,
			       .args = s->args,
			       .netns_container = s->method->host_network ? NULL : s->sidecar_id,
			       .env = (const char *const *)s->remote.env.v,
			       .labels = labels,
			       .gate = s->volumes != TP_VOLUMES_OFF ? &gate : NULL };
	TP_AUTO_STRV last = { 0 };

	tp_remote_add_telepresence(&s->remote, s->record.pod_container, s->record.pod,
				   s->record.method, tp_volumes_root(s));
	if (tp_method_injects(s->method)) {
		tp_strv_add(&s->remote.env, TP_INJECT_QUIET);
		if (tp_inject_env(s, &last, err))
			return -1;
		l.last_env = (const char *const *)last.v;
		if (!l.gate)
			gate.address = TP_GATE_NOBODY;
		l.gate = &gate;
	}
	l.env = (const char *const *)s->remote.env.v;
	if (tp_launch_start(&l, &s->child, err))
		return -1;
	tp_timings_mark("docker run started");
	s->child_watch = tp_watch_add(s->loop, s->child.pidfd, TP_READ, child_ended, s);
	return 0;
}

/* The session broke under a running container: it is of no use any more. */
static void stop_after_failure(struct tp_session *s)
{
	struct tp_err e = { 0 };

	s->failed = false; /* for the task */
	if (s->engine)
		tp_session_task(s, stop_task);
	while (s->tasks_running)
		tp_loop_run(s->loop);
	if (s->child.pid && tp_child_wait(&s->child, 5000, &s->child_status, NULL, &e)) {
		tp_child_signal(&s->child, SIGKILL);
		tp_child_wait(&s->child, -1, &s->child_status, NULL, &e);
	}
	tp_watch_del(s->child_watch);
	s->child_watch = NULL;
	s->failed = true;
}

int tp_session_run(struct tp_session *s, int *code, struct tp_err *err)
{
	s->container_phase = true;
	if (launch(s, err)) {
		s->container_phase = false;
		return -1;
	}
	tp_session_keep(s);
	tp_trim_memory();
	while (!s->failed && s->child.pid)
		tp_loop_run(s->loop);
	if (!s->failed) {
		*code = tp_status_code(s->child_status);
		tp_timings_mark("container ended");
		/* docker says that it runs; whether the pod's volumes are there shows a moment later */
		if (!*code && s->args->detach && tp_volumes_wait_gate(s, err)) {
			s->container_phase = false;
			return -1;
		}
		if (lives_on(s, *code)) {
			while (s->tasks_running)
				tp_loop_run(s->loop);
			int parent;

			/* The session goes on anyway. */
			if (s->joined_fd >= 0) {
				tp_ctl_detach(s->joined_fd);
				return 0;
			}
			/* Threads do not live through a fork. */
			tp_session_hold(s);
			tp_link_give_up_dials(s->link);
			parent = tp_session_background(s, err);
			if (parent > 0)
				_exit(*code);
			if (parent < 0)
				return -1;
			tp_session_keep(s);
			tp_session_task(s, wait_container_task);
			while (!s->failed && s->tasks_running)
				tp_loop_run(s->loop);
		}
	}
	tp_session_hold(s);
	tp_timer_del(s->stop_timer);
	s->stop_timer = NULL;
	if (s->failed) {
		*err = s->err;
		stop_after_failure(s);
	}
	tp_session_wait_tasks(s);
	s->container_phase = false;
	return s->failed ? -1 : 0;
}
