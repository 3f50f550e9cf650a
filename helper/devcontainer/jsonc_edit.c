/* SPDX-License-Identifier: Apache-2.0 */
/* Editing: the text is taken apart anew for each edit, and only bytes that the
 * edit concerns are put in or replaced. */
#include <string.h>

#include "base/mem.h"
#include "devcontainer/jsonc.h"

#define UNIT_DEFAULT "\t"
#define LINE_MAX_LEN 76 /* a list that takes more has a line for each element */

/* How the document is laid out. */
struct layout {
	const char *eol;
	char *unit; /* of indentation */
};

static size_t line_start(const char *s, size_t at)
{
	while (at && s[at - 1] != '\n' && s[at - 1] != '\r')
		at--;
	return at;
}

/* The white space that the line of AT begins with, if nothing else is in front of it; else of as much as there is. */
static char *indent_at(const char *s, size_t at)
{
	size_t start = line_start(s, at), n = 0;

	while (start + n < at && (s[start + n] == ' ' || s[start + n] == '\t'))
		n++;
	return tp_strndup(s + start, n);
}

static bool begins_line(const char *s, size_t at)
{
	while (at && (s[at - 1] == ' ' || s[at - 1] == '\t'))
		at--;
	return at && (s[at - 1] == '\n' || s[at - 1] == '\r');
}

static size_t place_of(const struct tp_jsonc_node *v)
{
	return v->key_end ? v->key : v->start;
}

static void layout_of(const struct tp_jsonc *d, struct layout *l)
{
	const char *nl = memchr(d->text, '\n', d->n);
	size_t first = d->v[0].kids;

	l->eol = nl && nl > d->text && nl[-1] == '\r' ? "\r\n" : "\n";
	l->unit = NULL;
	if (first && begins_line(d->text, place_of(&d->v[first])))
		l->unit = indent_at(d->text, place_of(&d->v[first]));
	if (l->unit && *l->unit)
		return;
	free(l->unit);
	l->unit = tp_strdup(UNIT_DEFAULT);
}

static void layout_free(struct layout *l)
{
	free(l->unit);
}

static void put_scalar(struct tp_buf *b, const struct tp_json *v)
{
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *text = NULL;

	tp_jw_value(w, NULL, v);
	text = tp_jw_finish(w, NULL, NULL);
	tp_buf_puts(b, text ? text : "null");
}

static void put_string(struct tp_buf *b, const char *s)
{
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *text = NULL;

	tp_jw_str(w, NULL, s);
	text = tp_jw_finish(w, NULL, NULL);
	tp_buf_puts(b, text ? text : "\"\"");
}

/* Lists of scalars that fit a line, objects with one. */
static bool is_flat(const struct tp_json *v)
{
	TP_AUTO_BUF b = TP_BUF_INIT(TP_JSONC_MAX);

	if (tp_json_type(v) == TP_JSON_OBJECT && tp_json_len(v) > 1)
		return false;
	for (size_t i = 0; i < tp_json_len(v); i++) {
		enum tp_json_type t = tp_json_type(tp_json_at(v, i));

		if (t == TP_JSON_OBJECT || t == TP_JSON_ARRAY)
			return false;
		put_scalar(&b, tp_json_at(v, i));
		tp_buf_puts(&b, ", ");
	}
	return b.len < LINE_MAX_LEN - 2;
}

