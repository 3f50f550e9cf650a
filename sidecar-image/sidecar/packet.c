/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/packet.h"

#include <netinet/in.h>
#include <string.h>

#define TCP_HEADER 20
#define UDP_HEADER 8
#define TCP_FIN	   0x01
#define TCP_SYN	   0x02
#define TCP_RST	   0x04
#define TCP_ACK	   0x10

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The addresses, and what is behind the IP header. NULL: nothing for us. */
static const uint8_t *parse_ip(const uint8_t *p, size_t n, struct tp_packet *out, uint8_t *protocol,
			       size_t *rest)
{
	size_t head, total;
	uint8_t version = n ? p[0] >> 4 : 0;

	if (version == 4 && n >= 20) {
		head = (size_t)(p[0] & 15) * 4;
		total = get16(p + 2);
		if (head < 20 || (get16(p + 6) & 0x3fff)) /* more fragments, or an offset */
			return NULL;
		*protocol = p[9];
		memcpy(out->from.addr, p + 12, 4);
		memcpy(out->to.addr, p + 16, 4);
	} else if (version == 6 && n >= 40) {
		head = 40;
		total = head + get16(p + 4);
		*protocol = p[6];
		memcpy(out->from.addr, p + 8, 16);
		memcpy(out->to.addr, p + 24, 16);
	} else {
		return NULL;
	}
	if (total < head || total > n)
		return NULL;
	out->from.family = out->to.family = version;
	*rest = total - head;
	return p + head;
}

int tp_packet_parse(const uint8_t *p, size_t n, struct tp_packet *out)
{
	uint8_t protocol;
	const uint8_t *u;
	size_t rest;

	memset(out, 0, sizeof(*out));
	u = parse_ip(p, n, out, &protocol, &rest);
	if (!u || rest < (protocol == IPPROTO_TCP ? TCP_HEADER : UDP_HEADER))
		return -1;
	out->from.protocol = out->to.protocol = protocol;
	out->from.port = (uint16_t)get16(u);
	out->to.port = (uint16_t)get16(u + 2);
	if (protocol == IPPROTO_TCP) {
		out->syn = (u[13] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN;
		return 0;
	}
	if (protocol != IPPROTO_UDP || get16(u + 4) < UDP_HEADER || get16(u + 4) > rest)
		return -1;
	out->data = u + UDP_HEADER;
	out->len = get16(u + 4) - UDP_HEADER;
	return 0;
}
