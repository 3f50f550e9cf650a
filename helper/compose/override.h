/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The override that puts services of a compose project into the cluster:
 * pure text from what `docker compose config` told.
 *
 * Each workload gets a sidecar service, tpdocker-SERVICE, that holds a whole
 * session (`tpdocker-sidecar session`) and needs nothing on the host but a
 * kubeconfig to read. The joined service gives it everything that belongs to
 * a network namespace (ports, networks and aliases, host name, name servers,
 * sysctls) and gets the sidecar's namespace, and the entry gate in front of
 * its entrypoint (common/gate.h). The gate gets the pod's environment from
 * the sidecar when the container starts: no value of it is in any file or in
 * `docker inspect`.
 */
#ifndef TP_COMPOSE_OVERRIDE_H
#define TP_COMPOSE_OVERRIDE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/json.h"

#define TP_COMPOSE_PREFIX "tpdocker-" /* of a sidecar service's name */
/* On the volume with the gate: it may be removed whenever no container has it. */
#define TP_LABEL_COMPOSE "dev.tpdocker.compose"

/* SERVICE[=[[NAMESPACE/]KIND/]NAME[:CONTAINER]] */
struct tp_compose_join {
	char *service;
	char *namespace; /* NULL: the session's */
	char *workload;	 /* KIND/NAME[:CONTAINER] to swap; NULL: a new agent */
};
int tp_compose_join_parse(const char *spec, struct tp_compose_join *j, struct tp_err *err);
void tp_compose_join_free(struct tp_compose_join *j);

struct tp_compose_plan {
	const struct tp_json *raw, *resolved; /* the project: compose/model.h */
	const struct tp_compose_join *joins;
	const struct tp_json *const
		*images; /* of each join, inspected; NULL where none is wanted */
	size_t n;

	const char *image; /* the sidecar's */
	bool mounts; /* the pod's volumes too: takes /dev/fuse and SYS_ADMIN, in the sidecar */
	/* Read-only binds, each at its own path; of them those for KUBECONFIG. */
	const struct tp_strv *files, *kubeconfigs;
	const char *home; /* what becomes ${HOME} in their names; may be NULL */
	const char *context, *namespace, *serviceaccount; /* NULL: the kubeconfig's, the default */
	const struct tp_strv *also_proxy, *never_proxy;	  /* may be NULL */
};

/* What cannot be moved, each by its name. 0, or -1 ERR (USAGE). Images and files are not looked at. */
int tp_compose_check(const struct tp_compose_plan *p, struct tp_err *err);

/* The image whose ENTRYPOINT or CMD service I runs; NULL if it says all that itself. */
char *tp_compose_image_wanted(const struct tp_compose_plan *p, size_t i);

/* The override's text. After a check that found nothing; -1 ERR: an entrypoint that is none. */
int tp_compose_write(const struct tp_compose_plan *p, struct tp_buf *out, struct tp_err *err);

#endif
