/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session without an engine: its process is in the sidecar's own
 * container, `docker run ... tpdocker/sidecar session`, or a service of a
 * Compose file. The sidecar's program is its child, which has a
 * socketpair for its control channel, and the link's socket is in the tmpfs they share.
 *
 * Both are in one network namespace, whose traffic goes to the cluster. The
 * helper's own connections to the API server carry a mark that the sidecar's
 * filter lets out, and the server's name is in /etc/hosts from the beginning,
 * as its name servers are not reached any more later.
 */
#ifndef TP_SESSION_HOSTLESS_H
#define TP_SESSION_HOSTLESS_H

#include "session/session.h"

/* -1 ERR (USAGE): this container cannot be one, and how it is to be started. Also sets, where nothing is set:
 * KUBECONFIG (/kube/config), XDG_RUNTIME_DIR, XDG_STATE_HOME. */
int tp_hostless_check(const struct tp_session_opts *o, struct tp_err *err);

/* Every connection to an API server carries the mark that the sidecar's filter lets out, if this is the sidecar's image. */
void tp_hostless_mark(void);

/* Entry gates (common/gate.h) at the abstract socket NAME are let go once the session is ready: containers of a Compose file, say. They
 * get the pod's environment, and its volumes if this container may mount. Before tp_session_start; NAME must outlive S. */
void tp_hostless_gates(struct tp_session *s, const char *name);
/* The pod is known: says what gates do not get of it. */
void tp_hostless_described(struct tp_session *s);
/* The session is ready, those go on that wait, and the container is healthy. */
void tp_hostless_ready(struct tp_session *s);

/* Mounting takes more rights: docker's flags that this container lacks for it, or NULL. The caller's. */
char *tp_hostless_lacks(void);

/* When the kubeconfig is known: the API server's name. -1 ERR. */
int tp_hostless_prepare(struct tp_session *s, struct tp_err *err);
/* Whether the engine put this container on a network whose containers it knows by name. */
bool tp_hostless_local_net(void);
/* Start the sidecar's program, S->child, and the one that mounts, S->companion.child: the control channel, or NULL ERR. */
struct tp_stream *tp_hostless_sidecar(struct tp_session *s, struct tp_err *err);
struct tp_stream *tp_hostless_companion(struct tp_session *s, struct tp_err *err);
/* What such a child writes to its stderr goes to FN, in the loop. P->watch is to be deleted before the child is. */
void tp_hostless_listen(struct tp_session *s, struct tp_errpipe *p, const struct tp_child *child,
			void (*fn)(void *arg, const char *p, size_t n));

/* "https://user@host:6443/x": "host", without brackets; the caller's. NULL for an address or what is no URL. Apart for tests. */
char *tp_hostless_name_in(const char *url);

#endif
