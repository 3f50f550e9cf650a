/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's environment as text that other programs read back to the byte:
 *
 *   env      assignments for a POSIX shell: set -a; . ./FILE
 *   shell    the same with "export": eval "$(...)"
 *   json     one object
 *   compose  an env_file of Compose (2.24 and later)
 *   docker   an env-file of `docker run`
 *
 * Each of these readers has names or values that it cannot be told. Such a
 * variable is never written as something else: it is left out, and named.
 */
#ifndef TP_SESSION_ENVFORMAT_H
#define TP_SESSION_ENVFORMAT_H

#include "base/buf.h"
#include "base/err.h"

enum tp_env_format { TP_ENV_PLAIN, TP_ENV_SHELL, TP_ENV_JSON, TP_ENV_COMPOSE, TP_ENV_DOCKER };

struct tp_env_text {
	struct tp_buf text;
	struct tp_strv bad_names; /* left out: the format has no such names */
	struct tp_strv
		reserved; /* left out: shells keep these for themselves, and some stop at them */
	struct tp_strv
		bad_values; /* left out: the value is not UTF-8, and the format knows nothing else */
	struct tp_strv
		bare; /* docker: the name alone is written, docker takes the value from its own environment */
};

/* By its word; -1 ERR (USAGE) names all of them. */
int tp_env_format_find(const char *word, enum tp_env_format *f, struct tp_err *err);

/* Writes ENV ("K=V", NULL-terminated) in order of names, less what is kept back from a container (docker/launch_env.h);
 * of several of a name the last. OUT is new, and to be freed whatever is returned; -1 ERR if it grew too large. */
int tp_env_format_print(enum tp_env_format f, const char *const *env, struct tp_env_text *out,
			struct tp_err *err);
void tp_env_text_free(struct tp_env_text *t); /* wipes */

#endif
