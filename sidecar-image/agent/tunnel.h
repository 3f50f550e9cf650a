/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of agent/tunnel.c: what a client sends. */
#ifndef TP_AGENT_TUNNEL_H
#define TP_AGENT_TUNNEL_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct tp_tunnel_frame {
	unsigned int channel, cmd;
	const char *data; /* inside the parsed buffer */
	size_t len;
};

/* The first frame of P: > 0 the bytes it takes; 0 incomplete; -1 garbage. */
ssize_t tp_tunnel_parse(const char *p, size_t n, struct tp_tunnel_frame *f);

/* TCP_CONNECT's "FAMILY,IP,PORT": 0, or -1. */
int tp_tunnel_target(const char *p, size_t n, struct sockaddr_storage *to, socklen_t *len);

#endif
