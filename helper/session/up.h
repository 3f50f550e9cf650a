/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a session in the background, and ending one: what `up` and `down`
 * do, and a Compose project's provider (cmd_provider.c).
 */
#ifndef TP_SESSION_UP_H
#define TP_SESSION_UP_H

#include "docker/flags.h"
#include "session/options.h"

struct tp_up {
	const struct tp_session_opts *opts; /* checked and applied */
	const struct tp_run_args *args;
	const char *name;
	const char
		*owner; /* whose it is, if it is not the user's own: part of what it is; or NULL */
	long long idle_ms; /* 0: no idle timeout */
	const char *gate;  /* where containers that others make ask by their entry gates; or NULL */
	bool plain;	   /* this machine's own processes are captured: session/hostnet.h */
	bool reuse;	   /* one that is there already will do (reuse.h) */
	/* It could not be started, and is going to be undone, which may take a moment. May be NULL. */
	void (*failing)(const struct tp_err *err);
};

/* 1: it is ready, and the caller has to leave by _exit when it has told so. 0: *CODE is to be the exit code:
 * in the background process when the session has ended, or in the caller's if it failed and that was told (FAILING).
 * -1 ERR: it could not be started, and nothing is left. */
int tp_up(const struct tp_up *u, int *code, struct tp_err *err);

/* --idle-timeout TEXT, which may be NULL: 0 and *MS (0: none), or -1 ERR (USAGE). */
int tp_up_idle_parse(const char *text, long long *ms, struct tp_err *err);
/* What is to be GATE, and whether containers can join what O describes: 0 or -1 ERR (USAGE). */
int tp_up_gate_check(const char *gate, const struct tp_session_opts *o, struct tp_err *err);
/* Docker's flags in A that belong to a container and not to its network are refused. 0 or -1 ERR (USAGE). */
int tp_up_flags_check(const struct tp_run_args *a, struct tp_err *err);

/* Ends the session NAME, in whatever state it is, and returns when it is undone. OWNER: as above; one of
 * somebody else's is not touched (CONFLICT); NULL: whose it is does not matter. NOT_FOUND: there is none. */
int tp_down(const char *name, const char *owner, struct tp_err *err);

#endif
