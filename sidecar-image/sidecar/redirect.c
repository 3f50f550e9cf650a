/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/redirect.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter_ipv4.h> /* behind the former: the two overlap */
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/sidecar.h"

#define ACCEPTS 64 /* in a row */

static void on_queued(void *arg, uint32_t id, const uint8_t *p, size_t n)
{
	struct redirect *r = arg;
	struct tp_packet packet;

	if (tp_packet_parse(p, n, &packet) < 0)
		nfqueue_accept(r->queue, id, 0); /* the filter refuses it */
	else if (packet.to.protocol == IPPROTO_UDP)
		udp_packet(r, id, &packet);
	else if (packet.to.protocol != IPPROTO_TCP)
		ping_packet(r, id, &packet);
	else if (packet.syn)
		held_syn(r, id, &packet);
	else
		nfqueue_accept(r->queue, id, 0);
}

/* A connection of which nothing was known before. */
static void open_now(struct redirect *r, const struct tp_target *to, int fd)
{
	struct tp_flow *f = tp_flow_open(r->flows, to, NULL, NULL);

	if (f)
		tp_flow_attach(f, fd);
	else
		tp_flow_reset_fd(fd);
}

static void on_listener(void *arg, int events)
{
	struct redirect_listener *l = arg;
	struct redirect *r = l->r;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage sa;
		struct tp_target from, to;
		socklen_t len = sizeof(sa);
		int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return;
		memset(&to, 0, sizeof(to));
		if (tp_target_from(&from, IPPROTO_TCP, &sa) == 0) {
			len = sizeof(sa);
			memset(&sa, 0, sizeof(sa));
			if (from.family == 4 ?
				    !getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, &sa, &len) :
				    !getsockopt(fd, SOL_IPV6, IP6T_SO_ORIGINAL_DST, &sa, &len))
				tp_target_from(&to, IPPROTO_TCP, &sa);
		}
		/* whoever found the port by itself, and was not led here, has no business here */
		if (!to.port)
			tp_flow_reset_fd(fd);
		else if (!held_accepted(r, &from, &to, fd))
			open_now(r, &to, fd);
	}
}

static void close_all(struct redirect *r)
{
	held_free(r);
	udp_free(r);
	ping_free(r);
	tp_flows_free(tp_steal(&r->flows));
	nfqueue_close(tp_steal(&r->queue));
	for (size_t i = 0; i < TP_ARRAY_SIZE(r->listeners); i++) {
		tp_watch_del(tp_steal(&r->listeners[i].watch));
		tp_close_p(&r->listeners[i].fd);
	}
}

/* The supervisor sees as well that the link is gone, knows why, and stops this process then: it is
 * not for this one to end first, and be taken for the cause. Connections are over at once. */
static void on_ended(void *arg, const char *reason)
{
	struct redirect *r = arg;

	close_all(r);
	if (!reason)
		return;
	fprintf(stderr, "%s\n", reason);
	tp_loop_stop(r->loop, 1);
}

/* On the loopback of FAMILY, or EVERYWHERE. */
static int listen_on(struct redirect *r, struct redirect_listener *l, int family, bool everywhere,
		     unsigned port)
{
	struct tp_target self = { .family = family == AF_INET ? 4 : 6, .port = (uint16_t)port };
	struct sockaddr_storage sa;
	int one = 1;

	if (family == AF_INET && !everywhere)
		memcpy(self.addr, (uint8_t[]){ 127, 0, 0, 1 }, 4);
	else if (!everywhere)
		self.addr[15] = 1;
	l->r = r;
	l->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -1;
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(l->fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(l->fd, (struct sockaddr *)&sa, tp_target_sockaddr(&self, &sa)) < 0 ||
	    listen(l->fd, 4096) < 0) {
		tp_close_p(&l->fd);
		return -1;
	}
	l->watch = tp_watch_add(r->loop, l->fd, TP_READ, on_listener, l);
	return 0;
}

static void say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	tp_autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path || fd < 0)
		return;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		fprintf(stderr, "tpdocker: engine: %s: %s\n", path, strerror(errno));
}

static int number(const char *text)
{
	char rest;
	unsigned v;

	return sscanf(text, "%5u%c", &v, &rest) == 1 && v <= 65535 ? (int)v : -1;
}

int sidecar_redirect(int argc, char **argv)
{
	struct redirect r = { .listeners = { { .fd = -1 }, { .fd = -1 } } };
	const struct tp_flows_events ev = { NULL, on_ended, &r };
	int port = argc == 4 ? number(argv[1]) : -1, queue = argc == 4 ? number(argv[2]) : -1, rc;
	bool everywhere = argc == 4 && strcmp(argv[3], "everywhere") == 0;
	struct tp_err err;

	if (port <= 0 || queue < 0) {
		fprintf(stderr,
			"usage: tpdocker-sidecar redirect PORT QUEUE loopback|everywhere\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	tp_raise_file_limit();
	r.loop = tp_loop_new();
	r.flows = tp_flows_new(r.loop, STDIN_FILENO, STDIN_FILENO, &ev);
	/* where there is no IPv6, nothing of it is led here either */
	if (!everywhere && listen_on(&r, &r.listeners[1], AF_INET6, false, (unsigned)port) < 0)
		tp_verbose("engine: [::1]:%d: %s", port, strerror(errno));
	if (listen_on(&r, &r.listeners[0], AF_INET, everywhere, (unsigned)port) < 0) {
		fprintf(stderr, "tpdocker: engine: cannot listen on port %d: %s\n", port,
			strerror(errno));
		return 1;
	}
	r.queue = nfqueue_open(r.loop, (uint16_t)queue, on_queued, &r, &err);
	if (!r.queue)
		fprintf(stderr,
			"tpdocker: engine: %s: a port where nobody listens looks open for a moment, and "
			"neither UDP nor ping passes\n",
			err.msg);
	say_ready();
	rc = tp_loop_run(r.loop);
	close_all(&r);
	tp_loop_free(r.loop);
	return rc;
}
