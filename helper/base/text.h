/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside: UTF-8 (RFC 3629, strict) and what must not reach a
 * terminal.
 */
#ifndef TP_BASE_TEXT_H
#define TP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The length (1 to 4) of the UTF-8 sequence that S starts with, of N bytes
 * at hand; 0 if there is none: overlong, surrogate, cut off, past U+10FFFF. */
size_t tp_utf8_len(const char *s, size_t n);
bool tp_utf8_valid(const char *s, size_t n);

/* Replaces in place, with '?': control characters other than newline and
 * tab, U+0080 to U+009F too, and bytes that are not UTF-8. Such bytes could
 * move the cursor or worse. */
void tp_text_clean(char *s);

#endif
