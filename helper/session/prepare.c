/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first part of a session: everything that can be refused is refused
 * here, before anything exists. The cluster and the engine are asked side by
 * side.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/entrypoint.h"
#include "docker/user_mounts.h"
#include "session/agent.h"
#include "session/automethod.h"
#include "session/cleanup.h"
#include "session/guardian.h"
#include "session/hostless.h"
#include "session/hostnet.h"
#include "session/inject.h"
#include "session/keys.h"
#include "session/known.h"
#include "session/outsiders.h"
#include "session/reuse.h"
#include "session/rights.h"
#include "session/session.h"
#include "session/stale.h"
#include "session/timings.h"

/* ---------------------------------------------------------------- cluster */

static int check_rights(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	const struct tp_workload_ref *w = &s->record.workload;
	struct tp_right rights[10] = {
		{ "create", "", "pods", NULL, NULL, NULL },
		{ "get", "", "pods", NULL, NULL, NULL },
		{ "watch", "", "pods", NULL, NULL, NULL },
		{ "delete", "", "pods", NULL, NULL, NULL },
		{ "get", "", "pods", "log", NULL, NULL },
		{ "get", "", "pods", "portforward", NULL, "create" },
	};
	struct tp_right existing[] = {
		{ "get", "", "pods", NULL, NULL, NULL },
		{ "list", "", "pods", NULL, NULL, NULL },
		{ "get", "", "pods", "exec", NULL, "create" },
		{ "get", "", "pods", "portforward", NULL, "create" },
	};

	static const char *const service_verbs[] = { "create", "get", "delete" };
	size_t n = 6;

	if (s->record.mode == TP_MODE_EXISTING)
		return tp_rights_check(s->kube, existing, TP_ARRAY_SIZE(existing), c, err);
	if (s->record.mode == TP_MODE_SWAP)
		rights[n++] =
			(struct tp_right){ "patch", w->group, w->resource, NULL, w->name, NULL };
	for (size_t i = 0; s->record.service && i < TP_ARRAY_SIZE(service_verbs); i++)
		rights[n++] =
			(struct tp_right){ service_verbs[i], "", "services", NULL, NULL, NULL };
	return tp_rights_check(s->kube, rights, n, c, err);
}

/* Somebody's swap whose agent is gone is a leftover of a tpdocker that could
 * not clean up: it is undone here, as the next run is one of the safety nets. */
static int check_swapped(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_workload_ref *ref = &s->record.workload;
	struct tp_swap_record old = { 0 };
	struct tp_err e = { 0 };
	int rc = tp_workload_check(s->workload, ref, err);

	if (!rc || err->kind != TP_ERR_CONFLICT || tp_swap_record_read(s->workload, &old, &e) != 1)
		return rc;
	switch (tp_stale_restore(s->kube, ref, &old, c, &e)) {
	case 1:
		tp_info("%s/%s was still swapped out by a session of %s that has ended; it is "
			"restored",
			ref->resource, ref->name, old.by ? old.by : "somebody");
		tp_json_free(s->workload);
		s->workload = tp_workload_get(s->kube, ref, c, err);
		rc = s->workload ? tp_workload_check(s->workload, ref, err) : -1;
		break;
	case 0:
		break;
	default:
		*err = e;
	}
	tp_swap_record_free(&old);
	return rc;
}

/* The API server judges the very pod that we are going to create: service
 * account, quota, admission. */
int tp_session_dry_run(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path =
		tp_asprintf("/api/v1/namespaces/%s/pods?dryRun=All", tp_kube_namespace(s->kube));
	TP_AUTO_JSON *answer =
		tp_kube_request(s->kube, "POST", path, NULL, s->pod_json, "pods", c, err);

	if (answer)
		return 0;
	if (err->kind == TP_ERR_FAILED && strstr(err->msg, "dry run")) {
		tp_verbose("no dry run here: %s", err->msg);
		return 0;
	}
	return -1;
}

static int prepare_pod(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_agentpod a = { .name = s->record.pod,
				 .session = s->record.id,
				 .by = s->record.by,
				 .image = s->opts->image,
				 .authorized_key = s->public_key,
				 .service_account = s->opts->serviceaccount,
				 .ports = &s->ports,
				 .low_ports = tp_session_wants_low_ports(s) };
	TP_AUTO_JSON *pod = NULL;

	if (s->record.mode == TP_MODE_SWAP) {
		free(s->record.pod_container);
		s->record.pod_container = NULL;
		s->pod_json = tp_agentpod_swap(&a, &s->record.workload, s->workload,
					       &s->record.pod_container, err);
	} else {
		s->record.pod_container = tp_strdup("agent");
		s->pod_json = tp_agentpod_new(&a, err);
	}
	if (!s->pod_json)
		return -1;
	pod = tp_json_parse(s->pod_json, strlen(s->pod_json), err);
	if (!pod)
		return -1;
	s->hostname = tp_strdup(tp_agentpod_hostname(pod));
	return tp_session_dry_run(s, c, err);
}

