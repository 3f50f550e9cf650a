/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/packet.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define TCP_HEADER 20
#define UDP_HEADER 8 /* and an echo's */
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
		out->ttl = p[8];
		memcpy(out->from.addr, p + 12, 4);
		memcpy(out->to.addr, p + 16, 4);
	} else if (version == 6 && n >= 40) {
		head = 40;
		total = head + get16(p + 4);
		*protocol = p[6];
		out->ttl = p[7];
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

/* U has UDP_HEADER bytes at least. */
static int parse_echo(const uint8_t *u, size_t n, struct tp_packet *out)
{
	if (u[0] != (out->to.family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST) || u[1])
		return -1;
	out->from.port = (uint16_t)get16(u + 4);
	out->to.port = 0;
	out->sequence = (uint16_t)get16(u + 6);
	out->data = u + UDP_HEADER;
	out->len = n - UDP_HEADER;
	return 0;
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
	if (protocol == (out->to.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return parse_echo(u, rest, out);
	if (protocol != IPPROTO_UDP || get16(u + 4) < UDP_HEADER || get16(u + 4) > rest)
		return -1;
	out->data = u + UDP_HEADER;
	out->len = get16(u + 4) - UDP_HEADER;
	return 0;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* RFC 1071, of N bytes behind a sum so far. */
static uint32_t sum(uint32_t so_far, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		so_far += get16(p + i);
	if (n % 2)
		so_far += (uint32_t)p[n - 1] << 8;
	return so_far;
}

static unsigned folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s & 0xffff;
}

size_t tp_packet_echo_reply(const struct tp_packet *p, uint8_t ttl, const void *payload, size_t len,
			    uint8_t *out)
{
	bool v6 = p->to.family == 6;
	size_t head = v6 ? 40 : 20, n = UDP_HEADER + len;
	uint8_t *u = out + head;

	memset(out, 0, head + UDP_HEADER);
	u[0] = v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	put16(u + 4, p->from.port);
	put16(u + 6, p->sequence);
	memcpy(u + UDP_HEADER, payload, len);
	if (v6) {
		out[0] = 0x60;
		put16(out + 4, (unsigned)n);
		out[6] = IPPROTO_ICMPV6;
		out[7] = ttl;
		memcpy(out + 8, p->to.addr, 16);
		memcpy(out + 24, p->from.addr, 16);
		/* with the pseudo header (RFC 4443, 2.3) */
		put16(u + 2, folded(sum(sum((uint32_t)n + IPPROTO_ICMPV6, out + 8, 32), u, n)));
	} else {
		out[0] = 0x45;
		put16(out + 2, (unsigned)(head + n));
		out[8] = ttl;
		out[9] = IPPROTO_ICMP;
		memcpy(out + 12, p->to.addr, 4);
		memcpy(out + 16, p->from.addr, 4);
		put16(out + 10, folded(sum(0, out, head)));
		put16(u + 2, folded(sum(0, u, n)));
	}
	return head + n;
}
