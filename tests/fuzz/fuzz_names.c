/* SPDX-License-Identifier: Apache-2.0 */
/* The helper's lines about the cluster, and questions asked of what they made: lines, a byte 0xff, a query. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/dnsmsg.h"
#include "names/answers.h"
#include "names/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *mark = size ? memchr(data, 0xff, size) : NULL;
	size_t lines = mark ? (size_t)(mark - data) : size, n = 0;
	struct tp_namestore *s = tp_names_new();
	uint8_t out[2048];

	tp_names_lines(s, (const char *)data, lines);
	if (mark &&
	    tp_names_answer(s, "cluster.local", mark + 1, size - lines - 1, out, sizeof(out), &n) ==
		    TP_NAMES_ANSWERED &&
	    (n > sizeof(out) || !tp_dns_is_answer(mark + 1, size - lines - 1, out, n)))
		abort();
	tp_names_free(s);
	return 0;
}
