/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a background session: a unix socket beside its
 * record (ID.sock, mode 0600), where `status`, `down` and `run --session` ask
 * its supervisor. One question a connection:
 *
 *   status\n    -> what tp_ctl_events.status tells: JSON
 *   environ\n   -> the pod's environment, each variable "K=V" and a NUL
 *   down\n      -> answered when the session has been undone
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

enum tp_ctl_question { TP_ASK_NONE, TP_ASK_STATUS, TP_ASK_ENVIRON, TP_ASK_DOWN };

/* What LINE of N bytes (without the newline) asks. */
enum tp_ctl_question tp_ctl_question(const char *line, size_t n);

struct tp_ctl_events {
	/* Add the answer to OUT. */
	void (*status)(void *arg, struct tp_buf *out);
	void (*environ)(void *arg, struct tp_buf *out);
	void (*down)(void *arg); /* tp_ctlsock_ended tells those who asked */
	void *arg;
};

struct tp_ctlsock;

/* Listens at PATH, which may be longer than a socket's address. NULL ERR. */
struct tp_ctlsock *tp_ctlsock_listen(struct tp_loop *l, const char *path,
				     const struct tp_ctl_events *ev, struct tp_err *err);
/* The session is over: tells those who asked for it; WHY NULL if all is undone, else what is not. Takes
 * no more questions. */
void tp_ctlsock_ended(struct tp_ctlsock *k, const char *why);
/* NULL is allowed. The file stays: it goes with the record. */
void tp_ctlsock_free(struct tp_ctlsock *k);

/* Asks the supervisor behind PATH. Blocks for at most MS milliseconds. 0 and the answer in OUT; -1 ERR: NOT_FOUND if nobody has
 * listened there yet, UNREACHABLE if nobody does any more, PROTOCOL if it is not an answer, FAILED with its words if it is a refusal. */
int tp_ctl_ask(const char *path, const char *question, struct tp_buf *out, int ms,
	       struct tp_cancel *c, struct tp_err *err);

/* Takes the head off what came: 1 and *OK, *LEN (how much follows), *HEAD (its bytes); 0 more is needed; -1 it is none. Apart for tests. */
int tp_ctl_answer_head(const char *p, size_t n, bool *ok, size_t *len, size_t *head);

#endif
