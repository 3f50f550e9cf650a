/* SPDX-License-Identifier: Apache-2.0 */
/* A line of a watch of the API server's, and what becomes of it: each kind's line must be one that the sidecar takes. */
#include <stdint.h>
#include <stdlib.h>

#include "kube/listwatch.h"
#include "session/nameobject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tp_json *object;
	struct tp_json *doc;
	enum tp_watch_event event = tp_watch_event_parse((const char *)data, size, &doc, &object);

	for (const char *kind = TP_NAME_KINDS; event != TP_WATCH_BROKEN && *kind; kind++) {
		struct tp_buf b = TP_BUF_INIT(1u << 20);
		struct tp_nameline l;

		tp_nameobject_put(&b, *kind, object);
		if (b.len && b.len < TP_NAMELINE_MAX &&
		    tp_nameline_parse(b.data, b.len - 1, &l) < 0)
			abort();
		tp_buf_free(&b);
	}
	tp_json_free(doc);
	return 0;
}
