/* SPDX-License-Identifier: Apache-2.0 */
/* A command line with the cursor at its end, one word a line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "complete/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tp_autofree char *text = tp_strndup((const char *)data, strnlen((const char *)data, size));
	char *rest = text, *word;
	struct tp_cursor p;
	TP_AUTO_STRV words = { 0 };

	while ((word = strsep(&rest, "\n")))
		tp_strv_add(&words, word);
	tp_cursor_find(&p, tp_cmds, (int)words.n, words.v);
	if (!p.begun || (p.what == TP_CURSOR_OPTION && (!p.cmd || p.begun[0] != '-')) ||
	    (p.kind && p.what != TP_CURSOR_VALUE))
		abort();
	tp_cursor_free(&p);
	return 0;
}
