/* SPDX-License-Identifier: Apache-2.0 */
/* How each variable of the pod travels to the docker CLI. */
#ifndef TP_DOCKER_LAUNCH_ENV_H
#define TP_DOCKER_LAUNCH_ENV_H

#include "docker/launch.h"

/* Whether ENV[I] is given to a container at all: it has a name that is not kept
 * back, and no later one has the same. */
bool tp_env_is_given(const char *const *env, size_t i);

/* Whether docker reads KV, as a line of an env-file, as it was meant: NAME bytes of name, LEN in all. */
bool tp_env_fits_line(const char *kv, size_t name, size_t len);

struct tp_launch_env {
	struct tp_buf file;	 /* text of an env-file */
	struct tp_strv names;	 /* for `-e NAME` */
	struct tp_strv environ;	 /* "K=V", for the CLI's own environment */
	struct tp_strv left_out; /* names that cannot travel */
};

/* Sorts ENV ("K=V", NULL-terminated), less what is kept back and the NAMES
 * that the user sets. The last of several with the same name counts. */
void tp_launch_env_split(const char *const *env, const struct tp_strv *user_names,
			 struct tp_launch_env *out);
void tp_launch_env_free(struct tp_launch_env *e); /* wipes */

#endif
