/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define COLUMNS	 79
#define HELP_AT	 32 /* the column of the help, when the names allow it */
#define MAX_WORD 64 /* longer ones are not compared */

const struct tp_opt *tp_opt_at(const struct tp_opt *o)
{
	while (o && !o->name)
		o = o->more;
	return o;
}

const struct tp_opt *tp_opt_find(const struct tp_opt *table, const char *name, size_t len)
{
	TP_OPT_FOREACH(o, table)
	if (strlen(o->name) == len && !memcmp(o->name, name, len))
		return o;
	return NULL;
}

/* The same words as docker's own flags take. */
static int parse_bool(const char *s, bool *out)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(yes); i++) {
		if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
			*out = !strcmp(s, yes[i]);
			return 0;
		}
	}
	return -1;
}

int tp_opt_take(const struct tp_opt *table, void *base, int argc, char *const *argv, int *i,
		struct tp_err *err)
{
	const char *word = argv[*i], *value;
	const struct tp_opt *o;
	char **string;
	void *target;
	size_t len;

	if (*i >= argc || strncmp(word, "--", 2) != 0)
		return 0;
	word += 2;
	len = strcspn(word, "=");
	value = word[len] ? word + len + 1 : NULL;
	o = len ? tp_opt_find(table, word, len) : NULL;
	if (!o)
		return 0;
	target = (char *)base + o->offset;

	if (o->type == TP_OPT_FLAG) {
		bool on = true;

		if (value && parse_bool(value, &on))
			return tp_err_set(err, TP_ERR_USAGE, "--%s takes true or false, not \"%s\"",
					  o->name, value);
		*(bool *)target = on;
		return 1;
	}
	if (!value) {
		if (*i + 1 >= argc)
			return tp_err_set(err, TP_ERR_USAGE, "--%s needs a value: --%s %s", o->name,
					  o->name, o->arg ? o->arg : "VALUE");
		value = argv[++*i];
	}
	if (o->type == TP_OPT_LIST) {
		tp_strv_add(target, value);
		return 1;
	}
	string = target;
	free(*string);
	*string = tp_strdup(value);
	return 1;
}

int tp_opt_parse(const struct tp_opt *table, void *base, int argc, char *const *argv, int first,
		 struct tp_err *err)
{
	int i;

	for (i = first; i < argc; i++) {
		tp_autofree const char **names = NULL;
		tp_autofree char *given = NULL;
		const char *near, *word = argv[i];
		size_t n = 0;
		int rc;

		if (word[0] != '-' || !word[1])
			return i;
		if (!strcmp(word, "--"))
			return i + 1;
		rc = tp_opt_take(table, base, argc, argv, &i, err);
		if (rc < 0)
			return -1;
		if (rc)
			continue;

		TP_OPT_FOREACH(o, table)
		n++;
		names = tp_calloc(n, sizeof(*names));
		n = 0;
		TP_OPT_FOREACH(o, table)
		names[n++] = o->name;
		given = tp_strndup(word, strcspn(word, "="));
		near = tp_nearest(given + strspn(given, "-"), names, n);
		tp_err_set(err, TP_ERR_USAGE, "unknown option: %s", given);
		return near ? tp_err_hint(err, "Did you mean --%s?", near) : -1;
	}
	return i;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits (insert, drop, change, swap of neighbours) from A to B, each at most
 * MAX_WORD bytes. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t rows[3][MAX_WORD + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= m; j++)
		above[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = least(row[j], least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[m];
}

const char *tp_nearest(const char *word, const char *const *names, size_t n)
{
	size_t len = strlen(word), best = len / 3 + 1;
	const char *nearest = NULL;

	if (len < 2 || len > MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(names[i]), d;

		if (m > MAX_WORD)
			continue;
		/* a name cut short ("--swap") is nearer than any slip of the fingers */
		if (len >= 3 && m > len && !strncmp(word, names[i], len))
			return names[i];
		d = distance(word, len, names[i], m);
		/* as many edits as letters make any word out of any other */
		if (d < best + !nearest && d < least(len, m)) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}

static int left_width(const struct tp_opt *o)
{
	return (int)(4 + strlen(o->name) + (o->arg ? 1 + strlen(o->arg) : 0));
}

void tp_opt_print(const struct tp_opt *table, FILE *out)
{
	int at = 0;

	TP_OPT_FOREACH(o, table)
	{
		if (left_width(o) + 3 > at)
			at = left_width(o) + 3;
	}
	if (at > HELP_AT)
		at = HELP_AT;

	TP_OPT_FOREACH(o, table)
	{
		const char *word = o->help ? o->help : "";
		int column = left_width(o);
		bool first = true;

		fprintf(out, "  --%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		if (column + 3 > at && *word) {
			fputc('\n', out);
			column = 0;
		}
		while (*word) {
			int len = (int)strcspn(word, " ");

			if (!first && column + 1 + len > COLUMNS) {
				fputc('\n', out);
				column = 0;
				first = true;
			}
			if (first)
				fprintf(out, "%*s", at - column, "");
			else
				fputc(' ', out);
			fprintf(out, "%.*s", len, word);
			column = first ? at + len : column + 1 + len;
			first = false;
			word += len;
			word += strspn(word, " ");
		}
		fputc('\n', out);
	}
}
