/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's half of the native engine: what connects. Inside engine*.c; agent.h has the command. */
#ifndef TP_AGENT_ENGINE_H
#define TP_AGENT_ENGINE_H

#include "base/loop.h"
#include "engine/flows.h"

struct tp_far;

/* Serves the flows that are asked for on the descriptors. ENDED as in struct tp_flows_events. */
struct tp_far *tp_far_new(struct tp_loop *l, int fd_in, int fd_out,
			  void (*ended)(void *arg, const char *reason), void *arg);
void tp_far_free(struct tp_far *f); /* NULL is allowed */

/* A socket of TYPE (non-blocking) that is connected to TO, or is about to be; the caller's. -1 and *ERROR, an errno. */
int tp_far_connect(const struct tp_target *to, int type, int *error);

/* What to tell of a socket or connect to TO that failed: without any address of TO's kind there is no network. */
int tp_far_errno(const struct tp_target *to, int errnum);

/* engine_udp.c: one flow of datagrams; it ends by itself when it is idle. */
struct tp_far_udp;
void tp_far_udp_start(struct tp_far_udp **list, struct tp_loop *l, struct tp_flow *f,
		      const struct tp_target *to);
void tp_far_udp_free_all(struct tp_far_udp **list); /* leaves the flows */

/* engine_ping.c: one flow of echoes, likewise. Where the kernel allows no such socket it is refused (EACCES). */
struct tp_far_ping;
void tp_far_ping_start(struct tp_far_ping **list, struct tp_loop *l, struct tp_flow *f,
		       const struct tp_target *to);
void tp_far_ping_free_all(struct tp_far_ping **list);

#endif
