/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: a recursive descent, its depth bounded. */
#include "devcontainer/jsonc.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define BOM "\xef\xbb\xbf"

struct parse {
	struct tp_jsonc *d;
	size_t at, depth;
	const char *bad; /* what is wrong at AT */
};

static int wrong(struct parse *p, const char *what)
{
	if (!p->bad)
		p->bad = what;
	return -1;
}

static int peek(const struct parse *p)
{
	return p->at < p->d->n ? (unsigned char)p->d->text[p->at] : -1;
}

/* White space and comments. */
static int skip(struct parse *p)
{
	const char *s = p->d->text;
	size_t n = p->d->n;

	for (;;) {
		while (p->at < n && strchr(" \t\r\n", s[p->at]) && s[p->at])
			p->at++;
		if (p->at + 1 >= n || s[p->at] != '/')
			return 0;
		if (s[p->at + 1] == '/') {
			while (p->at < n && s[p->at] != '\n' && s[p->at] != '\r')
				p->at++;
		} else if (s[p->at + 1] == '*') {
			const char *end = n - p->at > 3 ?
						  memmem(s + p->at + 2, n - p->at - 2, "*/", 2) :
						  NULL;

			if (!end)
				return wrong(p, "a comment without an end");
			p->at = (size_t)(end - s) + 2;
		} else {
			return wrong(p, "a '/' that begins no comment");
		}
	}
}

static size_t add_node(struct parse *p, size_t parent)
{
	struct tp_jsonc *d = p->d;

	if (d->count == d->room) {
		d->room = d->room ? 2 * d->room : 64;
		d->v = tp_realloc(d->v, d->room * sizeof(*d->v));
	}
	d->v[d->count] = (struct tp_jsonc_node){ .parent = parent };
	return d->count++;
}

static int escape(struct parse *p)
{
	int c;

	p->at++;
	c = peek(p);
	if (c == 'u') {
		for (int i = 0; i < 4; i++) {
			p->at++;
			c = peek(p);
			if (c <= 0 || !strchr("0123456789abcdefABCDEF", c))
				return wrong(p, "an escape that is none");
		}
	} else if (c <= 0 || !strchr("\"\\/bfnrt", c)) {
		return wrong(p, "an escape that is none");
	}
	p->at++;
	return 0;
}

static int string(struct parse *p)
{
	p->at++;
	for (;;) {
		int c = peek(p);

		if (c == '"')
			break;
		if (c < 0x20)
			return wrong(p, c < 0 ? "a string without an end" :
						"a control character in a string");
		if (c == '\\') {
			if (escape(p))
				return -1;
			continue;
		}
		p->at++;
	}
	p->at++;
	return 0;
}

static size_t digits(struct parse *p)
{
	size_t n = 0;

	for (; peek(p) >= '0' && peek(p) <= '9'; n++)
		p->at++;
	return n;
}

static int number(struct parse *p)
{
	if (peek(p) == '-')
		p->at++;
	if (peek(p) == '0')
		p->at++;
	else if (!digits(p))
		return wrong(p, "a number that is none");
	if (peek(p) == '.') {
		p->at++;
		if (!digits(p))
			return wrong(p, "a number that is none");
	}
	if (peek(p) == 'e' || peek(p) == 'E') {
		p->at++;
		if (peek(p) == '+' || peek(p) == '-')
			p->at++;
		if (!digits(p))
			return wrong(p, "a number that is none");
	}
	return 0;
}

static int word(struct parse *p)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if (p->d->n - p->at < n || memcmp(p->d->text + p->at, words[i], n))
			continue;
		p->at += n;
		return 0;
	}
	return wrong(p, "no value");
}

static int value(struct parse *p, size_t node);

static int member_name(struct parse *p, size_t kid)
{
	if (peek(p) != '"')
		return wrong(p, "a member's name in quotes is missing");
	p->d->v[kid].key = p->at;
	if (string(p))
		return -1;
	p->d->v[kid].key_end = p->at;
	if (skip(p))
		return -1;
	if (peek(p) != ':')
		return wrong(p, "a ':' is missing behind a member's name");
	p->at++;
	return skip(p);
}

