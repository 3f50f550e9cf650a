/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading is yajl's event parser and a tree of our own. yajl_tree is not used: it overflows the
 * stack on deep documents, cuts strings at \u0000 and turns numbers that it cannot hold into
 * INT64_MAX. yajl's generator is not used either: it stops at 128 levels, and writing takes less
 * code than guarding it.
 */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_DEPTH  256
#define FIRST_SIZE 1024
#define MAX_SIZE   (256 * 1024)

/* -------- the tree: every value of a document lies in its arena */

struct tp_json {
	enum tp_json_type type;
	bool truth;	       /* of a BOOL */
	size_t n;	       /* members or elements */
	const char *text;      /* of a STRING; of a number, to the letter */
	const char *key;       /* as a member */
	struct tp_json *next;  /* while parsing: the following sibling */
	struct tp_json **list; /* members or elements, once the container is closed */
};

struct chunk {
	struct chunk *next;
	size_t size, used;
	max_align_t data[];
};

/* The root comes first, so that it frees the rest. */
struct doc {
	struct tp_json root;
	struct chunk *chunks;
};

struct level {
	struct tp_json *container, *first, *last;
};

struct parse {
	struct doc *doc;
	struct level stack[MAX_DEPTH];
	size_t depth;
	const char *key; /* of the value that comes next */
	bool has_root;
	const char *refused; /* why we stopped the parser */
};

static void *take(struct doc *d, size_t n)
{
	const size_t align = sizeof(max_align_t);
	struct chunk *c = d->chunks;
	void *p;

	n = (n + align - 1) / align * align;
	if (!c || n > c->size - c->used) {
		size_t size = c ? c->size * 2 : FIRST_SIZE;

		if (size > MAX_SIZE)
			size = MAX_SIZE;
		if (size < n)
			size = n;
		c = tp_malloc(sizeof(*c) + size);
		c->next = d->chunks;
		c->size = size;
		c->used = 0;
		d->chunks = c;
	}
	p = (char *)c->data + c->used;
	c->used += n;
	return p;
}

static const char *take_text(struct doc *d, const void *s, size_t n)
{
	char *text = take(d, n + 1);

	if (n)
		memcpy(text, s, n);
	text[n] = '\0';
	return text;
}

void tp_json_free(struct tp_json *root)
{
	struct doc *d = (struct doc *)root;

	if (!d)
		return;
	while (d->chunks) {
		struct chunk *c = d->chunks;

		d->chunks = c->next;
		tp_wipe(c->data, c->used); /* documents carry tokens and Secrets */
		free(c);
	}
	free(d);
}

/* -------- yajl's events; 0 stops the parser */

static int refuse(struct parse *p, const char *why)
{
	p->refused = why;
	return 0;
}

static struct tp_json *add(struct parse *p, enum tp_json_type type)
{
	struct tp_json *v;

	if (!p->depth) {
		p->has_root = true;
		v = &p->doc->root;
	} else {
		struct level *l = &p->stack[p->depth - 1];

		v = take(p->doc, sizeof(*v));
		memset(v, 0, sizeof(*v));
		v->key = p->key;
		if (l->last)
			l->last->next = v;
		else
			l->first = v;
		l->last = v;
		l->container->n++;
	}
	p->key = NULL;
	v->type = type;
	return v;
}

static int on_null(void *ctx)
{
	add(ctx, TP_JSON_NULL);
	return 1;
}

static int on_bool(void *ctx, int truth)
{
	add(ctx, TP_JSON_BOOL)->truth = truth;
	return 1;
}

static int on_number(void *ctx, const char *s, size_t n)
{
	struct parse *p = ctx;
	bool real = memchr(s, '.', n) || memchr(s, 'e', n) || memchr(s, 'E', n);

	add(p, real ? TP_JSON_REAL : TP_JSON_INT)->text = take_text(p->doc, s, n);
	return 1;
}

