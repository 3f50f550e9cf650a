/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent's pod object says of the agent: whether it lives, and if not,
 * what became of it. Nothing here asks the cluster.
 */
#ifndef TP_SESSION_AGENTLOOK_H
#define TP_SESSION_AGENTLOOK_H

#include <stddef.h>

#include "base/json.h"

enum tp_agent_state {
	TP_AGENT_STARTING, /* its container does not run yet, or is being started again */
	TP_AGENT_RUNNING,
	TP_AGENT_ENDING,  /* somebody has deleted the pod: it is about to go */
	TP_AGENT_ENDED,	  /* the pod has ended (Succeeded; Failed, as when it was evicted) */
	TP_AGENT_LEFT,	  /* its container has ended for good; others in the pod may run */
	TP_AGENT_GONE,	  /* there is no such pod */
	TP_AGENT_FOREIGN, /* a pod has its name, but is not this session's */
};

/*
 * Looks at POD (NULL: there is none). CONTAINER: the agent's; NULL: the one
 * whose command is the agent. SESSION: whose label it must carry; NULL:
 * anybody's. WHY, of WHY_SIZE bytes, is what became of it, to be put behind
 * "the agent pod X ": "was evicted: ..."; empty while it lives.
 */
enum tp_agent_state tp_agentlook(const struct tp_json *pod, const char *container,
				 const char *session, char *why, size_t why_size);

/* Tells one start of the agent's container from the next: "POD'S UID/CONTAINER'S
 * ID". The caller's; NULL while it does not run. */
char *tp_agentlook_instance(const struct tp_json *pod, const char *container);

#endif
