/* SPDX-License-Identifier: Apache-2.0 */
#include "common/dnsmsg.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Where the name at AT ends; 0 if it does not. A pointer ends a name, and is
 * not followed: nobody here needs what is behind it. */
static size_t skip_name(const uint8_t *p, size_t n, size_t at)
{
	size_t start = at;

	while (at < n && at - start < 255) {
		if ((p[at] & 0xc0) == 0xc0)
			return at + 2 <= n ? at + 2 : 0;
		if (p[at] & 0xc0)
			return 0;
		if (p[at] == 0)
			return at + 1;
		at += 1u + p[at];
	}
	return 0;
}

/* The resource record at AT: where its fixed part begins and where it ends
 * (returned); 0 if it is cut off. */
static size_t skip_record(const uint8_t *p, size_t n, size_t at, size_t *fixed)
{
	size_t f = skip_name(p, n, at);

	if (!f || n - f < 10)
		return 0;
	*fixed = f;
	at = f + 10 + get16(p + f + 8);
	return at <= n ? at : 0;
}

/* A question's name has no pointers: there is nothing before it. */
static size_t read_name(const uint8_t *p, size_t n, size_t at, char *out, size_t max)
{
	size_t start = at, len = 0;

	while (at < n && p[at]) {
		size_t label = p[at++];

		if (label > 63 || label > n - at || at + label - start > 254)
			return 0;
		if (len)
			out[len++] = '.';
		for (; label; label--, at++) {
			uint8_t c = p[at];

			if (max - len < 6)
				return 0;
			if (c == '.' || c == '\\' || c <= ' ' || c >= 127)
				len += (size_t)sprintf(out + len, "\\%03u", c);
			else
				out[len++] = (char)tolower(c);
		}
	}
	if (at >= n)
		return 0;
	out[len] = '\0';
	return at + 1;
}

int tp_dns_parse_query(const uint8_t *p, size_t n, struct tp_dns_question *q)
{
	unsigned int records, i;
	size_t at;

	/* QR clear, one question, no answers: what a stub resolver sends */
	if (n < TP_DNS_HEADER || n > TP_DNS_MAX || (p[2] & 0x80) || get16(p + 4) != 1)
		return -1;
	at = read_name(p, n, TP_DNS_HEADER, q->name, sizeof(q->name));
	if (!at || n - at < 4)
		return -1;
	q->id = get16(p);
	q->type = get16(p + at);
	q->class = get16(p + at + 2);
	q->end = at = at + 4;
	q->udp_size = TP_DNS_UDP_MIN;
	records = (unsigned int)get16(p + 6) + get16(p + 8) + get16(p + 10);
	for (i = 0; i < records; i++) {
		size_t fixed, next = skip_record(p, n, at, &fixed);

		if (!next)
			return -1;
		if (get16(p + fixed) == TP_DNS_OPT && get16(p + fixed + 2) > TP_DNS_UDP_MIN)
			q->udp_size = get16(p + fixed + 2);
		at = next;
	}
	return 0;
}

bool tp_dns_is_answer(const uint8_t *q, size_t qn, const uint8_t *a, size_t an)
{
	size_t qe, ae, i;

	if (qn < TP_DNS_HEADER || an < TP_DNS_HEADER || !(a[2] & 0x80) || get16(a) != get16(q))
		return false;
	if (get16(a + 4) == 0)
		return tp_dns_rcode(a) != TP_DNS_NOERROR && tp_dns_rcode(a) != TP_DNS_NXDOMAIN;
	qe = skip_name(q, qn, TP_DNS_HEADER);
	ae = skip_name(a, an, TP_DNS_HEADER);
	if (get16(a + 4) != 1 || !qe || qe != ae || qn - qe < 4 || an - ae < 4)
		return false;
	/* length bytes are below 64, so that comparing without case is safe for them */
	for (i = TP_DNS_HEADER; i < qe; i++)
		if (tolower(q[i]) != tolower(a[i]))
			return false;
	return memcmp(q + qe, a + ae, 4) == 0;
}

size_t tp_dns_error(const uint8_t *p, size_t n, unsigned int rcode, uint8_t *out, size_t max)
{
	size_t end = 0;

	if (n < TP_DNS_HEADER || max < TP_DNS_HEADER)
		return 0;
	if (get16(p + 4) == 1) {
		end = skip_name(p, n, TP_DNS_HEADER);
		if (!end || n - end < 4 || end + 4 > max)
			end = 0;
		else
			end += 4;
	}
	memset(out, 0, TP_DNS_HEADER);
	memcpy(out, p, 2);
	out[2] = (uint8_t)(0x80 | (p[2] & 0x79));		 /* QR; OPCODE and RD as asked */
	out[3] = (uint8_t)(0x80 | (p[3] & 0x10) | (rcode & 15)); /* RA; CD as asked */
	if (!end)
		return TP_DNS_HEADER;
	out[5] = 1;
	memcpy(out + TP_DNS_HEADER, p + TP_DNS_HEADER, end - TP_DNS_HEADER);
	return end;
}

