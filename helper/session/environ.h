/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent says of itself (`tpdocker-agent describe`): the pod's
 * environment, name and mounts; and what of it the user's container gets.
 */
#ifndef TP_SESSION_ENVIRON_H
#define TP_SESSION_ENVIRON_H

#include "base/buf.h"
#include "base/err.h"

struct tp_remote {
	struct tp_strv env; /* "K=V", exact bytes */
	char *hostname;
	struct tp_strv mounts;	  /* paths of the volumes */
	struct tp_strv read_only; /* those of them that cannot be written, as the agent sees them */
	char *agent_dir;	  /* the agent's own folder; may be NULL */
	struct tp_strv ports;	  /* "ADDRESS:PORT STATE" of those that it was asked about */
};

/* -1 ERR (PROTOCOL): not frames, a variable without "=", too many. Unknown frames are passed over. */
int tp_remote_parse(const char *p, size_t n, struct tp_remote *r, struct tp_err *err);
void tp_remote_free(struct tp_remote *r);

/* TELEPRESENCE_CONTAINER, _POD, _METHOD, _ROOT and _MOUNTS on top of the pod's own; these win over a pod's
 * variable of the same name. ROOT NULL: the volumes are not there; no _ROOT, and an empty _MOUNTS. */
void tp_remote_add_telepresence(struct tp_remote *r, const char *container, const char *pod,
				const char *method, const char *root);

#endif
