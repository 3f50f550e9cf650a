/* SPDX-License-Identifier: Apache-2.0 */
#include "session/stale.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/pod.h"
#include "session/agentlook.h"

#define POLL_MS 1000
/* From the swap's PATCH, or a claim, to the pod's creation: both are bounded. */
#define CREATE_S 60

/* Whether the agent of the swap S is gone, or has ended. *UID, the caller's: of
 * the pod that has, or NULL. 1, 0 or -1 ERR. */
static int seems_dead(struct tp_kube *k, const struct tp_swap_record *s, char **uid,
		      struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *pod = tp_pod_get(k, s->pod, c, err);
	long long last = s->seen > s->since ? s->seen : s->since;

	free(*uid);
	*uid = NULL;
	if (!pod && err->kind != TP_ERR_NOT_FOUND)
		return -1;
	switch (tp_agentlook(pod, NULL, s->session, NULL, 0)) {
	case TP_AGENT_GONE:
	case TP_AGENT_FOREIGN:
		return time(NULL) - last > CREATE_S;
	case TP_AGENT_ENDED:
	case TP_AGENT_LEFT:
		*uid = tp_strdup(tp_json_str_at(pod, "metadata.uid"));
		return 1;
	case TP_AGENT_STARTING:
	case TP_AGENT_RUNNING:
	case TP_AGENT_ENDING:
		break;
	}
	return 0;
}

/* Whether the workload's record is still S, to the letter. 1, 0 or -1 ERR. */
static int is_unchanged(struct tp_kube *k, const struct tp_workload_ref *ref,
			const struct tp_swap_record *s, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *w = tp_workload_get(k, ref, c, err);
	struct tp_swap_record now;
	int rc;

	if (!w)
		return -1;
	rc = tp_swap_record_read(w, &now, err);
	if (rc == 1)
		rc = !strcmp(now.session, s->session) && now.seen == s->seen;
	tp_swap_record_free(&now);
	return rc;
}

int tp_stale_restore(struct tp_kube *k, const struct tp_workload_ref *ref,
		     const struct tp_swap_record *s, struct tp_cancel *c, struct tp_err *err)
{
	long long until = tp_now_ms() + TP_STALE_WATCH_MS;
	tp_autofree char *uid = NULL;
	bool done = false;
	int rc;

	if (!s->pod)
		return 0;
	rc = seems_dead(k, s, &uid, c, err);
	if (rc == 1)
		tp_info("the agent of the session of %s on %s/%s is gone; waiting %d s for another "
			"one of it",
			s->by ? s->by : "somebody", ref->resource, ref->name,
			TP_STALE_WATCH_MS / 1000);
	while (rc == 1 && tp_now_ms() < until) {
		if (tp_cancel_poll(c, -1, 0, POLL_MS, err) < 0)
			return -1;
		rc = seems_dead(k, s, &uid, c, err);
		if (rc == 1)
			rc = is_unchanged(k, ref, s, c, err);
	}
	if (rc != 1)
		return rc;
	if (tp_workload_restore_dead(k, ref, s, &done, c, err))
		return -1;
	/* What has ended is of no use to anybody; what was made anew meanwhile has another UID. */
	if (done && uid && tp_pod_delete(k, s->pod, uid, -1, c, err))
		return -1;
	return done;
}

/* The workload first: a session that lives looks at the record when its pod
 * goes, and must not find that it is still its own. */
int tp_stale_force(struct tp_kube *k, const struct tp_workload_ref *ref,
		   const struct tp_swap_record *s, struct tp_cancel *c, struct tp_err *err)
{
	if (tp_workload_restore(k, ref, s->session, NULL, NULL, c, err))
		return -1;
	return s->pod ? tp_pod_delete(k, s->pod, NULL, -1, c, err) : 0;
}
