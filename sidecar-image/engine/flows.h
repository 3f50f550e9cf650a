/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native engine: many connections ("flows") over one stream. Both ends
 * run this code; the near one (the sidecar) opens flows, the far one (the agent) is
 * asked:
 *
 *   near                                       far
 *     tp_flow_open(target)      --OPEN_TO-->   events.asked(flow, target)
 *     flow_events.opened(0)     <--OPENED---   tp_flow_attach(flow, socket)
 *     tp_flow_attach(flow, socket)
 *
 *     flow_events.opened(errno) <--REFUSED--   tp_flow_refuse(flow, errno)
 *
 * A TCP flow with a socket owns it, and moves bytes between it and the other
 * side until both directions have ended, or one side was reset; the socket
 * then gets a FIN, or an RST, as the other side's did.
 *
 * Flow control. Each flow has a window each way: bytes that may be under
 * way. What the socket does not take is held, and never more than the window;
 * when it has been taken, the window is given back as credit. So a
 * socket that is not read stops its own flow and no other. A window starts at
 * TP_FLOW_WINDOW and grows with its use up to TP_FLOW_WINDOW_MAX; all windows
 * of one side together are at most TP_FLOWS_MEMORY, which bounds what it can be made to hold.
 * What waits for the stream is bounded as well: sockets are read only while
 * it is short, those that wait for that take turns, one piece each.
 *
 * What is sent in one round of the loop is written in one go at its end.
 *
 * A UDP flow has no socket here: datagrams come and go by calls, and are lost where they
 * cannot be sent at once.
 */
#ifndef TP_ENGINE_FLOWS_H
#define TP_ENGINE_FLOWS_H

#include <errno.h>

#include "base/loop.h"
#include "engine/wire.h"

#define TP_FLOWS_MAX	16384
#define TP_FLOWS_MEMORY (64u << 20)
#define TP_FLOW_WINDOW	(64u << 10)
#define TP_FLOW_WINDOW_MIN \
	1024 /* what a new one has when three quarters of the memory are given away */
#define TP_FLOW_WINDOW_MAX (8u << 20) /* more than ssh has under way for all of them */

struct tp_flows;
struct tp_flow;

struct tp_flows_events {
	/* The other side wants a connection: attach or refuse, now or later. It may be gone
	 * before that; tp_flow_listen says so. NULL: it may not ask. */
	void (*asked)(void *arg, struct tp_flow *f, const struct tp_target *to);
	/* The stream is over, and all flows with it; REASON is NULL for an orderly end. Called
	 * from the loop, once; free the flows then. */
	void (*ended)(void *arg, const char *reason);
	void *arg;
};

struct tp_flow_events {
	/* The answer to tp_flow_open: 0, or an errno, and then the flow is gone. May be NULL. */
	void (*opened)(void *arg, int errnum);
	/* A datagram came. */
	void (*packet)(void *arg, const void *p, size_t n);
	/* Gone by the other side's doing, before it had a socket, or a UDP flow; ERRNUM says
	 * why. (Flows with a socket end by themselves, and nobody is told.) May be NULL. */
	void (*gone)(void *arg, int errnum);
};

/* FD_IN and FD_OUT may be the same; they stay the caller's, and become non-blocking. */
struct tp_flows *tp_flows_new(struct tp_loop *l, int fd_in, int fd_out,
			      const struct tp_flows_events *ev);
/* Resets all flows, without any calls of their events. NULL is allowed. */
void tp_flows_free(struct tp_flows *s);
size_t tp_flows_count(const struct tp_flows *s);
/* Bytes that are held for sockets, and that wait for the stream. */
size_t tp_flows_held(const struct tp_flows *s);

/* NULL with errno: EAGAIN if there are too many, EPIPE if the stream is over. */
struct tp_flow *tp_flow_open(struct tp_flows *s, const struct tp_target *to,
			     const struct tp_flow_events *ev, void *arg);
/* Who is told of F's fate; EV must live as long as the flow. */
void tp_flow_listen(struct tp_flow *f, const struct tp_flow_events *ev, void *arg);

/* Joins F to the connected socket FD, which it owns from now on. On the side that was asked
 * this is the answer; FD is -1 for UDP. On the side that asked it may come before the answer: is it a refusal,
 * FD gets a reset. F may be gone behind this. */
void tp_flow_attach(struct tp_flow *f, int fd);
/* The other answer. F is gone. */
void tp_flow_refuse(struct tp_flow *f, int errnum);
/* Ends F, for the reason ERRNUM, and resets its socket. F is gone. */
void tp_flow_break(struct tp_flow *f, int errnum);
#define tp_flow_drop(f) tp_flow_break(f, ECONNRESET)
/* Sends a datagram; it may be lost. */
void tp_flow_packet(struct tp_flow *f, const void *p, size_t n);

/* Closes the socket FD so that its peer gets a reset, not an orderly end; -1 is allowed. */
void tp_flow_reset_fd(int fd);

#endif
