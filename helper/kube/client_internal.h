/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of kube/ share about a client: requests that keep up with a
 * plugin's client certificates, streams, and paths.
 */
#ifndef TP_KUBE_CLIENT_INTERNAL_H
#define TP_KUBE_CLIENT_INTERNAL_H

#include "kube/client.h"

/* tp_http_do, with the credentials as they are now. RESP must be zeroed, and
 * freed in every case. */
int tp_kube_do(struct tp_kube *k, const struct tp_http_request *req, struct tp_http_response *resp,
	       struct tp_cancel *c, struct tp_err *err);

/* The error of an answer that is no success, said of PATH; -1. WHAT may be NULL. */
int tp_kube_fail(struct tp_kube *k, const char *method, const char *path, const char *what,
		 int status, const char *body, size_t n, struct tp_err *err);

/* A stream of a pod (exec, port-forward), v4.channel.k8s.io. WHAT for errors. */
struct tp_ws *tp_kube_ws(struct tp_kube *k, const char *path, const char *what, struct tp_cancel *c,
			 struct tp_err *err);

/* "/api/v1/namespaces/NS/pods/NAME/SUB", each part escaped; NAME and SUB may be NULL. The caller frees it. */
char *tp_kube_pod_path(struct tp_kube *k, const char *name, const char *sub);

/* What a path is about, in the words of an RBAC rule. */
struct tp_kube_target {
	char group[256];
	char resource[256]; /* with "/subresource"; "" if it is no resource */
	bool one;	    /* a single object is named */
	bool namespaced;
};
void tp_kube_target(const char *path, struct tp_kube_target *t);
/* The verb of METHOD on PATH: get, list, watch, create, update, patch, delete. */
const char *tp_kube_verb(const char *method, const char *path, const struct tp_kube_target *t);

#endif
