/* SPDX-License-Identifier: Apache-2.0 */
/* docker's contexts, as they lie in its configuration folder. */
#ifndef TP_DOCKER_CONTEXT_H
#define TP_DOCKER_CONTEXT_H

#include "docker/endpoint.h"

/* config.json's currentContext; NULL if there is none, or no such file. *ERR
 * is set (and -1 returned) only for a file that cannot be read or parsed. */
int tp_docker_current_context(const char *config_dir, char **name, struct tp_err *err);

/* Fills host, TLS material and skip_verify of EP from the context NAME. NOT_FOUND if there is none,
 * naming those there are. */
int tp_docker_context_load(struct tp_docker_endpoint *ep, const char *name, struct tp_err *err);

/* Adds the names of all contexts, "default" among them. */
void tp_docker_context_names(const char *config_dir, struct tp_strv *names);

/* The file's text (at most 1 MiB); NULL: ERR, or without one if it is not there and OPTIONAL. */
char *tp_docker_read_pem(const char *dir, const char *file, bool optional, struct tp_err *err);

#endif
