/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --expose and its like against a pod's spec: lines of values, each behind
 * one of "efth" for its option, an empty line, and the spec as JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/ports.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char options[] = "efth";

static void check(const struct tp_ports *p)
{
	tp_autofree char *text = tp_ports_describe(p);

	if (!text || p->n > TP_PORTS_MAX)
		abort();
	for (size_t i = 0; i < p->n; i++) {
		const struct tp_port *a = &p->v[i];

		if (a->local < 1 || a->local > 65535 || a->remote < 1 || a->remote > 65535)
			abort();
		/* what the agent listens on, it listens on once */
		for (size_t j = 0; j < i; j++)
			if (tp_port_is_inward(a) && tp_port_is_inward(&p->v[j]) &&
			    a->remote == p->v[j].remote)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tp_autofree char *text = tp_strndup((const char *)data, strnlen((const char *)data, size));
	char *spec_text = strstr(text, "\n\n"), *rest = text, *word;
	struct tp_strv list[4] = { 0 };
	struct tp_port_wants w = { &list[0], &list[1], &list[2], &list[3] };
	TP_AUTO_JSON *spec = NULL;
	TP_AUTO_STRV notes = { 0 };
	struct tp_ports ports;
	struct tp_err err;

	if (spec_text) {
		*spec_text = '\0';
		spec = tp_json_parse(spec_text + 2, strlen(spec_text + 2), &err);
	}
	while ((word = strsep(&rest, "\n"))) {
		const char *kind = strchr(options, *word);

		if (*word && kind)
			tp_strv_add(&list[kind - options], word + 1);
	}
	tp_ports_check(&w, &err);
	struct tp_port_pod pod = { spec, "app", spec != NULL };
	if (tp_ports_plan(&w, &pod, &ports, &notes, &err) == 0)
		check(&ports);
	else if (ports.n)
		abort();
	tp_ports_free(&ports);
	for (size_t i = 0; i < TP_ARRAY_SIZE(list); i++)
		tp_strv_free(&list[i]);
	return 0;
}
