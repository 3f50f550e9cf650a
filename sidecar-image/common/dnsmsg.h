/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be known of DNS messages (RFC 1035, RFC 6891) to carry them:
 * the question, whether an answer belongs to it, errors made up on the way,
 * and cutting an answer to what a UDP client takes. Nothing here trusts a
 * length or a pointer in a message.
 */
#ifndef TP_COMMON_DNSMSG_H
#define TP_COMMON_DNSMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TP_DNS_PORT 53
#define TP_DNS_MARKER \
	"hellotelepresence" /* a name of nobody's, by which search suffixes are found out */
#define TP_DNS_HEADER	12
#define TP_DNS_MAX	65535
#define TP_DNS_UDP_MIN	512
#define TP_DNS_NAME_MAX 1024 /* a name of 255 bytes, every byte escaped */

/* RCODEs and TYPEs by their names in the RFCs */
enum {
	TP_DNS_NOERROR = 0,
	TP_DNS_FORMERR = 1,
	TP_DNS_SERVFAIL = 2,
	TP_DNS_NXDOMAIN = 3,
	TP_DNS_NOTIMP = 4,
	TP_DNS_REFUSED = 5
};
enum { TP_DNS_A = 1, TP_DNS_AAAA = 28, TP_DNS_OPT = 41 };

struct tp_dns_question {
	uint16_t id;
	uint16_t type;
	uint16_t class;
	uint16_t udp_size;	    /* what the client takes by UDP: 512, or EDNS's larger number */
	size_t end;		    /* where the question section ends */
	char name[TP_DNS_NAME_MAX]; /* lower case, no dot at the end; the root is "" */
};

static inline uint16_t tp_dns_id(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline void tp_dns_set_id(uint8_t *p, uint16_t id)
{
	p[0] = (uint8_t)(id >> 8);
	p[1] = (uint8_t)id;
}
static inline unsigned int tp_dns_rcode(const uint8_t *p)
{
	return p[3] & 15;
}
static inline bool tp_dns_truncated(const uint8_t *p)
{
	return p[2] & 2;
}

/* A query with exactly one question: 0 and *Q, or -1. */
int tp_dns_parse_query(const uint8_t *p, size_t n, struct tp_dns_question *q);

/* Whether A answers the query Q: a response with the same ID and the very
 * same question. Some servers leave the question out of errors; that counts. */
bool tp_dns_is_answer(const uint8_t *q, size_t qn, const uint8_t *a, size_t an);

/* Writes the answer RCODE to the query of N >= TP_DNS_HEADER bytes into OUT
 * (its question is repeated where it can be read); bytes written <= MAX, or
 * 0 if MAX is less than a header. */
size_t tp_dns_error(const uint8_t *p, size_t n, unsigned int rcode, uint8_t *out, size_t max);

/* Makes the answer of N bytes fit LIMIT: unchanged if it does, else header,
 * question and OPT record with TC set. In place; the new length. */
size_t tp_dns_fit(uint8_t *p, size_t n, size_t limit);

/* Calls FN for each A record's four bytes in the answer section. -1 if the
 * message is broken, else how many there were. */
int tp_dns_each_a(const uint8_t *p, size_t n, void (*fn)(void *arg, const uint8_t addr[4]),
		  void *arg);

/* The query Q for another NAME, in dots: flags, type, class and what else there is (EDNS) stay. Bytes in OUT, or 0: Q is none, or
 * it does not fit. */
size_t tp_dns_ask_for(const uint8_t *q, size_t qn, const char *name, uint8_t *out, size_t max);
/* The answer A to such a query as the answer to the query Q: header, Q's question, and all records, those of
 * the name that A was asked for under Q's name. Bytes in OUT, or 0: A is broken, or does not fit. */
size_t tp_dns_rename(const uint8_t *q, size_t qn, const uint8_t *a, size_t an, uint8_t *out,
		     size_t max);

/* Whether NAME (as in a question) is DOMAIN or below it; DOMAIN may have
 * upper case and a dot at its end. */
bool tp_dns_below(const char *name, const char *domain);

/* A query (RD set) for NAME, in dots, of TYPE; bytes, or 0 if it does not fit. */
size_t tp_dns_make_query(uint16_t id, const char *name, uint16_t type, uint8_t *out, size_t max);

#endif
