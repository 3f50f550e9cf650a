/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams. Each comes through the queue, is copied into a flow and goes no
 * further; the answers are sent from a socket that is bound to the address that
 * was asked (IP_TRANSPARENT), which is where the program expects them from.
 *
 * The first datagram of a flow stays in the queue until the first answer: if
 * there is an error instead, it is let go with a mark, and the filter tells the program
 * with the ICMP message that it would have got.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/redirect.h"

#define BUCKETS 1024
#define MAX	4096  /* flows; datagrams of more are lost */
#define IDLE_MS 90000 /* shorter than the agent's */

struct udp {
	struct redirect *r;
	struct udp *next;
	struct tp_target from, to;
	struct tp_flow *flow;
	int fd; /* bound to TO; -1 until there is an answer */
	bool first_waits;
	uint32_t first; /* its packet */
	struct tp_timer *timer;
	long long active;
};

struct udp_table {
	struct udp *bucket[BUCKETS];
	size_t n;
};

static struct udp **bucket(struct redirect *r, const struct tp_target *from)
{
	if (!r->udp)
		r->udp = tp_calloc(1, sizeof(*r->udp));
	return &r->udp->bucket[from->port % BUCKETS];
}

static void settle_first(struct udp *u, uint32_t mark)
{
	if (!u->first_waits)
		return;
	u->first_waits = false;
	if (mark)
		nfqueue_accept(u->r->queue, u->first, mark);
	else
		nfqueue_drop(u->r->queue, u->first);
}

static void forget(struct udp *u, uint32_t mark)
{
	struct udp **p = bucket(u->r, &u->from);

	while (*p != u)
		p = &(*p)->next;
	*p = u->next;
	u->r->udp->n--;
	settle_first(u, mark);
	tp_timer_del(u->timer);
	tp_close_p(&u->fd);
	free(u);
}

static void on_idle(void *arg)
{
	struct udp *u = arg;
	long long left = u->active + IDLE_MS - tp_now_ms();

	u->timer = NULL;
	if (left > 0) {
		u->timer = tp_timer_add(u->r->loop, (int)left, on_idle, u);
		return;
	}
	tp_flow_drop(u->flow);
	forget(u, 0);
}

static void on_opened(void *arg, int errnum)
{
	struct udp *u = arg;

	if (errnum)
		forget(u, held_mark(errnum));
}

static void on_gone(void *arg, int errnum)
{
	forget(arg, held_mark(errnum));
}

/* A socket that speaks for the address that was asked. */
static int open_as(const struct tp_target *to)
{
	struct sockaddr_storage sa;
	socklen_t len = tp_target_sockaddr(to, &sa);
	uint32_t mark = MARK_ANSWER;
	int one = 1, fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, sa.ss_family == AF_INET ? SOL_IP : SOL_IPV6,
		       sa.ss_family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT, &one,
		       sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0) {
		tp_warn("engine: an answer by UDP cannot be passed on: %s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static void on_answer(void *arg, const void *p, size_t n)
{
	struct udp *u = arg;
	struct sockaddr_storage sa;
	socklen_t len = tp_target_sockaddr(&u->from, &sa);

	u->active = tp_now_ms();
	settle_first(u, 0);
	if (u->fd < 0)
		u->fd = open_as(&u->to);
	if (u->fd >= 0)
		sendto(u->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&sa, len);
}

static const struct tp_flow_events udp_events = { on_opened, on_answer, on_gone };

static struct udp *start(struct redirect *r, const struct tp_packet *p)
{
	struct udp *u;
	struct tp_flow *f;

	if (r->udp && r->udp->n >= MAX)
		return NULL;
	u = tp_calloc(1, sizeof(*u));
	f = tp_flow_open(r->flows, &p->to, &udp_events, u);
	if (!f) {
		free(u);
		return NULL;
	}
	u->r = r;
	u->flow = f;
	u->fd = -1;
	u->from = p->from;
	u->to = p->to;
	u->next = *bucket(r, &p->from);
	*bucket(r, &p->from) = u;
	r->udp->n++;
	u->timer = tp_timer_add(r->loop, IDLE_MS, on_idle, u);
	return u;
}

void udp_packet(struct redirect *r, uint32_t packet, const struct tp_packet *p)
{
	struct udp *u = *bucket(r, &p->from);
	bool first = false;

	while (u && (memcmp(&u->from, &p->from, sizeof(p->from)) ||
		     memcmp(&u->to, &p->to, sizeof(p->to))))
		u = u->next;
	if (!u) {
		u = start(r, p);
		first = u != NULL;
	}
	if (first) {
		u->first_waits = true;
		u->first = packet;
	}
	if (u) {
		u->active = tp_now_ms();
		/* it may be sent before the answer to OPEN: the agent takes them in order */
		tp_flow_packet(u->flow, p->data, p->len);
	}
	if (!first)
		nfqueue_drop(r->queue, packet);
}

void udp_free(struct redirect *r)
{
	for (size_t i = 0; r->udp && i < BUCKETS; i++)
		while (r->udp->bucket[i])
			forget(r->udp->bucket[i], 0);
	free(r->udp);
	r->udp = NULL;
}