/* V as people write it: short ones on a line, others with a line for each member. */
static void put_value(struct tp_buf *b, const struct layout *l, const char *indent,
		      const struct tp_json *v)
{
	bool object = tp_json_type(v) == TP_JSON_OBJECT, flat = is_flat(v);
	tp_autofree char *deeper = tp_asprintf("%s%s", indent, l->unit);

	if (!object && tp_json_type(v) != TP_JSON_ARRAY) {
		put_scalar(b, v);
		return;
	}
	tp_buf_putc(b, object ? '{' : '[');
	for (size_t i = 0; i < tp_json_len(v); i++) {
		if (flat)
			tp_buf_puts(b, i ? ", " : object ? " " : "");
		else
			tp_buf_printf(b, "%s%s%s", i ? "," : "", l->eol, deeper);
		if (object) {
			put_string(b, tp_json_key(v, i));
			tp_buf_puts(b, ": ");
		}
		put_value(b, l, deeper, tp_json_at(v, i));
	}
	if (!flat)
		tp_buf_printf(b, "%s%s", l->eol, indent);
	else if (object && tp_json_len(v))
		tp_buf_putc(b, ' ');
	tp_buf_putc(b, object ? '}' : ']');
}

/* The bytes from START to END become TEXT. */
static int splice(struct tp_buf *b, size_t start, size_t end, const char *text, size_t n,
		  struct tp_err *err)
{
	TP_AUTO_BUF out = TP_BUF_INIT(TP_JSONC_MAX);

	if (tp_buf_put(&out, b->data, start) || tp_buf_put(&out, text, n) ||
	    tp_buf_put(&out, b->data + end, b->len - end))
		return tp_err_set(err, TP_ERR_FAILED, "it would become longer than %u KiB",
				  TP_JSONC_MAX >> 10);
	tp_buf_reset(b);
	if (tp_buf_put(b, out.data, out.len))
		return tp_err_set(err, TP_ERR_FAILED, "it would become too long");
	return 1;
}

/* Behind what follows AT on its line: spaces and comments that belong to what is in front of them. */
static size_t behind_comments(const struct tp_jsonc *d, size_t at)
{
	const char *s = d->text;
	size_t end = at, n = d->n;

	for (;;) {
		while (at < n && (s[at] == ' ' || s[at] == '\t'))
			at++;
		if (at + 1 < n && s[at] == '/' && s[at + 1] == '/') {
			while (at < n && s[at] != '\n' && s[at] != '\r')
				at++;
			return at;
		}
		if (at + 1 < n && s[at] == '/' && s[at + 1] == '*') {
			const char *close = memmem(s + at + 2, n - at - 2, "*/", 2);

			if (!close || memchr(s + at, '\n', (size_t)(close - s) - at))
				return end;
			at = end = (size_t)(close - s) + 2;
			continue;
		}
		return end;
	}
}

/* A first member or element of the container NODE: behind the comments in it. */
static int insert_first(struct tp_buf *b, const struct tp_jsonc *d, const struct layout *l,
			size_t node, const struct tp_buf *what, struct tp_err *err)
{
	const struct tp_jsonc_node *v = &d->v[node];
	tp_autofree char *outer = indent_at(d->text, v->start);
	TP_AUTO_BUF text = TP_BUF_INIT(TP_JSONC_MAX);
	size_t close = v->end - 1, at = close;
	bool own_line = begins_line(d->text, close);

	while (at > v->start + 1 && strchr(" \t\r\n", d->text[at - 1]))
		at--;
	tp_buf_printf(&text, "%s%s%s", l->eol, outer, l->unit);
	tp_buf_put(&text, what->data, what->len);
	if (!own_line)
		tp_buf_printf(&text, "%s%s", l->eol, outer);
	return splice(b, at, own_line ? at : close, text.data, text.len, err);
}

/* One more behind the last one. */
static int insert_last(struct tp_buf *b, const struct tp_jsonc *d, size_t node,
		       const struct layout *l, const struct tp_buf *what, struct tp_err *err)
{
	const struct tp_jsonc_node *v = &d->v[node], *last = &d->v[v->last];
	bool lines = begins_line(d->text, place_of(last));
	tp_autofree char *indent = indent_at(d->text, place_of(last));
	TP_AUTO_BUF text = TP_BUF_INIT(TP_JSONC_MAX);
	size_t from = last->comma ? last->comma : last->end, to = from;

	if (!last->comma)
		tp_buf_putc(&text, ',');
	/* what is said of the last one stays with it */
	if (lines) {
		to = behind_comments(d, from);
		tp_buf_put(&text, d->text + from, to - from);
		tp_buf_printf(&text, "%s%s", l->eol, indent);
	} else {
		tp_buf_putc(&text, ' ');
	}
	tp_buf_put(&text, what->data, what->len);
	if (last->comma)
		tp_buf_putc(&text, ',');
	return splice(b, from, to, text.data, text.len, err);
}

