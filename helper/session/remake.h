/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping a session up: what the helper does from the moment the sidecar says
 * that the link broke to the moment it says that it is back. Loop's thread.
 */
#ifndef TP_SESSION_REMAKE_H
#define TP_SESSION_REMAKE_H

#include <stdbool.h>

#include "base/err.h"

struct tp_session;
struct tp_remake;

struct tp_remake *tp_remake_new(struct tp_session *s);
/* From now on; also after tp_remake_hold. Before that a broken link is only remembered. */
void tp_remake_arm(struct tp_remake *m);
/* No more, until it is armed again: waits for what is under way, which may be
 * the creation of a pod. Not from a handler. */
void tp_remake_hold(struct tp_remake *m);
void tp_remake_free(struct tp_remake *m); /* holds it first; NULL is allowed */
bool tp_remake_is_armed(const struct tp_remake *m);

/* What happens. WHY and ERR are the caller's. */
void tp_remake_link_down(struct tp_remake *m, const char *why);
void tp_remake_link_up(struct tp_remake *m);
void tp_remake_dial_failed(struct tp_remake *m, const struct tp_err *err);

#endif