/* The OPT record in the additional section, if the message can be walked. */
static size_t find_opt(const uint8_t *p, size_t n, size_t at, size_t *len)
{
	unsigned int before = (unsigned int)get16(p + 6) + get16(p + 8);
	unsigned int records = before + get16(p + 10), i;

	for (i = 0; i < records; i++) {
		size_t fixed, next = skip_record(p, n, at, &fixed);

		if (!next)
			return 0;
		if (i >= before && get16(p + fixed) == TP_DNS_OPT) {
			*len = next - at;
			return at;
		}
		at = next;
	}
	return 0;
}

size_t tp_dns_fit(uint8_t *p, size_t n, size_t limit)
{
	size_t end = TP_DNS_HEADER, opt, opt_len = 0;

	if (n <= limit || n < TP_DNS_HEADER)
		return n;
	if (get16(p + 4) == 1) {
		end = skip_name(p, n, TP_DNS_HEADER);
		end = end && n - end >= 4 ? end + 4 : TP_DNS_HEADER;
	}
	opt = end > TP_DNS_HEADER ? find_opt(p, n, end, &opt_len) : 0;
	if (!opt || end + opt_len > limit)
		opt_len = 0;
	else
		memmove(p + end, p + opt, opt_len);
	p[2] |= 2; /* TC */
	memset(p + 4, 0, 8);
	p[5] = end > TP_DNS_HEADER;
	p[11] = opt_len > 0;
	return end + opt_len <= limit ? end + opt_len : TP_DNS_HEADER;
}

int tp_dns_each_a(const uint8_t *p, size_t n, void (*fn)(void *arg, const uint8_t addr[4]),
		  void *arg)
{
	unsigned int i;
	size_t at = TP_DNS_HEADER;
	int found = 0;

	if (n < TP_DNS_HEADER)
		return -1;
	for (i = get16(p + 4); i; i--) {
		at = skip_name(p, n, at);
		if (!at || n - at < 4)
			return -1;
		at += 4;
	}
	for (i = get16(p + 6); i; i--) {
		size_t fixed, next = skip_record(p, n, at, &fixed);

		if (!next)
			return -1;
		if (get16(p + fixed) == TP_DNS_A && get16(p + fixed + 8) == 4) {
			fn(arg, p + fixed + 10);
			found++;
		}
		at = next;
	}
	return found;
}

bool tp_dns_below(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	if (d && domain[d - 1] == '.')
		d--;
	if (!d)
		return true;
	return n >= d && strncasecmp(name + n - d, domain, d) == 0 &&
	       (n == d || name[n - d - 1] == '.');
}

size_t tp_dns_make_query(uint16_t id, const char *name, uint16_t type, uint8_t *out, size_t max)
{
	size_t at = TP_DNS_HEADER;

	if (max < TP_DNS_HEADER + 5)
		return 0;
	memset(out, 0, TP_DNS_HEADER);
	tp_dns_set_id(out, id);
	out[2] = 1; /* RD */
	out[5] = 1;
	while (*name && strcmp(name, ".") != 0) {
		size_t label = strcspn(name, ".");

		if (!label || label > 63 || max - at < label + 6 || at + label > 254)
			return 0;
		out[at++] = (uint8_t)label;
		memcpy(out + at, name, label);
		at += label;
		name += label;
		if (*name == '.')
			name++;
	}
	out[at++] = 0;
	out[at++] = (uint8_t)(type >> 8);
	out[at++] = (uint8_t)type;
	out[at++] = 0;
	out[at++] = 1; /* IN */
	return at;
}

size_t tp_dns_ask_for(const uint8_t *q, size_t qn, const char *name, uint8_t *out, size_t max)
{
	struct tp_dns_question question;
	size_t n;

	if (tp_dns_parse_query(q, qn, &question) < 0)
		return 0;
	n = tp_dns_make_query(question.id, name, question.type, out, max);
	if (!n || qn - question.end > max - n)
		return 0;
	out[2] = q[2];
	out[3] = q[3];
	memcpy(out + 6, q + 6, 6);
	memcpy(out + n - 2, q + question.end - 2, 2);
	memcpy(out + n, q + question.end, qn - question.end);
	return n + qn - question.end;
}
