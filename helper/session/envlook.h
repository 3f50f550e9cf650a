/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at the environment of a pod, without an engine: an agent pod is
 * made (a new one, or one from a workload's template, which is left alone),
 * asked, and deleted. Or a standing agent is asked.
 *
 *   tp_envlook_prepare   everything that can be refused; nothing exists yet
 *   tp_envlook_ask       makes the pod and asks it: s->remote
 *   tp_session_end       deletes the pod, as for any session
 */
#ifndef TP_SESSION_ENVLOOK_H
#define TP_SESSION_ENVLOOK_H

#include "session/session.h"

/* WORKLOAD: [KIND/]NAME[:CONTAINER], or NULL for a new agent; s->opts->deployment names a standing one. */
int tp_envlook_prepare(struct tp_session *s, const char *workload, struct tp_err *err);
int tp_envlook_ask(struct tp_session *s, struct tp_err *err);

#endif
