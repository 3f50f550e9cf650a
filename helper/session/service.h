/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Service in front of a new agent whose ports are exposed: named as the
 * pod is, made after it, and deleted with the session. It names the pod as
 * its owner, so that it also goes when the pod goes and nobody cleans up.
 */
#ifndef TP_SESSION_SERVICE_H
#define TP_SESSION_SERVICE_H

#include "kube/client.h"
#include "session/ports.h"

struct tp_service {
	const char *name;	      /* the pod's as well */
	const char *session, *by;     /* for label and annotation */
	const struct tp_ports *ports; /* of which those of TP_PORT_EXPOSE count */
};

/* What can be refused beforehand: a name that is taken (CONFLICT), quota, admission. Nothing is made. */
int tp_service_check(struct tp_kube *k, const struct tp_service *s, struct tp_cancel *c,
		     struct tp_err *err);

/* Makes it for the pod with this UID. *ADDRESS (the caller's; NULL or what it was before): its cluster address. */
int tp_service_create(struct tp_kube *k, const struct tp_service *s, const char *pod_uid,
		      char **address, struct tp_cancel *c, struct tp_err *err);
/* The same when another pod stands where the first one did; may be done twice. What is left of the Service for the old
 * pod is removed, and *ADDRESS asked for again, so that callers do not notice. */
int tp_service_renew(struct tp_kube *k, const struct tp_service *s, const char *pod_uid,
		     char **address, struct tp_cancel *c, struct tp_err *err);

/* Deletes the Service NAME if it is SESSION's. Gone, or another's: success. */
int tp_service_delete(struct tp_kube *k, const char *name, const char *session, struct tp_cancel *c,
		      struct tp_err *err);

/* The object, apart for tests. POD_UID and ADDRESS may be NULL. The caller's. */
char *tp_service_json(const struct tp_service *s, const char *pod_uid, const char *address,
		      struct tp_err *err);

#endif
