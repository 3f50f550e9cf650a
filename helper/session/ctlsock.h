/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a background session: a unix socket beside its
 * record (ID.sock, mode 0600), where `status`, `down` and `run --session` ask
 * its supervisor. One question a connection:
 *
 *   status\n    -> what tp_ctl_events.status tells: JSON
 *   environ\n   -> the pod's environment, each variable "K=V" and a NUL
 *   down\n      -> answered when the session has been undone
 *   join RUN\n  -> the container with the label dev.tpdocker.run=RUN is in the session; answered as the session ends.
 *                  If the connection ends before, the container is removed, unless "d" (detached) was said on it.
 *                  When the container comes to its entry gate, "gate ok\n" or "gate REASON\n" is told on it, before the answer
 *
 * and the answer is "ok N\n" or "error N\n", then N bytes, then the end. A
 * question that is none of these, or is longer than one can be, or does not
 * come within 5 s, ends the connection without an answer; so does an answer that is not read.
 */
#ifndef TP_SESSION_CTLSOCK_H
#define TP_SESSION_CTLSOCK_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/loop.h"

#define TP_CTL_SUFFIX	  "sock"
#define TP_CTL_ANSWER_MAX (8u << 20)

enum tp_ctl_question { TP_ASK_NONE, TP_ASK_STATUS, TP_ASK_ENVIRON, TP_ASK_DOWN, TP_ASK_JOIN };

#define TP_CTL_RUN_MAX 16 /* bytes of a RUN, terminator included; letters and digits */

/* What LINE of N bytes (without the newline) asks; RUN is the one that joins, else empty. */
enum tp_ctl_question tp_ctl_question(const char *line, size_t n, char run[TP_CTL_RUN_MAX]);

struct tp_ctl_events {
	/* Add the answer to OUT. */
	void (*status)(void *arg, struct tp_buf *out);
	void (*environ)(void *arg, struct tp_buf *out);
	void (*down)(void *arg); /* tp_ctlsock_ended tells those who asked */
	/* Who joined is gone, without having said that its container stays. */
	void (*left)(void *arg, const char *run);
	void *arg;
};

struct tp_ctlsock;

/* Listens at PATH, which may be longer than a socket's address. NULL ERR. */
struct tp_ctlsock *tp_ctlsock_listen(struct tp_loop *l, const char *path,
				     const struct tp_ctl_events *ev, struct tp_err *err);
/* The container of RUN has passed its gate (WHY is NULL), or was refused there. */
void tp_ctlsock_gate(struct tp_ctlsock *k, const char *run, const char *why);
/* The session ends: tells those who joined, before their containers go. */
void tp_ctlsock_ending(struct tp_ctlsock *k);
/* The session is over: tells those who asked for it; WHY NULL if all is undone, else what is not. Takes
 * no more questions. */
void tp_ctlsock_ended(struct tp_ctlsock *k, const char *why);
/* NULL is allowed. The file stays: it goes with the record. */
void tp_ctlsock_free(struct tp_ctlsock *k);

/* Asks the supervisor behind PATH. Blocks for at most MS milliseconds. 0 and the answer in OUT; -1 ERR: NOT_FOUND if nobody has
 * listened there yet, UNREACHABLE if nobody does any more, PROTOCOL if it is not an answer, FAILED with its words if it is a refusal. */
int tp_ctl_ask(const char *path, const char *question, struct tp_buf *out, int ms,
	       struct tp_cancel *c, struct tp_err *err);

/* Tells the supervisor behind PATH that RUN joins: a connection, readable once the session has ended, which the caller closes when its
 * container has ended; -1 ERR. */
int tp_ctl_join(const char *path, const char *run, struct tp_err *err);
/* Reads what there is on such a connection: 1 the container has passed its gate, 2 it was refused (*WHY, the caller's),
 * 0 nothing yet, -1 the session ends. */
int tp_ctl_joined_read(int fd, char **why);
/* The container outlives the caller. */
void tp_ctl_detach(int fd);

/* Takes the head off what came: 1 and *OK, *LEN (how much follows), *HEAD (its bytes); 0 more is needed; -1 it is none. Apart for tests. */
int tp_ctl_answer_head(const char *p, size_t n, bool *ok, size_t *len, size_t *head);

#endif
