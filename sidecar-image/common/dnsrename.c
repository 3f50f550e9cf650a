/* SPDX-License-Identifier: Apache-2.0 */
/* An answer for one name made into an answer for another one: names are written in full, since the
 * places that compressed ones lead to are others now. */
#include <ctype.h>
#include <string.h>

#include "common/dnsmsg.h"
#include "common/dnswrite.h"

#define NAME_MAX_WIRE 255
#define MAX_RECORDS   1000

/* TYPEs whose data have names in them that may be compressed (RFC 3597, 4): so many bytes before, so many names. All
 * others are copied as they are, known or not. */
enum { TYPE_NAPTR = 35 };
static const struct {
	uint8_t type, fixed, names;
} with_names[] = {
	{ 2, 0, 1 },	      /* NS */
	{ 3, 0, 1 },	      /* MD */
	{ 4, 0, 1 },	      /* MF */
	{ 5, 0, 1 },	      /* CNAME */
	{ 6, 0, 2 },	      /* SOA */
	{ 7, 0, 1 },	      /* MB */
	{ 8, 0, 1 },	      /* MG */
	{ 9, 0, 1 },	      /* MR */
	{ 12, 0, 1 },	      /* PTR */
	{ 14, 0, 2 },	      /* MINFO */
	{ 15, 2, 1 },	      /* MX */
	{ 17, 0, 2 },	      /* RP */
	{ 18, 2, 1 },	      /* AFSDB */
	{ 21, 2, 1 },	      /* RT */
	{ 24, 18, 1 },	      /* SIG */
	{ 26, 2, 2 },	      /* PX */
	{ 30, 0, 1 },	      /* NXT */
	{ 33, 6, 1 },	      /* SRV */
	{ TYPE_NAPTR, 4, 1 }, /* behind three strings */
	{ 36, 2, 1 },	      /* KX */
	{ 39, 0, 1 },	      /* DNAME */
};

struct name {
	uint8_t v[NAME_MAX_WIRE];
	size_t n;
};

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)(p[0] << 8 | p[1]);
}

/* The name at AT, whole. Where it ends there; 0 if it is broken. Pointers lead back, so there is an end to them. */
static size_t expand(const uint8_t *p, size_t n, size_t at, struct name *out)
{
	size_t end = 0, before = at;

	for (out->n = 0; at < n;) {
		size_t len = p[at];

		if ((len & 0xc0) == 0xc0) {
			if (n - at < 2)
				return 0;
			if (!end)
				end = at + 2;
			at = get16(p + at) & 0x3fff;
			if (at >= before)
				return 0;
			before = at;
			continue;
		}
		if (len > 63 || len + 1 > n - at || out->n + len + 1 > sizeof(out->v))
			return 0;
		memcpy(out->v + out->n, p + at, len + 1);
		out->n += len + 1;
		at += len + 1;
		if (!len)
			return end ? end : at;
	}
	return 0;
}

static bool same(const struct name *a, const struct name *b)
{
	if (a->n != b->n)
		return false;
	/* length bytes are below 64, so that comparing without case is safe for them */
	for (size_t i = 0; i < a->n; i++)
		if (tolower(a->v[i]) != tolower(b->v[i]))
			return false;
	return true;
}

/* FIXED bytes, then NAMES names, then the rest. */
static int put_data(struct tp_dns_writer *w, const uint8_t *p, size_t n, size_t at, size_t len,
		    size_t fixed, int names)
{
	size_t end = at + len, start;
	struct name name;

	tp_dns_put16(w, 0);
	start = w->n;
	if (len < fixed)
		return -1;
	tp_dns_put(w, p + at, fixed);
	at += fixed;
	for (; names; names--) {
		at = expand(p, n, at, &name);
		if (!at || at > end)
			return -1;
		tp_dns_put(w, name.v, name.n);
	}
	tp_dns_put(w, p + at, end - at);
	tp_dns_record_end(w, start);
	return w->full ? -1 : 0;
}

/* The record at AT. Where it ends; 0 if it is broken. */
static size_t put_record(struct tp_dns_writer *w, const uint8_t *p, size_t n, size_t at,
			 const struct name *asked)
{
	struct name owner;
	size_t fixed = 0, len;
	unsigned int type;
	int names = 0;

	at = expand(p, n, at, &owner);
	if (!at || n - at < 10)
		return 0;
	len = get16(p + at + 8);
	if (n - at - 10 < len)
		return 0;
	if (same(&owner, asked))
		tp_dns_put(w, "\xc0\x0c", 2); /* the question's */
	else
		tp_dns_put(w, owner.v, owner.n);
	tp_dns_put(w, p + at, 8);
	type = get16(p + at);
	for (size_t i = 0; i < sizeof(with_names) / sizeof(*with_names); i++) {
		if (with_names[i].type != type)
			continue;
		fixed = with_names[i].fixed;
		names = with_names[i].names;
	}
	for (int i = 0; type == TYPE_NAPTR && i < 3 && fixed < len; i++)
		fixed += p[at + 10 + fixed] + 1u;
	return put_data(w, p, n, at + 10, len, fixed, names) < 0 ? 0 : at + 10 + len;
}

size_t tp_dns_rename(const uint8_t *q, size_t qn, const uint8_t *a, size_t an, uint8_t *out,
		     size_t max)
{
	struct tp_dns_writer w = { .p = out, .max = max };
	struct tp_dns_question question;
	struct name asked;
	unsigned int count;
	size_t at;

	if (tp_dns_parse_query(q, qn, &question) < 0 || an < TP_DNS_HEADER || get16(a + 4) != 1)
		return 0;
	at = expand(a, an, TP_DNS_HEADER, &asked);
	count = get16(a + 6) + get16(a + 8) + get16(a + 10);
	if (!at || an - at < 4 || count > MAX_RECORDS)
		return 0;
	tp_dns_put(&w, q, 2);
	tp_dns_put(&w, a + 2, 2);
	tp_dns_put(&w, "\0\1", 2);
	tp_dns_put(&w, a + 6, 6);
	tp_dns_put(&w, q + TP_DNS_HEADER, question.end - TP_DNS_HEADER);
	for (at += 4; count && !w.full; count--) {
		at = put_record(&w, a, an, at, &asked);
		if (!at)
			return 0;
	}
	return w.full ? 0 : w.n;
}
