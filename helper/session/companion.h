/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The companion: a container beside the sidecar, of the same image, that
 * mounts the pod's files into the user's container (sidecar/mounts.h). It has
 * what mounting needs and the sidecar and the user's container must not have.
 * Without an engine (hostless.h) it is a process beside the sidecar's, in one container.
 */
#ifndef TP_SESSION_COMPANION_H
#define TP_SESSION_COMPANION_H

#include "base/child.h"
#include "base/loop.h"
#include "docker/engine.h"
#include "session/sidecar.h"

struct tp_session;

/* What a child of a session without an engine writes to its stderr. */
struct tp_errpipe {
	struct tp_watch *watch;
	int fd;
	void (*fn)(void *arg, const char *p, size_t n);
	void *arg;
};

struct tp_companion {
	char *door; /* "NAME TOKEN": where it has its SFTP sessions; a secret */
	char id[65];
	struct tp_child child; /* in the place of the container, without an engine */
	struct tp_errpipe child_err;
	struct tp_stream *stream; /* between the task and the loop */
	struct tp_control *control;
	struct tp_buf log; /* the end of its stderr, for error texts */
	bool told, mounted, stopped;
	bool failed; /* it cannot be had: ERR says why */
	struct tp_err err;
	int passed;    /* gates that went through */
	char *refusal; /* why one did not */
};

/* The Engine API's create body. S: the sidecar's. NULL ERR. */
char *tp_companion_body(const struct tp_sidecar_spec *s, const char *sidecar_id,
			struct tp_err *err);

/* The socket and the token of a session's door; a secret, the caller's. */
char *tp_companion_door(const char *session);

/* In the engine's task: creates, attaches, starts, and goes on in the loop. Without it there may still be a session, when
 * the pod turns out to have no volumes: what went wrong is kept until that is known. */
void tp_companion_start(struct tp_session *s, const struct tp_sidecar_spec *spec,
			struct tp_cancel *c);

/* The same, as a child. */
int tp_companion_start_child(struct tp_session *s, struct tp_err *err);

/* In the loop: the pod's volumes are known (or, as often, not yet). */
void tp_companion_describe(struct tp_session *s);
/* It ends by itself, beside whatever else is undone. */
void tp_companion_stop(struct tp_session *s);
void tp_companion_free(struct tp_companion *c);

#endif
