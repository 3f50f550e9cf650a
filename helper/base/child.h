/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes, owned like memory: freeing one that still runs kills and
 * reaps it. Children start with default signal handlers, an empty signal
 * mask, and no descriptor of ours but those given. SIGPIPE is ignored in this
 * process from the first tp_child_run on, as with streams over pipes.
 */
#ifndef TP_BASE_CHILD_H
#define TP_BASE_CHILD_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"

struct tp_child {
	pid_t pid; /* 0 = reaped or never started */
	int pidfd; /* readable when it has ended */
	int in;	   /* our end of its stdin, -1 if not piped */
	int out;   /* our end of its stdout */
	int err;   /* our end of its stderr */
};
#define TP_CHILD_INIT ((struct tp_child){ .pidfd = -1, .in = -1, .out = -1, .err = -1 })

enum tp_stdio { TP_STDIO_INHERIT = 0, TP_STDIO_NULL, TP_STDIO_PIPE };

struct tp_child_opts {
	char *const *argv;    /* argv[0] is looked up in PATH */
	char *const *env;     /* NULL = ours; "K=V" replaces the whole environment */
	char *const *env_add; /* "K=V" on top, NULL-terminated; may be NULL */
	enum tp_stdio in, out, err;
	int in_fd;	     /* if > 0: its stdin instead (stays ours) */
	int out_fd;	     /* if > 2: its stdout instead (stays ours) */
	const int *keep_fds; /* descriptors it inherits under the same number */
	size_t n_keep_fds;
	bool new_session;     /* setsid: out of reach of the terminal */
	bool die_with_parent; /* PDEATHSIG=SIGKILL (Linux); it goes with the thread that started it */
};

/* Starts it. A program that cannot be executed is an error here (NOT_FOUND
 * or FORBIDDEN), not an exit code later. */
int tp_child_start(struct tp_child *c, const struct tp_child_opts *o, struct tp_err *err);

/* Waits up to MS milliseconds (-1: for ever). 0 and *STATUS (waitpid's), 1 if it still
 * runs, -1 ERR (cancelled). */
int tp_child_wait(struct tp_child *c, int ms, int *status, struct tp_cancel *cancel,
		  struct tp_err *err);
/* Reaps without waiting: 0 and *STATUS, or 1 if it still runs. */
int tp_child_reap(struct tp_child *c, int *status);
void tp_child_signal(struct tp_child *c, int sig);
/* Kills, reaps, closes. */
void tp_child_free(struct tp_child *c);
#define TP_AUTO_CHILD __attribute__((cleanup(tp_child_free))) struct tp_child

/* 0-255: the exit code, or 128+n for signal n. */
int tp_status_code(int status);

/* Runs to the end: feeds INPUT (may be NULL), collects stdout into OUT and
 * the end of stderr into ERRTEXT (each may be NULL), kills it after MS
 * milliseconds. 0 and *STATUS; -1 ERR when it could not run, ran too long, or wrote more than OUT holds. */
int tp_child_run(const struct tp_child_opts *o, const void *input, size_t n, struct tp_buf *out,
		 struct tp_buf *errtext, int ms, int *status, struct tp_cancel *cancel,
		 struct tp_err *err);

#endif
