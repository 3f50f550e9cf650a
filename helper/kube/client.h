/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kubernetes API: one server, one namespace. Blocking calls from any thread.
 * Errors say verb, resource, namespace and the server's own message; 403 is
 * FORBIDDEN and reads `you may not create pods in namespace "x"` with the
 * remedy, 404 NOT_FOUND, 409 CONFLICT.
 */
#ifndef TP_KUBE_CLIENT_H
#define TP_KUBE_CLIENT_H

#include "base/json.h"
#include "http/http.h"
#include "http/ws.h"
#include "kube/kubeconfig.h"

struct tp_kube;

/* Takes ownership of nothing; KC must outlive it. No connection is made. */
struct tp_kube *tp_kube_open(const struct tp_kubeconfig *kc, struct tp_cancel *c,
			     struct tp_err *err);
void tp_kube_free(struct tp_kube *k);
const char *tp_kube_namespace(const struct tp_kube *k);
const struct tp_kubeconfig *tp_kube_config(const struct tp_kube *k);
struct tp_http_client *tp_kube_http(struct tp_kube *k);

/* Closes the connections that are kept for reuse: after the network was away they may be dead. */
void tp_kube_drop_idle(struct tp_kube *k);

/* One request to PATH (printf-style, escaped by the caller); BODY may be NULL. WHAT
 * names the thing in errors ("deployment/web"). The answer parsed, or NULL ERR. */
struct tp_json *tp_kube_request(struct tp_kube *k, const char *method, const char *path,
				const char *content_type, const char *body, const char *what,
				struct tp_cancel *c, struct tp_err *err);
/* Turns an API answer of 4xx or 5xx (a Status object or not) into ERR; returns -1. VERB: "create", WHAT: "pods". */
int tp_kube_status_error(struct tp_kube *k, int status, const char *body, size_t n,
			 const char *verb, const char *what, struct tp_err *err);

/* Says early whether server and credentials work (GET /version and one cheap
 * authorised request), naming the server, the context and the cause. */
int tp_kube_check(struct tp_kube *k, struct tp_cancel *c, struct tp_err *err);
/* The server's version as tp_kube_check saw it: 1022 for 1.22; 0 if it does not tell. */
int tp_kube_version(const struct tp_kube *k);
/* Whether VERB on GROUP/RESOURCE/SUBRESOURCE in our namespace is allowed (SelfSubjectAccessReview, which every
 * authenticated user may make): 1 yes, 0 no, -1 ERR. NAME may be NULL. */
int tp_kube_can(struct tp_kube *k, const char *verb, const char *group, const char *resource,
		const char *subresource, const char *name, struct tp_cancel *c, struct tp_err *err);

#endif
