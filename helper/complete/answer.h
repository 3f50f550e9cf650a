/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shell is told: one candidate a line, its description behind a tab, and
 * last a line ":N" of what else the shell may do. This is how programs made with
 * Go's cobra answer, docker among them, so that docker's own completion can ask us.
 */
#ifndef TP_COMPLETE_ANSWER_H
#define TP_COMPLETE_ANSWER_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"

/* N: bits, with cobra's meanings. */
enum tp_directive {
	TP_COMPLETE_FILES = 0,	  /* no candidate fits: files */
	TP_COMPLETE_NO_FILES = 4, /* what is not here is nothing */
	TP_COMPLETE_FOLDERS = 16,
};

struct tp_answer {
	const char *prefix;    /* candidates that do not begin so are left out; not NULL */
	struct tp_strv values; /* each once */
	struct tp_strv notes;  /* their descriptions, "" for none */
	enum tp_directive files;
};
#define TP_ANSWER_INIT(begun) \
	((struct tp_answer){ .prefix = (begun), .files = TP_COMPLETE_NO_FILES })

/* Adds a candidate, unless it does not fit, is there already, or holds what
 * would break a line or a terminal. NOTE may be NULL. */
void tp_answer_add(struct tp_answer *a, const char *value, const char *note);
/* Those of "a|b|c". */
void tp_answer_add_choices(struct tp_answer *a, const char *choices);
/* The lines, without the last one, and the last one. */
void tp_answer_print_values(const struct tp_answer *a, bool notes, FILE *out);
void tp_answer_print_directive(const struct tp_answer *a, FILE *out);
/* Takes over lines that tp_answer_print_values wrote. TEXT is cut up. */
void tp_answer_read_values(struct tp_answer *a, char *text);
void tp_answer_free(struct tp_answer *a);

#endif
