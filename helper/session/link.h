/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link: joins what the sidecar's ssh dials to the agent's port through
 * a port-forward. Two kinds reach the sidecar: a unix socket that is
 * bind-mounted into it, or a `docker exec` stream.
 *
 *   ssh == unix socket ==.
 *                         >== helper (relay) == port-forward == agent's sshd
 *   ssh == docker exec  =='
 */
#ifndef TP_SESSION_LINK_H
#define TP_SESSION_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "docker/engine.h"
#include "kube/client.h"

enum tp_forward_kind { TP_FORWARD_NATIVE, TP_FORWARD_KUBECTL, TP_FORWARD_OC };

struct tp_link;

/* Where the socket of session ID would be: the folder, the caller's. */
char *tp_link_dir(const char *id);
/* Takes away what a killed helper left of it. NULL is allowed. */
void tp_link_remove(const char *dir);

struct tp_link_events {
	/* A port-forward could not be opened. NOT_FOUND: the agent pod is gone. ERR is NULL when none
	 * was tried, as there is no target. EXEC: the sidecar does not see that by itself. */
	void (*dial_failed)(void *arg, const struct tp_err *err, bool exec);
	/* The sidecar opened a stream for --container-to-host, the callee's. NULL: none is wanted. */
	void (*host)(void *arg, struct tp_stream *s);
	void *arg;
};

/* Makes the socket, mode 0666 inside the 0700 folder DIR (tp_link_dir), and listens. Without a
 * usable folder there is no socket (tp_link_socket is NULL) and only the exec kind works. */
struct tp_link *tp_link_new(struct tp_loop *l, const char *dir, const struct tp_link_events *ev);
/* Stops every relay and task, removes the socket and its folder. NULL is allowed. */
void tp_link_free(struct tp_link *k);
const char *tp_link_socket(const struct tp_link *k); /* path on this machine, or NULL */
const char *tp_link_nonce(const struct tp_link *k);  /* 32 hex digits */

/* Where dials go from now on. K, E and POD must outlive the link. */
void tp_link_target(struct tp_link *k, enum tp_forward_kind kind, struct tp_kube *kube,
		    const char *pod, unsigned port);
/* Nowhere, until there is another target: what is dialled is refused at once. */
void tp_link_hold(struct tp_link *k);
/* Gives up the dials that are under way and waits for their threads, as before a fork. Not from a handler. */
void tp_link_give_up_dials(struct tp_link *k);
/* The sidecar asks for a connection over an exec stream. */
void tp_link_dial_exec(struct tp_link *k, struct tp_engine *e, const char *sidecar_id);
/* Bytes so far, and connections made. */
void tp_link_count(const struct tp_link *k, uint64_t *to_agent, uint64_t *from_agent,
		   unsigned *dials);

/* Opens a port-forward of any kind. Blocking. */
struct tp_stream *tp_forward_open(enum tp_forward_kind kind, struct tp_kube *kube, const char *pod,
				  unsigned port, struct tp_cancel *c, struct tp_err *err);

#endif
