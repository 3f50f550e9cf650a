/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The near half of the native engine, a process of its own:
 *
 *     tpdocker-sidecar redirect PORT QUEUE loopback|everywhere
 *
 * Its stdin is the way to `tpdocker-agent engine`. It listens on
 * 127.0.0.1:PORT (and [::1]:PORT), or everywhere (IPv4), where the packet filter (filter_engine.c, hostfilter.c) leads TCP
 * connections, and is handed the first packets of connections, all datagrams, and echo requests, through the netfilter queue
 * QUEUE (if there is one):
 *
 *   SYN --queue--> held --OPEN_TO--> agent connects
 *                    |  <-OPENED--  let go: it reaches the listener, is accepted and joined to the flow
 *                    '  <-REFUSED-- let go with a mark: the filter rejects it as the agent's
 *                                   connect was, and the program's connect fails the same way
 *
 * It says READY=1 to NOTIFY_SOCKET when it takes connections. When the stream ends, its connections
 * are reset, new ones refused, and it waits to be stopped.
 */
#ifndef TP_SIDECAR_REDIRECT_H
#define TP_SIDECAR_REDIRECT_H

#include "base/loop.h"
#include "engine/flows.h"
#include "sidecar/nfqueue.h"
#include "sidecar/packet.h"

/* Marks on packets, between the queue and the filter. */
#define MARK_QUEUE    0x74706401 /* to the queue */
#define MARK_PASS     0x74706402 /* not ours: a question to the DNS forwarder */
#define MARK_REFUSED  0x74706403
#define MARK_NO_ROUTE 0x74706404
#define MARK_NO_HOST  0x74706405
#define MARK_DENIED   0x74706406
#define MARK_ANSWER   0x74706407 /* of ours, by UDP */

struct redirect {
	struct tp_loop *loop;
	struct tp_flows *flows;
	struct nfqueue
		*queue; /* NULL: connections are accepted before it is known what becomes of them */
	struct redirect_listener {
		struct redirect *r;
		int fd; /* -1: there is none */
		struct tp_watch *watch;
	} listeners[2]; /* IPv4's, IPv6's */
	struct held_table *held;
	struct udp_table *udp;
	struct ping_table *ping;
};

/* held.c: SYNs that wait for the agent's word. */
void held_syn(struct redirect *r, uint32_t packet, const struct tp_packet *p);
/* The connection FD came in, which it owns. False: it was not held. */
bool held_accepted(struct redirect *r, const struct tp_target *from, const struct tp_target *to,
		   int fd);
void held_free(struct redirect *r);
/* What to mark a refused packet with; 0: let it be lost. */
uint32_t held_mark(int errnum);

/* redirect_udp.c: datagrams. */
void udp_packet(struct redirect *r, uint32_t packet, const struct tp_packet *p);
void udp_free(struct redirect *r);

/* redirect_ping.c: echo requests. */
void ping_packet(struct redirect *r, uint32_t packet, const struct tp_packet *p);
void ping_free(struct redirect *r);

#endif