static int insert(struct tp_buf *b, const struct tp_jsonc *d, const struct layout *l, size_t node,
		  const char *key, const struct tp_json *value, struct tp_err *err)
{
	const struct tp_jsonc_node *v = &d->v[node];
	tp_autofree char *indent = v->kids ? indent_at(d->text, place_of(&d->v[v->last])) : NULL;
	TP_AUTO_BUF what = TP_BUF_INIT(TP_JSONC_MAX);

	if (!indent) {
		tp_autofree char *outer = indent_at(d->text, v->start);

		indent = tp_asprintf("%s%s", outer, l->unit);
	}
	if (key) {
		put_string(&what, key);
		tp_buf_puts(&what, ": ");
	}
	put_value(&what, l, indent, value);
	return v->kids ? insert_last(b, d, node, l, &what, err) :
			 insert_first(b, d, l, node, &what, err);
}

/* Compared as values: layout, order and escapes do not count. */
static bool same(const struct tp_json *a, const struct tp_json *b)
{
	if (tp_json_type(a) != tp_json_type(b) || tp_json_len(a) != tp_json_len(b))
		return false;
	switch (tp_json_type(a)) {
	case TP_JSON_OBJECT:
		for (size_t i = 0; i < tp_json_len(a); i++)
			if (!tp_json_get(b, tp_json_key(a, i)) ||
			    !same(tp_json_at(a, i), tp_json_get(b, tp_json_key(a, i))))
				return false;
		return true;
	case TP_JSON_ARRAY:
		for (size_t i = 0; i < tp_json_len(a); i++)
			if (!same(tp_json_at(a, i), tp_json_at(b, i)))
				return false;
		return true;
	default: {
		TP_AUTO_BUF x = TP_BUF_INIT(TP_JSONC_MAX), y = TP_BUF_INIT(TP_JSONC_MAX);

		put_scalar(&x, a);
		put_scalar(&y, b);
		return x.len == y.len && !memcmp(x.data, y.data, x.len);
	}
	}
}

static bool node_is(const struct tp_jsonc *d, size_t node, const struct tp_json *value)
{
	TP_AUTO_JSON *j =
		tp_jsonc_json(d->text + d->v[node].start, d->v[node].end - d->v[node].start, NULL);

	return j && same(j, value);
}

/* JSON text of an object with one member, for parents that are missing: {"KEY": VALUE} */
static char *nest(const char *key, const char *value)
{
	TP_AUTO_BUF b = TP_BUF_INIT(TP_JSONC_MAX);

	tp_buf_putc(&b, '{');
	put_string(&b, key);
	tp_buf_printf(&b, ":%s}", value);
	return tp_buf_steal(&b);
}

/* What is to be done at PATH, with the document taken apart. */
struct edit {
	struct tp_jsonc d;
	struct layout layout;
	size_t node;	/* the deepest that is there; of a whole PATH its member */
	size_t missing; /* how many names of PATH are not there */
};

static void edit_free(struct edit *e)
{
	tp_jsonc_free(&e->d);
	layout_free(&e->layout);
}

static int edit_begin(struct edit *e, struct tp_buf *text, const char *const *path,
		      struct tp_err *err)
{
	memset(e, 0, sizeof(*e));
	if (!text->len && tp_buf_puts(text, "{\n}\n"))
		return tp_err_set(err, TP_ERR_FAILED, "there is no room for it");
	if (tp_jsonc_parse(text->data, text->len, &e->d, err))
		return -1;
	layout_of(&e->d, &e->layout);
	while (path[e->missing])
		e->missing++;
	for (; *path; path++) {
		size_t next;

		if (!tp_jsonc_is_object(&e->d, e->node)) {
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "what \"%s\" belongs into is no object", *path);
		}
		next = tp_jsonc_member(&e->d, e->node, *path);
		if (!next)
			return 0;
		e->node = next;
		e->missing--;
	}
	return 0;
}

