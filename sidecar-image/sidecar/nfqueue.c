/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/nfqueue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define MAX_WAITING 16384
#define RECEIVE	    (4 << 20)
#define READS	    64

struct nfqueue {
	int fd;
	uint16_t number;
	struct tp_watch *watch;
	void (*packet)(void *arg, uint32_t id, const uint8_t *p, size_t n);
	void *arg;
};

struct message {
	struct nlmsghdr nl;
	struct nfgenmsg nf;
	char attrs[128];
};

static void begin(struct message *m, const struct nfqueue *q, uint16_t type, uint16_t flags)
{
	memset(m, 0, sizeof(*m));
	m->nl.nlmsg_len = NLMSG_LENGTH(sizeof(m->nf));
	m->nl.nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	m->nl.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	m->nf.nfgen_family = AF_UNSPEC;
	m->nf.version = NFNETLINK_V0;
	m->nf.res_id = htons(q->number);
}

static void put(struct message *m, uint16_t type, const void *p, uint16_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };
	char *to = (char *)m + NLMSG_ALIGN(m->nl.nlmsg_len);

	memcpy(to, &a, sizeof(a));
	memcpy(to + NLA_HDRLEN, p, n);
	m->nl.nlmsg_len = NLMSG_ALIGN(m->nl.nlmsg_len) + NLA_ALIGN(a.nla_len);
}

static int transmit(struct nfqueue *q, const struct message *m)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do
		n = sendto(q->fd, m, m->nl.nlmsg_len, 0, (struct sockaddr *)&kernel,
			   sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

/* The kernel has answered by the time that the message was sent. */
static int acknowledged(struct nfqueue *q)
{
	struct {
		struct nlmsghdr nl;
		struct nlmsgerr e;
		char rest[256];
	} a;
	ssize_t n = recv(q->fd, &a, sizeof(a), MSG_DONTWAIT);

	if (n < 0)
		return -1;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(a.e)) || a.nl.nlmsg_type != NLMSG_ERROR)
		errno = EPROTO;
	else
		errno = -a.e.error;
	return errno ? -1 : 0;
}

static int configure(struct nfqueue *q)
{
	struct nfqnl_msg_config_cmd bind_it = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = { .copy_range = htonl(0xffff),
						  .copy_mode = NFQNL_COPY_PACKET };
	uint32_t most = htonl(MAX_WAITING), flags = htonl(NFQA_CFG_F_FAIL_OPEN);
	struct message m;

	begin(&m, q, NFQNL_MSG_CONFIG, NLM_F_ACK);
	put(&m, NFQA_CFG_CMD, &bind_it, sizeof(bind_it));
	put(&m, NFQA_CFG_PARAMS, &params, sizeof(params));
	put(&m, NFQA_CFG_QUEUE_MAXLEN, &most, sizeof(most));
	put(&m, NFQA_CFG_FLAGS, &flags, sizeof(flags));
	put(&m, NFQA_CFG_MASK, &flags, sizeof(flags));
	return transmit(q, &m) < 0 || acknowledged(q) < 0 ? -1 : 0;
}

static void take(struct nfqueue *q, const struct nlmsghdr *nl)
{
	const char *p = (const char *)nl + NLMSG_LENGTH(sizeof(struct nfgenmsg));
	size_t left = nl->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));
	const uint8_t *payload = NULL;
	size_t len = 0;
	uint32_t id = 0;
	bool have = false;

	while (left >= NLA_HDRLEN) {
		struct nlattr a;

		memcpy(&a, p, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > left)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR &&
		    a.nla_len >= NLA_HDRLEN + sizeof(struct nfqnl_msg_packet_hdr)) {
			struct nfqnl_msg_packet_hdr h;

			memcpy(&h, p + NLA_HDRLEN, sizeof(h));
			id = ntohl(h.packet_id);
			have = true;
		} else if ((a.nla_type & NLA_TYPE_MASK) == NFQA_PAYLOAD) {
			payload = (const uint8_t *)p + NLA_HDRLEN;
			len = a.nla_len - NLA_HDRLEN;
		}
		if ((size_t)NLA_ALIGN(a.nla_len) >= left)
			break;
		left -= NLA_ALIGN(a.nla_len);
		p += NLA_ALIGN(a.nla_len);
	}
	if (have)
		q->packet(q->arg, id, payload, len);
}

