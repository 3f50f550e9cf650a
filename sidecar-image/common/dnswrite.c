/* SPDX-License-Identifier: Apache-2.0 */
#include "common/dnswrite.h"

#include <string.h>

#define CLASS_IN 1
#define QUESTION 0xc00c /* a pointer to the question's name */

void tp_dns_put(struct tp_dns_writer *w, const void *p, size_t n)
{
	if (w->full || n > w->max - w->n) {
		w->full = true;
		return;
	}
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

void tp_dns_put16(struct tp_dns_writer *w, unsigned v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	tp_dns_put(w, b, 2);
}

void tp_dns_put32(struct tp_dns_writer *w, uint32_t v)
{
	tp_dns_put16(w, v >> 16);
	tp_dns_put16(w, v & 0xffff);
}

void tp_dns_put_name(struct tp_dns_writer *w, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");
		uint8_t len = (uint8_t)n;

		if (!n || n > 63) {
			w->full = true;
			return;
		}
		tp_dns_put(w, &len, 1);
		tp_dns_put(w, name, n);
		name += n + (name[n] == '.');
	}
	tp_dns_put(w, "", 1);
}

size_t tp_dns_record(struct tp_dns_writer *w, const char *owner, unsigned type, uint32_t ttl)
{
	if (owner)
		tp_dns_put_name(w, owner);
	else
		tp_dns_put16(w, QUESTION);
	tp_dns_put16(w, type);
	tp_dns_put16(w, CLASS_IN);
	tp_dns_put32(w, ttl);
	tp_dns_put16(w, 0);
	return w->n;
}

void tp_dns_record_end(struct tp_dns_writer *w, size_t start)
{
	size_t n = w->n - start;

	if (w->full || start < 2)
		return;
	w->p[start - 2] = (uint8_t)(n >> 8);
	w->p[start - 1] = (uint8_t)n;
}
