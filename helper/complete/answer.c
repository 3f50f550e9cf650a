/* SPDX-License-Identifier: Apache-2.0 */
#include "complete/answer.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static bool fits_a_line(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return false;
	return *s && tp_utf8_valid(s, strlen(s));
}

void tp_answer_add(struct tp_answer *a, const char *value, const char *note)
{
	if (!value || strncmp(value, a->prefix, strlen(a->prefix)) != 0 || !fits_a_line(value) ||
	    tp_strv_has(&a->values, value))
		return;
	tp_strv_add(&a->values, value);
	tp_strv_add(&a->notes, note && fits_a_line(note) ? note : "");
}

void tp_answer_add_choices(struct tp_answer *a, const char *choices)
{
	for (const char *p = choices; *p;) {
		size_t n = strcspn(p, "|");
		tp_autofree char *one = tp_strndup(p, n);

		tp_answer_add(a, one, NULL);
		p += n + (p[n] == '|');
	}
}

void tp_answer_print_values(const struct tp_answer *a, bool notes, FILE *out)
{
	for (size_t i = 0; i < a->values.n; i++) {
		const char *note = notes ? a->notes.v[i] : "";

		fprintf(out, "%s%s%s\n", a->values.v[i], *note ? "\t" : "", note);
	}
}

void tp_answer_print_directive(const struct tp_answer *a, FILE *out)
{
	fprintf(out, ":%d\n", (int)a->files);
}

void tp_answer_read_values(struct tp_answer *a, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *note = strchr(line, '\t');

		if (note)
			*note++ = '\0';
		tp_answer_add(a, line, note);
	}
}

void tp_answer_free(struct tp_answer *a)
{
	tp_strv_free(&a->values);
	tp_strv_free(&a->notes);
}
