/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent as the helper meets it: the pod that was made is waited for
 * until its agent says where it listens; one that stands already is found.
 */
#ifndef TP_SESSION_AGENT_H
#define TP_SESSION_AGENT_H

#include "kube/workload.h"
#include "session/agentpod.h"

#define TP_AGENT_START_MS (180 * 1000) /* for the pod to run: its image may have to be pulled */

/* Waits until CONTAINER of POD runs and its log has the agent's ready line, which READY then is. PROGRESS as in
 * tp_pod_wait. Errors name the pod and show the end of the agent's log. */
int tp_agent_wait_ready(struct tp_kube *k, const char *pod, const char *container,
			void (*progress)(void *arg, const char *text), void *arg,
			struct tp_agent_ready *ready, struct tp_cancel *c, struct tp_err *err);

/* The pod of a standing agent: one that runs, of those that WORKLOAD (its object) selects. *POD and *HOSTNAME (may be NULL): the
 * pod's; *CONTAINER: REF's, or the pod's first. All the caller's. NOT_FOUND if none runs. */
int tp_agent_find(struct tp_kube *k, const struct tp_workload_ref *ref,
		  const struct tp_json *workload, char **pod, char **container, char **hostname,
		  struct tp_cancel *c, struct tp_err *err);

/* Lets KEY into a standing agent, which may know it already, and learns where it listens: READY. */
int tp_agent_let_in(struct tp_kube *k, const char *pod, const char *container, const char *key,
		    struct tp_agent_ready *ready, struct tp_cancel *c, struct tp_err *err);

#endif
