/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all parts of a session share: its tasks, its signals, its failure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/plugin.h"
#include "session/namefeed.h"
#include "session/session.h"

#define SIDECAR_LOG_MAX (8u << 10)
#define ECHO_MS		1000

void tp_session_init(struct tp_session *s, const struct tp_session_opts *o,
		     const struct tp_run_args *a)
{
	memset(s, 0, sizeof(*s));
	s->opts = o;
	s->args = a;
	s->method = tp_method_of(o);
	s->data_engine = tp_method_engine(s->method, o);
	s->record = TP_RECORD_INIT;
	s->guardian_fd = -1;
	s->signal_fd = -1;
	s->joined_fd = -1;
	tp_record_new_id(s->run_id);
	s->child = TP_CHILD_INIT;
	s->companion.child = TP_CHILD_INIT;
	s->sidecar_log = TP_BUF_INIT(SIDECAR_LOG_MAX);
	s->loop = tp_loop_new();
	s->volumes = s->method->host_network ? TP_VOLUMES_OFF : tp_volumes_wanted(o->volumes);
	s->remake = tp_remake_new(s);
	pthread_mutex_init(&s->progress_lock, NULL);
	if (!strcmp(o->port_forward, "kubectl"))
		s->forward = TP_FORWARD_KUBECTL;
	else if (!strcmp(o->port_forward, "oc"))
		s->forward = TP_FORWARD_OC;
}

const struct tp_run_args *tp_session_net_args(const struct tp_session *s)
{
	static const struct tp_run_args none = { .rm = -1 };

	return s->method->host_network ? &none : s->args;
}

void tp_session_keep(struct tp_session *s)
{
	tp_remake_arm(s->remake);
	if (!s->namefeed)
		s->namefeed = tp_namefeed_start(s);
}

void tp_session_hold(struct tp_session *s)
{
	tp_namefeed_stop(tp_steal(&s->namefeed));
	tp_remake_hold(s->remake);
}

void tp_session_fail(struct tp_session *s, const struct tp_err *err)
{
	if (!s->failed) {
		s->failed = true;
		s->err = *err;
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(s->tasks); i++)
		if (s->tasks[i])
			tp_task_cancel(s->tasks[i]);
	tp_copying_cancel(s);
	tp_loop_stop(s->loop, -1);
}

struct slot {
	struct tp_session *s;
	tp_task_fn *fn;
	size_t i;
};

static int slot_run(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	struct slot *slot = arg;

	return slot->fn(slot->s, cancel, err);
}

static void slot_done(void *arg, int rc, struct tp_err *err)
{
	struct slot *slot = arg;
	struct tp_session *s = slot->s;

	s->tasks[slot->i] = NULL;
	s->tasks_running--;
	free(slot);
	if (rc)
		tp_session_fail(s, err);
	tp_loop_stop(s->loop, 0);
}

void tp_session_task(struct tp_session *s, tp_task_fn *fn)
{
	struct slot *slot = tp_calloc(1, sizeof(*slot));

	slot->s = s;
	slot->fn = fn;
	while (slot->i < TP_ARRAY_SIZE(s->tasks) && s->tasks[slot->i])
		slot->i++;
	if (slot->i == TP_ARRAY_SIZE(s->tasks))
		abort(); /* a bug: a part starts at most as many as there are slots */
	s->tasks_running++;
	s->tasks[slot->i] = tp_task_start(s->loop, slot_run, slot_done, slot);
	if (s->failed)
		tp_task_cancel(s->tasks[slot->i]);
}

int tp_session_wait_tasks(struct tp_session *s)
{
	while (s->tasks_running)
		tp_loop_run(s->loop);
	return s->failed ? -1 : 0;
}

static void signal_arrived(struct tp_session *s, int sig);

/*
 * A SIGTERM of our own stands for docker, asked to end (tp_plugin_follow). When
 * it was Ctrl-C that asked it, the terminal has sent us the same, and that is
 * the signal which counts: for the container, not for the session.
 */
