/* SPDX-License-Identifier: Apache-2.0 */
/* A name up to the first newline, then a workload's object. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = memchr(data, '\n', size);
	size_t n = nl ? (size_t)(nl - data) : size;
	tp_autofree char *spec = tp_strndup((const char *)data, n);
	struct tp_workload_ref r = { 0 };
	struct tp_swap_record s;
	struct tp_err err = { 0 };

	if (tp_workload_split(spec, &r.kind, &r.name, &r.container, &err))
		return 0;
	if (!r.kind)
		r.kind = tp_strdup("Deployment");
	if (nl) {
		TP_AUTO_JSON *w = tp_json_parse((const char *)nl + 1, size - n - 1, &err);

		if (w) {
			tp_workload_check(w, &r, &err);
			if (tp_swap_record_read(w, &s, &err) == 1) {
				if (!s.session || s.replicas < 0)
					abort();
				tp_swap_record_free(&s);
			}
		}
	}
	tp_workload_ref_free(&r);
	return 0;
}
