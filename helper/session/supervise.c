/* SPDX-License-Identifier: Apache-2.0 */
#include "session/supervise.h"

#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trim.h"
#include "session/cleanup.h"
#include "session/ctlsock.h"
#include "session/hostless.h"
#include "session/known.h"
#include "session/remake.h"

/* How often it is looked who is joined: a quarter of the timeout, within these. */
#define LOOK_MIN_MS 500
#define LOOK_MAX_MS 10000

struct supervisor {
	struct tp_session *s;
	struct tp_ctlsock *ctl;
	bool over;

	long long idle_ms;
	long long joined_at; /* when somebody was last seen joined */
	struct tp_timer *timer;
	struct tp_task *look;
	bool joined;  /* what the task has seen */
	int removals; /* tasks */
};

/* The container of a `run --session` that was killed. */
struct removal {
	struct supervisor *u;
	char *label;
};

static const char *state_word(const struct tp_session *s)
{
	return tp_known_state_word(s->ending	? TP_KNOWN_ENDING :
				   s->link_down ? TP_KNOWN_RECONNECTING :
						  TP_KNOWN_READY);
}

static void tell_status(void *arg, struct tp_buf *out)
{
	struct supervisor *u = arg;
	struct tp_session *s = u->s;
	uint64_t to = 0, from = 0;
	unsigned dials;
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *text = NULL;

	if (s->link)
		tp_link_count(s->link, &to, &from, &dials);
	tp_jw_object(w, NULL);
	tp_jw_str(w, "state", state_word(s));
	tp_jw_str(w, "sidecar", s->sidecar_id);
	tp_jw_str(w, "link", s->link_kind);
	tp_jw_int(w, "bytesToCluster", (int64_t)to);
	tp_jw_int(w, "bytesFromCluster", (int64_t)from);
	tp_jw_int(w, "reconnects", s->reconnects);
	if (u->idle_ms)
		tp_jw_int(w, "idleTimeout", u->idle_ms / 1000);
	else
		tp_jw_null(w, "idleTimeout");
	tp_jw_str(w, "volumes", tp_volumes_word(s->volumes));
	if (tp_volumes_root(s))
		tp_jw_str(w, "volumesRoot", tp_volumes_root(s));
	else
		tp_jw_null(w, "volumesRoot");
	tp_jw_array(w, "mounts");
	for (size_t i = 0; i < s->remote.mounts.n; i++)
		tp_jw_str(w, NULL, s->remote.mounts.v[i]);
	tp_jw_end(w);
	tp_jw_end(w);
	text = tp_jw_finish(w, NULL, NULL);
	if (text)
		tp_buf_puts(out, text);
}

static void tell_environ(void *arg, struct tp_buf *out)
{
	const struct tp_strv *env = &((struct supervisor *)arg)->s->remote.env;

	for (size_t i = 0; i < env->n; i++)
		tp_buf_put(out, env->v[i], strlen(env->v[i]) + 1);
}

static void be_over(struct supervisor *u, const char *why)
{
	struct tp_err e = { 0 };

	if (u->over || u->s->failed || u->s->ending)
		return;
	u->over = true;
	tp_err_set(&e, TP_ERR_CANCELLED, "%s", why);
	tp_session_fail(u->s, &e);
}

static void asked_down(void *arg)
{
	be_over(arg, "`tpdocker down` was called");
}

/* ------------------------------------------------------------------- idle */

static void look_again(struct supervisor *u);

static int look_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct supervisor *u = arg;
	tp_autofree char *name = tp_sidecar_name(u->s->record.name);
	TP_AUTO_STRV names = { 0 };

	if (tp_known_joined(u->s->engine, u->s->sidecar_id, name, &names, c, err))
		return -1;
	u->joined = names.n > 0;
	return 0;
}

static void look_done(void *arg, int rc, struct tp_err *err)
{
	struct supervisor *u = arg;
	tp_autofree char *why = NULL;
	char idle[64];

	u->look = NULL;
	/* An engine that does not answer tells nothing of who is there. */
	if (rc || u->joined)
		u->joined_at = tp_now_ms();
	if (rc)
		tp_verbose("who is joined: %s", err->msg);
	if (u->s->failed || u->s->ending) {
		tp_loop_stop(u->s->loop, 0);
		return;
	}
	if (tp_now_ms() - u->joined_at < u->idle_ms) {
		look_again(u);
		return;
	}
	tp_duration_print(u->idle_ms / 1000, idle, sizeof(idle));
	why = tp_asprintf("nobody was joined for %s (--idle-timeout)", idle);
	be_over(u, why);
}

static void time_to_look(void *arg)
{
	struct supervisor *u = arg;

	u->timer = NULL;
	u->look = tp_task_start(u->s->loop, look_task, look_done, u);
}

