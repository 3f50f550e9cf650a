/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods: create, watch to readiness, log, delete, exec, port-forward.
 */
#ifndef TP_KUBE_POD_H
#define TP_KUBE_POD_H

#include "base/stream.h"
#include "kube/client.h"

/* Creates from a Pod's JSON. Gives the created object. CONFLICT if the name is taken. */
struct tp_json *tp_pod_create(struct tp_kube *k, const char *body, struct tp_cancel *c,
			      struct tp_err *err);
struct tp_json *tp_pod_get(struct tp_kube *k, const char *name, struct tp_cancel *c,
			   struct tp_err *err);
/* Pods matching a label selector (needs "list"). */
struct tp_json *tp_pod_list(struct tp_kube *k, const char *selector, struct tp_cancel *c,
			    struct tp_err *err);
/* GRACE_S -1: the pod's own. Gone already is success. UID (may be NULL): only that very pod. */
int tp_pod_delete(struct tp_kube *k, const char *name, const char *uid, int grace_s,
		  struct tp_cancel *c, struct tp_err *err);

enum tp_pod_wait {
	TP_POD_CONTAINER_RUNNING, /* the named container runs */
	TP_POD_READY,		  /* condition Ready is True */
	TP_POD_GONE,
};
/* Watches (never polls; resumes a watch that expires or breaks, at the last resourceVersion, 410 starts
 * anew) until it is so. Fails within seconds, with the pod's own words, when it cannot become so: ImagePullBackOff, ErrImagePull (second time),
 * InvalidImageName, CreateContainerConfigError, CreateContainerError, CrashLoopBackOff, a failed init container, phase
 * Failed or Succeeded, deleted meanwhile. After TIMEOUT_MS: what it waits for (Unschedulable's message, container states) and the pod's events if we may read them.
 * PROGRESS (may be NULL) is told in words what it waits for when that changes. *POD (may be NULL): the last object seen, the caller's. */
int tp_pod_wait(struct tp_kube *k, const char *name, const char *container, enum tp_pod_wait what,
		int timeout_ms, void (*progress)(void *arg, const char *text), void *arg,
		struct tp_json **pod, struct tp_cancel *c, struct tp_err *err);

/* Judges one Pod object: 1 it is so, 0 not yet (WHY: in words, may be empty), -1 ERR it never will. Apart for tests. */
int tp_pod_judge(const struct tp_json *pod, const char *container, enum tp_pod_wait what, char *why,
		 size_t why_size, struct tp_err *err);

/* Follows the container's log from its start until LINE returns 1 (success) or the log or time ends (-1). The "container is still being
 * created" answers are waited out by watching the pod. */
int tp_pod_log_follow(struct tp_kube *k, const char *name, const char *container,
		      int (*line)(void *arg, char *line, size_t n), void *arg, int timeout_ms,
		      struct tp_cancel *c, struct tp_err *err);
/* The last LINES lines, for error texts. */
int tp_pod_log_tail(struct tp_kube *k, const char *name, const char *container, int lines,
		    struct tp_buf *out, struct tp_cancel *c, struct tp_err *err);

/* Opens a port of the pod: WebSocket port-forward, v4.channel.k8s.io (binary
 * messages: channel byte, payload; 0 data, 1 error; each channel's first
 * message is the port, little endian). The stream has no half-close. Errors that the kubelet
 * sends on channel 1 end the stream with that reason. */
struct tp_stream *tp_pod_port_forward(struct tp_kube *k, const char *pod, unsigned port,
				      struct tp_cancel *c, struct tp_err *err);
/* The same stream over an open WebSocket, apart for tests. Owns W. */
struct tp_stream *tp_port_forward_stream(struct tp_ws *w);

/* Runs ARGV in a container (pods/exec, v4.channel.k8s.io), feeds INPUT, collects stdout and
 * the end of stderr. 0 and *CODE the exit code; -1 ERR. */
int tp_pod_exec(struct tp_kube *k, const char *pod, const char *container, const char *const *argv,
		const void *input, size_t n, struct tp_buf *out, struct tp_buf *errtext, int *code,
		int timeout_ms, struct tp_cancel *c, struct tp_err *err);

#endif
