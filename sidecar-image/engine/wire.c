/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	enum tp_wire_error error;
	int errnum;
} errors[] = {
	{ TP_WIRE_ERROR_REFUSED, ECONNREFUSED },
	{ TP_WIRE_ERROR_NO_NETWORK, ENETUNREACH },
	{ TP_WIRE_ERROR_NO_HOST, EHOSTUNREACH },
	{ TP_WIRE_ERROR_TIMEOUT, ETIMEDOUT },
	{ TP_WIRE_ERROR_DENIED, EACCES },
	{ TP_WIRE_ERROR_DENIED, EPERM },
	{ TP_WIRE_ERROR_RESET, ECONNRESET },
	{ TP_WIRE_ERROR_BUSY, EAGAIN },
	{ TP_WIRE_ERROR_BUSY, EMFILE },
	{ TP_WIRE_ERROR_BUSY, EADDRNOTAVAIL }, /* no local port is left */
};

static uint32_t get32(const uint8_t *u)
{
	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

void tp_wire_put32(char *p, uint32_t v)
{
	p[0] = (char)(v >> 24);
	p[1] = (char)(v >> 16);
	p[2] = (char)(v >> 8);
	p[3] = (char)v;
}

void tp_wire_header(char *p, uint32_t id, enum tp_wire_type type, size_t len)
{
	tp_wire_put32(p, id);
	p[4] = (char)type;
	p[5] = 0;
	p[6] = (char)(len >> 8);
	p[7] = (char)len;
}

void tp_wire_target(char *p, const struct tp_target *to, uint32_t window)
{
	p[0] = (char)to->protocol;
	p[1] = (char)to->family;
	p[2] = (char)(to->port >> 8);
	p[3] = (char)to->port;
	memcpy(p + 4, to->addr, sizeof(to->addr));
	tp_wire_put32(p + 20, window);
}

static int parse_target(struct tp_wire_frame *f)
{
	const uint8_t *u = (const uint8_t *)f->data;
	struct tp_target *to = &f->target;

	if (f->len != TP_WIRE_OPEN || (u[1] != 4 && u[1] != 6) ||
	    (u[0] != IPPROTO_TCP && u[0] != IPPROTO_UDP &&
	     u[0] != (u[1] == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)))
		return -1;
	to->protocol = u[0];
	to->family = u[1];
	to->port = (uint16_t)(u[2] << 8 | u[3]);
	memcpy(to->addr, u + 4, sizeof(to->addr));
	f->value = get32(u + 20);
	return 0;
}

ssize_t tp_wire_parse(const char *p, size_t n, struct tp_wire_frame *f)
{
	const uint8_t *u = (const uint8_t *)p;
	size_t fixed;

	if (n < TP_WIRE_HEADER)
		return 0;
	f->id = get32(u);
	f->type = u[4];
	f->len = (size_t)u[6] << 8 | u[7];
	f->data = p + TP_WIRE_HEADER;
	f->value = 0;
	/* garbage shows in the header, before what it promises is waited for */
	switch (f->type) {
	case TP_WIRE_OPEN_TO:
		fixed = TP_WIRE_OPEN;
		break;
	case TP_WIRE_HELLO:
	case TP_WIRE_OPENED:
	case TP_WIRE_REFUSED:
	case TP_WIRE_RESET:
	case TP_WIRE_CREDIT:
		fixed = 4;
		break;
	case TP_WIRE_END:
		fixed = 0;
		break;
	case TP_WIRE_DATA:
		fixed = f->len;
		break;
	default:
		return -1;
	}
	if (u[5] || f->len != fixed)
		return -1;
	if (n - TP_WIRE_HEADER < f->len)
		return 0;
	if (f->type == TP_WIRE_OPEN_TO) {
		if (parse_target(f) < 0)
			return -1;
	} else if (f->type != TP_WIRE_DATA && fixed) {
		f->value = get32((const uint8_t *)f->data);
	}
	return (ssize_t)(TP_WIRE_HEADER + f->len);
}

enum tp_wire_error tp_wire_error(int errnum)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(errors); i++)
		if (errors[i].errnum == errnum)
			return errors[i].error;
	return TP_WIRE_ERROR_OTHER;
}

int tp_wire_errno(uint32_t error)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(errors); i++)
		if (errors[i].error == error)
			return errors[i].errnum;
	return EIO;
}

int tp_target_from(struct tp_target *to, uint8_t protocol, const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

	memset(to, 0, sizeof(*to));
	to->protocol = protocol;
	if (sa->ss_family == AF_INET) {
		to->family = 4;
		to->port = ntohs(v4->sin_port);
		memcpy(to->addr, &v4->sin_addr, 4);
		return 0;
	}
	if (sa->ss_family != AF_INET6)
		return -1;
	to->port = ntohs(v6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		to->family = 4;
		memcpy(to->addr, v6->sin6_addr.s6_addr + 12, 4);
	} else {
		to->family = 6;
		memcpy(to->addr, &v6->sin6_addr, 16);
	}
	return 0;
}

socklen_t tp_target_sockaddr(const struct tp_target *to, struct sockaddr_storage *sa)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	if (to->family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(to->port);
		memcpy(&v4->sin_addr, to->addr, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(to->port);
	memcpy(&v6->sin6_addr, to->addr, 16);
	return sizeof(*v6);
}
