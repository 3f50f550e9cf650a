/* SPDX-License-Identifier: Apache-2.0 */
#include "session/trouble.h"

#include <string.h>

bool tp_trouble_is_final(const struct tp_err *err, bool renewable)
{
	switch (err->kind) {
	case TP_ERR_FORBIDDEN:
		if (strstr(err->msg, "does not accept who we are") ||
		    strstr(err->msg, "credential plugin"))
			return !renewable;
		return !strstr(err->msg, "exceeded quota");
	case TP_ERR_FAILED:
		/* A webhook's refusal has whatever status it likes. */
		return strstr(err->msg, "denied the request") || strstr(err->msg, " is invalid: ");
	default:
		return false;
	}
}

bool tp_trouble_note(struct tp_trouble *t, const struct tp_err *err, bool renewable, long long now)
{
	if (!tp_trouble_is_final(err, renewable)) {
		t->final_ms = 0;
		return false;
	}
	if (!t->final_ms)
		t->final_ms = now;
	return now - t->final_ms >= TP_TROUBLE_FINAL_MS;
}

void tp_trouble_over(struct tp_trouble *t)
{
	t->final_ms = 0;
}
