/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a session's time goes: moments, marked from any thread, shown by
 * --timings as a table on stderr.
 */
#ifndef TP_SESSION_TIMINGS_H
#define TP_SESSION_TIMINGS_H

#include <stdio.h>

/* Time zero is the program's start. Call once, first thing in main(). */
void tp_timings_start(void);
/* LABEL is copied (at most 63 bytes); beyond 64 moments nothing is kept. */
void tp_timings_mark(const char *label);
/* A moment somewhere else on this host, in ms of CLOCK_MONOTONIC. */
void tp_timings_mark_at(const char *label, long long ms);
/* The same, told by somebody else (WHO), as "LABEL MS" in the N bytes at P; what is not that is passed over. */
void tp_timings_frame(const char *who, const char *p, size_t n);
/* The table: ms since the start, ms since the moment before, label; in order of time. */
void tp_timings_print(FILE *out);

#endif
