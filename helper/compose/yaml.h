/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML, written in order: as the JSON writer (base/json.h), with the tags that
 * compose files know. The only file of this folder that names the YAML library.
 * Strings are quoted wherever some reader could take them for anything else.
 */
#ifndef TP_COMPOSE_YAML_H
#define TP_COMPOSE_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

struct tp_yw; /* opaque */

struct tp_yw *tp_yw_new(void);
void tp_yw_free(struct tp_yw *w);
static inline void tp_yw_free_p(struct tp_yw **p)
{
	tp_yw_free(*p);
}
#define TP_AUTO_YW __attribute__((cleanup(tp_yw_free_p))) struct tp_yw

/* KEY is the member's name inside a mapping, NULL inside a list and at the
 * top. A short list goes on one line. Nesting errors make finish fail. */
void tp_yw_map(struct tp_yw *w, const char *key);
void tp_yw_list(struct tp_yw *w, const char *key);
void tp_yw_line(struct tp_yw *w, const char *key);		 /* a list on one line */
void tp_yw_end(struct tp_yw *w);				 /* of the innermost one */
void tp_yw_str(struct tp_yw *w, const char *key, const char *s); /* NULL writes null */
void tp_yw_int(struct tp_yw *w, const char *key, int64_t v);
void tp_yw_bool(struct tp_yw *w, const char *key, bool v);
/* Copies a JSON value, whole. */
void tp_yw_value(struct tp_yw *w, const char *key, const struct tp_json *v);

/* Compose's tags: KEY is taken out of what the earlier files say; the next
 * mapping or list replaces what they say instead of being merged into it. */
void tp_yw_reset(struct tp_yw *w, const char *key);
void tp_yw_override(struct tp_yw *w);

/* The text, behind what OUT holds already; the writer is spent. -1 ERR if it
 * is too long for OUT, or a string was not UTF-8. */
int tp_yw_finish(struct tp_yw *w, struct tp_buf *out, struct tp_err *err);

#endif
