/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/socksmsg.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"

#define VERSION 5
#define HEAD	4 /* bytes before a request's address */

enum { KIND_IPV4 = 1, KIND_NAME = 3, KIND_IPV6 = 4 };

ssize_t tp_socks_greeting(const uint8_t *p, size_t n, bool *open)
{
	if (n && p[0] != VERSION)
		return -1;
	if (n < 2 || n < 2u + p[1])
		return 0;
	*open = p[1] && memchr(p + 2, 0, p[1]);
	return 2 + p[1];
}

/* Bytes of the address, its kind left out; 0: not told yet. */
static size_t address_size(const uint8_t *p, size_t n)
{
	switch (p[3]) {
	case KIND_IPV4:
		return 4;
	case KIND_IPV6:
		return 16;
	case KIND_NAME:
		return n > HEAD ? 1u + p[HEAD] : 0;
	default:
		return 0;
	}
}

static enum tp_socks_reply judge(const struct tp_socks_request *r, bool name_is_good)
{
	switch (r->command) {
	case TP_SOCKS_CONNECT:
		return !name_is_good  ? TP_SOCKS_NO_HOST :
		       r->target.port ? TP_SOCKS_GRANTED :
					TP_SOCKS_REFUSED;
	case TP_SOCKS_RESOLVE:
		return name_is_good ? TP_SOCKS_GRANTED : TP_SOCKS_NO_HOST;
	case TP_SOCKS_RESOLVE_PTR:
		return r->name[0] || !name_is_good ? TP_SOCKS_NO_KIND : TP_SOCKS_GRANTED;
	default:
		return TP_SOCKS_NO_COMMAND;
	}
}

ssize_t tp_socks_request(const uint8_t *p, size_t n, struct tp_socks_request *r)
{
	size_t size;
	bool good = true;

	memset(r, 0, sizeof(*r));
	if (n && p[0] != VERSION)
		return -1;
	if (n < HEAD)
		return 0;
	r->command = p[1];
	if (p[3] != KIND_IPV4 && p[3] != KIND_NAME && p[3] != KIND_IPV6) {
		r->refuse = TP_SOCKS_NO_KIND;
		return HEAD; /* where it ends nobody knows */
	}
	size = address_size(p, n);
	if (!size || n < HEAD + size + 2)
		return 0;
	r->target.protocol = IPPROTO_TCP;
	r->target.port = (uint16_t)(p[HEAD + size] << 8 | p[HEAD + size + 1]);
	if (p[3] == KIND_NAME) {
		memcpy(r->name, p + HEAD + 1, size - 1);
		good = size > 1 && !memchr(r->name, 0, size - 1);
	} else {
		r->target.family = p[3] == KIND_IPV4 ? 4 : 6;
		memcpy(r->target.addr, p + HEAD, size);
	}
	r->refuse = judge(r, good);
	return (ssize_t)(HEAD + size + 2);
}

size_t tp_socks_answer(enum tp_socks_reply reply, const struct tp_target *a, const char *name,
		       uint8_t *out)
{
	size_t size = name ? 1 + strnlen(name, TP_SOCKS_NAME_MAX) : a && a->family == 6 ? 16 : 4;

	memset(out, 0, HEAD + size + 2);
	out[0] = VERSION;
	out[1] = (uint8_t)reply;
	out[3] = name ? KIND_NAME : size == 16 ? KIND_IPV6 : KIND_IPV4;
	if (name) {
		out[HEAD] = (uint8_t)(size - 1);
		memcpy(out + HEAD + 1, name, size - 1);
	} else if (a) {
		memcpy(out + HEAD, a->addr, size);
		out[HEAD + size] = (uint8_t)(a->port >> 8);
		out[HEAD + size + 1] = (uint8_t)a->port;
	}
	return HEAD + size + 2;
}

enum tp_socks_reply tp_socks_reply_of(int errnum)
{
	switch (errnum) {
	case 0:
		return TP_SOCKS_GRANTED;
	case ECONNREFUSED:
		return TP_SOCKS_REFUSED;
	case ENETUNREACH:
		return TP_SOCKS_NO_NETWORK;
	case EHOSTUNREACH:
		return TP_SOCKS_NO_HOST;
	case ETIMEDOUT:
		return TP_SOCKS_TTL;
	case EACCES:
	case EPERM:
		return TP_SOCKS_DENIED;
	default:
		return TP_SOCKS_FAILURE;
	}
}
