/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259), read as a tree and written in order. The only module that knows the
 * JSON library. Limits: 256 levels, the given length.
 */
#ifndef TP_BASE_JSON_H
#define TP_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct tp_json; /* a value inside a document, or the document's root */

enum tp_json_type {
	TP_JSON_NULL,
	TP_JSON_BOOL,
	TP_JSON_INT,
	TP_JSON_REAL,
	TP_JSON_STRING,
	TP_JSON_ARRAY,
	TP_JSON_OBJECT
};

/* Parses exactly one document of N bytes. NULL and ERR (PROTOCOL) for
 * anything else: trailing garbage, too deep, a \u0000 in a string, invalid UTF-8.
 * The error never quotes the text. Free the root. */
struct tp_json *tp_json_parse(const char *text, size_t n, struct tp_err *err);
void tp_json_free(struct tp_json *root); /* NULL is allowed */
static inline void tp_json_free_p(struct tp_json **p)
{
	tp_json_free(*p);
}
#define TP_AUTO_JSON __attribute__((cleanup(tp_json_free_p))) struct tp_json

/* Everything below takes NULL for "not there" and passes it on, so that
 * chains need one check. Strings live as long as the root. */
enum tp_json_type tp_json_type(const struct tp_json *v); /* NULL: TP_JSON_NULL */
/* The member KEY of an object, or NULL; of several the last, as in Go. */
const struct tp_json *tp_json_get(const struct tp_json *v, const char *key);
/* A path of members and array indexes: "spec.template.spec.containers[0].name".
 * A key with dots in it has to be reached with tp_json_get. */
const struct tp_json *tp_json_path(const struct tp_json *v, const char *path);
const char *tp_json_str(const struct tp_json *v);		       /* NULL if not a string */
const char *tp_json_str_at(const struct tp_json *v, const char *path); /* path, then str */
/* 0, or -1 if it is not an integer that fits. */
int tp_json_int(const struct tp_json *v, int64_t *out);
int64_t tp_json_int_at(const struct tp_json *v, const char *path, int64_t dflt);
bool tp_json_bool_at(const struct tp_json *v, const char *path, bool dflt);
size_t tp_json_len(const struct tp_json *v); /* members or elements; else 0 */
const struct tp_json *tp_json_at(const struct tp_json *v, size_t i); /* element or member i */
const char *tp_json_key(const struct tp_json *v, size_t i);	     /* member i's name */

/* The writer. Nesting errors abort (they are bugs). A string that is not
 * valid UTF-8 makes tp_json_finish fail. */
struct tp_jw; /* opaque */
struct tp_jw *tp_jw_new(void);
void tp_jw_free(struct tp_jw *w);
static inline void tp_jw_free_p(struct tp_jw **p)
{
	tp_jw_free(*p);
}
#define TP_AUTO_JW __attribute__((cleanup(tp_jw_free_p))) struct tp_jw
/* KEY is the member's name inside an object, NULL inside an array and at the top. */
void tp_jw_object(struct tp_jw *w, const char *key);
void tp_jw_array(struct tp_jw *w, const char *key);
void tp_jw_end(struct tp_jw *w); /* of the innermost object or array */
void tp_jw_str(struct tp_jw *w, const char *key, const char *s); /* NULL writes null */
void tp_jw_int(struct tp_jw *w, const char *key, int64_t v);
void tp_jw_bool(struct tp_jw *w, const char *key, bool v);
void tp_jw_null(struct tp_jw *w, const char *key);
/* Copies a parsed value, whole, numbers to the letter. */
void tp_jw_value(struct tp_jw *w, const char *key, const struct tp_json *v);
/* The text; the writer is spent. NULL and ERR if a string was not UTF-8. The caller frees it. */
char *tp_jw_finish(struct tp_jw *w, size_t *len, struct tp_err *err);

#endif
