/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Echo requests. Each waits in the queue until the agent has had its reply; what is let
 * go then is not the request but that reply, from who was asked to who asks. If there is an error
 * instead, the request is let go with a mark, and the filter tells the program
 * with the ICMP message that it would have got. One that has no answer is lost.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "sidecar/redirect.h"

#define MAX	1024	       /* programs that ping, times their targets */
#define WAITING 256	       /* requests of one of them */
#define LOST_MS 20000	       /* for a reply */
#define IDLE_MS 60000	       /* shorter than the agent's */
#define LONGEST (1500 + 60000) /* payload that is answered; no program sends more */

struct request {
	struct request *next;
	struct tp_packet packet; /* its data is not there any more */
	uint32_t id;
	long long sent;
};

struct pinger {
	struct redirect *r;
	struct pinger *next;
	struct tp_target from, to;
	struct tp_flow *flow;
	struct request *waiting; /* the oldest first */
	size_t n;
	struct tp_timer *timer;
	long long active;
};

struct ping_table {
	struct pinger *first;
	size_t n;
};

static void settle(struct pinger *p, struct request **at, uint32_t mark)
{
	struct request *q = *at;

	*at = q->next;
	p->n--;
	if (mark)
		nfqueue_accept(p->r->queue, q->id, mark);
	else
		nfqueue_drop(p->r->queue, q->id);
	free(q);
}

static void forget(struct pinger *p, uint32_t mark)
{
	struct pinger **at = &p->r->ping->first;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->r->ping->n--;
	while (p->waiting)
		settle(p, &p->waiting, mark);
	tp_timer_del(p->timer);
	free(p);
}

static void on_timer(void *arg)
{
	struct pinger *p = arg;
	long long now = tp_now_ms();

	while (p->waiting && now - p->waiting->sent >= LOST_MS)
		settle(p, &p->waiting, 0);
	p->timer = NULL;
	if (p->waiting || now - p->active < IDLE_MS) {
		p->timer = tp_timer_add(p->r->loop, LOST_MS / 2, on_timer, p);
		return;
	}
	tp_flow_drop(p->flow);
	forget(p, 0);
}

static void on_opened(void *arg, int errnum)
{
	if (errnum)
		forget(arg, held_mark(errnum));
}

static void on_gone(void *arg, int errnum)
{
	forget(arg, held_mark(errnum));
}

static void on_reply(void *arg, const void *data, size_t n)
{
	static uint8_t packet[TP_PACKET_ECHO_HEAD + LONGEST];
	struct pinger *p = arg;
	struct request **at = &p->waiting;
	const uint8_t *u = data;

	if (n < TP_WIRE_ECHO || n - TP_WIRE_ECHO > LONGEST)
		return;
	p->active = tp_now_ms();
	while (*at && (*at)->packet.sequence != (uint16_t)(u[2] << 8 | u[3]))
		at = &(*at)->next;
	if (*at) {
		struct request *q = *at;

		*at = q->next;
		p->n--;
		n = tp_packet_echo_reply(&q->packet, u[0], u + TP_WIRE_ECHO, n - TP_WIRE_ECHO,
					 packet);
		nfqueue_replace(p->r->queue, q->id, packet, n);
		free(q);
	}
}

static const struct tp_flow_events ping_events = { on_opened, on_reply, on_gone };

static struct pinger *find(struct redirect *r, const struct tp_packet *p)
{
	struct pinger *i;

	if (!r->ping)
		r->ping = tp_calloc(1, sizeof(*r->ping));
	for (i = r->ping->first; i; i = i->next)
		if (!memcmp(&i->from, &p->from, sizeof(p->from)) &&
		    !memcmp(&i->to, &p->to, sizeof(p->to)))
			return i;
	if (r->ping->n >= MAX)
		return NULL;
	i = tp_calloc(1, sizeof(*i));
	i->flow = tp_flow_open(r->flows, &p->to, &ping_events, i);
	if (!i->flow) {
		free(i);
		return NULL;
	}
	i->r = r;
	i->from = p->from;
	i->to = p->to;
	i->next = r->ping->first;
	r->ping->first = i;
	r->ping->n++;
	i->timer = tp_timer_add(r->loop, LOST_MS / 2, on_timer, i);
	return i;
}

void ping_packet(struct redirect *r, uint32_t packet, const struct tp_packet *p)
{
	struct pinger *i = p->len <= LONGEST ? find(r, p) : NULL;
	struct request **end, *q;
	uint8_t data[TP_WIRE_ECHO + LONGEST];

	if (!i) {
		nfqueue_drop(r->queue, packet);
		return;
	}
	if (i->n == WAITING)
		settle(i, &i->waiting, 0);
	q = tp_calloc(1, sizeof(*q));
	q->packet = *p;
	q->packet.data = NULL;
	q->id = packet;
	q->sent = i->active = tp_now_ms();
	for (end = &i->waiting; *end; end = &(*end)->next)
		;
	*end = q;
	i->n++;
	data[0] = p->ttl;
	data[1] = 0;
	data[2] = (uint8_t)(p->sequence >> 8);
	data[3] = (uint8_t)p->sequence;
	memcpy(data + TP_WIRE_ECHO, p->data, p->len);
	tp_flow_packet(i->flow, data, TP_WIRE_ECHO + p->len);
}

void ping_free(struct redirect *r)
{
	while (r->ping && r->ping->first)
		forget(r->ping->first, 0);
	free(r->ping);
	r->ping = NULL;
}