static int check_text(struct parse *p, const unsigned char *s, size_t n)
{
	if (n && memchr(s, '\0', n))
		return refuse(p, "a string with a NUL character in it");
	/* yajl accepts overlong forms, and \ud800 on its own becomes one */
	if (!tp_utf8_valid((const char *)s, n))
		return refuse(p, "a string that is not valid UTF-8");
	return 1;
}

static int on_string(void *ctx, const unsigned char *s, size_t n)
{
	struct parse *p = ctx;

	if (!check_text(p, s, n))
		return 0;
	add(p, TP_JSON_STRING)->text = take_text(p->doc, s, n);
	return 1;
}

static int on_key(void *ctx, const unsigned char *s, size_t n)
{
	struct parse *p = ctx;

	if (!check_text(p, s, n))
		return 0;
	p->key = take_text(p->doc, s, n);
	return 1;
}

static int open_container(struct parse *p, enum tp_json_type type)
{
	struct tp_json *v;

	if (p->depth == MAX_DEPTH)
		return refuse(p, "nested too deep");
	v = add(p, type);
	p->stack[p->depth++] = (struct level){ .container = v };
	return 1;
}

static int on_object(void *ctx)
{
	return open_container(ctx, TP_JSON_OBJECT);
}

static int on_array(void *ctx)
{
	return open_container(ctx, TP_JSON_ARRAY);
}

static int on_close(void *ctx)
{
	struct parse *p = ctx;
	struct level *l = &p->stack[--p->depth];
	struct tp_json *c = l->container, *v = l->first;

	if (!c->n)
		return 1;
	c->list = take(p->doc, c->n * sizeof(*c->list));
	for (size_t i = 0; i < c->n; i++, v = v->next)
		c->list[i] = v;
	return 1;
}

static const yajl_callbacks events = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_array,
	.yajl_end_array = on_close,
};

static void *get_memory(void *ctx, size_t n)
{
	(void)ctx;
	return tp_malloc(n);
}

static void *resize_memory(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return tp_realloc(p, n);
}

