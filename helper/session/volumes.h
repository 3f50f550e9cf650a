/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's volumes in the user's container, and the entry gate that holds
 * its entrypoint until they are there.
 */
#ifndef TP_SESSION_VOLUMES_H
#define TP_SESSION_VOLUMES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/frame.h"

enum tp_volumes {
	TP_VOLUMES_OFF,
	TP_VOLUMES_SSHFS, /* mounted by a companion container, which answers the gates itself */
	TP_VOLUMES_COPY,  /* copied into the container while its gate waits for us */
};

struct tp_session;

/* An entry gate that waits for tp_volumes_gate_answer. */
struct tp_gate {
	unsigned int id;
	unsigned int uid, gid; /* what it runs as */
	const char *tag; /* whose it is: the container's TP_LABEL_RUN, if the session made it */
};

/* Where the pod's whole file tree is in the container; its own place, so that no image has it already. */
#define TP_VOLUMES_ROOT "/tpdocker/root"
/* How much --volumes copy may copy. */
#define TP_VOLUMES_LIMIT "64m"

/* --volumes, --volumes-root and --volumes-limit (each may be NULL): 0 or -1 ERR (USAGE). */
int tp_volumes_check(const char *kind, const char *root, const char *limit, struct tp_err *err);
enum tp_volumes tp_volumes_wanted(const char *kind);
const char *tp_volumes_word(enum tp_volumes v); /* "off", "sshfs", "copy" */

/* TELEPRESENCE_ROOT; NULL when the container has no volumes of the pod's. */
const char *tp_volumes_root(const struct tp_session *s);
/* Whether nothing has to be waited for any more before the container can be launched. */
bool tp_volumes_ready(const struct tp_session *s);
/* -d: waits until the container's gate has let it go on. -1 ERR if it has not: the reason. */
int tp_volumes_wait_gate(struct tp_session *s, struct tp_err *err);

/* The abstract socket that this session's gates come to. The caller's. */
char *tp_volumes_gate_name(const char *session);

/* A frame of the sidecar's about gates (TP_CTL_GATE, TP_CTL_GATE_LEFT): calls
 * S->gate_arrived or S->gate_left. False if it is about something else. */
bool tp_volumes_gate_frame(struct tp_session *s, const struct tp_frame *f);
/* Lets the container behind the gate ID go on (WHY is NULL), or ends it with WHY as the reason and 125. */
void tp_volumes_gate_answer(struct tp_session *s, unsigned int id, const char *why);

/* The pod is known: others' gates (S->gate_name) that are let go from now on get its environment, for containers that have none of it. */
void tp_volumes_described(struct tp_session *s);
/* And again, as its agent now describes it (frames): a pod that was made again has another address. */
void tp_volumes_described_again(struct tp_session *s, const char *p, size_t n);

#endif
