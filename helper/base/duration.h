/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as people write them: "45s", "10m", "1h30m". */
#ifndef TP_BASE_DURATION_H
#define TP_BASE_DURATION_H

#include <stddef.h>

#define TP_DURATION_MAX_MS (30LL * 24 * 3600 * 1000) /* 30 days */

/* *MS: milliseconds, more than 0 and at most TP_DURATION_MAX_MS. Units are d, h, m and s, each at most
 * once, the larger one first. -1 for anything else. */
int tp_duration_parse(const char *s, long long *ms);

/* The largest two units of it, as people read it: "3 d 4 h", "12 m 5 s", "0 s". */
void tp_duration_print(long long seconds, char *text, size_t size);

#endif
