/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a command line the cursor is, and so what can stand there. Nothing is
 * asked of anybody: only the words and the tables of commands, options and
 * docker's flags are looked at.
 */
#ifndef TP_COMPLETE_CURSOR_H
#define TP_COMPLETE_CURSOR_H

#include "base/buf.h"
#include "cmd.h"

enum tp_cursor_what {
	TP_CURSOR_NOWHERE, /* nothing of ours: behind an image, an unknown command, ... */
	TP_CURSOR_COMMAND, /* the command's name */
	TP_CURSOR_OPTION,  /* an option's name */
	TP_CURSOR_VALUE,   /* an option's value, or an argument: of the kind KIND */
};

struct tp_cursor {
	enum tp_cursor_what what;
	const struct tp_cmd *cmd; /* NULL: none yet */
	/* As in struct tp_opt: "namespace", "a|b|c". NULL: nothing is known that fits. */
	char *kind;
	char *begun;	      /* what stands there already */
	struct tp_strv given; /* options of ours in front of it: no need for them twice */

	/* which cluster and engine the command will have; NULL: not said */
	char *context, *namespace, *kubeconfig, *docker_host, *docker_context;
};

/* WORDS: those behind the program's name up to the cursor, as they were typed:
 * quotes, backslashes and ~/ are understood. The last one (there must be one, it
 * may be empty) is what is to be completed. COMMANDS ends with NULL. */
void tp_cursor_find(struct tp_cursor *p, const struct tp_cmd *const *commands, int n,
		    char *const *words);
void tp_cursor_free(struct tp_cursor *p);

#endif
