/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "session/agent.h"
#include "session/agentssh.h"
#include "session/cleanup.h"
#include "session/envlook.h"
#include "session/guardian.h"
#include "session/keys.h"
#include "session/rights.h"

#define DESCRIBE_MS  (30 * 1000)
#define DESCRIBE_MAX (32u << 20)

/* ---------------------------------------------------------------- prepare */

static int check_rights(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	static const struct tp_right rights[] = {
		{ "create", "", "pods", NULL, NULL, NULL },
		{ "get", "", "pods", NULL, NULL, NULL },
		{ "watch", "", "pods", NULL, NULL, NULL },
		{ "delete", "", "pods", NULL, NULL, NULL },
		{ "get", "", "pods", "log", NULL, NULL },
		{ "get", "", "pods", "portforward", NULL, "create" },
	};
	static const struct tp_right standing[] = {
		{ "list", "", "pods", NULL, NULL, NULL },
		{ "get", "", "pods", "exec", NULL, "create" },
	};

	if (s->record.mode == TP_MODE_EXISTING)
		return tp_rights_check(s->kube, standing, TP_ARRAY_SIZE(standing), c, err);
	return tp_rights_check(s->kube, rights, TP_ARRAY_SIZE(rights), c, err);
}

static int prepare_pod(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_record *r = &s->record;
	struct tp_agentpod a = { .session = r->id,
				 .by = r->by,
				 .image = s->opts->image,
				 .authorized_key = s->public_key };

	r->pod = tp_agentpod_name(r->workload.name ? r->workload.name : "env", r->id);
	a.name = r->pod;
	if (r->workload.name) {
		s->pod_json =
			tp_agentpod_env(&a, &r->workload, s->workload, &r->pod_container, err);
	} else {
		r->pod_container = tp_strdup("agent");
		s->pod_json = tp_agentpod_new(&a, err);
	}
	return s->pod_json ? tp_session_dry_run(s, c, err) : -1;
}

static int prepare_cluster(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	struct tp_record *r = &s->record;

	s->kube = tp_kube_open(&s->kc, c, err);
	if (!s->kube || tp_kube_check(s->kube, c, err))
		return -1;
	if (s->look_at) {
		if (tp_workload_parse(s->kube, s->look_at, &r->workload, c, err))
			return -1;
		s->workload = tp_workload_get(s->kube, &r->workload, c, err);
		if (!s->workload || tp_workload_check_container(s->workload, &r->workload, err))
			return -1;
	}
	if (check_rights(s, c, err))
		return -1;
	if (r->mode == TP_MODE_EXISTING)
		return tp_agent_find(s->kube, &r->workload, s->workload, &r->pod, &r->pod_container,
				     NULL, c, err);
	return prepare_pod(s, c, err);
}

int tp_envlook_prepare(struct tp_session *s, const char *workload, struct tp_err *err)
{
	const struct tp_session_opts *o = s->opts;

	s->look_at = o->deployment ? o->deployment : workload;
	if (tp_session_ask_signals(s))
		return tp_err_set(err, TP_ERR_FAILED, "signalfd: not supported here");
	if (tp_kubeconfig_load(o->kubeconfig, o->context, o->namespace, &s->kc, err))
		return -1;
	tp_session_fill_record(s);
	if (tp_keys_make(s->record.id, &s->private_key, &s->public_key, err))
		return -1;
	tp_cleanup_stale(NULL);
	tp_session_task(s, prepare_cluster);
	if (tp_session_wait_tasks(s)) {
		*err = s->err;
		return -1;
	}
	if (s->record.mode == TP_MODE_EXISTING)
		return 0; /* nothing will be made */
	if (tp_guardian_start(s->record.id, &s->guardian_fd, err) ||
	    tp_record_create(&s->record, err))
		return -1;
	s->recorded = true;
	return 0;
}

/* -------------------------------------------------------------------- ask */

static int take(struct tp_session *s, const struct tp_buf *out, const struct tp_buf *errtext,
		int code, struct tp_err *err)
{
	if (code)
		return tp_err_set(err, TP_ERR_FAILED,
				  "container \"%s\" of pod %s is no tpdocker agent%s%s",
				  s->record.pod_container, s->record.pod, errtext->len ? ": " : "",
				  errtext->len ? errtext->data : "");
	return tp_remote_parse(out->data ? out->data : "", out->len, &s->remote, err);
}

/* Through pods/exec, as for its key in a session; so it needs no key here. */
static int ask_standing(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	static const char *const argv[] = { TP_AGENT_PROGRAM, "describe", NULL };
	TP_AUTO_BUF out = TP_BUF_INIT(DESCRIBE_MAX);
	TP_AUTO_BUF errtext = TP_BUF_INIT(4096);
	int code = 0;

	if (tp_pod_exec(s->kube, s->record.pod, s->record.pod_container, argv, NULL, 0, &out,
			&errtext, &code, DESCRIBE_MS, c, err))
		return tp_err_prefix(err, "pod %s", s->record.pod);
	return take(s, &out, &errtext, code, err);
}

static int ask_new(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_agentssh_target t = { .forward = s->forward,
					.kube = s->kube,
					.pod = s->record.pod,
					.agent = &s->agent,
					.private_key = s->private_key };
	TP_AUTO_BUF out = TP_BUF_INIT(DESCRIBE_MAX);
	TP_AUTO_BUF errtext = TP_BUF_INIT(4096);
	struct tp_agentssh *a = tp_agentssh_open(&t, c, err);
	int code = 0, rc;

	if (!a)
		return -1;
	rc = tp_agentssh_exec(a, TP_AGENT_PROGRAM " describe", &out, &errtext, &code, DESCRIBE_MS,
			      err);
	tp_agentssh_close(a);
	return rc ? -1 : take(s, &out, &errtext, code, err);
}

static int ask(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	struct tp_record *r = &s->record;
	TP_AUTO_JSON *pod = NULL;

	if (r->mode == TP_MODE_EXISTING)
		return ask_standing(s, c, err);
	/* Not to be cancelled: a request that was sent is carried out, maybe
	 * after the cleaning up has looked. */
	if (tp_cancel_poll(c, -1, 0, 0, err) < 0)
		return -1;
	pod = tp_pod_create(s->kube, s->pod_json, NULL, err);
	if (!pod)
		return -1;
	tp_session_progress_begin(s);
	if (tp_agent_wait_ready(s->kube, r->pod, r->pod_container, tp_session_progress, s,
				&s->agent, c, err))
		return -1;
	tp_session_progress_end(s);
	return ask_new(s, c, err);
}

int tp_envlook_ask(struct tp_session *s, struct tp_err *err)
{
	tp_session_task(s, ask);
	if (tp_session_wait_tasks(s)) {
		*err = s->err;
		return -1;
	}
	return 0;
}
