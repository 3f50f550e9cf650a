/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies bytes both ways between two streams inside a loop. Reads only when
 * there is room, writes only when there is data, yields after a number of
 * turns; a half-close is passed on per direction:
 *
 *   OPEN --(read gives 0)--> DRAINING --(buffer empty)--> SHUT
 *
 * Ends when both directions are SHUT, when either stream breaks, or when one
 * that cannot half-close ends. A side that has ended and is then gone
 * altogether (shows for unix sockets and pipes) ends it within 250 ms.
 */
#ifndef TP_BASE_RELAY_H
#define TP_BASE_RELAY_H

#include <stdint.h>

#include "base/loop.h"
#include "base/stream.h"

struct tp_relay;

/* REASON is NULL for an orderly end. Called in the loop once; A and B are
 * closed already and the relay is freed after the call. */
typedef void tp_relay_end_fn(void *arg, const char *reason);

/* Owns A and B from now on. BUFSIZE bytes each way (0 = 256 KiB). */
struct tp_relay *tp_relay_start(struct tp_loop *l, struct tp_stream *a, struct tp_stream *b,
				size_t bufsize, tp_relay_end_fn *end, void *arg);
/* Bytes moved so far: a to b, b to a. */
void tp_relay_count(const struct tp_relay *r, uint64_t *ab, uint64_t *ba);
/* Closes both at once, without calling END. NULL is allowed. */
void tp_relay_stop(struct tp_relay *r);

#endif
