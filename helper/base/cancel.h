/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancellation and deadlines for blocking calls. A struct tp_cancel can be
 * triggered from any thread, once; every call that may block takes one
 * (NULL = cannot be cancelled) and gives up with TP_ERR_CANCELLED.
 */
#ifndef TP_BASE_CANCEL_H
#define TP_BASE_CANCEL_H

#include <stdbool.h>

#include "base/err.h"

struct tp_cancel; /* opaque: an eventfd */

struct tp_cancel *tp_cancel_new(void);
void tp_cancel_free(struct tp_cancel *c);
void tp_cancel_trigger(struct tp_cancel *c);	  /* async-signal-safe */
bool tp_cancel_is_set(const struct tp_cancel *c); /* false for NULL */
/* Readable once triggered; -1 for NULL. Not to be read from or closed. */
int tp_cancel_fd(const struct tp_cancel *c);

/* Waits until FD is ready for EVENTS (poll's), C is triggered, or MS
 * milliseconds (-1: no bound) have passed. FD may be -1 (just wait).
 * 1 = ready, 0 = time is over, -1 = cancelled or failed, ERR set. */
int tp_cancel_poll(struct tp_cancel *c, int fd, short events, int ms, struct tp_err *err);

/* Milliseconds of the monotonic clock. */
long long tp_now_ms(void);

#endif
