/* SPDX-License-Identifier: Apache-2.0 */
/* What there is in the cluster that the command line is about. */
#include <string.h>

#include "base/mem.h"
#include "common/control.h"
#include "complete/source.h"
#include "kube/kubeconfig.h"
#include "kube/workload.h"
#include "kube/workload_internal.h"

static void add_all(struct tp_answer *a, const struct tp_strv *names, const char *front,
		    const char *note)
{
	for (size_t i = 0; i < names->n; i++) {
		tp_autofree char *value = tp_asprintf("%s%s", front, names->v[i]);

		tp_answer_add(a, value, note);
	}
}

static void add_contexts(const struct tp_cursor *p, struct tp_answer *a)
{
	TP_AUTO_STRV names = { 0 };

	tp_kubeconfig_contexts(p->kubeconfig, &names, NULL);
	add_all(a, &names, "", NULL);
}

/* Few may list them; then those that one has written down are better than none. */
static void add_namespaces(struct tp_kube *k, const struct tp_cursor *p, struct tp_answer *a)
{
	TP_AUTO_STRV names = { 0 };

	if (!k || tp_complete_kube_names(k, "/api/v1/namespaces", false, &names))
		tp_kubeconfig_namespaces(p->kubeconfig, &names, NULL);
	add_all(a, &names, "", NULL);
}

static void add_service_accounts(struct tp_kube *k, struct tp_answer *a)
{
	tp_autofree char *path =
		tp_asprintf("/api/v1/namespaces/%s/serviceaccounts", tp_kube_namespace(k));
	TP_AUTO_STRV names = { 0 };

	tp_complete_kube_names(k, path, false, &names);
	add_all(a, &names, "", NULL);
}

static const struct tp_json *containers_of(const struct tp_json *workload)
{
	return tp_json_path(workload, "spec.template.spec.containers");
}

static bool runs_agent(const struct tp_json *container)
{
	const char *command = tp_json_str_at(container, "command[0]");

	return command && !strcmp(command, TP_AGENT_PROGRAM);
}

/* SPEC:CONTAINER for each container of WORKLOAD, or of those that run an agent. */
static void add_containers(struct tp_answer *a, const char *spec, const struct tp_json *workload,
			   bool agents)
{
	const struct tp_json *list = containers_of(workload);

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *c = tp_json_at(list, i);
		const char *name = tp_json_str_at(c, "name");
		tp_autofree char *value = name ? tp_asprintf("%s:%s", spec, name) : NULL;

		if (!agents || runs_agent(c))
			tp_answer_add(a, value, tp_json_str_at(c, "image"));
	}
}

/* Of the one workload that SPEC ("kind/name") names. */
static void add_containers_of(struct tp_kube *k, const char *spec, bool agents, bool if_several,
			      struct tp_answer *a)
{
	struct tp_workload_ref ref = { 0 };
	TP_AUTO_JSON *workload = NULL;

	if (tp_workload_parse(k, spec, &ref, NULL, NULL))
		return;
	workload = tp_workload_get(k, &ref, NULL, NULL);
	if (!if_several || tp_json_len(containers_of(workload)) > 1)
		add_containers(a, spec, workload, agents);
	tp_workload_ref_free(&ref);
}

/* All of KIND, as FRONT ("statefulset/", or nothing) and name. */
static void add_kind(struct tp_kube *k, const char *kind, const char *front, struct tp_answer *a)
{
	tp_autofree char *spec = tp_asprintf("%s/x", kind), *path = NULL;
	struct tp_workload_ref ref = { 0 };
	TP_AUTO_STRV names = { 0 };

	if (tp_workload_parse(k, spec, &ref, NULL, NULL))
		return;
	path = tp_workload_path(k, &ref, NULL, NULL);
	/* A Deployment's ReplicaSets are not to be swapped. */
	tp_complete_kube_names(k, path, !strcmp(ref.kind, "ReplicaSet"), &names);
	add_all(a, &names, front, ref.kind);
	tp_workload_ref_free(&ref);
}

/* NAME, KIND/NAME, and :CONTAINER behind it. Without a kind it is a deployment; that
 * there are others is shown by what may be meant. */
static void add_workloads(struct tp_kube *k, struct tp_answer *a)
{
	static const char *const others[] = { "statefulset" };
	const char *begun = a->prefix, *slash = strchr(begun, '/');
	const char *colon = strrchr(slash ? slash : begun, ':');
	tp_autofree char *front = slash ? tp_strndup(begun, (size_t)(slash + 1 - begun)) : NULL;
	tp_autofree char *kind = slash ? tp_strndup(begun, (size_t)(slash - begun)) : NULL;

	if (colon) {
		tp_autofree char *spec = tp_strndup(begun, (size_t)(colon - begun));

		add_containers_of(k, spec, false, false, a);
		return;
	}
	add_kind(k, kind ? kind : "deployment", front ? front : "", a);
	for (size_t i = 0; !slash && i < TP_ARRAY_SIZE(others); i++) {
		tp_autofree char *other = tp_asprintf("%s/", others[i]);

		if (!strncmp(other, begun, strlen(begun)))
			add_kind(k, others[i], other, a);
	}
	/* Written out already: then what may stand behind it is of interest. */
	if (tp_strv_has(&a->values, begun))
		add_containers_of(k, begun, false, true, a);
}

/* Deployments with an agent in them, which --deployment takes. */
static void add_agents(struct tp_kube *k, struct tp_answer *a)
{
	const char *colon = strrchr(a->prefix, ':');
	tp_autofree char *path = tp_asprintf("/apis/apps/v1/namespaces/%s/deployments?limit=500",
					     tp_kube_namespace(k));
	TP_AUTO_JSON *doc = NULL;
	const struct tp_json *items;

	if (colon) {
		tp_autofree char *spec = tp_strndup(a->prefix, (size_t)(colon - a->prefix));

		add_containers_of(k, spec, true, false, a);
		return;
	}
	doc = tp_kube_request(k, "GET", path, NULL, NULL, NULL, NULL, NULL);
	items = tp_json_get(doc, "items");
	for (size_t i = 0; i < tp_json_len(items); i++) {
		const struct tp_json *d = tp_json_at(items, i), *list = containers_of(d);
		bool agent = false;

		for (size_t j = 0; j < tp_json_len(list); j++)
			agent = agent || runs_agent(tp_json_at(list, j));
		if (agent)
			tp_answer_add(a, tp_json_str_at(d, "metadata.name"), NULL);
	}
}

void tp_complete_cluster(const char *kind, const struct tp_cursor *p, struct tp_answer *a)
{
	struct tp_kubeconfig kc = { 0 };
	struct tp_kube *k = NULL;

	if (!strcmp(kind, "context")) {
		add_contexts(p, a);
		return;
	}
	if (!tp_kubeconfig_load(p->kubeconfig, p->context, p->namespace, &kc, NULL))
		k = tp_kube_open(&kc, NULL, NULL);
	if (!strcmp(kind, "namespace"))
		add_namespaces(k, p, a);
	else if (k && !strcmp(kind, "serviceaccount"))
		add_service_accounts(k, a);
	else if (k && !strcmp(kind, "workload"))
		add_workloads(k, a);
	else if (k && !strcmp(kind, "agent"))
		add_agents(k, a);
	tp_kube_free(k);
	tp_kubeconfig_free(&kc);
}
