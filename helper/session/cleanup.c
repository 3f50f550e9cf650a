/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "compose/override.h"
#include "docker/launch.h"
#include "kube/pod.h"
#include "session/cleanup.h"
#include "session/known.h"
#include "session/link.h"
#include "session/service.h"
#include "session/sidecar.h"

#define EXEC_MS 10000

/* Keeps the first error; later ones are said in the verbose log. */
static void keep_error(struct tp_err *err, int *rc, const struct tp_err *e)
{
	if (!*rc)
		*err = *e;
	else
		tp_verbose("also: %s", e->msg);
	*rc = -1;
}

/* Only a pod that carries the session's label is ours, whatever its name. */
static int delete_agent(struct tp_kube *k, const struct tp_record *r, struct tp_cancel *c,
			struct tp_err *err)
{
	TP_AUTO_JSON *pod = tp_pod_get(k, r->pod, c, err);
	const char *owner;

	if (!pod)
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	owner = tp_json_str(
		tp_json_get(tp_json_path(pod, "metadata.labels"), TP_POD_LABEL_SESSION));
	if (!owner || strcmp(owner, r->id))
		return 0;
	return tp_pod_delete(k, r->pod, tp_json_str_at(pod, "metadata.uid"), -1, c, err);
}

static int revoke_key(struct tp_kube *k, const struct tp_record *r, struct tp_cancel *c,
		      struct tp_err *err)
{
	const char *const argv[] = { TP_AGENT_PROGRAM, "revoke", r->authorized_key, NULL };
	int code;

	if (tp_pod_exec(k, r->pod, r->pod_container, argv, NULL, 0, NULL, NULL, &code, EXEC_MS, c,
			err))
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1; /* gone, and the key with it */
	return 0;
}

int tp_cleanup_cluster(struct tp_kube *k, const struct tp_record *r, struct tp_cancel *c,
		       struct tp_err *err)
{
	struct tp_err e = { 0 };
	bool done = false;
	int rc = 0;

	if (r->mode == TP_MODE_EXISTING) {
		if (r->authorized_key && revoke_key(k, r, c, &e))
			keep_error(err, &rc, &e);
		return rc;
	}
	/* The pod first: once the labels are gone nothing points to it. */
	if (r->pod && delete_agent(k, r, c, &e)) {
		tp_err_prefix(&e, "cannot delete the agent pod %s", r->pod);
		keep_error(err, &rc, &e);
	}
	if (r->service && tp_service_delete(k, r->service, r->id, c, &e)) {
		tp_err_prefix(&e, "cannot delete the Service %s", r->service);
		keep_error(err, &rc, &e);
	}
	if (r->mode == TP_MODE_SWAP && r->workload.name &&
	    tp_workload_restore(k, &r->workload, r->id, NULL, &done, c, &e)) {
		tp_err_prefix(&e, "cannot restore %s/%s", r->workload.resource, r->workload.name);
		keep_error(err, &rc, &e);
	}
	if (done)
		tp_verbose("restored %s/%s", r->workload.resource, r->workload.name);
	return rc;
}

int tp_cleanup_containers(struct tp_engine *e, const char *label, bool *kept, struct tp_cancel *c,
			  struct tp_err *err)
{
	TP_AUTO_JSON *list = tp_engine_list(e, label, c, err);
	struct tp_err e1 = { 0 };
	int rc = 0;

	*kept = false;
	if (!list)
		return -1;
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *ctr = tp_json_at(list, i);
		const struct tp_json *labels = tp_json_get(ctr, "Labels");
		const char *id = tp_json_str_at(ctr, "Id");
		bool keep = tp_json_get(labels, TP_LABEL_KEEP) != NULL;

		if (!id)
			continue;
		*kept = *kept || keep;
		if (keep ? tp_engine_kill(e, id, "KILL", c, &e1) : tp_engine_remove(e, id, c, &e1))
			keep_error(err, &rc, &e1);
	}
	return rc;
}

/* A kept container keeps the volume: it goes when the container does, see tp_cleanup_volumes. */
static int remove_volume(struct tp_engine *e, const struct tp_record *r, bool kept,
			 struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *name = tp_record_volume(r);

	if (r->gate) {
		TP_AUTO_JSON *there = tp_engine_volume(e, name, c, err);
		const char *owner =
			tp_json_str(tp_json_get(tp_json_get(there, "Labels"), TP_LABEL_OWNER));

		if (!there)
			return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
		if (!owner || !r->by || strcmp(owner, r->by))
			return 0; /* Compose's; see outsiders.c */
	}
	if (!tp_engine_volume_remove(e, name, c, err) ||
	    ((kept || r->gate) && err->kind == TP_ERR_CONFLICT))
		return 0;
	return -1;
}

int tp_cleanup_engine(struct tp_engine *e, const char *session, const struct tp_record *r,
		      struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *label = tp_asprintf("%s=%s", TP_LABEL_SESSION, session);
	bool kept;

	if (tp_cleanup_containers(e, label, &kept, c, err))
		return -1;
	return r ? remove_volume(e, r, kept, c, err) : 0;
}

/* One that a container still has stays, and that is fine. */
static bool remove_if_unused(struct tp_engine *e, const char *name, struct tp_cancel *c)
{
	struct tp_err err = { 0 };

	if (!tp_engine_volume_remove(e, name, c, &err))
		return true;
	if (err.kind != TP_ERR_CONFLICT)
		tp_verbose("%s", err.msg);
	return false;
}

