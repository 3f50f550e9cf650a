/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is going to run: --entrypoint, the command line behind the
 * image, and the image's own ENTRYPOINT and CMD, put together as docker does.
 */
#ifndef TP_DOCKER_ENTRYPOINT_H
#define TP_DOCKER_ENTRYPOINT_H

#include "base/json.h"
#include "docker/flags.h"

/* Program and arguments into OUT. IMAGE: the engine's inspection of it. -1
 * ERR (USAGE) when there is nothing to run, which docker would refuse too. */
int tp_entrypoint(const struct tp_run_args *a, const struct tp_json *image, struct tp_strv *out,
		  struct tp_err *err);

#endif
