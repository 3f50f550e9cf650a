/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in their machine's own network namespace (--method vpn-tcp): what goes together with that, what
 * the engine and the machine must be like, and that there is one of them.
 */
#ifndef TP_SESSION_HOSTNET_H
#define TP_SESSION_HOSTNET_H

#include "session/session.h"

/* The session that `tpdocker connect` makes. */
#define TP_CONNECT_NAME "vpn"

/* What the options alone say. 0 or -1 ERR (USAGE), with the method that would do. */
int tp_hostnet_suits(const struct tp_session_opts *o, struct tp_err *err);
/* The same for `up`, `compose` and what else makes a session for containers to join. */
int tp_hostnet_no_joining(const struct tp_session_opts *o, struct tp_err *err);
/* PLAIN: processes of this machine are to be captured, so it has to be the engine's. */
int tp_hostnet_here(const struct tp_session *s, struct tp_err *err);

/* A task, when cluster and engine are known: an engine that is rootless, a kernel that is too old, another such session, and
 * clashes (session/clash.h) are refused by name. */
int tp_hostnet_check(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);
/* What the sidecar has to know of this machine's name servers, if the engine's machine is this one. */
void tp_hostnet_send_names(struct tp_session *s);
/* Asks this machine's resolver for TP_DNS_MARKER, as any program would: the sidecar learns what it puts behind names. The loop runs
 * meanwhile. Nothing, where it is of no use. */
void tp_hostnet_mark(struct tp_session *s);
/* The session's sidecar is in this process' network namespace. 0 or -1 ERR. */
int tp_hostnet_shared(struct tp_err *err);

/* The session of this user's in the background that has this machine's network: its name, or NULL; the caller's. ALIVE: one
 * whose process died, and that is to be undone, does not count. */
char *tp_hostnet_session(bool alive);
/* -1 ERR (CONFLICT): there is one. */
int tp_hostnet_free(struct tp_err *err);

#endif
