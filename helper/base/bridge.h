/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream as a socket, for a library that blocks in read(2) and write(2) on
 * a descriptor of its own and knows neither our streams nor cancellation:
 *
 *   library == socket ==. thread with a loop .== stream
 *                        '===== relay ======'
 *
 * Whatever ends the relay (the stream's end, cancellation, a bound) shows to
 * the library as the end of the connection, at once and wherever it waits.
 */
#ifndef TP_BASE_BRIDGE_H
#define TP_BASE_BRIDGE_H

#include <stdbool.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/stream.h"

struct tp_bridge;

/* Owns S from now on, also when it fails. *FD is the caller's to use and to close. C (may be NULL) ends it, any
 * time until tp_bridge_free. */
struct tp_bridge *tp_bridge_start(struct tp_stream *s, struct tp_cancel *c, int *fd,
				  struct tp_err *err);

/* From now on: ends it after TOTAL_MS milliseconds, and when nothing has come from the stream for IDLE_MS. 0: no such bound. */
void tp_bridge_bound(struct tp_bridge *b, int total_ms, int idle_ms);

/* Ends it and waits for its thread. Whether it had ended before by itself, and why (ERR: CANCELLED, TIMEOUT or
 * UNREACHABLE): what the library, to which all of these look alike, does not know. */
bool tp_bridge_end(struct tp_bridge *b, struct tp_err *err);

void tp_bridge_free(struct tp_bridge *b); /* NULL is allowed */

#endif
