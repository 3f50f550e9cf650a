// SPDX-License-Identifier: Apache-2.0
/* The API's errors (a Status object, or whatever a proxy says) in our words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client_internal.h"

/* The server's own message: a Status, or the start of whatever else it is. */
static char *message_of(int status, const char *body, size_t n)
{
	TP_AUTO_JSON *doc = n ? tp_json_parse(body, n, NULL) : NULL;
	const char *m = tp_json_str_at(doc, "message");

	if (m && *m)
		return tp_strdup(m);
	while (n && memchr(" \t\r\n", *body, 4)) {
		body++;
		n--;
	}
	/* a page for a browser says nothing here */
	if (!n || *body == '<' || *body == '{')
		return tp_asprintf("HTTP status %d", status);

	tp_autofree char *text = tp_strndup(body, n < 300 ? n : 300);

	return tp_asprintf("%.*s (HTTP status %d)", (int)strcspn(text, "\r\n"), text, status);
}

/* RBAC's own "User "x" cannot create resource ...". Admission (quotas, pod
 * security) answers 403 too, and there no right is missing. */
static bool is_missing_right(const char *msg)
{
	return strstr(msg, " cannot ") || strstr(msg, "HTTP status 403");
}

static enum tp_err_kind kind_of(int status)
{
	switch (status) {
	case 401:
	case 403:
		return TP_ERR_FORBIDDEN;
	case 404:
		return TP_ERR_NOT_FOUND;
	case 409:
		return TP_ERR_CONFLICT;
	case 429:
	case 502:
	case 503:
	case 504:
		return TP_ERR_UNREACHABLE;
	default:
		return TP_ERR_FAILED;
	}
}

static int unauthorized(struct tp_kube *k, const char *msg, struct tp_err *err)
{
	const struct tp_kubeconfig *kc = tp_kube_config(k);
	const char *how = "it has none";

	tp_err_set(
		err, TP_ERR_FORBIDDEN,
		"the API server %s does not accept who we are (user \"%s\" of context \"%s\"): %s",
		kc->server, kc->user_name ? kc->user_name : "", kc->context, msg);
	if (kc->token_file)
		how = "a token from a file; is it still current?";
	else if (kc->token)
		how = "a token; it may have expired or been revoked";
	else if (kc->username)
		how = "a name and a password, which most clusters no longer take";
	else if (kc->exec.command)
		return tp_err_hint(err, "Its credentials come from %s; log in again there.",
				   kc->exec.command);
	else if (kc->cert_pem)
		how = "a client certificate; it may have expired";
	return tp_err_hint(err, "Its credentials in %s: %s.", kc->source, how);
}

static int forbidden(struct tp_kube *k, const char *verb, const char *group, const char *resource,
		     bool namespaced, const char *what, const char *msg, struct tp_err *err)
{
	const char *ns = tp_kube_namespace(k);
	/* "deployments" asked for by name reads better with the name */
	bool named = what && *what && strcmp(what, resource) != 0;

	if (!is_missing_right(msg))
		return tp_err_set(err, TP_ERR_FORBIDDEN,
				  "the cluster does not let us %s %s in namespace \"%s\": %s", verb,
				  named ? what : resource, ns, msg);
	if (namespaced)
		tp_err_set(err, TP_ERR_FORBIDDEN, "you may not %s %s in namespace \"%s\"%s%s%s: %s",
			   verb, resource, ns, named ? " (" : "", named ? what : "",
			   named ? ")" : "", msg);
	else
		tp_err_set(err, TP_ERR_FORBIDDEN, "you may not %s %s: %s", verb, resource, msg);
	tp_err_hint(
		err,
		"Ask for a role with the verb \"%s\" on \"%s\" (API group \"%s\") in namespace \"%s\", "
		"or choose another one with --namespace or --context.",
		verb, resource, group, ns);
	return -1;
}

static int fail(struct tp_kube *k, int status, const char *body, size_t n, const char *verb,
		const struct tp_kube_target *t, const char *what, struct tp_err *err)
{
	tp_autofree char *msg = message_of(status, body, n);
	const char *name = what && *what ? what : t->resource;

	/* whom it takes for anonymous it has not recognised either */
	if (status == 401 || (status == 403 && strstr(msg, "\"system:anonymous\"")))
		return unauthorized(k, msg, err);
	if (status == 403)
		return forbidden(k, verb, t->group, t->resource, t->namespaced, what, msg, err);
	if (t->namespaced)
		return tp_err_set(err, kind_of(status), "cannot %s %s in namespace \"%s\": %s",
				  verb, name, tp_kube_namespace(k), msg);
	return tp_err_set(err, kind_of(status), "cannot %s %s: %s", verb, name, msg);
}

int tp_kube_fail(struct tp_kube *k, const char *method, const char *path, const char *what,
		 int status, const char *body, size_t n, struct tp_err *err)
{
	struct tp_kube_target t;

	tp_kube_target(path, &t);
	if (!t.resource[0])
		snprintf(t.resource, sizeof(t.resource), "%.*s", (int)strcspn(path, "?"), path);
	return fail(k, status, body, n, tp_kube_verb(method, path, &t), &t, what, err);
}

int tp_kube_status_error(struct tp_kube *k, int status, const char *body, size_t n,
			 const char *verb, const char *what, struct tp_err *err)
{
	struct tp_kube_target t = { .namespaced = true };

	snprintf(t.resource, sizeof(t.resource), "%s", what);
	return fail(k, status, body, n, verb, &t, NULL, err);
}
