/* SPDX-License-Identifier: Apache-2.0 */
/* A packet as the kernel hands it out: what the redirector needs to know of it. */
#ifndef TP_SIDECAR_PACKET_H
#define TP_SIDECAR_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/wire.h"

struct tp_packet {
	struct tp_target from, to; /* both of the packet's protocol and family */
	bool syn;		   /* TCP: the first one of a connection */
	/* ICMP: an echo request. from.port is its identifier, to.port is 0 */
	uint16_t sequence;
	uint8_t ttl;
	const uint8_t *data; /* UDP's and the echo's payload, inside the parsed bytes */
	size_t len;
};

/* An IP packet of N bytes, from its IP header on. -1: not TCP, UDP or an echo request, cut, or a fragment. */
int tp_packet_parse(const uint8_t *p, size_t n, struct tp_packet *out);

#define TP_PACKET_ECHO_HEAD 48 /* bytes that a reply has before its payload, at most */
/* The reply to the echo request P, with this TTL and this payload, into OUT: TP_PACKET_ECHO_HEAD + LEN bytes. Its length. */
size_t tp_packet_echo_reply(const struct tp_packet *p, uint8_t ttl, const void *payload, size_t len,
			    uint8_t *out);

#endif
