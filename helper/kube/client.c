// SPDX-License-Identifier: Apache-2.0
#include "kube/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/credential.h"

struct tp_kube {
	const struct tp_kubeconfig *kc;
	struct tp_credential *cred;
	pthread_mutex_t lock; /* http, cert, old */
	struct tp_http_client *http;
	char *cert; /* the plugin's certificate that http was made with, or NULL */
	/* Clients with an earlier certificate: other threads may still use them. */
	struct tp_http_client **old;
	size_t n_old;
	int version; /* 1022 for 1.22; 0: not known */
};

static int auth(void *arg, struct tp_strv *headers, struct tp_cancel *cancel, struct tp_err *err)
{
	return tp_credential_headers(arg, headers, cancel, err);
}

static bool auth_refused(void *arg)
{
	return tp_credential_refused(arg);
}

static struct tp_http_client *new_client(struct tp_kube *k, const char *cert, const char *key,
					 struct tp_err *err)
{
	const struct tp_kubeconfig *kc = k->kc;
	struct tp_http_config cfg = {
		.url = kc->server,
		.ca_pem = kc->ca_pem,
		.ca_pem_len = kc->ca_pem ? strlen(kc->ca_pem) : 0,
		.cert_pem = cert ? cert : kc->cert_pem,
		.key_pem = cert ? key : kc->key_pem,
		.server_name = kc->tls_server_name,
		.insecure = kc->insecure,
		.proxy = kc->proxy_url,
		.auth = auth,
		.auth_refused = auth_refused,
		.auth_arg = k->cred,
	};

	return tp_http_client_new(&cfg, err);
}

/* The client to use now. A plugin's certificate belongs to a connection, so
 * a new one needs a new client. */
static struct tp_http_client *current(struct tp_kube *k, struct tp_cancel *c, struct tp_err *err)
{
	const char *cert, *key;
	struct tp_http_client *http = NULL, *made = NULL;

	if (k->kc->exec.command && !k->kc->cert_pem) {
		if (tp_credential_cert(k->cred, &cert, &key, c, err))
			return NULL;
	} else {
		cert = key = NULL;
	}
	pthread_mutex_lock(&k->lock);
	if (!k->http || (cert && (!k->cert || strcmp(cert, k->cert) != 0))) {
		made = new_client(k, cert, key, err);
		if (made) {
			if (k->http) {
				k->old = tp_realloc(k->old, (k->n_old + 1) * sizeof(*k->old));
				k->old[k->n_old++] = k->http;
			}
			k->http = made;
			free(k->cert);
			k->cert = tp_strdup(cert);
			http = made;
		}
	} else {
		http = k->http;
	}
	pthread_mutex_unlock(&k->lock);
	return http;
}

static int name_server(struct tp_kube *k, struct tp_err *err)
{
	return tp_err_prefix(err, "context \"%s\", server %s", k->kc->context, k->kc->server);
}

struct tp_kube *tp_kube_open(const struct tp_kubeconfig *kc, struct tp_cancel *c,
			     struct tp_err *err)
{
	struct tp_kube *k = tp_calloc(1, sizeof(*k));

	k->kc = kc;
	pthread_mutex_init(&k->lock, NULL);
	k->cred = tp_credential_new(kc);
	if (!current(k, c, err)) {
		name_server(k, err);
		tp_kube_free(k);
		return NULL;
	}
	return k;
}

