/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a container has mounts by its user's own wish, as opposed to the
 * volumes that its image declares.
 */
#ifndef TP_DOCKER_USER_MOUNTS_H
#define TP_DOCKER_USER_MOUNTS_H

#include "docker/engine.h"
#include "docker/flags.h"

/* PATH without doubled and trailing slashes and "." steps; the caller's. */
char *tp_path_clean(const char *path);

/* The targets of -v, --mount and --tmpfs, clean, into OUT. What docker will
 * refuse is passed over. */
void tp_user_mounts(const struct tp_run_args *a, struct tp_strv *out);

/* The volumes of IMAGE (its inspection) that no mount of the user's takes the
 * place of, --volumes-from included; clean, into OUT. Blocks only for --volumes-from.
 * -1 ERR when one of those containers is not there. */
int tp_image_volumes(const struct tp_run_args *a, const struct tp_json *image, struct tp_engine *e,
		     struct tp_strv *out, struct tp_cancel *c, struct tp_err *err);

#endif