static void release_memory(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

struct tp_json *tp_json_parse(const char *text, size_t n, struct tp_err *err)
{
	/* yajl does not look whether its own allocations fail */
	yajl_alloc_funcs memory = {
		.malloc = get_memory,
		.realloc = resize_memory,
		.free = release_memory,
	};
	struct parse p = { .doc = tp_calloc(1, sizeof(struct doc)) };
	yajl_handle h = yajl_alloc(&events, &memory, &p);
	yajl_status status;
	size_t at;

	status = n ? yajl_parse(h, (const unsigned char *)text, n) : yajl_status_ok;
	at = yajl_get_bytes_consumed(h);
	if (status == yajl_status_ok) {
		at = n;
		status = yajl_complete_parse(h);
	}
	yajl_free(h);
	if (status == yajl_status_ok && p.has_root && !p.depth)
		return &p.doc->root;

	if (p.refused)
		tp_err_set(err, TP_ERR_PROTOCOL, "JSON: %s, at byte %zu", p.refused, at);
	else
		tp_err_set(err, TP_ERR_PROTOCOL, "not a valid JSON document, at byte %zu of %zu",
			   at, n);
	tp_json_free(&p.doc->root);
	return NULL;
}

/* -------- looking at the tree */

enum tp_json_type tp_json_type(const struct tp_json *v)
{
	return v ? v->type : TP_JSON_NULL;
}

static const struct tp_json *member(const struct tp_json *v, const char *key, size_t len)
{
	if (!v || v->type != TP_JSON_OBJECT)
		return NULL;
	/* of members with the same name the last one counts, as for Go's programs */
	for (size_t i = v->n; i-- > 0;) {
		const char *k = v->list[i]->key;

		if (!strncmp(k, key, len) && !k[len])
			return v->list[i];
	}
	return NULL;
}

const struct tp_json *tp_json_get(const struct tp_json *v, const char *key)
{
	return member(v, key, strlen(key));
}

const struct tp_json *tp_json_path(const struct tp_json *v, const char *path)
{
	const char *s = path;

	while (v && *s) {
		if (*s == '[') {
			size_t i = 0, digits = 0;

			for (s++; *s >= '0' && *s <= '9'; s++, digits++) {
				if (digits > 9)
					return NULL;
				i = i * 10 + (size_t)(*s - '0');
			}
			if (!digits || *s != ']')
				return NULL;
			s++;
			v = tp_json_type(v) == TP_JSON_ARRAY ? tp_json_at(v, i) : NULL;
		} else {
			size_t len = strcspn(s, ".[");

			if (!len)
				return NULL;
			v = member(v, s, len);
			s += len;
		}
		if (*s == '.') {
			s++;
			if (!*s || *s == '.' || *s == '[')
				return NULL;
		} else if (*s && *s != '[') {
			return NULL;
		}
	}
	return v;
}

const char *tp_json_str(const struct tp_json *v)
{
	return v && v->type == TP_JSON_STRING ? v->text : NULL;
}

const char *tp_json_str_at(const struct tp_json *v, const char *path)
{
	return tp_json_str(tp_json_path(v, path));
}

int tp_json_int(const struct tp_json *v, int64_t *out)
{
	intmax_t number;

	if (!v || v->type != TP_JSON_INT)
		return -1;
	errno = 0;
	number = strtoimax(v->text, NULL, 10);
	if (errno || number < INT64_MIN || number > INT64_MAX)
		return -1;
	*out = (int64_t)number;
	return 0;
}

int64_t tp_json_int_at(const struct tp_json *v, const char *path, int64_t dflt)
{
	int64_t number;

	return tp_json_int(tp_json_path(v, path), &number) ? dflt : number;
}

bool tp_json_bool_at(const struct tp_json *v, const char *path, bool dflt)
{
	v = tp_json_path(v, path);
	return v && v->type == TP_JSON_BOOL ? v->truth : dflt;
}

size_t tp_json_len(const struct tp_json *v)
{
	return v ? v->n : 0;
}

const struct tp_json *tp_json_at(const struct tp_json *v, size_t i)
{
	return v && i < v->n ? v->list[i] : NULL;
}

const char *tp_json_key(const struct tp_json *v, size_t i)
{
	return v && v->type == TP_JSON_OBJECT && i < v->n ? v->list[i]->key : NULL;
}

/* -------- the writer */

struct tp_jw {
	struct tp_buf text;
	struct tp_buf open; /* a '{' or '[' for each container that is open */
	bool started;	    /* the innermost container has something in it */
	bool finished;
	bool bad_text;
};

static void misused(const char *how) __attribute__((noreturn));

static void misused(const char *how)
{
	fprintf(stderr, "tpdocker: bug: JSON writer: %s\n", how);
	abort();
}

struct tp_jw *tp_jw_new(void)
{
	struct tp_jw *w = tp_calloc(1, sizeof(*w));

	w->text = TP_BUF_INIT(SIZE_MAX / 8);
	w->open = TP_BUF_INIT(65536);
	return w;
}

void tp_jw_free(struct tp_jw *w)
{
	if (!w)
		return;
	tp_buf_free(&w->text);
	tp_buf_free(&w->open);
	free(w);
}

static void write_text(struct tp_jw *w, const char *s)
{
	static const char letters[] = "btn?fr"; /* for 8 to 13 */
	size_t n = strlen(s), plain;

	if (!tp_utf8_valid(s, n)) {
		w->bad_text = true;
		s = "";
	}
	tp_buf_putc(&w->text, '"');
	while (*s) {
		unsigned char c;

		for (plain = 0; (c = (unsigned char)s[plain]) >= 0x20; plain++) {
			if (c == '"' || c == '\\')
				break;
		}
		tp_buf_put(&w->text, s, plain);
		s += plain;
		if (!c)
			break;
		if (c == '"' || c == '\\')
			tp_buf_printf(&w->text, "\\%c", c);
		else if (c >= 8 && c <= 13 && c != 11)
			tp_buf_printf(&w->text, "\\%c", letters[c - 8]);
		else
			tp_buf_printf(&w->text, "\\u%04x", c);
		s++;
	}
	tp_buf_putc(&w->text, '"');
}

/* Writes what comes before a value: a comma, the member's name. */
static void before_value(struct tp_jw *w, const char *key)
{
	char in = w->open.len ? w->open.data[w->open.len - 1] : '\0';

	if (w->finished)
		misused("written to after its end");
	if (!in && w->text.len)
		misused("a second value at the top");
	if ((in == '{') != (key != NULL))
		misused(key ? "a name outside an object" : "no name inside an object");
	if (w->started)
		tp_buf_putc(&w->text, ',');
	w->started = true;
	if (key) {
		write_text(w, key);
		tp_buf_putc(&w->text, ':');
	}
}

static void begin(struct tp_jw *w, const char *key, char c)
{
	before_value(w, key);
	tp_buf_putc(&w->text, c);
	if (tp_buf_putc(&w->open, c))
		misused("nested too deep");
	w->started = false;
}

void tp_jw_object(struct tp_jw *w, const char *key)
{
	begin(w, key, '{');
}

void tp_jw_array(struct tp_jw *w, const char *key)
{
	begin(w, key, '[');
}

void tp_jw_end(struct tp_jw *w)
{
	if (!w->open.len)
		misused("nothing is open");
	tp_buf_putc(&w->text, w->open.data[w->open.len - 1] == '{' ? '}' : ']');
	w->open.data[--w->open.len] = '\0';
	w->started = true;
}

void tp_jw_str(struct tp_jw *w, const char *key, const char *s)
{
	before_value(w, key);
	if (s)
		write_text(w, s);
	else
		tp_buf_puts(&w->text, "null");
}

void tp_jw_int(struct tp_jw *w, const char *key, int64_t v)
{
	before_value(w, key);
	tp_buf_printf(&w->text, "%" PRId64, v);
}

void tp_jw_bool(struct tp_jw *w, const char *key, bool v)
{
	before_value(w, key);
	tp_buf_puts(&w->text, v ? "true" : "false");
}

void tp_jw_null(struct tp_jw *w, const char *key)
{
	tp_jw_str(w, key, NULL);
}

void tp_jw_value(struct tp_jw *w, const char *key, const struct tp_json *v)
{
	switch (tp_json_type(v)) {
	case TP_JSON_NULL:
		tp_jw_null(w, key);
		break;
	case TP_JSON_BOOL:
		tp_jw_bool(w, key, v->truth);
		break;
	case TP_JSON_INT:
	case TP_JSON_REAL:
		before_value(w, key);
		tp_buf_puts(&w->text, v->text);
		break;
	case TP_JSON_STRING:
		tp_jw_str(w, key, v->text);
		break;
	case TP_JSON_ARRAY:
	case TP_JSON_OBJECT:
		/* no deeper than what was parsed */
		begin(w, key, v->type == TP_JSON_OBJECT ? '{' : '[');
		for (size_t i = 0; i < v->n; i++)
			tp_jw_value(w, v->type == TP_JSON_OBJECT ? v->list[i]->key : NULL,
				    v->list[i]);
		tp_jw_end(w);
		break;
	}
}

char *tp_jw_finish(struct tp_jw *w, size_t *len, struct tp_err *err)
{
	if (w->finished || w->open.len || !w->text.len)
		misused("finished where it is not at its end");
	w->finished = true;
	if (w->bad_text) {
		tp_err_set(err, TP_ERR_FAILED, "a string is not valid UTF-8");
		return NULL;
	}
	if (len)
		*len = w->text.len;
	return tp_buf_steal(&w->text);
}