/* The missing part of PATH with VALUE at its end. */
static int insert_path(struct edit *e, struct tp_buf *text, const char *const *path,
		       const char *value, struct tp_err *err)
{
	tp_autofree char *nested = tp_strdup(value);
	TP_AUTO_JSON *v = NULL;
	size_t n = 0, first;

	while (path[n])
		n++;
	first = n - e->missing;
	for (size_t i = n; i-- > first + 1;) {
		char *outer = nest(path[i], nested);

		free(nested);
		nested = outer;
	}
	v = tp_json_parse(nested, strlen(nested), err);
	return v ? insert(text, &e->d, &e->layout, e->node, path[first], v, err) : -1;
}

int tp_jsonc_set(struct tp_buf *text, const char *const *path, const char *value,
		 struct tp_err *err)
{
	tp_autoclean(edit_free) struct edit e = { 0 };
	TP_AUTO_BUF b = TP_BUF_INIT(TP_JSONC_MAX);
	tp_autofree char *indent = NULL;
	TP_AUTO_JSON *v = NULL;

	if (edit_begin(&e, text, path, err))
		return -1;
	if (e.missing)
		return insert_path(&e, text, path, value, err);
	v = tp_json_parse(value, strlen(value), err);
	if (!v)
		return -1;
	if (node_is(&e.d, e.node, v))
		return 0;
	indent = indent_at(e.d.text, place_of(&e.d.v[e.node]));
	put_value(&b, &e.layout, indent, v);
	return splice(text, e.d.v[e.node].start, e.d.v[e.node].end, b.data, b.len, err);
}

int tp_jsonc_add(struct tp_buf *text, const char *const *path, const char *value,
		 struct tp_err *err)
{
	tp_autoclean(edit_free) struct edit e = { 0 };
	TP_AUTO_JSON *v = NULL;

	if (edit_begin(&e, text, path, err))
		return -1;
	if (e.missing) {
		tp_autofree char *list = tp_asprintf("[%s]", value);

		return insert_path(&e, text, path, list, err);
	}
	if (!tp_jsonc_is_list(&e.d, e.node))
		return tp_err_set(err, TP_ERR_PROTOCOL, "\"%s\" is no list", path[0]);
	v = tp_json_parse(value, strlen(value), err);
	if (!v)
		return -1;
	for (size_t k = e.d.v[e.node].kids; k; k = e.d.v[k].next)
		if (node_is(&e.d, k, v))
			return 0;
	return insert(text, &e.d, &e.layout, e.node, NULL, v, err);
}

int tp_jsonc_wrap(struct tp_buf *text, const char *const *path, const char *name,
		  struct tp_err *err)
{
	tp_autoclean(edit_free) struct edit e = { 0 };
	tp_autofree char *indent = NULL;
	const struct tp_jsonc_node *v;
	TP_AUTO_BUF b = TP_BUF_INIT(TP_JSONC_MAX);

	if (edit_begin(&e, text, path, err))
		return -1;
	if (e.missing)
		return tp_err_set(err, TP_ERR_NOT_FOUND, "there is no such member");
	v = &e.d.v[e.node];
	indent = indent_at(e.d.text, place_of(v));
	tp_buf_printf(&b, "{%s%s%s", e.layout.eol, indent, e.layout.unit);
	put_string(&b, name);
	tp_buf_puts(&b, ": ");
	tp_buf_put(&b, e.d.text + v->start, v->end - v->start);
	tp_buf_printf(&b, "%s%s}", e.layout.eol, indent);
	return splice(text, v->start, v->end, b.data, b.len, err);
}
