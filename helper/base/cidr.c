/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void cut(struct tp_cidr *c, unsigned bits)
{
	c->bits = bits;
	for (unsigned i = 0; i < sizeof(c->addr); i++) {
		unsigned left = bits > i * 8 ? bits - i * 8 : 0;

		if (left < 8)
			c->addr[i] &= (unsigned char)(0xff00u >> left);
	}
}

unsigned tp_cidr_width(const struct tp_cidr *c)
{
	return c->family == AF_INET6 ? 128 : 32;
}

static int prefix(const char *text, unsigned most, unsigned *bits)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -1;
	v = strtoul(text, &end, 10);
	if (*end || v > most || end - text > 3)
		return -1;
	*bits = (unsigned)v;
	return 0;
}

int tp_cidr_parse(const char *text, struct tp_cidr *out)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned bits;

	memset(out, 0, sizeof(*out));
	if (n >= sizeof(address))
		return -1;
	memcpy(address, text, n);
	address[n] = '\0';
	if (inet_pton(AF_INET, address, out->addr) == 1)
		out->family = AF_INET;
	else if (inet_pton(AF_INET6, address, out->addr) == 1)
		out->family = AF_INET6;
	else
		return -1;
	bits = tp_cidr_width(out);
	if (slash && prefix(slash + 1, bits, &bits))
		return -1;
	cut(out, bits);
	return 0;
}

int tp_cidr_from(const struct sockaddr *sa, unsigned bits, struct tp_cidr *out)
{
	memset(out, 0, sizeof(*out));
	out->family = sa->sa_family;
	if (sa->sa_family == AF_INET)
		memcpy(out->addr, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	else if (sa->sa_family == AF_INET6)
		memcpy(out->addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	else
		return -1;
	cut(out, bits < tp_cidr_width(out) ? bits : tp_cidr_width(out));
	return 0;
}

const char *tp_cidr_text(const struct tp_cidr *c, char out[TP_CIDR_TEXT])
{
	inet_ntop(c->family, c->addr, out, TP_CIDR_TEXT);
	if (c->bits != tp_cidr_width(c))
		snprintf(out + strlen(out), TP_CIDR_TEXT - strlen(out), "/%u", c->bits);
	return out;
}

struct tp_cidr tp_cidr_widen(const struct tp_cidr *c, unsigned bits)
{
	struct tp_cidr wide = *c;

	if (bits < wide.bits)
		cut(&wide, bits);
	return wide;
}

bool tp_cidr_has(const struct tp_cidr *outer, const struct tp_cidr *inner)
{
	struct tp_cidr wide = tp_cidr_widen(inner, outer->bits);

	return outer->family == inner->family && outer->bits <= inner->bits &&
	       !memcmp(outer->addr, wide.addr, sizeof(wide.addr));
}

bool tp_cidr_overlap(const struct tp_cidr *a, const struct tp_cidr *b)
{
	return tp_cidr_has(a, b) || tp_cidr_has(b, a);
}

struct tp_cidr tp_cidr_cover(const struct tp_cidr *a, const struct tp_cidr *b)
{
	struct tp_cidr wide = *a;

	while (!tp_cidr_has(&wide, b) && wide.bits)
		cut(&wide, wide.bits - 1);
	return wide;
}

/* Outer ranges before those in them. */
static int in_order(const void *a, const void *b)
{
	const struct tp_cidr *x = a, *y = b;
	int d = x->family != y->family ? (x->family == AF_INET ? -1 : 1) :
					 memcmp(x->addr, y->addr, sizeof(x->addr));

	return d ? d : (int)x->bits - (int)y->bits;
}

/* The two halves of one range. */
static bool halves(const struct tp_cidr *a, const struct tp_cidr *b)
{
	return a->family == b->family && a->bits == b->bits && a->bits &&
	       tp_cidr_cover(a, b).bits == a->bits - 1;
}

size_t tp_cidr_merge(struct tp_cidr *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), in_order);
	for (size_t i = 0; i < n; i++) {
		struct tp_cidr next = v[i];

		if (kept && tp_cidr_has(&v[kept - 1], &next))
			continue;
		while (kept && halves(&v[kept - 1], &next))
			next = tp_cidr_cover(&v[--kept], &next);
		v[kept++] = next;
	}
	return kept;
}
