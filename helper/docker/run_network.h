/* SPDX-License-Identifier: Apache-2.0 */
/* --network of docker run. */
#ifndef TP_DOCKER_RUN_NETWORK_H
#define TP_DOCKER_RUN_NETWORK_H

#include "docker/flags.h"

/* One --network value, "NAME" or "name=NAME,alias=X,...", into A's fields
 * for the sidecar. 0 or -1 ERR. */
int tp_run_network_add(struct tp_run_args *a, const char *value, struct tp_err *err);

/* Those flags again, in one spelling: all of them but -P. */
void tp_run_network_flags(const struct tp_run_args *a, struct tp_strv *out);

#endif