void tp_kube_free(struct tp_kube *k)
{
	if (!k)
		return;
	tp_http_client_free(k->http);
	for (size_t i = 0; i < k->n_old; i++)
		tp_http_client_free(k->old[i]);
	free(k->old);
	free(k->cert);
	tp_credential_free(k->cred);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

const char *tp_kube_namespace(const struct tp_kube *k)
{
	return k->kc->namespace;
}

const struct tp_kubeconfig *tp_kube_config(const struct tp_kube *k)
{
	return k->kc;
}

struct tp_http_client *tp_kube_http(struct tp_kube *k)
{
	struct tp_http_client *http = current(k, NULL, NULL);

	return http ? http : k->http;
}

void tp_kube_drop_idle(struct tp_kube *k)
{
	pthread_mutex_lock(&k->lock);
	if (k->http)
		tp_http_drop_idle(k->http);
	pthread_mutex_unlock(&k->lock);
}

int tp_kube_do(struct tp_kube *k, const struct tp_http_request *req, struct tp_http_response *resp,
	       struct tp_cancel *c, struct tp_err *err)
{
	struct tp_http_client *http = current(k, c, err), *again;

	if (!http)
		return -1;
	if (tp_http_do(http, req, resp, c, err))
		return -1;
	/* The HTTP client has tried a renewed token already, but it cannot change its
	 * certificate. */
	if (resp->status != 401 || !k->kc->exec.command || k->kc->cert_pem)
		return 0;
	tp_credential_refused(k->cred);
	again = current(k, c, err);
	if (!again)
		return -1;
	if (again == http)
		return 0;
	tp_http_response_free(resp);
	memset(resp, 0, sizeof(*resp));
	return tp_http_do(again, req, resp, c, err);
}

struct tp_ws *tp_kube_ws(struct tp_kube *k, const char *path, const char *what, struct tp_cancel *c,
			 struct tp_err *err)
{
	static const char *const protocols[] = { "v4.channel.k8s.io", NULL };
	struct tp_http_client *http = current(k, c, err);
	TP_AUTO_BUF body = TP_BUF_INIT(64u << 10);
	struct tp_ws *w;
	int status = 0;

	if (!http)
		return NULL;
	w = tp_ws_connect(http, path, protocols, &status, &body, c, err);
	if (w) {
		/* An old kubelet may choose none; without a name it speaks the same. */
		if (!*tp_ws_protocol(w) || strcmp(tp_ws_protocol(w), protocols[0]) == 0)
			return w;
		tp_err_set(err, TP_ERR_PROTOCOL, "%s: the server chose the protocol \"%s\"", what,
			   tp_ws_protocol(w));
		tp_ws_close(w);
	} else {
		if (status >= 300)
			tp_kube_fail(k, "GET", path, NULL, status, body.data ? body.data : "",
				     body.len, err);
		tp_err_prefix(err, "%s", what);
	}
	return NULL;
}

char *tp_kube_pod_path(struct tp_kube *k, const char *name, const char *sub)
{
	tp_autofree char *ns = tp_http_escape(k->kc->namespace);
	tp_autofree char *n = tp_http_escape(name ? name : "");

	return tp_asprintf("/api/v1/namespaces/%s/pods%s%s%s%s", ns, name ? "/" : "", n,
			   sub ? "/" : "", sub ? sub : "");
}

struct tp_json *tp_kube_request(struct tp_kube *k, const char *method, const char *path,
				const char *content_type, const char *body, const char *what,
				struct tp_cancel *c, struct tp_err *err)
{
	tp_autoclean(tp_http_response_free) struct tp_http_response resp = { 0 };
	const char *const json[] = { "Accept: application/json", NULL };
	struct tp_http_request req = {
		.method = method,
		.path = path,
		.content_type = content_type,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.headers = json,
	};
	struct tp_kube_target t;
	struct tp_json *doc;

	tp_kube_target(path, &t);
	if (tp_kube_do(k, &req, &resp, c, err)) {
		tp_err_prefix(err, "cannot %s %s", tp_kube_verb(method, path, &t),
			      what ? what : t.resource);
		return NULL;
	}
	if (resp.status < 200 || resp.status > 299) {
		tp_kube_fail(k, method, path, what, resp.status,
			     resp.body.data ? resp.body.data : "", resp.body.len, err);
		return NULL;
	}
	doc = tp_json_parse(resp.body.data ? resp.body.data : "", resp.body.len, err);
	if (!doc)
		tp_err_prefix(err, "the API server's answer about %s", what ? what : t.resource);
	return doc;
}

/* A cheap request that every authenticated user may make, and no other. */
static struct tp_json *access_review(struct tp_kube *k, const char *verb, const char *group,
				     const char *resource, const char *subresource,
				     const char *name, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *body = NULL;

	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "authorization.k8s.io/v1");
	tp_jw_str(w, "kind", "SelfSubjectAccessReview");
	tp_jw_object(w, "spec");
	tp_jw_object(w, "resourceAttributes");
	tp_jw_str(w, "namespace", k->kc->namespace);
	tp_jw_str(w, "verb", verb);
	tp_jw_str(w, "group", group ? group : "");
	tp_jw_str(w, "resource", resource);
	if (subresource && *subresource)
		tp_jw_str(w, "subresource", subresource);
	if (name)
		tp_jw_str(w, "name", name);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	body = tp_jw_finish(w, NULL, err);
	if (!body)
		return NULL;
	return tp_kube_request(k, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
			       NULL, body, "an access review", c, err);
}

