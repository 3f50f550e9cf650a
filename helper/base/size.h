/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people write them. */
#ifndef TP_BASE_SIZE_H
#define TP_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* "64m", "1G", "300 KiB" without the blank: a whole number and b, k, m, g or t (powers of 1024; "ib" or "b" may follow), as docker
 * takes them. 0, or -1: not a size, or past 2^63 - 1. */
int tp_size_parse(const char *s, uint64_t *bytes);

#define TP_SIZE_TEXT 24
/* "3 bytes", "1.5 KiB", "64 MiB" into TEXT, which it returns. */
const char *tp_size_print(uint64_t bytes, char text[TP_SIZE_TEXT]);

#endif
