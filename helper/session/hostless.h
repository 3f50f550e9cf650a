/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session without an engine: its process is PID 1 of the sidecar's own
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

/* Entry gates (common/gate.h) at the abstract socket NAME are let go once the session is ready: containers of a Compose file, say. Before
 * tp_session_start; NAME must outlive S. */
void tp_hostless_gates(struct tp_session *s, const char *name);
/* The session is ready, and those go on that wait. */
void tp_hostless_ready(struct tp_session *s);

/* When the kubeconfig is known: the API server's name. -1 ERR. */
int tp_hostless_prepare(struct tp_session *s, struct tp_err *err);
/* Whether the engine put this container on a network whose containers it knows by name. */
bool tp_hostless_local_net(void);
/* Starts the sidecar's program, S->child: its control channel, or NULL ERR. */
struct tp_stream *tp_hostless_sidecar(struct tp_session *s, struct tp_err *err);

/* "https://user@host:6443/x": "host", without brackets; the caller's. NULL for an address or what is no URL. Apart for tests. */
char *tp_hostless_name_in(const char *url);

#endif
