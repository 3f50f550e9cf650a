/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP flow is a connected socket, so that datagrams of others do not get in, and a
 * port where nobody listens shows. Flows have no end of their own: one that
 * carried nothing for a while is given up.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/engine.h"
#include "base/cancel.h"
#include "base/mem.h"

#define IDLE_MS 120000 /* longer than the near side's: it gives up first */
#define BURST	32     /* datagrams of one flow in a row */

struct tp_far_udp {
	struct tp_loop *loop;
	struct tp_far_udp *next, **back;
	struct tp_flow *flow;
	int fd;
	struct tp_watch *watch;
	struct tp_timer *timer;
	long long active;
};

static void forget(struct tp_far_udp *u)
{
	tp_watch_del(u->watch);
	tp_timer_del(u->timer);
	tp_close_p(&u->fd);
	*u->back = u->next;
	if (u->next)
		u->next->back = u->back;
	free(u);
}

/* The flow ends as TCP's would: a refusal by the other side is passed on, too. */
static void give_up(struct tp_far_udp *u, int errnum)
{
	struct tp_flow *flow = u->flow;

	forget(u);
	tp_flow_break(flow, errnum);
}

static void on_idle(void *arg)
{
	struct tp_far_udp *u = arg;
	long long left = u->active + IDLE_MS - tp_now_ms();

	u->timer = NULL;
	if (left > 0)
		u->timer = tp_timer_add(u->loop, (int)left, on_idle, u);
	else
		give_up(u, ETIMEDOUT);
}

static void on_datagram(void *arg, int events)
{
	static char p[TP_WIRE_PAYLOAD];
	struct tp_far_udp *u = arg;

	(void)events;
	u->active = tp_now_ms();
	for (int i = 0; i < BURST; i++) {
		ssize_t n = recv(u->fd, p, sizeof(p), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			give_up(u, errno);
			return;
		}
		tp_flow_packet(u->flow, p, (size_t)n);
	}
}

static void on_packet(void *arg, const void *p, size_t n)
{
	struct tp_far_udp *u = arg;

	u->active = tp_now_ms();
	/* an error of an earlier one, which on_datagram would find: this one goes out all the same */
	if (send(u->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
		give_up(u, ECONNREFUSED);
}

static void on_gone(void *arg, int errnum)
{
	(void)errnum;
	forget(arg);
}

static const struct tp_flow_events events_of_udp = { .packet = on_packet, .gone = on_gone };

void tp_far_udp_start(struct tp_far_udp **list, struct tp_loop *l, struct tp_flow *f,
		      const struct tp_target *to)
{
	int error, fd = tp_far_connect(to, SOCK_DGRAM, &error);
	struct tp_far_udp *u;

	if (fd < 0) {
		tp_flow_refuse(f, error);
		return;
	}
	u = tp_calloc(1, sizeof(*u));
	u->loop = l;
	u->flow = f;
	u->fd = fd;
	u->active = tp_now_ms();
	u->next = *list;
	u->back = list;
	if (u->next)
		u->next->back = &u->next;
	*list = u;
	u->watch = tp_watch_add(l, fd, TP_READ, on_datagram, u);
	u->timer = tp_timer_add(l, IDLE_MS, on_idle, u);
	tp_flow_listen(f, &events_of_udp, u);
	tp_flow_attach(f, -1);
}

void tp_far_udp_free_all(struct tp_far_udp **list)
{
	while (*list)
		forget(*list);
}
