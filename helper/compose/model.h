/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compose project as `docker compose config` tells it. Files are never read
 * here: anchors, extends, include, profiles, short and long forms are
 * Compose's own affair. It is asked twice:
 *
 *   resolved   what will be made: variables put in, env files read. It may
 *              hold secrets, and nothing of its values is written anywhere.
 *   raw        the same with ${VARIABLES} left as they are: what is copied
 *              into an override is copied from here, and stays without values.
 */
#ifndef TP_COMPOSE_MODEL_H
#define TP_COMPOSE_MODEL_H

#include "base/buf.h"
#include "base/json.h"
#include "docker/endpoint.h"

/* The first that takes !reset and !override as we need them. */
#define TP_COMPOSE_LEAST "2.24.4"

/* docker compose's own options, in front of its command. */
struct tp_compose_opts {
	struct tp_strv files;	  /* -f */
	struct tp_strv env_files; /* --env-file */
	char *project_name, *project_directory;
};

struct tp_compose_model {
	char *version;
	struct tp_strv program; /* docker compose with the project's options, less the command */
	struct tp_json *raw, *resolved;
};

/* `docker compose` of EP's docker CLI, else docker-compose. 0, or -1 ERR:
 * neither is there, or too old; the project is not valid (in its words). */
int tp_compose_load(const struct tp_compose_opts *o, const struct tp_docker_endpoint *ep,
		    struct tp_compose_model *m, struct tp_err *err);
void tp_compose_model_free(struct tp_compose_model *m);

/* Has Compose build or pull the image of SERVICE; what it says goes to our stderr. */
int tp_compose_get_image(const struct tp_compose_model *m, const char *service, bool build,
			 struct tp_err *err);

/* The service NAME, or NULL. */
const struct tp_json *tp_compose_service(const struct tp_json *model, const char *name);

/* <0, 0, >0 as of "2.24.4", "v2.40.3-3"; INT_MIN if either is no version. */
int tp_compose_version_cmp(const char *a, const char *b);

#endif