static int prepare_cluster(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	struct tp_record *r = &s->record;
	const struct tp_session_opts *o = s->opts;
	const char *spec = o->swap_deployment ? o->swap_deployment : o->deployment;

	s->kube = tp_kube_open(&s->kc, c, err);
	if (!s->kube || tp_kube_check(s->kube, c, err))
		return -1;
	if (spec) {
		if (tp_workload_parse(s->kube, spec, &r->workload, c, err))
			return -1;
		s->workload = tp_workload_get(s->kube, &r->workload, c, err);
		if (!s->workload)
			return -1;
	}
	if (s->method->captured == TP_CAPTURED_SCOPE &&
	    tp_scope_find(s->kube, o, &s->scope, c, err))
		return -1;
	switch (r->mode) {
	case TP_MODE_SWAP:
		r->pod = tp_agentpod_name(r->workload.name, r->id);
		if (check_swapped(s, c, err))
			return -1;
		break;
	case TP_MODE_NEW:
		r->pod = o->new_deployment ? tp_strdup(o->new_deployment) :
					     tp_asprintf("tpdocker-%s", r->id);
		break;
	case TP_MODE_EXISTING:
		if (check_rights(s, c, err) ||
		    tp_agent_find(s->kube, &r->workload, s->workload, &r->pod, &r->pod_container,
				  &s->hostname, c, err) ||
		    tp_session_ports_plan(s, c, err))
			return -1;
		tp_timings_mark("cluster checked");
		return 0;
	}
	if (tp_session_ports_plan(s, c, err) || check_rights(s, c, err) || prepare_pod(s, c, err) ||
	    tp_session_service_check(s, c, err))
		return -1;
	tp_timings_mark("cluster checked");
	return 0;
}

/* ----------------------------------------------------------------- engine */

static int prepare_sidecar_image(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *image = tp_engine_image(s->engine, s->opts->image, c, err);
	struct tp_run_args pull = { .image = s->opts->image };

	if (image)
		return 0;
	if (err->kind != TP_ERR_NOT_FOUND)
		return -1;
	tp_info("the engine does not have the sidecar's image %s; pulling it", s->opts->image);
	if (!tp_launch_pull(&s->ep, &pull, false, c, err))
		return 0;
	tp_err_prefix(err, "the sidecar's image %s", s->opts->image);
	return tp_err_hint(err,
			   "build it with `make images` in tpdocker's sources, or name one with "
			   "--image or TPDOCKER_IMAGE");
}

int tp_session_user_image(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	s->user_image = tp_engine_image(s->engine, s->args->image, c, err);
	if (!s->user_image && err->kind != TP_ERR_NOT_FOUND)
		return -1;
	/* Pulled now and not beside the agent pod: a swapped workload must not
	 * be away for as long as a pull takes, or for a pull that fails. */
	if (tp_launch_pull(&s->ep, s->args, s->user_image != NULL, c, err))
		return -1;
	/* A pull may have brought another image. */
	if (!s->user_image || (s->args->pull && !strcmp(s->args->pull, "always"))) {
		tp_json_free(s->user_image);
		s->user_image = tp_engine_image(s->engine, s->args->image, c, err);
	}
	if (!s->user_image || tp_entrypoint(s->args, s->user_image, &s->entrypoint, err))
		return -1;
	return tp_image_volumes(s->args, s->user_image, s->engine, &s->image_volumes, c, err);
}

/* Containers of all users of an engine share their names. */
static int check_sidecar_name(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *name = tp_sidecar_name(s->record.name);
	TP_AUTO_JSON *there = tp_engine_inspect(s->engine, name, c, err);
	const char *owner, *since = tp_json_str_at(there, "Created");

	if (!there)
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	owner = tp_json_str(tp_json_get(tp_json_path(there, "Config.Labels"), TP_LABEL_OWNER));
	tp_err_set(err, TP_ERR_CONFLICT, "the engine has a container %s already, %s%s since %.19sZ",
		   name, owner ? "of " : "not tpdocker's,", owner ? owner : "",
		   since ? since : "?");
	return tp_err_hint(err, "give the session another name");
}

static int prepare_engine(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	struct tp_sidecar_spec spec = { .session = s->record.id,
					.by = s->record.by,
					.image = s->opts->image,
					.hostname = "localhost",
					.args = tp_session_net_args(s),
					.host_network = s->method->host_network };
	tp_autofree char *body = NULL;

	s->engine = tp_engine_open(&s->ep, c, err);
	if (!s->engine)
		return -1;
	if (s->record.name && check_sidecar_name(s, c, err))
		return -1;
	if (s->record.gate && tp_outsiders_prepare(s, c, err))
		return -1;
	if (s->args->image && tp_session_user_image(s, c, err))
		return -1;
	if (prepare_sidecar_image(s, c, err) ||
	    (tp_method_is_auto(s->opts) && tp_automethod(s, c, err)))
		return -1;
	/* Made in vain, to see that it can be: ports, sysctls, networks. */
	spec.unfiltered = !s->method->filters;
	spec.user_image = s->user_image;
	spec.api_version = tp_engine_api_version(s->engine);
	body = tp_sidecar_body(&spec, false, err);
	if (!body)
		return -1;
	tp_cleanup_volumes(s->engine, s->record.by, c);
	tp_timings_mark("engine checked");
	return 0;
}

