/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A netfilter queue: packets that a rule hands to this process and that wait in the
 * kernel for its verdict. The kernel is spoken to directly (nfnetlink_queue);
 * NET_ADMIN is enough.
 */
#ifndef TP_SIDECAR_NFQUEUE_H
#define TP_SIDECAR_NFQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

struct nfqueue;

/* PACKET gets each packet from its IP header on, and must see to it that there is a verdict in
 * the end. The kernel passes on what finds no room in the queue. NULL ERR: there is no such thing here. */
struct nfqueue *nfqueue_open(struct tp_loop *l, uint16_t number,
			     void (*packet)(void *arg, uint32_t id, const uint8_t *p, size_t n),
			     void *arg, struct tp_err *err);
void nfqueue_close(struct nfqueue *q); /* what waits is dropped; NULL is allowed */

/* Lets it go on its way with this mark, or not. */
void nfqueue_accept(struct nfqueue *q, uint32_t id, uint32_t mark);
/* Lets the packet of N bytes at P (from its IP header on, its checksums right) go in its place. */
void nfqueue_replace(struct nfqueue *q, uint32_t id, const uint8_t *p, size_t n);
void nfqueue_drop(struct nfqueue *q, uint32_t id);

#endif