static int container(struct parse *p, size_t node, char close)
{
	p->at++;
	for (;;) {
		size_t kid, last = p->d->v[node].last;

		if (skip(p))
			return -1;
		if (peek(p) == close)
			break;
		if (last && !p->d->v[last].comma)
			return wrong(p, peek(p) < 0 ? "it ends too early" : "a ',' is missing");
		if (peek(p) < 0)
			return wrong(p, "it ends too early");
		kid = add_node(p, node);
		if (last)
			p->d->v[last].next = kid;
		else
			p->d->v[node].kids = kid;
		p->d->v[node].last = kid;
		if ((close == '}' && member_name(p, kid)) || value(p, kid) || skip(p))
			return -1;
		if (peek(p) == ',')
			p->d->v[kid].comma = ++p->at;
	}
	p->at++;
	return 0;
}

static int value(struct parse *p, size_t node)
{
	int rc, c = peek(p);

	if (p->depth == TP_JSONC_DEPTH)
		return wrong(p, "nested too deep");
	p->depth++;
	p->d->v[node].start = p->at;
	if (c == '{' || c == '[')
		rc = container(p, node, c == '{' ? '}' : ']');
	else if (c == '"')
		rc = string(p);
	else if (c == '-' || (c >= '0' && c <= '9'))
		rc = number(p);
	else
		rc = word(p);
	p->d->v[node].end = p->at;
	p->depth--;
	return rc;
}

static size_t line_of(const char *text, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

int tp_jsonc_parse(const char *text, size_t n, struct tp_jsonc *d, struct tp_err *err)
{
	struct parse p = { .d = d };

	*d = (struct tp_jsonc){ .text = text, .n = n };
	if (n > TP_JSONC_MAX)
		return tp_err_set(err, TP_ERR_PROTOCOL, "longer than %u KiB", TP_JSONC_MAX >> 10);
	if (!tp_utf8_valid(text, n) || memchr(text, '\0', n))
		return tp_err_set(err, TP_ERR_PROTOCOL, "not a text in UTF-8");
	if (n >= 3 && !memcmp(text, BOM, 3))
		p.at = 3;
	if (!skip(&p) && !value(&p, add_node(&p, 0)) && !skip(&p) && p.at < n)
		wrong(&p, "something behind the end");
	if (!p.bad)
		return 0;
	tp_jsonc_free(d);
	return tp_err_set(err, TP_ERR_PROTOCOL, "line %zu: %s", line_of(text, p.at), p.bad);
}

void tp_jsonc_free(struct tp_jsonc *d)
{
	free(d->v);
	d->v = NULL;
	d->count = d->room = 0;
}

bool tp_jsonc_is_object(const struct tp_jsonc *d, size_t node)
{
	return d->text[d->v[node].start] == '{';
}

bool tp_jsonc_is_list(const struct tp_jsonc *d, size_t node)
{
	return d->text[d->v[node].start] == '[';
}

/* Names may be written with escapes. */
static bool is_named(const struct tp_jsonc *d, size_t node, const char *name)
{
	const struct tp_jsonc_node *v = &d->v[node];
	TP_AUTO_JSON *j = NULL;

	if (!v->key_end)
		return false;
	j = tp_json_parse(d->text + v->key, v->key_end - v->key, NULL);
	return tp_json_str(j) && !strcmp(tp_json_str(j), name);
}

size_t tp_jsonc_member(const struct tp_jsonc *d, size_t node, const char *name)
{
	size_t found = 0;

	if (!tp_jsonc_is_object(d, node))
		return 0;
	for (size_t k = d->v[node].kids; k; k = d->v[k].next)
		if (is_named(d, k, name))
			found = k;
	return found;
}

static void write_plain(const struct tp_jsonc *d, size_t node, struct tp_buf *out)
{
	const struct tp_jsonc_node *v = &d->v[node];
	char c = d->text[v->start];

	if (c != '{' && c != '[') {
		tp_buf_put(out, d->text + v->start, v->end - v->start);
		return;
	}
	tp_buf_putc(out, c);
	for (size_t k = v->kids; k; k = d->v[k].next) {
		if (k != v->kids)
			tp_buf_putc(out, ',');
		if (d->v[k].key_end) {
			tp_buf_put(out, d->text + d->v[k].key, d->v[k].key_end - d->v[k].key);
			tp_buf_putc(out, ':');
		}
		write_plain(d, k, out);
	}
	tp_buf_putc(out, d->text[v->end - 1]);
}

struct tp_json *tp_jsonc_json(const char *text, size_t n, struct tp_err *err)
{
	TP_AUTO_BUF plain = TP_BUF_INIT(TP_JSONC_MAX + 1);
	tp_autoclean(tp_jsonc_free) struct tp_jsonc d;

	if (tp_jsonc_parse(text, n, &d, err))
		return NULL;
	write_plain(&d, 0, &plain);
	return tp_json_parse(plain.data ? plain.data : "", plain.len, err);
}