int tp_kube_can(struct tp_kube *k, const char *verb, const char *group, const char *resource,
		const char *subresource, const char *name, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *doc = access_review(k, verb, group, resource, subresource, name, c, err);

	if (!doc)
		return -1;
	if (!tp_json_get(tp_json_get(doc, "status"), "allowed"))
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "the API server's answer to an access review has no verdict");
	return tp_json_bool_at(doc, "status.allowed", false);
}

/* "v1.22.3-gke.7" */
static int version_number(const char *text)
{
	int major = 0, minor = 0;

	if (!text || sscanf(text, "v%d.%d", &major, &minor) != 2 || major < 1 || major > 99 ||
	    minor < 0 || minor > 999)
		return 0;
	return major * 1000 + minor;
}

/* Whether it is an API server at all. One that keeps /version from us is one. */
static int check_version(struct tp_kube *k, struct tp_cancel *c, struct tp_err *err)
{
	tp_autoclean(tp_http_response_free) struct tp_http_response resp = { 0 };
	struct tp_http_request req = { .method = "GET", .path = "/version" };
	TP_AUTO_JSON *doc = NULL;

	if (tp_kube_do(k, &req, &resp, c, err))
		return -1;
	if (resp.status == 401)
		return tp_kube_fail(k, "GET", "/version", NULL, resp.status,
				    resp.body.data ? resp.body.data : "", resp.body.len, err);
	if (resp.status == 403)
		return 0;
	if (resp.status >= 500)
		return tp_err_set(err, TP_ERR_UNREACHABLE, "it answers with HTTP status %d",
				  resp.status);
	if (resp.body.len)
		doc = tp_json_parse(resp.body.data, resp.body.len, NULL);
	if (!tp_json_str_at(doc, "gitVersion"))
		return tp_err_set(
			err, TP_ERR_PROTOCOL,
			"it does not answer as a Kubernetes API server does (HTTP status %d)",
			resp.status);
	k->version = version_number(tp_json_str_at(doc, "gitVersion"));
	return 0;
}

int tp_kube_version(const struct tp_kube *k)
{
	return k->version;
}

int tp_kube_check(struct tp_kube *k, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_err own = { 0 };
	TP_AUTO_JSON *doc = NULL;

	if (!err)
		err = &own;
	if (check_version(k, c, err) == 0) {
		doc = access_review(k, "create", "", "pods", NULL, NULL, c, err);
		if (doc)
			return 0;
	}
	if (!strstr(err->msg, k->kc->server))
		name_server(k, err);
	/* About certificates the message has a remedy of its own. */
	if ((err->kind == TP_ERR_UNREACHABLE || err->kind == TP_ERR_TIMEOUT) &&
	    !strstr(err->msg, "certificate"))
		tp_err_hint(err,
			    "The server's address is from %s; is the cluster up, and is a VPN "
			    "or a proxy needed to reach it?",
			    k->kc->source);
	return -1;
}
