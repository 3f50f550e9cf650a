/* SPDX-License-Identifier: Apache-2.0 */
/* JSON with comments: an edit leaves a document that can be read, is idempotent, and takes no byte away
 * but those of the value that it replaces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "devcontainer/init.h"
#include "devcontainer/jsonc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether all bytes of A are in B, in order. */
static bool is_within(const char *a, size_t n, const char *b, size_t m)
{
	size_t i = 0;

	for (size_t k = 0; k < m && i < n; k++)
		i += a[i] == b[k];
	return i == n;
}

static void edit(const uint8_t *data, size_t size, int which)
{
	static const char *const path[] = { "a", "b", NULL };
	TP_AUTO_BUF b = TP_BUF_INIT(TP_JSONC_MAX);
	TP_AUTO_STRV files = { 0 };
	struct tp_devcontainer_spec s = { .service = which == 3 ? "web" : NULL,
					  .workload = "web",
					  .project = "p",
					  .folder = ".devcontainer",
					  .compose_files = &files };
	struct tp_err err;
	TP_AUTO_JSON *j = NULL;

	tp_strv_add(&files, "compose.yaml");
	for (int turn = 0; turn < 2; turn++) {
		int rc;

		if (!turn && size && tp_buf_put(&b, data, size))
			return;
		rc = which == 0 ? tp_jsonc_set(&b, path, "{\"x\":[1,\"y\"]}", &err) :
		     which == 1 ? tp_jsonc_add(&b, path, "\"z\"", &err) :
				  tp_devcontainer_init(&b, &s, &err);
		if (rc < 0 && !turn)
			return;
		if (rc != 0 && turn)
			abort();
		if (!turn && which == 1 && !is_within((const char *)data, size, b.data, b.len))
			abort();
	}
	j = tp_jsonc_json(b.data, b.len, &err);
	if (!j)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 20000)
		return 0;
	for (int which = 0; which < 4; which++)
		edit(data, size, which);
	return 0;
}
