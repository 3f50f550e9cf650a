/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster's Services, EndpointSlices and Pods as the helper tells of them (common/nameline.h), to be found
 * by name and by address. About 500 bytes for a Service with a slice and a pod.
 */
#ifndef TP_NAMES_STORE_H
#define TP_NAMES_STORE_H

#include "common/nameline.h"

#define TP_NAMES_MAX (1u << 20) /* objects of all kinds: what is beyond is not kept */

struct tp_namestore;

struct tp_namestore *tp_names_new(void);
void tp_names_free(struct tp_namestore *s); /* NULL is allowed */
/* One line of N bytes. 0, or -1: it is none, or there are too many. */
int tp_names_line(struct tp_namestore *s, const char *p, size_t n);
/* Whole lines, as a frame has them. How many were none. */
size_t tp_names_lines(struct tp_namestore *s, const char *p, size_t n);
/* All objects of the KINDS ("SL") in the namespace NS are known: each has been listed once. */
bool tp_names_knows(const struct tp_namestore *s, const char *kinds, struct tp_word ns);
size_t tp_names_count(const struct tp_namestore *s);
size_t tp_names_bytes(
	const struct tp_namestore *s); /* what it takes, without the allocator's own */

/* Each calls FN with the parsed line, whose words live until the store changes, until FN gives true. */
typedef bool tp_names_fn(void *arg, const struct tp_nameline *l);
bool tp_names_service(const struct tp_namestore *s, struct tp_word ns, struct tp_word name,
		      struct tp_nameline *out);
void tp_names_slices(const struct tp_namestore *s, struct tp_word ns, struct tp_word service,
		     tp_names_fn *fn, void *arg);
/* Of any kind, by an address as inet_ntop writes it. */
void tp_names_at(const struct tp_namestore *s, const char *address, tp_names_fn *fn, void *arg);

#endif
