/* SPDX-License-Identifier: Apache-2.0 */
#include "session/program.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/timings.h"

#define GRACE_MS (10 * 1000)

extern char **environ;

static void ended(void *arg, int events)
{
	struct tp_session *s = arg;

	(void)events;
	if (tp_child_reap(&s->child, &s->child_status))
		return;
	tp_watch_del(s->child_watch);
	s->child_watch = NULL;
	tp_loop_stop(s->loop, 0);
}

static void kill_it(void *arg)
{
	struct tp_session *s = arg;

	s->stop_timer = NULL;
	if (s->child.pid)
		tp_child_signal(&s->child, SIGKILL);
}

void tp_program_signal(struct tp_session *s, int sig)
{
	if (!s->child.pid)
		return;
	if (!s->signal_from_terminal)
		tp_child_signal(&s->child, sig);
	if (sig == SIGINT && ++s->interrupts >= 3)
		kill_it(s);
	else if ((sig == SIGTERM || sig == SIGHUP) && !s->stop_timer)
		s->stop_timer = tp_timer_add(s->loop, GRACE_MS, kill_it, s);
}

static bool is_named(const struct tp_strv *env, const char *var)
{
	size_t n = strcspn(var, "=") + 1;

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], var, n))
			return true;
	return false;
}

/* Ours, with the pod's on top; what says where this machine's things are (HOME, PATH) stays ours. */
static void make_environ(const struct tp_session *s, struct tp_strv *env)
{
	for (size_t i = 0; i < s->remote.env.n; i++) {
		const char *var = s->remote.env.v[i];

		if (!tp_env_is_kept_back(var, strcspn(var, "=")))
			tp_strv_add(env, var);
	}
	for (char **e = environ; *e; e++)
		if (!is_named(env, *e))
			tp_strv_add(env, *e);
}

static int start(struct tp_session *s, char *const *argv, struct tp_err *err)
{
	TP_AUTO_STRV env = { 0 };

	tp_remote_add_telepresence(&s->remote, s->record.pod_container, s->record.pod,
				   s->record.method, NULL);
	make_environ(s, &env);
	struct tp_child_opts o = { .argv = argv, .env = env.v, .die_with_parent = true };
	if (tp_child_start(&s->child, &o, err))
		return -1;
	tp_timings_mark("program started");
	s->child_watch = tp_watch_add(s->loop, s->child.pidfd, TP_READ, ended, s);
	return 0;
}

/* The session broke under it: the cluster is not there any more. */
static void stop_it(struct tp_session *s)
{
	struct tp_err e = { 0 };

	tp_child_signal(&s->child, SIGTERM);
	if (tp_child_wait(&s->child, GRACE_MS, &s->child_status, NULL, &e)) {
		tp_child_signal(&s->child, SIGKILL);
		tp_child_wait(&s->child, -1, &s->child_status, NULL, &e);
	}
}

int tp_program_run(struct tp_session *s, char *const *argv, int *code, struct tp_err *err)
{
	if (start(s, argv, err)) {
		*code = err->kind == TP_ERR_NOT_FOUND ? 127 :
			err->kind == TP_ERR_FORBIDDEN ? 126 :
							-1;
		return -1;
	}
	s->plain = s->container_phase = true;
	tp_session_keep(s);
	while (!s->failed && s->child.pid)
		tp_loop_run(s->loop);
	tp_session_hold(s);
	tp_timer_del(s->stop_timer);
	s->stop_timer = NULL;
	if (s->failed)
		*err = s->err;
	if (s->child.pid)
		stop_it(s);
	tp_watch_del(s->child_watch);
	s->child_watch = NULL;
	*code = tp_status_code(s->child_status);
	tp_timings_mark("program ended");
	tp_session_wait_tasks(s);
	s->plain = s->container_phase = false;
	return s->failed ? -1 : 0;
}
