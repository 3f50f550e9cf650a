/* SPDX-License-Identifier: Apache-2.0 */
#include "session/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/record.h"

static char *path_of(struct tp_kube *k, const char *name, const char *query)
{
	tp_autofree char *ns = tp_http_escape(tp_kube_namespace(k));
	tp_autofree char *n = tp_http_escape(name ? name : "");

	return tp_asprintf("/api/v1/namespaces/%s/services%s%s%s", ns, name ? "/" : "", n, query);
}

static char *what_of(const char *name)
{
	return tp_asprintf("service \"%s\"", name);
}

static void write_owner(struct tp_jw *w, const char *pod, const char *uid)
{
	tp_jw_array(w, "ownerReferences");
	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "v1");
	tp_jw_str(w, "kind", "Pod");
	tp_jw_str(w, "name", pod);
	tp_jw_str(w, "uid", uid);
	tp_jw_end(w);
	tp_jw_end(w);
}

static void write_ports(struct tp_jw *w, const struct tp_ports *ports)
{
	tp_jw_array(w, "ports");
	for (size_t i = 0; i < ports->n; i++) {
		char name[16];

		if (ports->v[i].kind != TP_PORT_EXPOSE)
			continue;
		snprintf(name, sizeof(name), "tcp-%u", ports->v[i].remote);
		tp_jw_object(w, NULL);
		tp_jw_str(w, "name", name);
		tp_jw_str(w, "protocol", "TCP");
		tp_jw_int(w, "port", ports->v[i].remote);
		tp_jw_int(w, "targetPort", ports->v[i].remote);
		tp_jw_end(w);
	}
	tp_jw_end(w);
}

char *tp_service_json(const struct tp_service *s, const char *pod_uid, const char *address,
		      struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "v1");
	tp_jw_str(w, "kind", "Service");
	tp_jw_object(w, "metadata");
	tp_jw_str(w, "name", s->name);
	tp_jw_object(w, "labels");
	tp_jw_str(w, TP_POD_LABEL_SESSION, s->session);
	tp_jw_str(w, "app.kubernetes.io/managed-by", "tpdocker");
	tp_jw_end(w);
	tp_jw_object(w, "annotations");
	tp_jw_str(w, TP_POD_ANNOTATION_BY, s->by);
	tp_jw_end(w);
	if (pod_uid)
		write_owner(w, s->name, pod_uid);
	tp_jw_end(w);
	tp_jw_object(w, "spec");
	tp_jw_object(w, "selector");
	tp_jw_str(w, TP_POD_LABEL_SESSION, s->session);
	tp_jw_end(w);
	if (address)
		tp_jw_str(w, "clusterIP", address);
	write_ports(w, s->ports);
	tp_jw_end(w);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

static struct tp_json *post(struct tp_kube *k, const struct tp_service *s, const char *pod_uid,
			    const char *address, const char *query, struct tp_cancel *c,
			    struct tp_err *err)
{
	tp_autofree char *path = path_of(k, NULL, query);
	tp_autofree char *body = tp_service_json(s, pod_uid, address, err);

	return body ? tp_kube_request(k, "POST", path, NULL, body, "services", c, err) : NULL;
}

static struct tp_json *get(struct tp_kube *k, const char *name, struct tp_cancel *c,
			   struct tp_err *err)
{
	tp_autofree char *path = path_of(k, name, "");
	tp_autofree char *what = what_of(name);

	return tp_kube_request(k, "GET", path, NULL, NULL, what, c, err);
}

static int name_is_taken(struct tp_kube *k, const char *name, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_CONFLICT,
		   "--new-deployment %s with --expose makes a Service of that name, and there is "
		   "one already in namespace \"%s\"",
		   name, tp_kube_namespace(k));
	return tp_err_hint(err, "choose another name; to take the place of a workload that is "
				"there already, --swap-deployment");
}

int tp_service_check(struct tp_kube *k, const struct tp_service *s, struct tp_cancel *c,
		     struct tp_err *err)
{
	TP_AUTO_JSON *answer = post(k, s, NULL, NULL, "?dryRun=All", c, err);
	TP_AUTO_JSON *there = NULL;

	if (answer)
		return 0;
	if (err->kind == TP_ERR_CONFLICT)
		return name_is_taken(k, s->name, err);
	if (err->kind != TP_ERR_FAILED || !strstr(err->msg, "dry run"))
		return -1;
	/* a cluster that does not try things out */
	there = get(k, s->name, c, err);
	if (there)
		return name_is_taken(k, s->name, err);
	return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
}

int tp_service_delete(struct tp_kube *k, const char *name, const char *session, struct tp_cancel *c,
		      struct tp_err *err)
{
	TP_AUTO_JSON *service = get(k, name, c, err), *answer = NULL;
	tp_autofree char *path = path_of(k, name, ""), *what = what_of(name), *body = NULL;
	const char *owner = tp_json_str(
		tp_json_get(tp_json_path(service, "metadata.labels"), TP_POD_LABEL_SESSION));
	struct tp_err own = { 0 };
	TP_AUTO_JW *w = tp_jw_new();

	if (!service)
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	if (!owner || strcmp(owner, session))
		return 0;
	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "v1");
	tp_jw_str(w, "kind", "DeleteOptions");
	tp_jw_object(w, "preconditions");
	tp_jw_str(w, "uid", tp_json_str_at(service, "metadata.uid"));
	tp_jw_end(w);
	tp_jw_end(w);
	body = tp_jw_finish(w, NULL, err);
	if (!body)
		return -1;
	answer = tp_kube_request(k, "DELETE", path, NULL, body, what, c, &own);
	/* a conflict: another one has the name by now, and the one that was meant is gone */
	if (answer || own.kind == TP_ERR_NOT_FOUND || own.kind == TP_ERR_CONFLICT)
		return 0;
	*err = own;
	return -1;
}

/* The UID of the pod that the Service says is its owner. */
static const char *owner_uid(const struct tp_json *service)
{
	return tp_json_str_at(service, "metadata.ownerReferences[0].uid");
}

static int take_address(struct tp_json *made, char **address)
{
	if (!made)
		return -1;
	free(*address);
	*address = tp_strdup(tp_json_str_at(made, "spec.clusterIP"));
	tp_json_free(made);
	return 0;
}

int tp_service_create(struct tp_kube *k, const struct tp_service *s, const char *pod_uid,
		      char **address, struct tp_cancel *c, struct tp_err *err)
{
	return take_address(post(k, s, pod_uid, NULL, "", c, err), address);
}

int tp_service_renew(struct tp_kube *k, const struct tp_service *s, const char *pod_uid,
		     char **address, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *there = get(k, s->name, c, err);
	const char *owner = owner_uid(there);
	struct tp_json *made = NULL;
	struct tp_err e = { 0 };

	if (!there && err->kind != TP_ERR_NOT_FOUND)
		return -1;
	if (owner && !strcmp(owner, pod_uid))
		return 0;
	/* its owner is gone: Kubernetes is about to delete it */
	if (there && tp_service_delete(k, s->name, s->session, c, err))
		return -1;
	if (*address)
		made = post(k, s, pod_uid, *address, "", c, &e);
	if (*address && !made)
		tp_verbose("the Service cannot have its address %s again: %s", *address, e.msg);
	if (!made)
		made = post(k, s, pod_uid, NULL, "", c, err);
	return take_address(made, address);
}
