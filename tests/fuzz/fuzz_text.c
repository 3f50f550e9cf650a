/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever an error message is made of, it is clean, UTF-8 and bounded. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct tp_err *e)
{
	size_t n = strnlen(e->msg, sizeof(e->msg));

	if (n == sizeof(e->msg) || !tp_utf8_valid(e->msg, n))
		abort();
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)e->msg[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			abort();
	}
	if (n && e->msg[n - 1] == '\n')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tp_autofree char *s = tp_strndup((const char *)data, size);
	struct tp_err e = { 0 };

	tp_err_set(&e, TP_ERR_FAILED, "%s", s);
	check(&e);
	tp_err_prefix(&e, "%s", s);
	check(&e);
	tp_err_hint(&e, "%s", s);
	check(&e);
	tp_err_errno(&e, 2, "%s%s", s, s);
	check(&e);
	return 0;
}
