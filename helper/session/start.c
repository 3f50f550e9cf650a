/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second part of a session: agent pod and sidecar come up side by side;
 * the link joins them; ready is when the sidecar has used the tunnel.
 *
 *   cluster task:  swap -> create pod -> agent's ready line --.   -> pod Ready
 *   engine task:   create, attach, start sidecar -> "link" ---+-> "agent" -> describe, ready
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "session/agent.h"
#include "session/hostless.h"
#include "session/hostnet.h"
#include "session/inject.h"
#include "session/session.h"
#include "session/timings.h"

#define TUNNEL_MS (60 * 1000) /* from the agent's ready line to the tunnel in use */

static void fail_with(struct tp_session *s, enum tp_err_kind kind, const char *what,
		      const char *why, size_t len)
{
	struct tp_err e = { 0 };

	tp_err_set(&e, kind, "%s: %.*s", what, (int)len, why);
	if (s->sidecar_log.len)
		tp_err_hint(&e, "the end of the sidecar's log:\n%s", s->sidecar_log.data);
	tp_session_fail(s, &e);
}

/* ---------------------------------------------------------------- cluster */

void tp_session_aim_link(struct tp_session *s)
{
	tp_link_target(s->link, s->forward, s->kube, s->record.pod, s->agent.port);
}

void tp_session_tell_agent(struct tp_session *s)
{
	TP_AUTO_BUF b = TP_BUF_INIT(4096);

	tp_session_aim_link(s);
	tp_buf_printf(&b, "hostkey %s\nuser %s\nprobe %s %s\n", s->agent.hostkey, s->agent.user,
		      s->agent.probe, s->agent.token);
	tp_control_send(s->control, TP_CTL_AGENT, b.data, b.len);
}

/* When both sides are there. */
static void join(struct tp_session *s)
{
	if (!s->agent_known || !s->sidecar_prepared || s->agent_told)
		return;
	s->agent_told = true;
	tp_session_tell_agent(s);
}

static void agent_is_ready(void *arg)
{
	struct tp_session *s = arg;

	tp_verbose("the agent %s is ready", s->record.pod);
	s->agent_known = true;
	join(s);
	if (s->volumes == TP_VOLUMES_COPY && s->record.mode != TP_MODE_EXISTING)
		tp_copying_begin(s, &s->mounts);
}

/* The agent sees its mounts by where its own image's links lead to
 * (/var/run is /run); the pod's spec says where they belong. */
static void read_mounts(struct tp_session *s, const struct tp_json *pod)
{
	const struct tp_json *ctrs = tp_json_path(pod, "spec.containers"), *mounts = NULL;

	for (size_t i = 0; i < tp_json_len(ctrs); i++) {
		const struct tp_json *ctr = tp_json_at(ctrs, i);
		const char *name = tp_json_str_at(ctr, "name");

		if (name && !strcmp(name, s->record.pod_container))
			mounts = tp_json_get(ctr, "volumeMounts");
	}
	for (size_t i = 0; i < tp_json_len(mounts); i++) {
		const char *path = tp_json_str_at(tp_json_at(mounts, i), "mountPath");

		if (path && strcmp(path, TP_AGENT_DIR))
			tp_strv_addf(&s->mounts, "%s%s", *path == '/' ? "" : "/", path);
	}
}

