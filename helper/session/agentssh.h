/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SSH client of the helper's own to the agent, over a port-forward: for
 * what the helper itself asks the agent or reads from it. The session's key
 * is the only way in, and the host key that the agent logged the only one
 * that is accepted.
 *
 * Calls block and are made from one thread at a time. The cancel of
 * tp_agentssh_open counts for all of them, until tp_agentssh_close. An error of
 * any call is the end of the connection.
 */
#ifndef TP_SESSION_AGENTSSH_H
#define TP_SESSION_AGENTSSH_H

#include "base/buf.h"
#include "session/agentpod.h"
#include "session/link.h"

struct tp_agentssh;

struct tp_agentssh_target {
	enum tp_forward_kind forward;
	struct tp_kube *kube;
	const char *pod;
	const struct tp_agent_ready *agent; /* port, user, host key */
	const char *private_key;	    /* OpenSSH's text, as tp_keys_make gives it */
};

/* Connects and logs in, in at most 30 s. UNREACHABLE, TIMEOUT, CANCELLED; FORBIDDEN: another host key, or the key is not let in. */
struct tp_agentssh *tp_agentssh_open(const struct tp_agentssh_target *t, struct tp_cancel *c,
				     struct tp_err *err);
/* The same over a stream that leads to sshd already. Owns S. */
struct tp_agentssh *tp_agentssh_over(struct tp_stream *s, const struct tp_agent_ready *agent,
				     const char *private_key, struct tp_cancel *c,
				     struct tp_err *err);
void tp_agentssh_close(struct tp_agentssh *a); /* NULL is allowed */

/* Runs COMMAND (a line for the agent's shell) without input, for at most MS milliseconds. Its stdout is added to OUT; the end
 * of its stderr to ERRTEXT (may be NULL). 0 and *CODE; -1 ERR: PROTOCOL if it writes more than OUT holds. */
int tp_agentssh_exec(struct tp_agentssh *a, const char *command, struct tp_buf *out,
		     struct tp_buf *errtext, int *code, int ms, struct tp_err *err);

/* Opens the SFTP subsystem as a stream of bytes (session/sftp.h speaks the protocol); one at a time. From then on the
 * connection is given up when nothing has come for IDLE_MS. */
int tp_agentssh_sftp(struct tp_agentssh *a, int idle_ms, struct tp_err *err);
int tp_agentssh_write(struct tp_agentssh *a, const void *p, size_t n, struct tp_err *err);
/* At least one byte; 0 at the end. */
ssize_t tp_agentssh_read(struct tp_agentssh *a, void *p, size_t n, struct tp_err *err);

#endif
