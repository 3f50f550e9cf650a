/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --method auto: the method that captures most of what can be had here. Asked is what
 * the engine allows: a container with NET_ADMIN in which a packet filter can be set.
 */
#ifndef TP_SESSION_AUTOMETHOD_H
#define TP_SESSION_AUTOMETHOD_H

#include "session/session.h"

/* Chooses S->method (and record and engine with it), and says why to who asked for --verbose. The sidecar's image is there. Blocking; makes a
 * container of a moment, without a network, which removes itself. 0, or -1 ERR: also when nothing works here. */
int tp_automethod(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);

#endif