static int start_cluster(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	struct tp_record *r = &s->record;
	TP_AUTO_JSON *pod = NULL;

	if (r->mode == TP_MODE_EXISTING) {
		if (tp_agent_let_in(s->kube, r->pod, r->pod_container, s->public_key, &s->agent, c,
				    err))
			return -1;
		pod = tp_pod_get(s->kube, r->pod, c, err);
		if (!pod)
			return -1;
		read_mounts(s, pod);
		tp_timings_mark("agent authorised the key");
		tp_loop_post(s->loop, agent_is_ready, s);
		return 0;
	}
	if (r->mode == TP_MODE_SWAP) {
		s->swap.session = tp_strdup(r->id);
		s->swap.by = tp_strdup(r->by);
		s->swap.since = time(NULL);
		s->swap.pod = tp_strdup(r->pod);
		/* Neither this nor the pod's creation is to be cancelled: a request that
		 * was sent is carried out, maybe after the cleaning up has looked. */
		if (tp_cancel_poll(c, -1, 0, 0, err) < 0 ||
		    tp_workload_swap(s->kube, &r->workload, &s->swap, NULL, err))
			return -1;
		tp_timings_mark("workload swapped out");
		tp_info("swapped out %s/%s (%lld replicas) in namespace %s", r->workload.resource,
			r->workload.name, (long long)s->swap.replicas, r->namespace);
	}
	if (tp_cancel_poll(c, -1, 0, 0, err) < 0)
		return -1;
	pod = tp_pod_create(s->kube, s->pod_json, NULL, err);
	if (!pod) {
		s->pod_in_doubt = err->kind != TP_ERR_FORBIDDEN && err->kind != TP_ERR_CONFLICT;
		return -1;
	}
	if (tp_session_service_create(s, pod, NULL, err))
		return -1;
	read_mounts(s, pod);
	tp_session_progress_begin(s);
	tp_timings_mark("agent pod created");
	if (tp_agent_wait_ready(s->kube, r->pod, r->pod_container, tp_session_progress, s,
				&s->agent, c, err))
		return -1;
	tp_timings_mark("agent listens");
	tp_loop_post(s->loop, agent_is_ready, s);
	if (tp_pod_wait(s->kube, r->pod, r->pod_container, TP_POD_READY, TP_AGENT_START_MS,
			tp_session_progress, s, NULL, c, err))
		return tp_err_prefix(err, "the agent pod %s", r->pod);
	tp_timings_mark("agent pod Ready");
	tp_session_progress_end(s);
	return 0;
}

/* ---------------------------------------------------------------- sidecar */

/* Runs in the loop: the attach stream reads there. */
static void sidecar_stderr(void *arg, const char *p, size_t n)
{
	struct tp_session *s = arg;

	if (n > s->sidecar_log.max / 2)
		n = s->sidecar_log.max / 2;
	if (s->sidecar_log.len + n > s->sidecar_log.max)
		tp_buf_consume(&s->sidecar_log, s->sidecar_log.len + n - s->sidecar_log.max);
	tp_buf_put(&s->sidecar_log, p, n);
	while (n && p[n - 1] == '\n')
		n--;
	if (n)
		tp_verbose("sidecar: %.*s", (int)n, p);
}

static void link_is_down(struct tp_session *s, const struct tp_frame *f)
{
	tp_autofree char *why = tp_strndup(f->data, f->len);

	tp_remake_link_down(s->remake, why);
}

static void dial_host(struct tp_session *s)
{
	if (s->tohost)
		tp_tohost_dial_exec(s->tohost, s->engine, s->sidecar_id);
}

/* The pod's spec has the paths as they were meant; an agent that was never made by us may have none. */
static void use_spec_mounts(struct tp_session *s)
{
	if (!s->mounts.n && s->record.mode == TP_MODE_EXISTING)
		return;
	tp_strv_free(&s->remote.mounts);
	s->remote.mounts = s->mounts;
	s->mounts = (struct tp_strv){ 0 };
}

static void control_frame(void *arg, const struct tp_frame *f)
{
	struct tp_session *s = arg;
	struct tp_err e = { 0 };

	if (!strcmp(f->name, TP_CTL_LINK)) {
		tp_verbose("the link's kind: %.*s", (int)f->len, f->data);
		free(s->link_kind);
		s->link_kind = tp_strndup(f->data, f->len);
		s->sidecar_prepared = true;
		join(s);
	} else if (!strcmp(f->name, TP_CTL_DIAL)) {
		if (f->len == 4 && !memcmp(f->data, "host", 4))
			dial_host(s);
		else
			tp_link_dial_exec(s->link, s->engine, s->sidecar_id);
	} else if (!strcmp(f->name, TP_CTL_DESCRIBE)) {
		if (s->described) {
			/* After a reconnection: the container has its environment, the next one gets the new pod's. */
			if (s->gate_name)
				tp_volumes_described_again(s, f->data, f->len);
			return;
		}
		if (tp_remote_parse(f->data, f->len, &s->remote, &e)) {
			tp_session_fail(s, &e);
			return;
		}
		if (tp_session_ports_judge(s, &e)) {
			tp_session_fail(s, &e);
			return;
		}
		use_spec_mounts(s);
		s->described = true;
		tp_timings_mark("environment read");
		if (s->gate_name && s->volumes != TP_VOLUMES_SSHFS)
			tp_volumes_described(s);
		tp_companion_describe(s);
		/* Of a pod that is ours its spec has told it all; see above. */
		if (s->volumes == TP_VOLUMES_COPY && s->record.mode == TP_MODE_EXISTING)
			tp_copying_begin(s, &s->remote.mounts);
	} else if (!strcmp(f->name, TP_CTL_READY)) {
		tp_timings_mark("tunnel in use");
		s->tunnel_ready = true;
		tp_companion_describe(s);
	} else if (!strcmp(f->name, TP_CTL_TIMING)) {
		tp_timings_frame("sidecar", f->data, f->len);
	} else if (!strcmp(f->name, TP_CTL_WARN)) {
		tp_warn("%.*s", (int)f->len, f->data);
	} else if (!strcmp(f->name, TP_CTL_DOWN)) {
		s->link_down = true;
		link_is_down(s, f);
	} else if (!strcmp(f->name, TP_CTL_UP)) {
		s->link_down = false;
		s->reconnects++;
		tp_remake_link_up(s->remake);
	} else if (!strcmp(f->name, TP_CTL_FAIL)) {
		fail_with(s, TP_ERR_FAILED, "the sidecar", f->data, f->len);
		return;
	} else if (tp_volumes_gate_frame(s, f)) {
		return;
	}
	if (s->described && s->tunnel_ready)
		tp_loop_stop(s->loop, 0);
}

