/* SPDX-License-Identifier: Apache-2.0 */
#include "session/look.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/agent.h"
#include "session/agentlook.h"
#include "session/stale.h"

#define GONE_MS	 (TP_STALE_CLAIM_MS - 1000) /* for an old pod to go, before the next look */
#define HANGS_MS 10000			    /* what a pod may take to go beyond its grace period */
#define WHY_MAX	 500

void tp_look_reset(struct tp_look *l)
{
	tp_agent_ready_free(&l->ready);
	free(tp_steal(&l->instance));
	free(tp_steal(&l->pod));
	free(tp_steal(&l->container));
	l->over = l->soon = false;
	l->result = TP_LOOK_SAME;
}

static int over(struct tp_look *l)
{
	l->over = true;
	return -1;
}

static bool is_known(const struct tp_look *l)
{
	const struct tp_agent_ready *a = &l->s->agent, *b = &l->ready;

	return a->port == b->port && a->hostkey && !strcmp(a->hostkey, b->hostkey) &&
	       !strcmp(a->token, b->token) && !strcmp(a->probe, b->probe) &&
	       !strcmp(a->user, b->user);
}

/* ------------------------------------------------------ whose workload it is */

static int taken(struct tp_look *l, const struct tp_swap_record *now, struct tp_err *err)
{
	const struct tp_record *r = &l->s->record;

	if (now->session)
		tp_err_set(err, TP_ERR_CONFLICT,
			   "%s/%s was swapped by %s (session %s) while the agent pod %s was gone; "
			   "this session is over",
			   r->workload.resource, r->workload.name, now->by ? now->by : "somebody",
			   now->session, r->pod);
	else
		tp_err_set(err, TP_ERR_CONFLICT,
			   "%s/%s was restored by somebody while the agent pod %s was gone; "
			   "this session is over",
			   r->workload.resource, r->workload.name, r->pod);
	return over(l);
}

/* A swapped workload must still be this session's. NOTE: and others are told
 * that this session lives. */
static int claim(struct tp_look *l, bool note, struct tp_cancel *c, struct tp_err *err)
{
	const struct tp_record *r = &l->s->record;
	struct tp_swap_record now;
	int rc;

	if (r->mode != TP_MODE_SWAP)
		return 0;
	rc = tp_workload_claim(l->s->kube, &r->workload, r->id, note ? (long long)time(NULL) : 0,
			       &now, c, err);
	if (!rc) {
		taken(l, &now, err);
		tp_swap_record_free(&now);
		return -1;
	}
	if (rc < 0 && err->kind == TP_ERR_NOT_FOUND) {
		tp_err_set(err, TP_ERR_NOT_FOUND, "%s/%s was deleted; the session on it is over",
			   r->workload.resource, r->workload.name);
		return over(l);
	}
	return rc > 0 ? 0 : -1;
}

/* ----------------------------------------------------------------- own pod */

/* The name is free when the object is gone, and not before. */
static int clear(struct tp_look *l, const struct tp_json *pod, enum tp_agent_state state,
		 struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = l->s;
	const char *name = s->record.pod, *uid = tp_json_str_at(pod, "metadata.uid");
	long long grace_ms = 1000 * tp_json_int_at(pod, "metadata.deletionGracePeriodSeconds", 30);
	int rc = 0;

	switch (state) {
	case TP_AGENT_ENDED: /* nothing runs that could want its grace */
		rc = tp_pod_delete(s->kube, name, uid, 0, c, err);
		break;
	case TP_AGENT_LEFT:
		rc = tp_pod_delete(s->kube, name, uid, -1, c, err);
		break;
	default:
		if (!l->ending_uid || !uid || strcmp(l->ending_uid, uid)) {
			free(l->ending_uid);
			l->ending_uid = tp_strdup(uid);
			l->ending_ms = tp_now_ms();
		} else if (tp_now_ms() - l->ending_ms > grace_ms + HANGS_MS) {
			/* its node is lost, as likely as not */
			tp_verbose("the agent pod %s does not go; it is deleted by force", name);
			rc = tp_pod_delete(s->kube, name, uid, 0, c, err);
		}
	}
	if (rc)
		return tp_err_prefix(err, "cannot delete the agent pod %s", name);
	rc = tp_pod_wait(s->kube, name, s->record.pod_container, TP_POD_GONE, GONE_MS, NULL, NULL,
			 NULL, c, err);
	if (rc && err->kind == TP_ERR_TIMEOUT) {
		l->soon = true;
		tp_err_set(err, TP_ERR_TIMEOUT,
			   "the agent pod %s is being deleted, and is not gone yet", name);
	}
	return rc;
}

static int create(struct tp_look *l, struct tp_err *err)
{
	struct tp_session *s = l->s;
	/* Not to be cancelled: see start.c. */
	TP_AUTO_JSON *pod = tp_pod_create(s->kube, s->pod_json, NULL, err);

	if (pod) {
		tp_verbose("made the agent pod %s again", s->record.pod);
		return 0;
	}
	if (err->kind == TP_ERR_CONFLICT)
		l->soon = true;
	else if (err->kind != TP_ERR_FORBIDDEN)
		s->pod_in_doubt = true;
	return -1;
}

