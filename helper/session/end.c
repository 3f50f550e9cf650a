/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last part of a session: everything is undone, cluster and engine side
 * by side, each step on its own, in bounded time. What cannot be undone now
 * is left to the guardian, and said.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/cleanup.h"
#include "session/session.h"
#include "session/timings.h"

#define END_MS	30000 /* how long an unreachable server is waited for */
#define LATE_MS 2000

typedef int undo_fn(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);

static int undo_cluster(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	return tp_cleanup_cluster(s->kube, &s->record, c, err);
}

static int undo_engine(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	return tp_cleanup_engine(s->engine, s->record.id, &s->record, c, err);
}

static int with_patience(struct tp_session *s, undo_fn *undo, const char *who, struct tp_cancel *c,
			 struct tp_err *err)
{
	long long until = tp_now_ms() + END_MS;
	bool said = false;
	int wait = 100;

	while (undo(s, c, err)) {
		if (err->kind == TP_ERR_FORBIDDEN || tp_now_ms() + wait > until)
			return -1;
		if (!said)
			tp_warn("%s cannot be cleaned up yet (%s); trying for %d s", who, err->msg,
				END_MS / 1000);
		said = true;
		if (tp_cancel_poll(c, -1, 0, wait, err) < 0)
			return -1;
		wait = wait < 1000 ? wait * 2 : 2000;
	}
	return 0;
}

static int end_cluster(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	int rc = s->kube ? with_patience(s, undo_cluster, "the cluster", c, err) : 0;

	/* A request that was sent may still be carried out, as with the guardian's. */
	if (!rc && s->pod_in_doubt && tp_cancel_poll(c, -1, 0, LATE_MS, err) == 0)
		rc = with_patience(s, undo_cluster, "the cluster", c, err);
	s->cluster_undone = !rc;
	if (rc)
		tp_error("the cluster could not be cleaned up: %s", err->msg);
	tp_timings_mark("cluster cleaned up");
	return 0;
}

static int end_engine(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	int rc = s->engine ? with_patience(s, undo_engine, "the engine", c, err) : 0;

	s->engine_undone = !rc;
	if (rc)
		tp_error("the engine could not be cleaned up: %s", err->msg);
	tp_timings_mark("containers removed");
	return 0;
}

void tp_session_end(struct tp_session *s)
{
	s->ending = true;
	tp_copying_stop(s);
	s->failed = false;
	if (!s->recorded)
		return;
	tp_companion_stop(s);
	tp_session_task(s, end_cluster);
	tp_session_task(s, end_engine);
	tp_session_wait_tasks(s);
	tp_tohost_free(tp_steal(&s->tohost));
	tp_link_free(tp_steal(&s->link));
	if (s->cluster_undone && s->engine_undone) {
		tp_record_remove(&s->record);
		s->recorded = false;
		return;
	}
	if (s->hostless)
		tp_warn("the next start of this container tries it again, and so does `%s cleanup` "
			"anywhere",
			tp_program());
	else
		tp_warn("a background process goes on trying for 10 minutes; "
			"`%s cleanup` does it later",
			tp_program());
}
