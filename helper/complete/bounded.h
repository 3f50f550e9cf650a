/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question that is answered in time or not at all, and by nobody in person: it
 * is asked in a process of its own, without a terminal, without a display, and
 * with no one to read what it complains of. When time is over, it and whatever
 * it started are killed.
 */
#ifndef TP_COMPLETE_BOUNDED_H
#define TP_COMPLETE_BOUNDED_H

#include "base/buf.h"

/* Runs FN(ARG, OUT) in a process and collects what it wrote to OUT, until
 * tp_now_ms() is UNTIL. 0 if it came to its end by then, else -1 (B is empty then). For
 * a process with one thread. */
int tp_bounded(void (*fn)(void *arg, int out), void *arg, long long until, struct tp_buf *b);

#endif
