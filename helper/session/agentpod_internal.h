/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces that agent pods of every kind are written from. */
#ifndef TP_SESSION_AGENTPOD_INTERNAL_H
#define TP_SESSION_AGENTPOD_INTERNAL_H

#include "session/agentpod.h"

/* Members of metadata: those of the template (NULL: none) and ours. STATEFUL_POD: the name that a StatefulSet's pod
 * would carry in a label, or NULL. */
void tp_agentpod_put_labels(struct tp_jw *w, const struct tp_agentpod *a,
			    const struct tp_json *labels, const char *stateful_pod);
void tp_agentpod_put_annotations(struct tp_jw *w, const struct tp_agentpod *a,
				 const struct tp_json *annotations);
/*
 * A ReplicaSet or ReplicationController that was scaled to 0 adopts, and
 * then deletes, any pod that its selector matches and nobody controls. So
 * the agent says that somebody does. (A Deployment's ReplicaSets also select
 * on pod-template-hash, and a StatefulSet on the pod's name: neither adopts.)
 * The kind is one that the cluster cannot look up, which Kubernetes' garbage
 * collector leaves alone.
 */
void tp_agentpod_put_owner(struct tp_jw *w, const struct tp_agentpod *a);

/* Members of a container: image, command and what else makes it the agent. */
void tp_agentpod_put_agent(struct tp_jw *w, const struct tp_agentpod *a);
/* Its resources: what an agent needs. */
void tp_agentpod_put_requests(struct tp_jw *w);
/* Elements of its env, of its volumeMounts, and of the pod's volumes. */
void tp_agentpod_put_env(struct tp_jw *w, const struct tp_agentpod *a);
void tp_agentpod_put_mount(struct tp_jw *w);
void tp_agentpod_put_volume(struct tp_jw *w);

/* All of OBJ's but those that EXCEPT names (it ends with NULL). */
void tp_agentpod_copy_members(struct tp_jw *w, const struct tp_json *obj,
			      const char *const *except);
void tp_agentpod_copy_elements(struct tp_jw *w, const struct tp_json *arr);

#endif
