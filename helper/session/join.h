/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tpdocker run --session NAME`: a container in a session that `up` started.
 * It has the session's network, environment and volumes, and is the session's
 * part to undo; there is no agent, sidecar, record or guardian of its own.
 */
#ifndef TP_SESSION_JOIN_H
#define TP_SESSION_JOIN_H

#include "session/session.h"

/* -1 ERR (USAGE): an option that belongs to the session, which has it already, or has it not. */
int tp_join_check(const struct tp_session_opts *o, const struct tp_run_args *a, const char *name,
		  struct tp_err *err);

/* In the place of tp_session_prepare and tp_session_start: S is ready for tp_session_run; tp_session_end does nothing.
 * NOT_FOUND: no such session; CONFLICT: it cannot be joined. */
int tp_join(struct tp_session *s, const char *name, struct tp_err *err);

#endif