static void control_ended(void *arg, const char *reason)
{
	struct tp_session *s = arg;

	if (!s->ending)
		fail_with(s, TP_ERR_FAILED, "the sidecar is gone", reason, strlen(reason));
}

static void sidecar_started(void *arg)
{
	struct tp_session *s = arg;
	struct tp_control_events ev = { control_frame, control_ended, s };
	const struct tp_run_args *net = tp_session_net_args(s);
	bool local = s->hostless ? tp_hostless_local_net() : tp_sidecar_local_net(net);

	if (s->hostless)
		tp_hostless_listen(s, &s->child_err, &s->child, sidecar_stderr);
	s->control = tp_control_new(s->loop, tp_steal(&s->sidecar_stream), &ev);
	tp_control_sends(s->control, TP_CTL_PRIVATE_KEY, s->private_key);
	tp_control_sends(s->control, TP_CTL_NONCE, tp_link_nonce(s->link));
	tp_control_send_list(s->control, TP_CTL_NEVER_PROXY, &s->opts->never_proxy);
	if (s->method->captured != TP_CAPTURED_SCOPE)
		tp_control_send_list(s->control, TP_CTL_ALSO_PROXY, &s->opts->also_proxy);
	tp_control_send_list(s->control, TP_CTL_DNS, &net->dns);
	tp_control_send_list(s->control, TP_CTL_DNS_SEARCH, &net->dns_search);
	tp_control_send_list(s->control, TP_CTL_DNS_OPTION, &net->dns_options);
	if (local)
		tp_control_sends(s->control, TP_CTL_LOCAL_NET, "yes");
	tp_session_ports_send(s);
	tp_control_sends(s->control, TP_CTL_METHOD, s->method->name);
	if (s->method->host_network)
		tp_hostnet_send_names(s);
	if (s->opts->dns_upstream)
		tp_control_sends(s->control, TP_CTL_DNS_UPSTREAM, s->opts->dns_upstream);
	tp_control_send_list(s->control, TP_CTL_CAPTURE, &s->scope.capture);
	tp_control_send_list(s->control, TP_CTL_CAPTURE_NAME, &s->scope.names);
	tp_control_send_list(s->control, TP_CTL_NEVER_PROXY, &s->scope.kept);
	if (s->data_engine)
		tp_control_sends(s->control, TP_CTL_ENGINE, s->data_engine);
	if (s->opts->verbose)
		tp_control_sends(s->control, TP_CTL_VERBOSE, "yes");
	if (s->volumes == TP_VOLUMES_SSHFS)
		tp_control_sends(s->control, TP_CTL_DOOR, s->companion.door);
	if (s->gate_name && s->volumes != TP_VOLUMES_SSHFS)
		tp_control_sends(s->control, TP_CTL_GATES_OUTSIDE, s->gate_name);
	if (s->volumes == TP_VOLUMES_COPY) {
		tp_autofree char *gates = tp_volumes_gate_name(s->record.id);

		tp_control_sends(s->control, TP_CTL_GATES, gates);
	}
	tp_control_sends(s->control, TP_CTL_PREPARE, "");
}