static bool is_echo(const struct tp_session *s, const struct signalfd_siginfo *si)
{
	return si->ssi_code == SI_USER && si->ssi_pid == (uint32_t)getpid() && s->terminal_signal &&
	       tp_now_ms() - s->terminal_signal < ECHO_MS;
}

static void signal_ready(void *arg, int events)
{
	struct tp_session *s = arg;
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		s->signal_from_terminal = si.ssi_code == SI_KERNEL;
		if (s->signal_from_terminal)
			s->terminal_signal = tp_now_ms();
		else if (is_echo(s, &si))
			continue;
		signal_arrived(s, (int)si.ssi_signo);
	}
}

int tp_session_ask_signals(struct tp_session *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, &s->old_mask);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return -1;
	s->signal_watch = tp_watch_add(s->loop, s->signal_fd, TP_READ, signal_ready, s);
	return 0;
}

/* epoll watches a signalfd for the process that added it: a child would never
 * hear of its signals. */
int tp_session_signals_after_fork(struct tp_session *s)
{
	sigset_t mask = s->old_mask;
	int rc;

	tp_watch_del(s->signal_watch);
	tp_close_p(&s->signal_fd);
	tp_plugin_unfollow();
	rc = tp_session_ask_signals(s);
	s->old_mask = mask;
	return rc;
}

/*
 * While the user's container runs, signals are the container's (run.c). At
 * any other time the first one ends what is under way, and everything is
 * undone; while undoing there is nothing better to do than to finish.
 */
static void signal_arrived(struct tp_session *s, int sig)
{
	struct tp_err e = { 0 };

	if (!s->signalled)
		s->signalled = sig;
	s->signals++;
	if (s->container_phase) {
		tp_session_run_signal(s, sig);
		return;
	}
	if (s->ending) {
		tp_warn("cleaning up; it takes a moment");
		return;
	}
	tp_err_set(&e, TP_ERR_CANCELLED, "interrupted");
	tp_session_fail(s, &e);
}

void tp_session_free(struct tp_session *s)
{
	tp_remake_free(s->remake);
	tp_timer_del(s->progress_timer);
	tp_watch_del(s->joined_watch);
	tp_watch_del(s->signal_watch);
	if (s->signal_fd >= 0) {
		close(s->signal_fd);
		sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	}
	tp_tohost_free(s->tohost);
	tp_link_free(s->link);
	tp_companion_free(&s->companion);
	tp_copying_free(&s->copying);
	tp_control_free(s->control);
	tp_stream_close(s->sidecar_stream);
	tp_watch_del(s->child_err.watch);
	tp_child_free(&s->child);
	tp_engine_free(s->engine);
	tp_docker_endpoint_free(&s->ep);
	tp_kube_free(s->kube);
	tp_kubeconfig_free(&s->kc);
	tp_json_free(s->user_image);
	tp_json_free(s->workload);
	tp_free_secret(s->private_key);
	free(s->public_key);
	free(s->link_kind);
	free(s->volumes_root);
	free(s->pod_json);
	free(s->progress);
	pthread_mutex_destroy(&s->progress_lock);
	free(s->hostname);
	free(s->service_address);
	tp_ports_free(&s->ports);
	tp_swap_record_free(&s->swap);
	tp_buf_free(&s->sidecar_log);
	tp_agent_ready_free(&s->agent);
	free(s->agent_instance);
	tp_remote_free(&s->remote);
	tp_scope_free(&s->scope);
	tp_strv_free(&s->mounts);
	tp_strv_free(&s->entrypoint);
	tp_strv_free(&s->image_volumes);
	tp_record_free(&s->record);
	tp_close_p(&s->guardian_fd);
	tp_close_p(&s->joined_fd);
	free(s->joined_refusal);
	tp_loop_free(s->loop);
}