/* ------------------------------------------------------------------- both */

void tp_session_fill_record(struct tp_session *s)
{
	struct tp_record *r = &s->record;
	const struct tp_session_opts *o = s->opts;
	struct tp_docker_globals g;

	tp_record_new_id(r->id);
	r->pid = getpid();
	r->started = time(NULL);
	r->by = tp_record_whoami();
	r->method = tp_strdup(s->method->name);
	r->data_engine = tp_strdup(s->data_engine);
	r->mode = o->swap_deployment ? TP_MODE_SWAP :
		  o->deployment	     ? TP_MODE_EXISTING :
				       TP_MODE_NEW;
	if (o->kubeconfig)
		r->kubeconfig = realpath(o->kubeconfig, NULL);
	r->kubeconfig_env = tp_record_absolute(getenv("KUBECONFIG"));
	r->context = tp_strdup(s->kc.context);
	r->namespace = tp_strdup(s->kc.namespace);
	r->link_dir = tp_link_dir(r->id);
	r->docker_host = tp_strdup(s->ep.host);
	r->docker_context = tp_strdup(s->ep.context);
	r->docker_config = tp_record_absolute(s->ep.config_dir);
	tp_session_opts_docker(o, &g);
	r->docker_tls = g.tls;
	r->docker_tls_verify = g.tls_verify;
	r->docker_tls_ca = tp_record_absolute(g.tls_ca);
	r->docker_tls_cert = tp_record_absolute(g.tls_cert);
	r->docker_tls_key = tp_record_absolute(g.tls_key);
	if (r->name)
		tp_reuse_settings(s, &r->settings);
}

static int create_record(struct tp_session *s, struct tp_err *err)
{
	tp_autoclose int names = -1;

	if (s->record.name) {
		names = tp_known_names_lock(err);
		if (names < 0 || tp_known_name_free(s->record.name, err))
			return -1;
	}
	return tp_record_create(&s->record, err);
}

static int reuse(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	int rc = tp_reuse(s, c, err);

	s->reused = rc > 0;
	return rc < 0 ? -1 : 0;
}

static int look_for_another(struct tp_session *s, struct tp_err *err)
{
	tp_session_task(s, reuse);
	if (tp_session_wait_tasks(s)) {
		*err = s->err;
		return -1;
	}
	return s->reused;
}

static int hostnet_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	return tp_hostnet_check(arg, c, err);
}

/* What is captured is known, and the engine: whether the two go together. */
static int check_scope(struct tp_session *s, struct tp_err *err)
{
	tp_autofree char *text = tp_scope_text(&s->scope, s->opts);

	if (s->method->host_network) {
		tp_session_task(s, hostnet_task);
		if (tp_session_wait_tasks(s)) {
			*err = s->err;
			return -1;
		}
	}
	tp_info("captured: %s", text);
	return 0;
}

int tp_session_prepare(struct tp_session *s, struct tp_err *err)
{
	const struct tp_session_opts *o = s->opts;
	struct tp_docker_globals g;
	int rc;

	if (tp_session_ask_signals(s))
		return tp_err_set(err, TP_ERR_FAILED, "signalfd: not supported here");
	tp_session_opts_docker(o, &g);
	if (tp_method_injects(s->method) && tp_inject_suits_run(s->args, err))
		return -1;
	if (tp_kubeconfig_load(o->kubeconfig, o->context, o->namespace, &s->kc, err) ||
	    (!s->hostless && tp_docker_endpoint_find(&g, &s->ep, err)) ||
	    (s->args->image && tp_launch_check(&s->ep, s->args, err)) ||
	    (s->plain && tp_hostnet_here(s, err)))
		return -1;
	tp_session_fill_record(s);
	if (tp_keys_make(s->record.id, &s->private_key, &s->public_key, err))
		return -1;
	tp_timings_mark("options, kubeconfig, key");
	if (s->hostless && tp_hostless_prepare(s, err))
		return -1;
	tp_cleanup_stale(NULL);
	if (s->reuse && (rc = look_for_another(s, err)))
		return rc;
	if (s->record.name && tp_known_name_free(s->record.name, err))
		return -1;
	tp_session_task(s, prepare_cluster);
	if (!s->hostless)
		tp_session_task(s, prepare_engine);
	if (tp_session_wait_tasks(s)) {
		*err = s->err;
		return -1;
	}
	if (s->method->captured == TP_CAPTURED_SCOPE && check_scope(s, err))
		return -1;
	/* From here on there may be something to undo, if it is only the record. */
	if (tp_guardian_start(s->record.id, &s->guardian_fd, err) || create_record(s, err))
		return -1;
	s->recorded = true;
	tp_timings_mark("record and guardian");
	return 0;
}
