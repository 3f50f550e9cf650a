/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line options from a table; usage text, completion and the man
 * page's option list come from the same table.
 */
#ifndef TP_BASE_OPT_H
#define TP_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

enum tp_opt_type {
	TP_OPT_FLAG,   /* bool *: --x, --x=true, --x=false */
	TP_OPT_STRING, /* char **: the last one wins; owned by the target */
	TP_OPT_LIST,   /* struct tp_strv *: may be given more than once */
};

struct tp_opt {
	const char *name; /* without the dashes; options of ours are long ones */
	enum tp_opt_type type;
	const char *arg;  /* the value's name in usage: "NAME[:CONTAINER]"; NULL for a flag */
	const char *help; /* one sentence, lower case, no full stop */
	size_t offset;	  /* of the target in the command's options struct */
	/* What completes the value: "namespace", "context", "workload", "file", ... (all of
	 * them: cmd_complete.c), the values themselves ("a|b|c"), or NULL: nothing. */
	const char *complete;
	const struct tp_opt *more; /* of the row that ends a table: the table that goes on */
};

/* Ends a table. */
#define TP_OPT_END           \
	{                    \
		.name = NULL \
	}

/* Ends a table whose command has the options of TABLE as well, in the same options struct. */
#define TP_OPT_MORE(table)                  \
	{                                   \
		.name = NULL, .more = table \
	}

/* O, or what follows when a table ends there; NULL at the end of all. */
const struct tp_opt *tp_opt_at(const struct tp_opt *o);
/* Every option O of TABLE (may be NULL) and of those behind it. */
#define TP_OPT_FOREACH(o, table) \
	for (const struct tp_opt *o = tp_opt_at(table); o; o = tp_opt_at(o + 1))

const struct tp_opt *tp_opt_find(const struct tp_opt *table, const char *name, size_t len);

/* Looks at argv[*i], a "--name" or "--name=value" word: 1 if an option of
 * TABLE (its target in BASE is set, *i moved to the last word used), 0 if
 * not, -1 ERR (value missing, not a boolean, given but not taken). */
int tp_opt_take(const struct tp_opt *table, void *base, int argc, char *const *argv, int *i,
		struct tp_err *err);

/* Parses options until the first word that is none (its index is returned)
 * or "--" (the index behind it); -1 ERR for an unknown one, with the nearest name. */
int tp_opt_parse(const struct tp_opt *table, void *base, int argc, char *const *argv, int first,
		 struct tp_err *err);

/* Of the N names the nearest to WORD by edit distance, NULL if none is near. */
const char *tp_nearest(const char *word, const char *const *names, size_t n);

/* "  --name ARG   help", wrapped to 79 columns. */
void tp_opt_print(const struct tp_opt *table, FILE *out);

#endif
