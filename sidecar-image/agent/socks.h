/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SOCKS 5 server (socksmsg.h) that connects from the pod, and resolves names as the pod does:
 *
 *     tpdocker-agent socks
 *
 * It listens on a port of the kernel's choosing on the pod's loopback, which it prints on stdout
 * in a line of its own, and serves until its stdin ends.
 *
 *   GREETING --> REQUEST --> (a name: LOOKUP) --> CONNECTING --> bytes both ways (base/relay.h)
 */
#ifndef TP_AGENT_SOCKS_H
#define TP_AGENT_SOCKS_H

#include <stddef.h>

#include "base/loop.h"

#define TP_SOCKS_CLIENTS_MAX 1024 /* at a time: others wait in the kernel's queue */
#define TP_SOCKS_LOOKUPS_MAX 64	  /* at a time: a client beyond is told of a failure */

struct tp_socks;

/* LISTENER: a listening socket, which it owns. */
struct tp_socks *tp_socks_new(struct tp_loop *l, int listener);
/* Cuts all connections. No lookup may be under way (tp_socks_busy). NULL is allowed. */
void tp_socks_free(struct tp_socks *s);
size_t tp_socks_busy(const struct tp_socks *s); /* lookups that are under way */

#endif
