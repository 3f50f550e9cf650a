/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of this user on this machine, by their records. */
#include "base/mem.h"
#include "complete/source.h"
#include "session/record.h"

void tp_complete_sessions(const char *kind, const struct tp_cursor *p, struct tp_answer *a)
{
	TP_AUTO_STRV ids = { 0 };

	(void)kind;
	(void)p;
	tp_record_list(&ids, NULL);
	for (size_t i = 0; i < ids.n; i++) {
		struct tp_record r;

		if (tp_record_load(ids.v[i], &r, NULL))
			continue;
		tp_answer_add(a, r.name ? r.name : r.id, r.workload.name);
		tp_record_free(&r);
	}
}
