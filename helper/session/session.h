/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: an agent pod, a sidecar and the link between them, from the
 * first check to the last undone step.
 *
 *   tp_session_prepare   everything that can be refused; nothing exists yet
 *   tp_session_start     agent pod and sidecar, side by side; ready when the tunnel was used
 *   tp_session_run       the user's container; its exit code
 *   tp_session_end       undoes all, last first
 *
 * Each runs the loop until its part is done. One thread runs the loop; what
 * blocks (API calls) runs in tasks beside it.
 */
#ifndef TP_SESSION_SESSION_H
#define TP_SESSION_SESSION_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/task.h"
#include "docker/launch.h"
#include "kube/pod.h"
#include "session/agentpod.h"
#include "session/companion.h"
#include "session/copying.h"
#include "session/environ.h"
#include "session/link.h"
#include "session/method.h"
#include "session/options.h"
#include "session/ports.h"
#include "session/record.h"
#include "session/remake.h"
#include "session/scope.h"
#include "session/sidecar.h"
#include "session/tohost.h"
#include "session/volumes.h"

#define TP_GATES_MAX 64

struct tp_session {
	const struct tp_session_opts *opts;
	const struct tp_run_args *args;
	const struct tp_method *method;
	const char *data_engine; /* "native" or "sshuttle" */

	struct tp_loop *loop;
	struct tp_kubeconfig kc;
	struct tp_kube *kube;
	struct tp_docker_endpoint ep;
	struct tp_engine *engine;
	struct tp_json *user_image;

	struct tp_record record;
	bool recorded;	 /* the record is on disk: there may be something to undo */
	int guardian_fd; /* our end of the guardian's pipe */

	/* what will be made */
	bool reuse;	     /* one that is there already will do (reuse.h) */
	bool reused;	     /* and there is one */
	const char *look_at; /* session/envlook.h: the workload that is only looked at */
	struct tp_json *workload;
	char *private_key, *public_key;
	char *pod_json;
	char *hostname;
	enum tp_forward_kind forward;
	struct tp_swap_record swap;
	struct tp_ports ports;
	struct tp_scope scope; /* if the method captures one */

	/* what there is */
	struct tp_link *link;
	struct tp_tohost *tohost;     /* NULL: no port of this machine's is wanted */
	char *service_address;	      /* of record.service, once it was made */
	struct tp_remake *remake;     /* keeps it up while the container runs */
	struct tp_namefeed *namefeed; /* namefeed.h; runs as long as it is kept up */
	struct tp_control *control;
	char sidecar_id[65];
	struct tp_stream *sidecar_stream; /* between the task and the loop */
	struct tp_buf sidecar_log;	  /* the end of its stderr, for error texts */
	struct tp_agent_ready agent;
	char *agent_instance; /* tp_agentlook_instance; NULL: not known */
	struct tp_remote remote;
	struct tp_strv mounts; /* the pod's volumes, as its spec has them */

	/* the volumes in the user's container */
	enum tp_volumes volumes;
	char *volumes_root; /* of a session that was joined; NULL: as the options say */
	struct tp_companion companion;
	struct tp_copying copying;
	struct tp_strv image_volumes; /* tp_image_volumes */
	struct tp_strv entrypoint;    /* what the user's container runs, in full */
	/* A container came through its gate (WHY is NULL), or was refused there; TAG: its TP_LABEL_RUN. May be NULL. */
	void (*gate_told)(void *arg, const char *tag, const char *why);
	void *gate_told_arg;
	/* --volumes copy: a gate waits for tp_volumes_gate_answer, or is gone without it. In the loop. */
	void (*gate_arrived)(struct tp_session *s, const struct tp_gate *g);
	void (*gate_left)(struct tp_session *s, unsigned int id);

	long long pod_created; /* tp_now_ms */
	bool pod_in_doubt;     /* its creation was asked for, and the answer never came */
	char *progress;	       /* what is waited for and was not told yet */
	pthread_mutex_t progress_lock;
	struct tp_timer *progress_timer;
	bool agent_known, agent_told, sidecar_prepared, described, tunnel_ready;

	struct tp_task *tasks[3];
	int tasks_running;
	struct tp_watch *signal_watch;
	int signal_fd;
	sigset_t old_mask;
	int signalled;		   /* the first signal that asked us to end, 0 = none */
	int signals;		   /* how many did */
	int interrupts;		   /* SIGINTs while the container runs */
	bool signal_from_terminal; /* the one being handled: our whole process group has it */
	long long terminal_signal; /* when the last one of those came, tp_now_ms; 0: never */

