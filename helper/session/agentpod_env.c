/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent pod for a look at a workload's environment, made beside what
 * runs. Of the template it takes what has a say in the variables' values
 * and in whether the pod is let in; everything else (volumes that only one
 * pod may mount, ports of the node, anti-affinity, a priority that evicts others)
 * could only be in the way.
 */
#include <string.h>

#include "base/mem.h"
#include "session/agentpod_internal.h"

/* No controller ever sets this condition, so the pod is never ready. */
#define NEVER	       "tpdocker.dev/never-ready"

#define STATEFUL_LABEL "metadata.labels['statefulset.kubernetes.io/pod-name']"

static void copy_these(struct tp_jw *w, const struct tp_json *obj, const char *const *keys,
		       size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tp_json_get(obj, keys[i]))
			tp_jw_value(w, keys[i], tp_json_get(obj, keys[i]));
}

static const struct tp_json *find_container(const struct tp_json *spec, const char *name)
{
	const struct tp_json *ctrs = tp_json_get(spec, "containers");

	for (size_t i = 0; name && i < tp_json_len(ctrs); i++) {
		const char *n = tp_json_str_at(tp_json_at(ctrs, i), "name");

		if (n && !strcmp(n, name))
			return tp_json_at(ctrs, i);
	}
	return NULL;
}

/* What the variables of a container refer to beside its own env. */
struct refers {
	bool resources;	     /* to the container's resources */
	bool stateful_label; /* to the label that a StatefulSet's pods alone have */
	const char *other;   /* name of a variable that tells of another container; or NULL */
	const char *other_container;
};

static struct refers look_at_env(const struct tp_json *ctr, const char *own_name)
{
	const struct tp_json *env = tp_json_get(ctr, "env");
	struct refers r = { 0 };

	for (size_t i = 0; i < tp_json_len(env); i++) {
		const struct tp_json *from = tp_json_get(tp_json_at(env, i), "valueFrom");
		const struct tp_json *res = tp_json_get(from, "resourceFieldRef");
		const char *field = tp_json_str_at(from, "fieldRef.fieldPath");
		const char *of = tp_json_str_at(res, "containerName");

		r.resources = r.resources || res;
		if (field && !strcmp(field, STATEFUL_LABEL))
			r.stateful_label = true;
		if (of && *of && strcmp(of, own_name)) {
			r.other = tp_json_str_at(tp_json_at(env, i), "name");
			r.other_container = of;
		}
	}
	return r;
}

static void put_container(struct tp_jw *w, const struct tp_agentpod *a, const struct tp_json *ctr,
			  const struct refers *r)
{
	static const char *const keys[] = { "name", "envFrom", "securityContext" };

	tp_jw_object(w, NULL);
	copy_these(w, ctr, keys, TP_ARRAY_SIZE(keys));
	tp_agentpod_put_agent(w, a);
	tp_jw_array(w, "env");
	tp_agentpod_copy_elements(w, tp_json_get(ctr, "env"));
	tp_agentpod_put_env(w, a);
	tp_jw_end(w);
	if (!r->resources)
		tp_agentpod_put_requests(w);
	else if (tp_json_get(ctr, "resources"))
		tp_jw_value(w, "resources", tp_json_get(ctr, "resources"));
	tp_jw_array(w, "volumeMounts");
	tp_agentpod_put_mount(w);
	tp_jw_end(w);
	tp_jw_end(w);
}

/* The same kind of node: addresses and names of nodes are variables, too. */
static void put_place(struct tp_jw *w, const struct tp_json *spec)
{
	static const char *const keys[] = { "nodeName",	   "nodeSelector",     "tolerations",
					    "hostNetwork", "runtimeClassName", "os" };
	const struct tp_json *affinity = tp_json_path(spec, "affinity.nodeAffinity");

	copy_these(w, spec, keys, TP_ARRAY_SIZE(keys));
	if (!affinity)
		return;
	tp_jw_object(w, "affinity");
	tp_jw_value(w, "nodeAffinity", affinity);
	tp_jw_end(w);
}

static void put_spec(struct tp_jw *w, const struct tp_agentpod *a, const struct tp_json *spec,
		     const struct tp_json *ctr, const struct refers *r)
{
	static const char *const keys[] = { "serviceAccountName", "serviceAccount",
					    "securityContext", "enableServiceLinks",
					    "imagePullSecrets" };

	tp_jw_object(w, "spec");
	copy_these(w, spec, keys, TP_ARRAY_SIZE(keys));
	put_place(w, spec);
	tp_jw_str(w, "restartPolicy", "Never");
	tp_jw_int(w, "terminationGracePeriodSeconds", 1);
	tp_jw_bool(w, "automountServiceAccountToken", false);
	tp_jw_array(w, "readinessGates");
	tp_jw_object(w, NULL);
	tp_jw_str(w, "conditionType", NEVER);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_array(w, "containers");
	put_container(w, a, ctr, r);
	tp_jw_end(w);
	tp_jw_array(w, "volumes");
	tp_agentpod_put_volume(w);
	tp_jw_end(w);
	tp_jw_end(w);
}

char *tp_agentpod_env(const struct tp_agentpod *a, const struct tp_workload_ref *ref,
		      const struct tp_json *workload, char **container, struct tp_err *err)
{
	const struct tp_json *tmpl = tp_json_path(workload, "spec.template");
	const struct tp_json *spec = tp_json_get(tmpl, "spec");
	const char *target = tp_agentpod_target(ref, tmpl);
	const struct tp_json *ctr = find_container(spec, target);
	tp_autofree char *pod0 = NULL;
	TP_AUTO_JW *w = tp_jw_new();
	struct refers r;

	if (!ctr)
		return tp_err_set(err, TP_ERR_NOT_FOUND, "no container \"%s\" in %s/%s",
				  target ? target : "", ref->resource, ref->name),
		       NULL;
	r = look_at_env(ctr, target);
	if (r.other) {
		tp_err_set(err, TP_ERR_FAILED,
			   "the variable %s of container \"%s\" tells of the resources of another "
			   "container, \"%s\", which a pod with one container cannot",
			   r.other, target, r.other_container);
		tp_err_hint(err,
			    "It can be seen in a session: tpdocker run --swap-deployment %s/%s:%s "
			    "IMAGE env",
			    ref->resource, ref->name, target);
		return NULL;
	}
	if (r.stateful_label && !strcmp(ref->kind, "StatefulSet"))
		pod0 = tp_asprintf("%s-0", ref->name);
	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "v1");
	tp_jw_str(w, "kind", "Pod");
	tp_jw_object(w, "metadata");
	tp_jw_str(w, "name", a->name);
	tp_agentpod_put_labels(w, a, tp_json_path(tmpl, "metadata.labels"), pod0);
	tp_agentpod_put_annotations(w, a, tp_json_path(tmpl, "metadata.annotations"));
	/* Not only where a ReplicaSet would adopt it: here the workload goes on running. */
	tp_agentpod_put_owner(w, a);
	tp_jw_end(w);
	put_spec(w, a, spec, ctr, &r);
	tp_jw_end(w);
	*container = tp_strdup(target);
	return tp_jw_finish(w, NULL, err);
}
