/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow of echoes is a connected ICMP socket, which takes no privilege where net.ipv4.ping_group_range allows
 * it; container runtimes set that for pods. The kernel chooses the identifier and passes on the replies to it alone.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <linux/errqueue.h> /* wants the former */
#include <unistd.h>

#include "agent/engine.h"
#include "base/cancel.h"
#include "base/mem.h"

#define IDLE_MS 90000 /* longer than the near side's */
#define BURST	32
#define HEADER	8 /* of an echo */

struct tp_far_ping {
	struct tp_loop *loop;
	struct tp_far_ping *next, **back;
	struct tp_flow *flow;
	int fd;
	bool v6;
	int ttl;
	struct tp_watch *watch;
	struct tp_timer *timer;
	long long active;
};

static void forget(struct tp_far_ping *p)
{
	tp_watch_del(p->watch);
	tp_timer_del(p->timer);
	tp_close_p(&p->fd);
	*p->back = p->next;
	if (p->next)
		p->next->back = p->back;
	free(p);
}

static void give_up(struct tp_far_ping *p, int errnum)
{
	struct tp_flow *flow = p->flow;

	forget(p);
	tp_flow_break(flow, errnum);
}

static void on_idle(void *arg)
{
	struct tp_far_ping *p = arg;
	long long left = p->active + IDLE_MS - tp_now_ms();

	p->timer = NULL;
	if (left > 0)
		p->timer = tp_timer_add(p->loop, (int)left, on_idle, p);
	else
		give_up(p, ETIMEDOUT);
}

/* What it had left when it came; 0: not told. */
static uint8_t ttl_of(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int ttl;

		if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_TTL) ||
		    (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
			return (uint8_t)ttl;
		}
	}
	return 0;
}

/* What the network said of a request: 0, or an errno. */
static int complaint(struct tp_far_ping *p)
{
	char control[256];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };

	if (recvmsg(p->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct sock_extended_err e;

		if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
			memcpy(&e, CMSG_DATA(c), sizeof(e));
			return (int)e.ee_errno;
		}
	}
	return EHOSTUNREACH;
}

static void on_reply(void *arg, int events)
{
	static char p[TP_WIRE_PAYLOAD];
	struct tp_far_ping *ping = arg;
	int error = complaint(ping);

	(void)events;
	if (error) {
		give_up(ping, error);
		return;
	}
	for (int i = 0; i < BURST; i++) {
		char control[64];
		struct iovec iov = { p, sizeof(p) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(ping->fd, &msg, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			give_up(ping, errno);
			return;
		}
		if (n < HEADER || (uint8_t)p[0] != (ping->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
			continue;
		/* TTL 0 SEQUENCE, where the last four bytes of its header were */
		p[4] = (char)ttl_of(&msg);
		p[5] = 0;
		tp_flow_packet(ping->flow, p + 4, (size_t)n - 4);
	}
}

static void on_request(void *arg, const void *data, size_t n)
{
	char p[HEADER + TP_WIRE_PAYLOAD];
	struct tp_far_ping *ping = arg;
	const uint8_t *u = data;

	ping->active = tp_now_ms();
	if (n < TP_WIRE_ECHO)
		return;
	if (u[0] != ping->ttl) {
		ping->ttl = u[0];
		setsockopt(ping->fd, ping->v6 ? SOL_IPV6 : SOL_IP,
			   ping->v6 ? IPV6_UNICAST_HOPS : IP_TTL, &ping->ttl, sizeof(ping->ttl));
	}
	memset(p, 0, HEADER);
	p[0] = ping->v6 ? (char)ICMP6_ECHO_REQUEST : ICMP_ECHO;
	memcpy(p + 6, u + 2, n - 2); /* the sequence number, and the payload behind it */
	if (send(ping->fd, p, HEADER + n - TP_WIRE_ECHO, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN && errno != ENOBUFS)
		give_up(ping, errno);
}

static void on_gone(void *arg, int errnum)
{
	(void)errnum;
	forget(arg);
}

static const struct tp_flow_events events_of_ping = { .packet = on_request, .gone = on_gone };

/* -1 and *ERROR. */
static int open_to(const struct tp_target *to, int *error)
{
	struct sockaddr_storage sa;
	socklen_t len = tp_target_sockaddr(to, &sa);
	bool v6 = to->family == 6;
	int one = 1;
	tp_autoclose int fd =
		socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) < 0) {
		*error = tp_far_errno(to, errno);
		return -1;
	}
	setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &one,
		   sizeof(one));
	/* errors that come back by ICMP are the socket's */
	setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &one, sizeof(one));
	return tp_steal_fd(&fd);
}

void tp_far_ping_start(struct tp_far_ping **list, struct tp_loop *l, struct tp_flow *f,
		       const struct tp_target *to)
{
	int error = EIO, fd = open_to(to, &error);
	struct tp_far_ping *p;

	if (fd < 0) {
		tp_flow_refuse(f, error);
		return;
	}
	p = tp_calloc(1, sizeof(*p));
	p->loop = l;
	p->flow = f;
	p->fd = fd;
	p->v6 = to->family == 6;
	p->active = tp_now_ms();
	p->next = *list;
	p->back = list;
	if (p->next)
		p->next->back = &p->next;
	*list = p;
	p->watch = tp_watch_add(l, fd, TP_READ, on_reply, p);
	p->timer = tp_timer_add(l, IDLE_MS, on_idle, p);
	tp_flow_listen(f, &events_of_ping, p);
	tp_flow_attach(f, -1);
}

void tp_far_ping_free_all(struct tp_far_ping **list)
{
	while (*list)
		forget(*list);
}
