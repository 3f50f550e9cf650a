// SPDX-License-Identifier: Apache-2.0
/* Naming a workload. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/workload_internal.h"

static const struct known {
	const char *words[6]; /* any of these */
	const char *kind, *group, *version, *resource;
} known[] = {
	{ { "deployment", "deploy", "deployments", "deployment.apps", "deployments.apps" },
	  "Deployment",
	  "apps",
	  "v1",
	  "deployments" },
	{ { "statefulset", "sts", "statefulsets", "statefulset.apps", "statefulsets.apps" },
	  "StatefulSet",
	  "apps",
	  "v1",
	  "statefulsets" },
	{ { "replicaset", "rs", "replicasets", "replicaset.apps", "replicasets.apps" },
	  "ReplicaSet",
	  "apps",
	  "v1",
	  "replicasets" },
	{ { "replicationcontroller", "rc", "replicationcontrollers" },
	  "ReplicationController",
	  "",
	  "v1",
	  "replicationcontrollers" },
	{ { "deploymentconfig", "dc", "deploymentconfigs", "deploymentconfig.apps.openshift.io",
	    "deploymentconfigs.apps.openshift.io" },
	  "DeploymentConfig",
	  "apps.openshift.io",
	  "v1",
	  "deploymentconfigs" },
};

void tp_workload_ref_free(struct tp_workload_ref *r)
{
	free(r->kind);
	free(r->group);
	free(r->version);
	free(r->resource);
	free(r->name);
	free(r->container);
	memset(r, 0, sizeof(*r));
}

/* RFC 1123, as the API checks names: labels joined by dots, or one label. */
static bool is_dns1123(const char *s, bool subdomain)
{
	size_t n = strlen(s);
	bool start = true;

	if (!n || n > (subdomain ? 253 : 63))
		return false;
	for (; *s; s++) {
		bool alnum = (*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9');

		if (start && !alnum)
			return false;
		if (!alnum && *s != '-' && !(subdomain && *s == '.'))
			return false;
		/* a label ends with a letter or digit */
		if (*s == '-' && (!s[1] || s[1] == '.'))
			return false;
		start = *s == '.';
	}
	return !start;
}

static bool is_kind(const char *s)
{
	if (!*s || strlen(s) > 253)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || *s == '-' || *s == '.'))
			return false;
	return true;
}

int tp_workload_split(const char *spec, char **kind, char **name, char **container,
		      struct tp_err *err)
{
	const char *slash = strchr(spec, '/');
	const char *start = slash ? slash + 1 : spec;
	const char *colon = strchr(start, ':');
	tp_autofree char *k = slash ? tp_strndup(spec, (size_t)(slash - spec)) : NULL;
	tp_autofree char *n = tp_strndup(start, colon ? (size_t)(colon - start) : strlen(start));
	tp_autofree char *c = colon ? tp_strdup(colon + 1) : NULL;

	*kind = *name = *container = NULL;
	if (k && !is_kind(k))
		return tp_err_set(err, TP_ERR_USAGE, "\"%s\": \"%s\" is no kind of workload", spec,
				  k);
	if (!is_dns1123(n, true)) {
		tp_err_set(err, TP_ERR_USAGE, "\"%s\": \"%s\" cannot be the name of a workload",
			   spec, n);
		return tp_err_hint(err,
				   "It is NAME[:CONTAINER] or KIND/NAME[:CONTAINER]; names have "
				   "small letters, digits, '-' and '.'.");
	}
	if (c && !is_dns1123(c, false))
		return tp_err_set(err, TP_ERR_USAGE,
				  "\"%s\": \"%s\" cannot be the name of a container", spec, c);
	*kind = tp_steal(&k);
	*name = tp_steal(&n);
	*container = tp_steal(&c);
	return 0;
}

static const struct known *find_known(const char *word)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(known); i++)
		for (size_t j = 0; j < TP_ARRAY_SIZE(known[i].words) && known[i].words[j]; j++)
			if (!strcasecmp(known[i].words[j], word))
				return &known[i];
	return NULL;
}

int tp_workload_parse(struct tp_kube *k, const char *spec, struct tp_workload_ref *r,
		      struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *kind = NULL;
	const struct known *w;

	memset(r, 0, sizeof(*r));
	if (tp_workload_split(spec, &kind, &r->name, &r->container, err))
		return -1;
	w = find_known(kind ? kind : "deployment");
	if (w) {
		r->kind = tp_strdup(w->kind);
		r->group = tp_strdup(w->group);
		r->version = tp_strdup(w->version);
		r->resource = tp_strdup(w->resource);
		r->builtin = true;
		return 0;
	}
	if (tp_workload_discover(k, kind, r, c, err)) {
		tp_workload_ref_free(r);
		return -1;
	}
	return 0;
}

char *tp_workload_what(const struct tp_workload_ref *r)
{
	char *s = tp_asprintf("%s/%s", r->kind, r->name);

	for (char *p = s; *p != '/'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return s;
}

char *tp_workload_path(struct tp_kube *k, const struct tp_workload_ref *r, const char *name,
		       const char *sub)
{
	tp_autofree char *ns = tp_http_escape(tp_kube_namespace(k));
	tp_autofree char *n = tp_http_escape(name ? name : "");

	return tp_asprintf("%s%s/%s/namespaces/%s/%s%s%s%s%s", *r->group ? "/apis/" : "/api",
			   r->group, r->version, ns, r->resource, name ? "/" : "", n,
			   sub ? "/" : "", sub ? sub : "");
}

/* Behind a "not found": what there is, if we may ask. */
static void add_list(struct tp_kube *k, const struct tp_workload_ref *r, struct tp_cancel *c,
		     struct tp_err *err)
{
	tp_autofree char *base = tp_workload_path(k, r, NULL, NULL);
	tp_autofree char *path = tp_asprintf("%s?limit=100", base);
	TP_AUTO_JSON *doc = tp_kube_request(k, "GET", path, NULL, NULL, NULL, c, NULL);
	const struct tp_json *items = tp_json_get(doc, "items");
	TP_AUTO_BUF b = TP_BUF_INIT(800);

	if (!doc)
		return;
	if (!tp_json_len(items)) {
		tp_err_hint(err, "There are no %s in this namespace.", r->resource);
		return;
	}
	for (size_t i = 0; i < tp_json_len(items); i++) {
		const char *n = tp_json_str_at(tp_json_at(items, i), "metadata.name");

		if (!n)
			continue;
		if (tp_buf_printf(&b, "%s%s", b.len ? ", " : "", n)) {
			tp_err_hint(err, "There are: %s, and more", b.data ? b.data : "");
			return;
		}
	}
	tp_err_hint(err, "There are: %s", b.data ? b.data : "");
}

struct tp_json *tp_workload_get(struct tp_kube *k, const struct tp_workload_ref *r,
				struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = tp_workload_path(k, r, r->name, NULL);
	tp_autofree char *what = tp_workload_what(r);
	struct tp_err own = { 0 };
	struct tp_json *doc = tp_kube_request(k, "GET", path, NULL, NULL, what, c, &own);

	if (doc)
		return doc;
	if (own.kind == TP_ERR_NOT_FOUND) {
		tp_err_set(&own, TP_ERR_NOT_FOUND, "there is no %s \"%s\" in namespace \"%s\"",
			   r->kind, r->name, tp_kube_namespace(k));
		add_list(k, r, c, &own);
	}
	if (err)
		*err = own;
	return NULL;
}