	struct tp_child child; /* the docker CLI; hostless: the sidecar */
	struct tp_errpipe child_err;
	struct tp_watch *child_watch;
	struct tp_timer *stop_timer;
	int child_status;
	char *link_kind;      /* as the sidecar found out: "socket" or "exec" */
	bool link_down;	      /* and is dialled again */
	unsigned reconnects;  /* how often it was back */
	bool container_phase; /* the user's container was launched */
	bool background;
	const char *gate_name;		  /* where others' entry gates ask; or NULL */
	unsigned int gates[TP_GATES_MAX]; /* those that wait until the session is ready */
	size_t n_gates;
	bool plain; /* a process of this machine's runs, or all of them are captured (hostnet.h): no container */
	bool hostless; /* no engine: we are in the sidecar's container (hostless.h) */
	char run_id[TP_SESSION_ID_MAX]; /* TP_LABEL_RUN of the user's container */
	struct tp_watch *joined_watch;
	int joined_fd;	    /* our part in a background session (join.h); -1: the session is ours */
	bool joined_passed; /* our container came through its gate there */
	char *joined_refusal; /* or why not */
	bool cluster_undone, engine_undone;
	bool ending; /* tp_session_end is under way */

	bool failed; /* the session cannot go on: err says why */
	struct tp_err err;
};

void tp_session_init(struct tp_session *s, const struct tp_session_opts *o,
		     const struct tp_run_args *a);
/* 1: with S->reuse, there is such a session already, and nothing was made. */
int tp_session_prepare(struct tp_session *s, struct tp_err *err);
int tp_session_start(struct tp_session *s, struct tp_err *err);
/* 0 and *CODE the container's exit code; -1 ERR the session broke. With -d the caller's process ends inside
 * (with the CLI's code) and a background process returns when the container has ended. */
int tp_session_run(struct tp_session *s, int *code, struct tp_err *err);
/* Always succeeds in freeing S's part on this machine; what cannot be undone is said and left to the guardian. */
void tp_session_end(struct tp_session *s);
void tp_session_free(struct tp_session *s);

/* For the parts of the session (prepare.c, start.c, run.c, end.c). */

/* The record's parts that are known from the options, the kubeconfig and (if it was looked for) the endpoint; a new id. */
void tp_session_fill_record(struct tp_session *s);
/* The user's image is there, pulled if need be, and what its container will run. Blocking. */
int tp_session_user_image(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);
/* Asks the API server to judge s->pod_json without creating it: service account, quota, admission. */
int tp_session_dry_run(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);

/* What the agent pod is waited for, told when it takes long: from the pod's creation to when it is ready. From any
 * thread; tp_session_progress is what tp_pod_wait and tp_agent_wait_ready want, its ARG the session. */
void tp_session_progress_begin(struct tp_session *s);
void tp_session_progress(void *arg, const char *text);
void tp_session_progress_end(struct tp_session *s);

/* sessionports.c: the plan (prepare's; the workload, or the standing agent's pod, is known; may set record.service), whether the
 * Service can be made, its making for the pod object POD, and the same for a pod that was made again; whether the pod must say
 * that low ports are anybody's. */
int tp_session_ports_plan(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);
int tp_session_service_check(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);
int tp_session_service_create(struct tp_session *s, const struct tp_json *pod, struct tp_cancel *c,
			      struct tp_err *err);
int tp_session_service_renew(struct tp_session *s, const struct tp_json *pod, struct tp_cancel *c,
			     struct tp_err *err);
bool tp_session_wants_low_ports(const struct tp_session *s);
/* The frames for the sidecar; what the agent found out (in s->remote): -1 ERR if a port that was asked for
 * cannot be had; a line for the user about what leads where. */
void tp_session_ports_send(struct tp_session *s);
int tp_session_ports_judge(struct tp_session *s, struct tp_err *err);
void tp_session_ports_tell(const struct tp_session *s);

/* From here on it is kept up: the link, the agent, what the sidecar knows of names. Until HOLD, which waits for what runs
 * beside the loop: a fork takes no thread along. */
void tp_session_keep(struct tp_session *s);
void tp_session_hold(struct tp_session *s);

/* Runs tasks FN(S) side by side until all are done or the session fails;
 * 0, or -1 and S->err. LOOP events go on meanwhile. */
/* Docker's flags for the owner of the network namespace: none, where that is the machine. */
const struct tp_run_args *tp_session_net_args(const struct tp_session *s);
void tp_session_task(struct tp_session *s, tp_task_fn *fn);
int tp_session_wait_tasks(struct tp_session *s);
/* The session cannot go on: keeps the first reason, cancels tasks, stops the loop. */
void tp_session_fail(struct tp_session *s, const struct tp_err *err);
/* The session lives on in a process of its own, out of reach of the terminal, which logs to its file: 0 in
 * there; 1 in the caller's, which has nothing more to do than _exit; -1 ERR. No task may be running. */
int tp_session_background(struct tp_session *s, struct tp_err *err);

/* The link leads to the agent as it is known, and the sidecar may dial. */
void tp_session_aim_link(struct tp_session *s);
/* The same, and the sidecar is told about the agent; also when another has taken its place. */
void tp_session_tell_agent(struct tp_session *s);
int tp_session_ask_signals(struct tp_session *s);
int tp_session_signals_after_fork(struct tp_session *s); /* in the child */
/* A signal that arrived while the user's container runs. */
void tp_session_run_signal(struct tp_session *s, int sig);

#endif
