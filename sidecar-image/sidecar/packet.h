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
	const uint8_t *data;	   /* UDP: the datagram's payload, inside the parsed bytes */
	size_t len;
};

/* An IP packet of N bytes, from its IP header on. -1: neither TCP nor UDP, cut, or a fragment. */
int tp_packet_parse(const uint8_t *p, size_t n, struct tp_packet *out);

#endif