static void look_again(struct supervisor *u)
{
	long long ms = u->idle_ms / 4;

	ms = ms < LOOK_MIN_MS ? LOOK_MIN_MS : ms > LOOK_MAX_MS ? LOOK_MAX_MS : ms;
	u->timer = tp_timer_add(u->s->loop, (int)ms, time_to_look, u);
}

static void stop_looking(struct supervisor *u)
{
	tp_timer_del(u->timer);
	u->timer = NULL;
	if (u->look)
		tp_task_cancel(u->look);
	while (u->look)
		tp_loop_run(u->s->loop);
}

/* ----------------------------------------------- run --session, which died */

#define LATE_MS 2000

static int removal_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct removal *r = arg;
	bool kept;

	/* What it had asked for may be under way, so it is looked for again, as the guardian does. */
	if (tp_cleanup_containers(r->u->s->engine, r->label, &kept, c, err) ||
	    tp_cancel_poll(c, -1, 0, LATE_MS, err) < 0)
		return -1;
	return tp_cleanup_containers(r->u->s->engine, r->label, &kept, c, err);
}

static void removal_done(void *arg, int rc, struct tp_err *err)
{
	struct removal *r = arg;

	if (rc)
		tp_warn("the container that was joined, %s: %s", r->label, err->msg);
	r->u->removals--;
	if (r->u->s->failed || r->u->s->ending)
		tp_loop_stop(r->u->s->loop, 0);
	free(r->label);
	free(r);
}

static void gate_told(void *arg, const char *tag, const char *why)
{
	tp_ctlsock_gate(arg, tag, why);
}

static void who_joined_left(void *arg, const char *run)
{
	struct supervisor *u = arg;
	struct removal *r;

	if (u->s->failed || u->s->ending)
		return; /* the end removes them all */
	r = tp_calloc(1, sizeof(*r));
	r->u = u;
	r->label = tp_asprintf("%s=%s", TP_LABEL_RUN, run);
	u->removals++;
	tp_task_start(u->s->loop, removal_task, removal_done, r);
}

/* -------------------------------------------------------------- all of it */

/* Until its end, and through it. */
static void serve(struct supervisor *u)
{
	struct tp_session *s = u->s;
	const struct tp_record *r = &s->record;
	tp_autofree char *workload = tp_known_workload(r);

	tp_info("session %s is ready: %s%s in namespace %s, pod %s", r->name,
		workload ? workload : "a new agent",
		r->mode == TP_MODE_SWAP ? " (swapped out)" : "", r->namespace, r->pod);
	tp_trim_memory();
	if (u->idle_ms) {
		u->joined_at = tp_now_ms();
		look_again(u);
	}
	tp_session_keep(s);
	while (!s->failed)
		tp_loop_run(s->loop);
	tp_session_hold(s);
	if (s->err.kind == TP_ERR_CANCELLED)
		tp_info("the session ends: %s",
			s->signalled ? strsignal(s->signalled) : s->err.msg);
	else
		tp_error("the session ends: %s", s->err.msg);
	tp_ctlsock_ending(u->ctl);
	tp_session_wait_tasks(s);
	stop_looking(u);
	while (u->removals)
		tp_loop_run(s->loop);
	tp_session_end(s);
	tp_ctlsock_ended(u->ctl, s->recorded ?
					 "not all of it could be undone yet; a background process "
					 "goes on trying for 10 minutes" :
					 NULL);
}

static int listen_for(struct supervisor *u, struct tp_err *err)
{
	struct tp_ctl_events ev = { tell_status, tell_environ, asked_down, who_joined_left, u };
	tp_autofree char *path = tp_record_path(u->s->record.id, TP_CTL_SUFFIX, err);

	if (path)
		u->ctl = tp_ctlsock_listen(u->s->loop, path, &ev, err);
	return u->ctl ? 0 : -1;
}

int tp_supervise(struct tp_session *s, long long idle_ms, struct tp_err *err)
{
	struct supervisor u = { .s = s, .idle_ms = idle_ms };
	int rc;

	if (listen_for(&u, err))
		return -1;
	s->gate_told = gate_told;
	s->gate_told_arg = u.ctl;
	/* Threads do not live through a fork. */
	tp_session_hold(s);
	tp_link_give_up_dials(s->link);
	rc = tp_session_background(s, err);
	if (!rc)
		serve(&u);
	if (rc <= 0)
		tp_ctlsock_free(u.ctl);
	return rc;
}

int tp_supervise_here(struct tp_session *s, struct tp_err *err)
{
	struct supervisor u = { .s = s };

	if (listen_for(&u, err))
		return -1;
	tp_hostless_ready(s);
	serve(&u);
	*err = s->err;
	tp_ctlsock_free(u.ctl);
	return 0;
}
