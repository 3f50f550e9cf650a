/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder's clients: the programs in the container, by UDP and TCP. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "sidecar/dnsfwd.h"

#define FIRST_PORT 62400 /* above what the kernel gives out by itself */
#define PORTS	   1000

void dns_client_end(struct client *c)
{
	tp_watch_del(c->watch);
	c->watch = NULL;
	tp_close_p(&c->fd);
	tp_buf_free(&c->in);
	tp_buf_free(&c->out);
	c->generation++;
}

void dns_client_flush(struct client *c)
{
	ssize_t n;

	while (c->out.len) {
		n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			dns_client_end(c);
			return;
		}
		if (n < 0)
			break;
		tp_buf_consume(&c->out, (size_t)n);
	}
	tp_watch_set(c->watch, TP_READ | (c->out.len ? TP_WRITE : 0));
}

/* With the address that it was sent to: where we listen on all, the answer has to come from that one. */
static ssize_t receive(int fd, uint8_t *msg, size_t max, struct sockaddr_in *from,
		       struct in_addr *local)
{
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct iovec io = { msg, max };
	struct msghdr m = { .msg_name = from,
			    .msg_namelen = sizeof(*from),
			    .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, 0);

	local->s_addr = 0;
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			*local = info.ipi_spec_dst;
		}
	return n;
}

void dns_client_send(struct dnsfwd *d, const struct pending *p, const uint8_t *msg, size_t n)
{
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = { 0 };
	struct in_pktinfo info = { .ipi_spec_dst = p->local };
	struct sockaddr_in to = p->from;
	struct iovec io = { (void *)msg, n };
	struct msghdr m = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &io, .msg_iovlen = 1
	};

	if (p->local.s_addr) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
	sendmsg(d->udp, &m, MSG_NOSIGNAL);
}

static void on_udp(void *arg, int events)
{
	static uint8_t msg[TP_DNS_MAX];
	struct dnsfwd *d = arg;
	struct sockaddr_in from;
	int turns;

	(void)events;
	for (turns = 32; turns; turns--) {
		struct in_addr local;
		ssize_t n = receive(d->udp, msg, sizeof(msg), &from, &local);

		if (n < 0)
			break;
		dns_ask(d, msg, (size_t)n, &from, local, NULL);
	}
	dns_channel_flush(d);
}

static void on_client(void *arg, int events)
{
	struct client *c = arg;
	struct dnsfwd *d = c->d;
	unsigned int generation = c->generation;
	size_t at = 0;
	ssize_t n;

	c->active = tp_now_ms();
	if (events & TP_WRITE)
		dns_client_flush(c);
	if (c->generation != generation || !(events & TP_READ))
		return;
	n = read(c->fd, tp_buf_reserve(&c->in, 65537), 65537);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		/* one that sends no more may still wait for answers; they are few */
		dns_client_end(c);
		return;
	}
	tp_buf_added(&c->in, (size_t)n);
	while (c->generation == generation && c->in.len - at >= 2) {
		const uint8_t *p = (const uint8_t *)c->in.data + at;
		size_t len = (size_t)(p[0] << 8 | p[1]);

		if (c->in.len - at - 2 < len)
			break;
		dns_ask(d, p + 2, len, NULL, (struct in_addr){ 0 }, c);
		at += 2 + len;
	}
	if (c->generation == generation)
		tp_buf_consume(&c->in, at);
	dns_channel_flush(d);
}

static void on_tcp(void *arg, int events)
{
	struct dnsfwd *d = arg;
	int fd = accept4(d->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	(void)events;
	if (fd < 0)
		return;
	for (i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &d->clients[i];

		if (c->fd >= 0)
			continue;
		c->d = d;
		c->fd = fd;
		c->in = TP_BUF_INIT(256u << 10);
		c->out = TP_BUF_INIT(1u << 20);
		c->active = tp_now_ms();
		c->watch = tp_watch_add(d->s->loop, fd, TP_READ, on_client, c);
		dns_sweep_later(d);
		return;
	}
	close(fd);
}

static int open_port(int type, uint16_t port, bool everywhere)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr = {
					   htonl(everywhere ? INADDR_ANY : INADDR_LOOPBACK) } };
	int one = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
	    (!everywhere || type != SOCK_DGRAM ||
	     setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) == 0) &&
	    (type == SOCK_DGRAM || listen(fd, 64) == 0))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool listen_at(struct dnsfwd *d, uint16_t port)
{
	struct sidecar *s = d->s;

	if (forwards_wants(s, port) || tohost_wants(s, port))
		return false;
	d->udp = open_port(SOCK_DGRAM, port, s->hostfilter != NULL);
	d->tcp = d->udp >= 0 ? open_port(SOCK_STREAM, port, s->hostfilter != NULL) : -1;
	if (d->tcp < 0)
		tp_close_p(&d->udp);
	d->port = port;
	return d->tcp >= 0;
}

int dns_listen(struct dnsfwd *d, struct tp_err *err)
{
	struct sidecar *s = d->s;
	/* Nothing brings questions here where there is no filter: they have to be asked at the port. */
	bool done = !s->method->filters && listen_at(d, TP_DNS_PORT);

	for (uint16_t port = FIRST_PORT; !done && port < FIRST_PORT + PORTS; port++)
		done = listen_at(d, port);
	if (!done)
		return tp_err_errno(err, errno, "cannot listen for DNS");
	d->udp_watch = tp_watch_add(s->loop, d->udp, TP_READ, on_udp, d);
	d->tcp_watch = tp_watch_add(s->loop, d->tcp, TP_READ, on_tcp, d);
	return 0;
}
