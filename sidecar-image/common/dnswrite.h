/* SPDX-License-Identifier: Apache-2.0 */
/* A DNS message (RFC 1035, 4.1) as it is written, record by record. What does not fit makes it full, and worth nothing. */
#ifndef TP_COMMON_DNSWRITE_H
#define TP_COMMON_DNSWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tp_dns_writer {
	uint8_t *p; /* the caller's, of MAX bytes */
	size_t n, max;
	bool full;
};

void tp_dns_put(struct tp_dns_writer *w, const void *p, size_t n);
void tp_dns_put16(struct tp_dns_writer *w, unsigned v);
void tp_dns_put32(struct tp_dns_writer *w, uint32_t v);
/* NAME in dots, of plain labels: an empty label, or one that is too long, makes it full. */
void tp_dns_put_name(struct tp_dns_writer *w, const char *name);
/* The head of a record, class IN; OWNER NULL: the question's name. Where its data begin, for tp_dns_record_end. */
size_t tp_dns_record(struct tp_dns_writer *w, const char *owner, unsigned type, uint32_t ttl);
/* The data that began at START are all: their length goes into the two bytes before them. */
void tp_dns_record_end(struct tp_dns_writer *w, size_t start);

#endif