static void on_readable(void *arg, int events)
{
	static char buf[(64 << 10) + 8192] __attribute__((aligned(8)));
	struct nfqueue *q = arg;

	(void)events;
	for (int i = 0; i < READS; i++) {
		ssize_t n = recv(q->fd, buf, sizeof(buf), MSG_DONTWAIT);
		size_t at = 0;

		if (n <= 0)
			return; /* ENOBUFS as well: the kernel let those pass */
		/* the last one may end without its padding */
		while (at < (size_t)n && (size_t)n - at >= NLMSG_HDRLEN) {
			const struct nlmsghdr *nl = (const struct nlmsghdr *)(buf + at);

			if (nl->nlmsg_len < NLMSG_HDRLEN || nl->nlmsg_len > (size_t)n - at)
				break;
			if (nl->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) &&
			    nl->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nfgenmsg)))
				take(q, nl);
			at += NLMSG_ALIGN(nl->nlmsg_len);
		}
	}
}

struct nfqueue *nfqueue_open(struct tp_loop *l, uint16_t number,
			     void (*packet)(void *arg, uint32_t id, const uint8_t *p, size_t n),
			     void *arg, struct tp_err *err)
{
	struct nfqueue *q = tp_calloc(1, sizeof(*q));
	struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	int size = RECEIVE, one = 1;

	q->number = number;
	q->packet = packet;
	q->arg = arg;
	q->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (q->fd < 0 || bind(q->fd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
	    configure(q) < 0) {
		tp_err_errno(err, errno, "netfilter queue %u", number);
		tp_close_p(&q->fd);
		free(q);
		return NULL;
	}
	if (setsockopt(q->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		tp_verbose("netfilter queue: SO_RCVBUFFORCE: %s", strerror(errno));
	setsockopt(q->fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one));
	q->watch = tp_watch_add(l, q->fd, TP_READ, on_readable, q);
	return q;
}

void nfqueue_close(struct nfqueue *q)
{
	if (!q)
		return;
	tp_watch_del(q->watch);
	close(q->fd);
	free(q);
}

/* What does not fit into MESSAGE goes behind it: P, the packet's new bytes, or NULL. */
static void verdict(struct nfqueue *q, uint32_t id, uint32_t what, uint32_t mark, const uint8_t *p,
		    size_t n)
{
	struct nfqnl_msg_verdict_hdr v = { .verdict = htonl(what), .id = htonl(id) };
	struct nlattr payload = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = NFQA_PAYLOAD };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct message m;
	struct iovec parts[] = { { &m, 0 }, { &payload, sizeof(payload) }, { (void *)p, n } };
	struct msghdr msg = { .msg_name = &kernel,
			      .msg_namelen = sizeof(kernel),
			      .msg_iov = parts,
			      .msg_iovlen = p ? 3 : 1 };

	begin(&m, q, NFQNL_MSG_VERDICT, 0);
	put(&m, NFQA_VERDICT_HDR, &v, sizeof(v));
	mark = htonl(mark);
	put(&m, NFQA_MARK, &mark, sizeof(mark));
	parts[0].iov_len = NLMSG_ALIGN(m.nl.nlmsg_len);
	if (p)
		m.nl.nlmsg_len = (uint32_t)(parts[0].iov_len + payload.nla_len);
	while (sendmsg(q->fd, &msg, 0) < 0)
		if (errno != EINTR) {
			tp_verbose("netfilter queue: verdict: %s", strerror(errno));
			break;
		}
}

void nfqueue_accept(struct nfqueue *q, uint32_t id, uint32_t mark)
{
	verdict(q, id, NF_ACCEPT, mark, NULL, 0);
}

void nfqueue_replace(struct nfqueue *q, uint32_t id, const uint8_t *p, size_t n)
{
	verdict(q, id, NF_ACCEPT, 0, p, n);
}

void nfqueue_drop(struct nfqueue *q, uint32_t id)
{
	verdict(q, id, NF_DROP, 0, NULL, 0);
}
