/* SPDX-License-Identifier: Apache-2.0 */
/* What is parsed can be written, and reads the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t visit(const struct tp_json *v)
{
	const char *s = tp_json_str(v);
	size_t values = 1;
	int64_t number;

	if (s && !tp_utf8_valid(s, strlen(s)))
		abort();
	tp_json_int(v, &number);
	for (size_t i = 0; i < tp_json_len(v); i++) {
		const char *key = tp_json_key(v, i);

		if ((key != NULL) != (tp_json_type(v) == TP_JSON_OBJECT))
			abort();
		if (key && !tp_json_get(v, key))
			abort();
		if (key)
			tp_json_path(v, key);
		values += visit(tp_json_at(v, i));
	}
	return values;
}

static char *text_of(const struct tp_json *v, size_t *len)
{
	TP_AUTO_JW *w = tp_jw_new();
	struct tp_err err;

	tp_jw_value(w, NULL, v);
	return tp_jw_finish(w, len, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *v = tp_json_parse((const char *)data, size, &err);
	TP_AUTO_JSON *again = NULL;
	tp_autofree char *first = NULL, *second = NULL;
	size_t n = 0, m = 0;

	if (!v) {
		if (err.kind != TP_ERR_PROTOCOL || !*err.msg)
			abort();
		return 0;
	}
	first = text_of(v, &n);
	if (!first || strlen(first) != n)
		abort();
	again = tp_json_parse(first, n, &err);
	if (!again || visit(v) != visit(again))
		abort();
	second = text_of(again, &m);
	if (!second || strcmp(first, second) != 0)
		abort();
	return 0;
}
