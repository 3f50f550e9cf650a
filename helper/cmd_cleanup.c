/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "session/cleanup.h"
#include "session/options.h"
#include "session/stale.h"

struct cleanup_opts {
	struct tp_session_opts where; /* first: TP_WHERE_OPTS wants it */
	bool force;
};

static const struct tp_opt table[] = {
	{ .name = "force",
	  .type = TP_OPT_FLAG,
	  .help = "restore the named workload even if its session is still alive",
	  .offset = offsetof(struct cleanup_opts, force) },
	TP_WHERE_OPTS,
	TP_OPT_END,
};

static int say_in_use(const struct tp_workload_ref *ref, const struct tp_swap_record *s, bool named,
		      struct tp_err *err)
{
	const char *by = s->by ? s->by : "somebody";
	char since[64] = "";
	time_t t = s->since;
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
	if (named)
		return tp_err_set(err, TP_ERR_CONFLICT,
				  "%s/%s is in use by a session of %s since %s; --force ends it",
				  ref->resource, ref->name, by, since);
	tp_info("%s/%s is in use by a session of %s since %s", ref->resource, ref->name, by, since);
	return 0;
}

/* One swapped workload that was named, or found in the namespace. */
static int cleanup_workload(struct tp_kube *k, struct tp_workload_ref *ref,
			    const struct tp_json *workload, bool named, bool force,
			    struct tp_err *err)
{
	struct tp_swap_record s = { 0 };
	int rc = tp_swap_record_read(workload, &s, err), done;

	if (rc <= 0) {
		if (!rc && named)
			tp_info("%s/%s is not swapped out", ref->resource, ref->name);
		return rc;
	}
	if (force)
		done = tp_stale_force(k, ref, &s, NULL, err) ? -1 : 1;
	else
		done = tp_stale_restore(k, ref, &s, NULL, err);
	rc = done < 0 ? -1 : 0;
	if (done == 1)
		tp_info("restored %s/%s to %lld replicas", ref->resource, ref->name,
			(long long)s.replicas);
	else if (!done)
		rc = say_in_use(ref, &s, named, err);
	tp_swap_record_free(&s);
	return rc;
}

/* What the namespace holds of ours: swapped workloads of every built-in kind. */
static void cleanup_namespace(struct tp_kube *k)
{
	static const char *const resources[][2] = { { "deployments", "Deployment" },
						    { "statefulsets", "StatefulSet" },
						    { "replicasets", "ReplicaSet" } };

	for (size_t i = 0; i < TP_ARRAY_SIZE(resources); i++) {
		tp_autofree char *path = tp_asprintf("/apis/apps/v1/namespaces/%s/%s",
						     tp_kube_namespace(k), resources[i][0]);
		struct tp_err e = { 0 };
		TP_AUTO_JSON *list =
			tp_kube_request(k, "GET", path, NULL, NULL, resources[i][0], NULL, &e);
		const struct tp_json *items = tp_json_get(list, "items");

		if (!list)
			tp_verbose("%s", e.msg);
		for (size_t j = 0; j < tp_json_len(items); j++) {
			const struct tp_json *item = tp_json_at(items, j);
			struct tp_workload_ref ref = {
				.kind = tp_strdup(resources[i][1]),
				.group = tp_strdup("apps"),
				.version = tp_strdup("v1"),
				.resource = tp_strdup(resources[i][0]),
				.name = tp_strdup(tp_json_str_at(item, "metadata.name")),
				.builtin = true,
			};

			if (cleanup_workload(k, &ref, item, false, false, &e))
				tp_warn("%s", e.msg);
			tp_workload_ref_free(&ref);
		}
	}
}

