/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every unit test starts with: cmocka and the headers it wants before
 * it, and errors that show their message when an assertion fails.
 */
#ifndef TP_TEST_H
#define TP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

/* CALL fills ERR (a struct tp_err) and returns 0 when all is well. */
#define assert_ok(call, error)                                                                \
	do {                                                                                  \
		if ((call) != 0)                                                              \
			fail_msg("%s: kind %d: %s", #call, (int)(error)->kind, (error)->msg); \
	} while (0)

#define assert_contains(haystack, needle)                                \
	do {                                                             \
		const char *tp_h = (haystack), *tp_n = (needle);         \
		if (!strstr(tp_h, tp_n))                                 \
			fail_msg("\"%s\" is not in \"%s\"", tp_n, tp_h); \
	} while (0)

#endif
