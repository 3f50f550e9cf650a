/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP's first packets, held until the agent has connected:
 *
 *   ASKING --opened--> LET_GO --accepted--> (the flow's own)
 *      |                 '--nobody came--> dropped
 *      '--refused--> rejected
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/redirect.h"

#define BUCKETS 1024
#define COME_MS 10000 /* from the verdict to the listener it is no way at all */

struct held {
	struct redirect *r;
	struct held *next;
	struct tp_target from, to;
	uint32_t packet;
	struct tp_flow *flow; /* NULL, when it was let go: the agent's side broke meanwhile */
	bool let_go;
	struct tp_timer *timer;
};

struct held_table {
	struct held *bucket[BUCKETS];
};

static struct held **bucket(struct redirect *r, const struct tp_target *from)
{
	if (!r->held)
		r->held = tp_calloc(1, sizeof(*r->held));
	return &r->held->bucket[from->port % BUCKETS];
}

static struct held *find(struct redirect *r, const struct tp_target *from,
			 const struct tp_target *to)
{
	struct held *h = *bucket(r, from);

	while (h && (memcmp(&h->from, from, sizeof(*from)) || memcmp(&h->to, to, sizeof(*to))))
		h = h->next;
	return h;
}

static void forget(struct held *h)
{
	struct held **p = bucket(h->r, &h->from);

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	tp_timer_del(h->timer);
	free(h);
}

uint32_t held_mark(int errnum)
{
	switch (errnum) {
	case ENETUNREACH:
		return MARK_NO_ROUTE;
	case EHOSTUNREACH:
		return MARK_NO_HOST;
	case EACCES:
		return MARK_DENIED;
	case ETIMEDOUT: /* the program's own connect times out by itself */
		return 0;
	default:
		return MARK_REFUSED;
	}
}

static void reject(struct redirect *r, uint32_t packet, int errnum)
{
	uint32_t mark = held_mark(errnum);

	if (mark)
		nfqueue_accept(r->queue, packet, mark);
	else
		nfqueue_drop(r->queue, packet);
}

static void on_nobody(void *arg)
{
	struct held *h = arg;

	h->timer = NULL;
	if (h->flow)
		tp_flow_drop(h->flow);
	forget(h); /* the program gave up as the agent's word came */
}

static void on_opened(void *arg, int errnum)
{
	struct held *h = arg;

	if (errnum) {
		reject(h->r, h->packet, errnum);
		forget(h);
		return;
	}
	h->let_go = true;
	h->timer = tp_timer_add(h->r->loop, COME_MS, on_nobody, h);
	nfqueue_accept(h->r->queue, h->packet, 0);
}

static void on_gone(void *arg, int errnum)
{
	struct held *h = arg;

	(void)errnum;
	h->flow = NULL; /* who comes for it gets a reset */
}

static const struct tp_flow_events held_events = { .opened = on_opened, .gone = on_gone };

void held_syn(struct redirect *r, uint32_t packet, const struct tp_packet *p)
{
	struct held *h = find(r, &p->from, &p->to);

	if (h) { /* sent again: the first one is enough */
		if (h->let_go)
			nfqueue_accept(r->queue, packet, 0);
		else
			nfqueue_drop(r->queue, packet);
		return;
	}
	h = tp_calloc(1, sizeof(*h));
	h->r = r;
	h->from = p->from;
	h->to = p->to;
	h->packet = packet;
	h->next = *bucket(r, &p->from);
	*bucket(r, &p->from) = h;
	h->flow = tp_flow_open(r->flows, &p->to, &held_events, h);
	if (!h->flow) {
		tp_warn("engine: a connection was refused: %s", strerror(errno));
		reject(r, packet, ECONNREFUSED);
		forget(h);
	}
}

bool held_accepted(struct redirect *r, const struct tp_target *from, const struct tp_target *to,
		   int fd)
{
	struct held *h = find(r, from, to);

	if (!h || !h->let_go)
		return false;
	if (h->flow) {
		tp_flow_listen(h->flow, NULL, NULL);
		tp_flow_attach(h->flow, fd);
	} else {
		tp_flow_reset_fd(fd);
	}
	forget(h);
	return true;
}

void held_free(struct redirect *r)
{
	for (size_t i = 0; r->held && i < BUCKETS; i++)
		while (r->held->bucket[i]) {
			struct held *h = r->held->bucket[i];

			if (!h->let_go)
				reject(r, h->packet, ECONNREFUSED);
			forget(h);
		}
	free(r->held);
	r->held = NULL;
}