static int start_engine(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;
	tp_autofree char *volume = tp_record_volume(&s->record);
	struct tp_sidecar_spec spec = { .session = s->record.id,
					.by = s->record.by,
					.image = s->opts->image,
					.name = s->record.name,
					.hostname = s->hostname,
					.args = tp_session_net_args(s),
					.host_network = s->method->host_network,
					.unfiltered = !s->method->filters,
					.outside = s->method->names == TP_NAMES_WATCH,
					.link_socket = tp_link_socket(s->link),
					.user_image = s->user_image,
					.api_version = tp_engine_api_version(s->engine),
					.ipv6 = s->data_engine &&
						!strcmp(s->data_engine, "native") &&
						!s->method->host_network,
					.volume = s->volumes != TP_VOLUMES_OFF || s->gate_name ||
								  tp_method_injects(s->method) ?
							  volume :
							  NULL };

	if (tp_sidecar_start(s->engine, &spec, sidecar_stderr, s, s->sidecar_id, &s->sidecar_stream,
			     c, err))
		return -1;
	tp_timings_mark("sidecar started");
	tp_loop_post(s->loop, sidecar_started, s);
	if (s->volumes == TP_VOLUMES_SSHFS)
		tp_companion_start(s, &spec, c);
	return 0;
}

static int start_child(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;

	(void)c;
	s->sidecar_stream = tp_hostless_sidecar(s, err);
	if (!s->sidecar_stream)
		return -1;
	tp_timings_mark("sidecar started");
	tp_loop_post(s->loop, sidecar_started, s);
	return s->volumes == TP_VOLUMES_SSHFS ? tp_companion_start_child(s, err) : 0;
}

/* ------------------------------------------------------------------- both */

static void dial_failed(void *arg, const struct tp_err *err, bool exec)
{
	struct tp_session *s = arg;

	if (exec)
		tp_control_sends(s->control, TP_CTL_UNDIALLED, "");
	if (!err)
		return;
	tp_verbose("the link: %s", err->msg);
	if (tp_remake_is_armed(s->remake))
		tp_remake_dial_failed(s->remake, err);
	else if (err->kind == TP_ERR_NOT_FOUND || err->kind == TP_ERR_FORBIDDEN)
		tp_session_fail(s, err);
}

static void host_undialled(void *arg)
{
	struct tp_session *s = arg;

	tp_control_sends(s->control, TP_CTL_UNDIALLED, "host");
}

static void host_stream(void *arg, struct tp_stream *stream)
{
	struct tp_session *s = arg;

	if (s->tohost)
		tp_tohost_serve(s->tohost, stream);
	else
		tp_stream_close(stream);
}

static void tunnel_late(void *arg)
{
	struct tp_session *s = arg;
	static const char why[] = "no connection to the agent within 60 seconds of its start";

	fail_with(s, TP_ERR_TIMEOUT, "the tunnel", why, strlen(why));
}

int tp_session_start(struct tp_session *s, struct tp_err *err)
{
	struct tp_link_events ev = { .dial_failed = dial_failed, .host = host_stream, .arg = s };
	struct tp_timer *late = NULL;

	if (tp_ports_count(&s->ports, TP_PORT_TO_HOST))
		s->tohost = tp_tohost_new(s->loop, &s->ports, host_undialled, s);
	s->link = tp_link_new(s->loop, s->record.link_dir, &ev);
	s->companion.door = tp_companion_door(s->record.id);
	if (s->record.mode == TP_MODE_EXISTING) {
		s->record.authorized_key = tp_strdup(s->public_key);
		if (tp_record_save(&s->record, err))
			return -1;
	}
	tp_session_task(s, start_cluster);
	tp_session_task(s, s->hostless ? start_child : start_engine);
	while (!s->failed &&
	       (s->tasks_running || !s->described || !s->tunnel_ready || !tp_volumes_ready(s))) {
		if (s->agent_told && !late)
			late = tp_timer_add(s->loop, TUNNEL_MS, tunnel_late, s);
		tp_loop_run(s->loop);
	}
	if (!s->failed)
		tp_timer_del(late);
	tp_session_wait_tasks(s);
	if (s->failed) {
		*err = s->err;
		return -1;
	}
	tp_hostnet_mark(s);
	tp_session_ports_tell(s);
	tp_timings_mark("session ready");
	return 0;
}
