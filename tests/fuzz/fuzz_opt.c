/* SPDX-License-Identifier: Apache-2.0 */
/* A command line, one word a line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct options {
	bool flag;
	char *name;
	struct tp_strv list;
};

static const struct tp_opt table[] = {
	{ "flag", TP_OPT_FLAG, NULL, "a flag", offsetof(struct options, flag), NULL, NULL },
	{ "name", TP_OPT_STRING, "NAME", "a name", offsetof(struct options, name), NULL, NULL },
	{ "n", TP_OPT_STRING, "N", "a short name", offsetof(struct options, name), NULL, NULL },
	{ "list", TP_OPT_LIST, "ITEM", "a list", offsetof(struct options, list), NULL, NULL },
	TP_OPT_END,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options o = { 0 };
	struct tp_err err = { 0 };
	TP_AUTO_STRV words = { 0 };
	int rc, argc;

	tp_strv_add(&words, "tpdocker");
	while (size) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;

		tp_strv_take(&words, tp_strndup((const char *)data, len));
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	argc = (int)words.n;
	rc = tp_opt_parse(table, &o, argc, words.v, 1, &err);
	if (rc > argc || (rc < 0 && (rc != -1 || err.kind != TP_ERR_USAGE)) || rc == 0)
		abort();
	free(o.name);
	tp_strv_free(&o.list);
	return 0;
}
