/* SPDX-License-Identifier: Apache-2.0 */
#include "common/nameline.h"

#include <string.h>

bool tp_word_is(struct tp_word w, const char *text, size_t n)
{
	return w.n == n && memcmp(w.p, text, n) == 0;
}

static bool is(struct tp_word w, const char *text)
{
	return tp_word_is(w, text, strlen(text));
}

bool tp_word_next(struct tp_word *rest, struct tp_word *member)
{
	const char *comma;

	if (!rest->n || is(*rest, "-"))
		return false;
	comma = memchr(rest->p, ',', rest->n);
	member->p = rest->p;
	member->n = comma ? (size_t)(comma - rest->p) : rest->n;
	rest->p += member->n + (comma != NULL);
	rest->n -= member->n + (comma != NULL);
	return true;
}

bool tp_word_port(struct tp_word port, struct tp_word *name, struct tp_word *protocol,
		  unsigned *number)
{
	const char *a = memchr(port.p, ':', port.n), *b;
	size_t left;

	if (!a)
		return false;
	left = port.n - (size_t)(a + 1 - port.p);
	b = memchr(a + 1, ':', left);
	if (!b)
		return false;
	*name = (struct tp_word){ port.p, (size_t)(a - port.p) };
	*protocol = (struct tp_word){ a + 1, (size_t)(b - a - 1) };
	*number = 0;
	for (const char *p = b + 1; p < port.p + port.n; p++) {
		if (*p < '0' || *p > '9' || *number > 65535)
			return false;
		*number = *number * 10 + (unsigned)(*p - '0');
	}
	return b + 1 < port.p + port.n && *number && *number <= 65535;
}

/* How many words, each between single spaces; 0: something else. */
static size_t split(const char *p, size_t n, struct tp_word w[TP_NAMELINE_FIELDS])
{
	size_t count = 0, at = 0;

	for (;;) {
		size_t start = at;

		while (at < n && p[at] != ' ') {
			if ((unsigned char)p[at] < ' ' || p[at] == 127)
				return 0;
			at++;
		}
		if (at == start || count == TP_NAMELINE_FIELDS)
			return 0;
		w[count++] = (struct tp_word){ p + start, at - start };
		if (at == n)
			return count;
		at++;
	}
}

static bool kind_of(struct tp_word w, char *kind)
{
	*kind = *w.p;
	return w.n == 1 && *w.p && strchr(TP_NAME_KINDS, *w.p);
}

int tp_nameline_parse(const char *p, size_t n, struct tp_nameline *l)
{
	struct tp_word w[TP_NAMELINE_FIELDS];
	size_t count = n && n <= TP_NAMELINE_MAX ? split(p, n, w) : 0;

	memset(l, 0, sizeof(*l));
	if (!count)
		return -1;
	if (is(w[0], "begin")) {
		l->what = TP_NAMELINE_BEGIN;
		l->ns = w[2];
		return count == 3 && kind_of(w[1], &l->kind) ? 0 : -1;
	}
	if (is(w[0], "end")) {
		l->what = TP_NAMELINE_END;
		return count == 2 && kind_of(w[1], &l->kind) ? 0 : -1;
	}
	if (count < 3)
		return -1;
	l->ns = w[1];
	l->name = w[2];
	if (*w[0].p == '-') {
		l->what = TP_NAMELINE_GONE;
		w[0].p++;
		w[0].n--;
		return count == 3 && w[0].n && kind_of(w[0], &l->kind) ? 0 : -1;
	}
	l->what = TP_NAMELINE_PUT;
	if (!kind_of(w[0], &l->kind))
		return -1;
	switch (l->kind) {
	case TP_NAME_SERVICE:
		l->addresses = w[3];
		l->ports = w[4];
		return count == 5 ? 0 : -1;
	case TP_NAME_SLICE:
		l->service = w[3];
		l->ports = w[4];
		l->addresses = w[5];
		return count == 6 ? 0 : -1;
	default:
		l->addresses = w[3];
		return count == 4 ? 0 : -1;
	}
}
