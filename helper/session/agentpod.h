/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent pod: one ordinary Pod object. For a new agent a small one that
 * runs under the Pod Security Standard "restricted"; for a swap a copy of
 * the workload's template in which one container became the agent.
 */
#ifndef TP_SESSION_AGENTPOD_H
#define TP_SESSION_AGENTPOD_H

#include "base/json.h"
#include "kube/workload.h"
#include "session/ports.h"

#define TP_AGENT_TTL 180 /* seconds that an agent outlives its last connection */

struct tp_agentpod {
	const char *name;	  /* the pod's */
	const char *session, *by; /* for label and annotation */
	const char *image;
	const char *authorized_key;   /* public, one line */
	const char *service_account;  /* new agents only; NULL: the namespace's default */
	const struct tp_ports *ports; /* new agents declare those that are exposed; NULL: none */
	bool low_ports; /* let it listen below 1024 without any privilege (a sysctl; from 1.22 on) */
};

/* A pod's name for a swap: the workload's name and the session's id, at most 63 bytes, never ending like a
 * StatefulSet's own pods. The caller's. */
char *tp_agentpod_name(const char *workload, const char *session);

/* The Pod's JSON for a new agent. NULL ERR. */
char *tp_agentpod_new(const struct tp_agentpod *a, struct tp_err *err);

/* The same for a swap of WORKLOAD (its object). REF->container says which container; *CONTAINER
 * its name (the caller's). Kept: labels, annotations, other and init containers, volumes, security contexts, env,
 * mounts, ports, resources. Dropped from the target: probes, lifecycle, command, args. */
char *tp_agentpod_swap(const struct tp_agentpod *a, const struct tp_workload_ref *ref,
		       const struct tp_json *workload, char **container, struct tp_err *err);

/* The same for a look at the environment of one container of WORKLOAD's pods, beside what runs: the container alone, with
 * the env of the template and what it refers to (labels, annotations, resources), under the same service account and security
 * contexts. No other container, init container or volume; no ports; nowhere that only the real ones may be. It never becomes ready, so no Service sends
 * it traffic, and no controller adopts it. REF and *CONTAINER as above. */
char *tp_agentpod_env(const struct tp_agentpod *a, const struct tp_workload_ref *ref,
		      const struct tp_json *workload, char **container, struct tp_err *err);

/* The container of a pod template that becomes the agent: REF's, else the default one. NULL if there is none. */
const char *tp_agentpod_target(const struct tp_workload_ref *ref, const struct tp_json *tmpl);

/* The hostname that a pod of this spec will have: spec.hostname, else its name. */
const char *tp_agentpod_hostname(const struct tp_json *pod);

/* The agent's ready line in its log (common/control.h), taken apart. All owned. */
struct tp_agent_ready {
	unsigned port;
	char *user, *probe, *token, *hostkey;
};
/* 1 filled; 0 some other line; -1 ERR a ready line that cannot be read. */
int tp_agent_ready_parse(const char *line, struct tp_agent_ready *r, struct tp_err *err);
void tp_agent_ready_free(struct tp_agent_ready *r);

#endif
