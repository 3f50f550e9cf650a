/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's container: run by the docker CLI, with our flags put in. Its
 * environment travels through an anonymous file (one-line values) and the CLI's own
 * environment (the others): never through argv.
 */
#ifndef TP_DOCKER_LAUNCH_H
#define TP_DOCKER_LAUNCH_H

#include "base/child.h"
#include "docker/endpoint.h"
#include "docker/flags.h"

/* The entry gate (common/gate.h) in the entrypoint's place. */
struct tp_launch_gate {
	const char *volume;	       /* the one that holds it, by name */
	const char *address;	       /* NAME or NAME/TAG: where it asks */
	const struct tp_strv *command; /* what it is to become (docker/entrypoint.h) */
};

struct tp_launch {
	const struct tp_docker_endpoint *ep;
	const struct tp_run_args *args;
	const char *
		netns_container; /* the sidecar's ID: --network container:...; NULL: the user's own flags say */
	const char *const
		*env; /* the pod's, "K=V", NULL-terminated; the user's own -e and --env-file win */
	const char *const
		*last_env;	   /* "K=V" that win over the user's own; no secrets. May be NULL */
	const char *const *labels; /* "k=v" of ours */
	const struct tp_launch_gate *gate; /* or NULL */
};

/* Variables of the pod that never reach the container (HOME PATH HOSTNAME
 * stay the image's own). */
bool tp_env_is_kept_back(const char *name, size_t len);

/* Names that the user sets with -e and --env-file; -1 ERR if a file cannot be read. */
int tp_launch_user_env_names(const struct tp_run_args *a, struct tp_strv *names,
			     struct tp_err *err);

/* Starts `docker run ...` with our stdio, in our process group. */
int tp_launch_start(const struct tp_launch *l, struct tp_child *child, struct tp_err *err);

/* Refusals before anything exists: docker CLI missing; -it without a terminal (docker's own rule: -t needs stdin to be one
 * when -i is given and we are not detached); env files missing; --cidfile that exists. */
int tp_launch_check(const struct tp_docker_endpoint *ep, const struct tp_run_args *a,
		    struct tp_err *err);

/* Pulls the user's image with `docker pull` (progress on stderr) as --pull and --platform say (missing, always, never), --quiet honoured.
 * Blocks. NOT_FOUND/FAILED with docker's own message. */
int tp_launch_pull(const struct tp_docker_endpoint *ep, const struct tp_run_args *a, bool present,
		   struct tp_cancel *c, struct tp_err *err);

#endif
