/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a kubeconfig a sidecar service can work with: it is a container, has
 * no program of the host's, and reads the files through binds.
 */
#ifndef TP_COMPOSE_ACCESS_H
#define TP_COMPOSE_ACCESS_H

#include <stdbool.h>

#include "base/buf.h"
#include "kube/kubeconfig.h"

struct tp_compose_access {
	struct tp_strv files;	    /* to be bound, absolute */
	struct tp_strv kubeconfigs; /* of them those that KUBECONFIG names */
};

/* -1 ERR by name: the pod's own account, a server on this machine's loopback, a credential plugin
 * (unless OWN_IMAGE: it may be in there). CWD makes relative names absolute. */
int tp_compose_access_find(const struct tp_kubeconfig *kc, bool own_image, const char *cwd,
			   struct tp_compose_access *a, struct tp_err *err);
void tp_compose_access_free(struct tp_compose_access *a);

#endif
