/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener that entry gates (common/gate.h) come to: inside the loop, and
 * for whoever answers them, the sidecar's PID 1 or the mounts role.
 *
 * Every program in the user's container can reach the socket. So a gate is
 * heard only if the descriptor that it brings is a mount namespace that
 * belongs to our own user namespace: one that the engine made, or somebody
 * who may make mounts there anyhow.
 */
#ifndef TP_SIDECAR_GATES_H
#define TP_SIDECAR_GATES_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "common/gate.h"

struct gates;

struct gates_events {
	/* A gate waits for gates_answer(ID), which may be called from here. NS, its mount
	 * namespace, is the listener's and stays open until then. */
	void (*arrived)(void *arg, unsigned int id, const char *tag, int ns);
	/* It is gone without an answer (its container was stopped); not to be answered any more. May be NULL. */
	void (*left)(void *arg, unsigned int id);
	void *arg;
};

/* Listens at the abstract socket NAME. NULL ERR. */
struct gates *gates_listen(struct tp_loop *l, const char *name, const struct gates_events *ev,
			   struct tp_err *err);
/* Listens at NAME as well, or only there (G is NULL): gates that come there get the environment (gates_set_env).
 * G, or a new one; NULL ERR. */
struct gates *gates_listen_outside(struct gates *g, struct tp_loop *l, const char *name,
				   const struct gates_events *ev, struct tp_err *err);
/* The user and group that it runs as, as the listener's user namespace has them; 0 or -1 (it is gone). */
int gates_who(const struct gates *g, unsigned int id, uid_t *uid, gid_t *gid);
/* Lets it go on (WHY is NULL), or ends its container with WHY as the reason. An ID that is gone is passed over. */
void gates_answer(struct gates *g, unsigned int id, const char *why);
/* From now on: what gates from outside get that are let go, N bytes of "NAME=VALUE" strings with a NUL behind each. Those that ask
 * for it later are answered at once, and not told of. -1 ERR (PROTOCOL): it is none. */
int gates_set_env(struct gates *g, const char *env, size_t n, struct tp_err *err);
void gates_free(struct gates *g); /* NULL is allowed; those that wait end */

/* A gate's message of N bytes: 0, or 1 if it only asks for the environment, and its TAG; or -1. */
int gate_message_parse(const char *p, size_t n, char tag[TP_GATE_NAME_MAX + 1]);

#endif