static int cleanup_cluster(const struct tp_session_opts *o, bool force, int argc, char **argv,
			   int first, struct tp_err *err)
{
	struct tp_kubeconfig kc = { 0 };
	struct tp_kube *k = NULL;
	int rc = tp_kubeconfig_load(o->kubeconfig, o->context, o->namespace, &kc, err);

	if (!rc) {
		k = tp_kube_open(&kc, NULL, err);
		rc = k ? tp_kube_check(k, NULL, err) : -1;
	}
	if (!rc && first >= argc)
		cleanup_namespace(k);
	for (int i = first; !rc && i < argc; i++) {
		struct tp_workload_ref ref = { 0 };
		TP_AUTO_JSON *workload = NULL;

		rc = tp_workload_parse(k, argv[i], &ref, NULL, err);
		if (!rc) {
			workload = tp_workload_get(k, &ref, NULL, err);
			rc = workload ? cleanup_workload(k, &ref, workload, true, force, err) : -1;
		}
		tp_workload_ref_free(&ref);
	}
	tp_kube_free(k);
	tp_kubeconfig_free(&kc);
	return rc;
}

/* Containers of this user's sessions that have no record any more. */
static int cleanup_orphans(const struct tp_session_opts *o, struct tp_err *err)
{
	struct tp_docker_globals g;
	struct tp_docker_endpoint ep = { 0 };
	struct tp_engine *e;
	tp_autofree char *me = tp_record_whoami();
	tp_autofree char *label = tp_asprintf("%s=%s", TP_LABEL_OWNER, me);
	TP_AUTO_JSON *list = NULL;
	int rc = 0;

	tp_session_opts_docker(o, &g);
	if (tp_docker_endpoint_find(&g, &ep, err))
		return -1;
	e = tp_engine_open(&ep, NULL, err);
	list = e ? tp_engine_list(e, label, NULL, err) : NULL;
	rc = list ? 0 : -1;
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *labels = tp_json_get(tp_json_at(list, i), "Labels");
		const char *id = tp_json_str(tp_json_get(labels, TP_LABEL_SESSION));
		struct tp_record r;
		struct tp_err e1 = { 0 };

		if (!id || tp_json_get(labels, TP_LABEL_KEEP))
			continue;
		if (!tp_record_load(id, &r, &e1)) {
			tp_record_free(&r); /* known: alive, or dealt with already */
			continue;
		}
		if (tp_cleanup_engine(e, id, NULL, NULL, err))
			rc = -1;
		else
			tp_info("removed the containers of session %s", id);
	}
	if (list) {
		tp_cleanup_volumes(e, me, NULL);
		tp_cleanup_compose_volumes(e, NULL);
	}
	tp_engine_free(e);
	tp_docker_endpoint_free(&ep);
	return rc;
}

static int run_cleanup(int argc, char **argv, struct tp_err *err)
{
	struct cleanup_opts o = { 0 };
	struct tp_err e = { 0 };
	int rc, failed, first = tp_opt_parse(table, &o, argc, argv, 1, err);

	if (first < 0) {
		tp_session_opts_free(&o.where);
		return -1;
	}
	if (o.where.help) {
		tp_cmd_usage(&tp_cmd_cleanup);
		tp_session_opts_free(&o.where);
		return 0;
	}
	tp_session_opts_apply(&o.where);
	failed = tp_cleanup_stale(NULL);
	if (cleanup_orphans(&o.where, &e)) {
		tp_warn("%s", e.msg);
		failed++;
	}
	rc = cleanup_cluster(&o.where, o.force, argc, argv, first, err);
	tp_session_opts_free(&o.where);
	return rc ? -1 : failed ? TP_EXIT_FAILED : 0;
}

static const char *const examples[] = {
	"cleanup",
	"undo what killed sessions of yours left, here and in the current namespace",
	"cleanup --namespace shop --force deployment/web",
	"end somebody's session on web, and give web its replicas back",
	NULL,
};

const struct tp_cmd tp_cmd_cleanup = {
	.name = "cleanup",
	.synopsis = "[OPTIONS] [[KIND/]WORKLOAD...]",
	.summary = "Undo what sessions left behind that could not clean up after themselves.",
	.examples = examples,
	.options = table,
	.complete = "workload...",
	.options_first = true,
	.run = run_cleanup,
};
