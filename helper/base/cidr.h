/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address ranges: "10.96.0.0/12", "fd00:10::/64", or one address.
 */
#ifndef TP_BASE_CIDR_H
#define TP_BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define TP_CIDR_TEXT 52 /* bytes of the longest in text, terminator included */

struct tp_cidr {
	int family;		/* AF_INET, AF_INET6 */
	unsigned char addr[16]; /* network order; bits behind the prefix are 0 */
	unsigned bits;
};

/* An address is a range of one. 0, or -1: it is none. */
int tp_cidr_parse(const char *text, struct tp_cidr *out);
/* Of a socket address, with BITS of prefix. -1: another family. */
int tp_cidr_from(const struct sockaddr *sa, unsigned bits, struct tp_cidr *out);
/* One address is written without a prefix. */
const char *tp_cidr_text(const struct tp_cidr *c, char out[TP_CIDR_TEXT]);
/* How many bits an address of C's family has. */
unsigned tp_cidr_width(const struct tp_cidr *c);

/* Whether all of INNER lies in OUTER; a range lies in itself. */
bool tp_cidr_has(const struct tp_cidr *outer, const struct tp_cidr *inner);
bool tp_cidr_overlap(const struct tp_cidr *a, const struct tp_cidr *b);
/* The smallest range that has both; they are of one family. */
struct tp_cidr tp_cidr_cover(const struct tp_cidr *a, const struct tp_cidr *b);
/* The range of BITS (at most its own) that C lies in. */
struct tp_cidr tp_cidr_widen(const struct tp_cidr *c, unsigned bits);

/* Puts N ranges in order, drops what lies in another one, and joins neighbours that are
 * a range together. How many are left. */
size_t tp_cidr_merge(struct tp_cidr *v, size_t n);

#endif