/* The pod is there: where does its agent listen? */
static int listen_to(struct tp_look *l, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = l->s;
	const struct tp_record *r = &s->record;
	TP_AUTO_JSON *pod = NULL;
	struct tp_err ignored;

	/* Whoever restored the workload while the pod was made has not seen it. */
	if (claim(l, false, c, err))
		return -1;
	if (tp_agent_wait_ready(s->kube, r->pod, r->pod_container, l->progress, l->arg, &l->ready,
				c, err))
		return -1;
	s->pod_in_doubt = false;
	pod = tp_pod_get(s->kube, r->pod, c, &ignored);
	if (pod && r->service && tp_session_service_renew(s, pod, c, err))
		return -1;
	l->instance = tp_agentlook_instance(pod, r->pod_container);
	l->result = is_known(l) ? TP_LOOK_SAME : TP_LOOK_ANOTHER;
	return 0;
}

static int look_own(struct tp_look *l, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = l->s;
	const struct tp_record *r = &s->record;
	TP_AUTO_JSON *pod = tp_pod_get(s->kube, r->pod, c, err);
	enum tp_agent_state state;
	char why[WHY_MAX];

	if (!pod && err->kind != TP_ERR_NOT_FOUND)
		return -1;
	state = tp_agentlook(pod, r->pod_container, r->id, why, sizeof(why));
	switch (state) {
	case TP_AGENT_RUNNING:
		l->instance = tp_agentlook_instance(pod, r->pod_container);
		if (l->only_look ||
		    (l->instance && s->agent_instance && !strcmp(l->instance, s->agent_instance)))
			return 0;
		if (l->instance && s->agent_instance)
			l->gone(l->arg, "was started anew");
		free(tp_steal(&l->instance));
		return listen_to(l, c, err);
	case TP_AGENT_STARTING:
		l->gone(l->arg, "was started anew");
		return l->only_look ? 0 : listen_to(l, c, err);
	case TP_AGENT_FOREIGN:
		tp_err_set(err, TP_ERR_CONFLICT,
			   "the agent pod %s was deleted, and another pod has its name now; the "
			   "session is over",
			   r->pod);
		return over(l);
	case TP_AGENT_ENDING:
	case TP_AGENT_ENDED:
	case TP_AGENT_LEFT:
	case TP_AGENT_GONE:
		break;
	}
	l->gone(l->arg, why);
	l->result = TP_LOOK_GONE;
	if (l->only_look)
		return 0;
	if (claim(l, true, c, err) || (state != TP_AGENT_GONE && clear(l, pod, state, c, err)) ||
	    create(l, err))
		return -1;
	return listen_to(l, c, err);
}

/* ---------------------------------------------------------------- standing */

/* Another pod of the workload. It is in the record before it is given the key. */
static int find_standing(struct tp_look *l, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = l->s;
	struct tp_record next = s->record;
	TP_AUTO_JSON *workload = tp_workload_get(s->kube, &s->record.workload, c, err);

	if (!workload) {
		if (err->kind != TP_ERR_NOT_FOUND)
			return -1;
		tp_err_prefix(err, "the agent pod %s is gone, and its workload too", next.pod);
		return over(l);
	}
	if (tp_agent_find(s->kube, &next.workload, workload, &l->pod, &l->container, NULL, c, err))
		return -1;
	next.pod = l->pod;
	next.pod_container = l->container;
	return tp_record_save(&next, err);
}

static int look_standing(struct tp_look *l, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = l->s;
	const struct tp_record *r = &s->record;
	TP_AUTO_JSON *pod = tp_pod_get(s->kube, r->pod, c, err);
	enum tp_agent_state state;
	char why[WHY_MAX];

	if (!pod && err->kind != TP_ERR_NOT_FOUND)
		return -1;
	state = tp_agentlook(pod, r->pod_container, NULL, why, sizeof(why));
	if (state != TP_AGENT_RUNNING) {
		l->gone(l->arg, *why ? why : "was started anew");
		l->result = TP_LOOK_GONE;
	}
	if (l->only_look)
		return 0;
	if (state != TP_AGENT_RUNNING && find_standing(l, c, err))
		return -1;
	/* A container that was started again has forgotten the key. */
	if (tp_agent_let_in(s->kube, l->pod ? l->pod : r->pod,
			    l->container ? l->container : r->pod_container, s->public_key,
			    &l->ready, c, err))
		return -1;
	l->result = !l->pod && is_known(l) ? TP_LOOK_SAME : TP_LOOK_ANOTHER;
	return 0;
}

int tp_look_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_look *l = arg;

	return l->s->record.mode == TP_MODE_EXISTING ? look_standing(l, c, err) :
						       look_own(l, c, err);
}
