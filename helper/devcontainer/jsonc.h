/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON with comments and trailing commas, as devcontainer.json is written:
 * read as a tree of places in the text, and edited in place. What an edit
 * does not concern stays byte for byte: comments, order, line ends, layout.
 *
 * Limits: 1 MiB, 64 levels. Strings, numbers and names are those of RFC 8259,
 * comments are // and block comments; a comma may stand behind the last one.
 */
#ifndef TP_DEVCONTAINER_JSONC_H
#define TP_DEVCONTAINER_JSONC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define TP_JSONC_MAX   (1u << 20)
#define TP_JSONC_DEPTH 64

/* A value and where it stands. Of a list or object: what is in it, in order. */
struct tp_jsonc_node {
	size_t start, end;	   /* of the value */
	size_t key, key_end;	   /* of the member's name with its quotes; both 0 for others */
	size_t parent, next, kids; /* nodes; 0: none (the root is nobody's kid) */
	size_t last;		   /* of the kids */
	size_t comma;		   /* behind the comma that follows it; 0: none does */
};

struct tp_jsonc {
	const char *text; /* the caller's */
	size_t n;
	struct tp_jsonc_node *v; /* v[0] is the root */
	size_t count, room;
};

/* 0, or -1 ERR (PROTOCOL) with the line. TEXT stays the caller's and has to live as long as D. */
int tp_jsonc_parse(const char *text, size_t n, struct tp_jsonc *d, struct tp_err *err);
void tp_jsonc_free(struct tp_jsonc *d);

/* Member NAME of the object NODE: its node, or 0. Of several the last, which is the one that counts. */
size_t tp_jsonc_member(const struct tp_jsonc *d, size_t node, const char *name);
bool tp_jsonc_is_object(const struct tp_jsonc *d, size_t node);
bool tp_jsonc_is_list(const struct tp_jsonc *d, size_t node);

/* The whole as plain JSON. NULL ERR. */
struct tp_json *tp_jsonc_json(const char *text, size_t n, struct tp_err *err);

/*
 * Edits of TEXT (a document; an empty one counts as {}), each 1 if it changed
 * something, 0 if all was so already, -1 ERR. PATH: names of members, NULL at
 * the end; objects that are missing on the way are made. VALUE: JSON text.
 *
 * set     the member has this value then
 * add     the list at PATH has an element with this value; one that is missing is made
 * wrap    the member's value, whatever it is, moves into an object that takes its place, as member NAME
 */
int tp_jsonc_set(struct tp_buf *text, const char *const *path, const char *value,
		 struct tp_err *err);
int tp_jsonc_add(struct tp_buf *text, const char *const *path, const char *value,
		 struct tp_err *err);
int tp_jsonc_wrap(struct tp_buf *text, const char *const *path, const char *name,
		  struct tp_err *err);

#endif