void tp_cleanup_volumes(struct tp_engine *e, const char *owner, struct tp_cancel *c)
{
	tp_autofree char *label = tp_asprintf("%s=%s", TP_LABEL_OWNER, owner);
	struct tp_err err = { 0 };
	TP_AUTO_JSON *answer = tp_engine_volumes(e, label, c, &err);
	const struct tp_json *list = tp_json_get(answer, "Volumes");

	if (!answer)
		tp_verbose("%s", err.msg);
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *v = tp_json_at(list, i);
		const char *name = tp_json_str_at(v, "Name");
		const char *id =
			tp_json_str(tp_json_get(tp_json_get(v, "Labels"), TP_LABEL_SESSION));
		struct tp_record r;

		if (!name || !id)
			continue;
		if (!tp_record_load(id, &r, &err)) {
			tp_record_free(&r); /* alive, or dealt with by its record */
			continue;
		}
		remove_if_unused(e, name, c);
	}
}

void tp_cleanup_compose_volumes(struct tp_engine *e, struct tp_cancel *c)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *answer = tp_engine_volumes(e, TP_LABEL_COMPOSE, c, &err);
	const struct tp_json *list = tp_json_get(answer, "Volumes");

	if (!answer)
		tp_verbose("%s", err.msg);
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *name = tp_json_str_at(tp_json_at(list, i), "Name");

		if (name && remove_if_unused(e, name, c))
			tp_info("removed the volume %s", name);
	}
}

static int cluster_from_record(const struct tp_record *r, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_kubeconfig kc = { 0 };
	struct tp_kube *k = NULL;
	const char *context = r->context && strcmp(r->context, "in-cluster") ? r->context : NULL;
	tp_autofree char *env = tp_strdup(getenv("KUBECONFIG"));
	int rc = -1;

	if (!r->context)
		return 0; /* it died before there was anything to undo */
	if (r->kubeconfig_env)
		setenv("KUBECONFIG", r->kubeconfig_env, 1);
	if (!tp_kubeconfig_load(r->kubeconfig, context, r->namespace, &kc, err)) {
		k = tp_kube_open(&kc, c, err);
		if (k)
			rc = tp_cleanup_cluster(k, r, c, err);
	}
	tp_kube_free(k);
	tp_kubeconfig_free(&kc);
	if (env)
		setenv("KUBECONFIG", env, 1);
	else
		unsetenv("KUBECONFIG");
	return rc;
}

static int engine_from_record(const struct tp_record *r, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_docker_globals g;
	struct tp_docker_endpoint ep = { 0 };
	struct tp_engine *e;
	int rc = -1;

	if (!r->docker_host)
		return 0; /* a session without an engine */
	tp_known_docker(r, &g);
	if (tp_docker_endpoint_find(&g, &ep, err))
		return -1;
	e = tp_engine_open(&ep, c, err);
	if (e)
		rc = tp_cleanup_engine(e, r->id, r, c, err);
	tp_engine_free(e);
	tp_docker_endpoint_free(&ep);
	return rc;
}

int tp_cleanup_record(struct tp_record *r, long long until, struct tp_cancel *c, struct tp_err *err)
{
	bool cluster = false, engine = false;
	int wait = 200; /* ms, doubled up to 5 s */

	for (;;) {
		struct tp_err e = { 0 };
		int rc = 0;

		if (!cluster && !(cluster = !cluster_from_record(r, c, &e)))
			keep_error(err, &rc, &e);
		if (!engine && !(engine = !engine_from_record(r, c, &e)))
			keep_error(err, &rc, &e);
		if (cluster && engine) {
			tp_link_remove(r->link_dir);
			tp_record_remove(r);
			return 0;
		}
		tp_verbose("session %s is not undone yet: %s", r->id, err->msg);
		if (tp_now_ms() + wait > until || tp_cancel_poll(c, -1, 0, wait, &e) < 0)
			return -1;
		wait = wait < 2500 ? wait * 2 : 5000;
	}
}

void tp_cleanup_once(struct tp_record *r)
{
	struct tp_err err = { 0 };

	if (cluster_from_record(r, NULL, &err))
		tp_verbose("session %s: %s", r->id, err.msg);
	if (engine_from_record(r, NULL, &err))
		tp_verbose("session %s: %s", r->id, err.msg);
}

int tp_cleanup_stale(struct tp_cancel *c)
{
	TP_AUTO_STRV ids = { 0 };
	struct tp_err err = { 0 };
	int failed = 0;

	if (tp_record_list(&ids, &err)) {
		tp_verbose("%s", err.msg);
		return 0;
	}
	for (size_t i = 0; i < ids.n; i++) {
		struct tp_record r;

		if (tp_record_load(ids.v[i], &r, &err)) {
			if (err.kind != TP_ERR_NOT_FOUND)
				tp_warn("%s", err.msg);
			continue;
		}
		if (tp_record_lock(&r, false, &err) == 1) {
			tp_info("cleaning up after the session %s, which died", r.id);
			if (tp_cleanup_record(&r, tp_now_ms() + 5000, c, &err)) {
				tp_warn("the session %s could not be cleaned up: %s", r.id,
					err.msg);
				failed++;
			}
		}
		tp_record_free(&r);
	}
	return failed;
}
