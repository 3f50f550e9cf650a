/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries DNS messages between stdin/stdout and the pod's nameservers. Each
 * try has a socket of its own (so a source port of its own) and an ID of its
 * own, and only an answer to just that question from just that server counts.
 *
 *   query --> UDP to a server --answer--> stdout
 *              |  ^                 |
 *      timeout,|  | the next        | truncated
 *      error   '--'                 v
 *                                 TCP to the same server --> stdout
 *   no server left: SERVFAIL
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "common/dnsmsg.h"
#include "common/netfiles.h"

#define MAX_QUERIES 2048       /* at the same time; past that nothing more is read */
#define MAX_OUT	    (4u << 20) /* bytes of answers that nobody takes */
#define MAX_IN	    (128u << 10)

struct query {
	struct relay *r;
	struct query *next, **back;
	uint8_t *msg; /* as asked, but with the ID of this try */
	size_t len;
	uint16_t id; /* the client's */
	unsigned int tries, first;
	int fd; /* -1 between tries */
	struct tp_watch *watch;
	struct tp_timer *timer;
	bool tcp;
	size_t sent; /* of the TCP request */
	struct tp_buf tcp_answer;
};

struct relay {
	struct tp_loop *loop;
	struct tp_resolv conf;
	struct tp_watch *in_watch, *out_watch;
	struct tp_buf in, out;
	struct query *queries;
	size_t n_queries;
	unsigned int next_server;
};

static void try_next(struct query *q);

static void end_try(struct query *q)
{
	tp_watch_del(q->watch);
	q->watch = NULL;
	tp_timer_del(q->timer);
	q->timer = NULL;
	tp_close_p(&q->fd);
	tp_buf_free(&q->tcp_answer);
	q->tcp_answer = TP_BUF_INIT(TP_DNS_MAX + 2);
	q->tcp = false;
	q->sent = 0;
}

/* Reads no more than can be held: neither queries nor answers pile up. */
static void pace(struct relay *r)
{
	tp_watch_set(r->in_watch,
		     r->n_queries < MAX_QUERIES && r->out.len < MAX_OUT / 2 ? TP_READ : 0);
	tp_watch_set(r->out_watch, r->out.len ? TP_WRITE : 0);
}

static void on_out(void *arg, int events)
{
	struct relay *r = arg;
	ssize_t n;

	(void)events;
	while (r->out.len) {
		n = write(STDOUT_FILENO, r->out.data, r->out.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			tp_loop_stop(r->loop, 0); /* the session is over */
			return;
		}
		if (n < 0)
			break;
		tp_buf_consume(&r->out, (size_t)n);
	}
	pace(r);
}

/* The query is answered: its struct is gone after this. */
static void finish(struct query *q, uint8_t *answer, size_t n)
{
	struct relay *r = q->r;
	uint8_t len[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	tp_dns_set_id(answer, q->id);
	if (tp_buf_put(&r->out, len, 2) < 0 || tp_buf_put(&r->out, answer, n) < 0)
		abort(); /* pace() keeps half of it free for what is under way */
	end_try(q);
	tp_buf_free(&q->tcp_answer);
	*q->back = q->next;
	if (q->next)
		q->next->back = q->back;
	free(q->msg);
	free(q);
	r->n_queries--;
	on_out(r, TP_WRITE);
}

static void fail(struct query *q)
{
	uint8_t answer[TP_DNS_HEADER + 300];

	finish(q, answer, tp_dns_error(q->msg, q->len, TP_DNS_SERVFAIL, answer, sizeof(answer)));
}

static unsigned int all_tries(const struct relay *r)
{
	return (unsigned int)r->conf.n_ns * (unsigned int)r->conf.attempts;
}

static void on_timeout(void *arg)
{
	struct query *q = arg;

	q->timer = NULL;
	try_next(q);
}

/* A server that cannot help may have a neighbour that can; the last one's
 * word is passed on. */
static bool worth_asking_another(const struct query *q, const uint8_t *a)
{
	unsigned int rcode = tp_dns_rcode(a);

	return (rcode == TP_DNS_SERVFAIL || rcode == TP_DNS_REFUSED || rcode == TP_DNS_NOTIMP) &&
	       q->tries < (unsigned int)q->r->conf.n_ns;
}

static int open_socket(struct query *q, int type)
{
	const struct tp_nameserver *ns =
		&q->r->conf.ns[(q->first + q->tries - 1) % q->r->conf.n_ns];

	q->fd = socket(ns->addr.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (q->fd < 0)
		return -1;
	if (connect(q->fd, (const struct sockaddr *)&ns->addr, ns->len) < 0 && errno != EINPROGRESS)
		return -1;
	return 0;
}

static int tcp_send(struct query *q)
{
	uint8_t len[2] = { (uint8_t)(q->len >> 8), (uint8_t)q->len };
	ssize_t n;

	while (q->sent < q->len + 2) {
		/* both parts in one packet where possible: some servers insist */
		struct iovec v[2] = { { len, 2 }, { q->msg, q->len } };
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

		if (q->sent < 2) {
			v[0].iov_base = len + q->sent;
			v[0].iov_len = 2 - q->sent;
		} else {
			v[0].iov_len = 0;
			v[1].iov_base = q->msg + q->sent - 2;
			v[1].iov_len = q->len + 2 - q->sent;
		}
		n = sendmsg(q->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == ENOTCONN ? 0 : -1;
		q->sent += (size_t)n;
	}
	tp_watch_set(q->watch, TP_READ);
	return 0;
}

/* 1: there is all of it; 0: not yet; -1: no use. */
static int tcp_receive(struct query *q)
{
	struct tp_buf *b = &q->tcp_answer;
	const uint8_t *p;
	size_t want;
	ssize_t n;

	for (;;) {
		p = (const uint8_t *)b->data;
		want = b->len < 2 ? 2 - b->len : 2u + (size_t)(p[0] << 8 | p[1]) - b->len;
		if (b->len >= 2 && want == 0)
			return 1;
		n = read(q->fd, tp_buf_reserve(b, want), want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return -1;
		tp_buf_added(b, (size_t)n);
	}
}

static void on_tcp(void *arg, int events)
{
	struct query *q = arg;
	uint8_t *p;
	int rc = 0;

	if ((events & TP_WRITE) && tcp_send(q) < 0)
		rc = -1;
	if (rc == 0 && q->sent == q->len + 2)
		rc = tcp_receive(q);
	if (rc == 0)
		return;
	p = (uint8_t *)q->tcp_answer.data + 2;
	if (rc < 0 || !tp_dns_is_answer(q->msg, q->len, p, q->tcp_answer.len - 2)) {
		try_next(q);
		return;
	}
	p = tp_malloc(q->tcp_answer.len);
	memcpy(p, q->tcp_answer.data + 2, q->tcp_answer.len - 2);
	finish(q, p, q->tcp_answer.len - 2);
	free(p);
}

static void start_tcp(struct query *q)
{
	end_try(q);
	q->tcp = true;
	if (open_socket(q, SOCK_STREAM) < 0) {
		try_next(q);
		return;
	}
	q->watch = tp_watch_add(q->r->loop, q->fd, TP_READ | TP_WRITE, on_tcp, q);
	q->timer = tp_timer_add(q->r->loop, q->r->conf.timeout_ms, on_timeout, q);
}

static void on_udp(void *arg, int events)
{
	static uint8_t answer[TP_DNS_MAX];
	struct query *q = arg;
	ssize_t n;

	(void)events;
	for (;;) {
		n = recv(q->fd, answer, sizeof(answer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* port unreachable, say */
			try_next(q);
			return;
		}
		if (!tp_dns_is_answer(q->msg, q->len, answer, (size_t)n))
			continue; /* forged, or late: wait on */
		break;
	}
	if (tp_dns_truncated(answer))
		start_tcp(q);
	else if (worth_asking_another(q, answer))
		try_next(q);
	else
		finish(q, answer, (size_t)n);
}

static void try_next(struct query *q)
{
	uint16_t id;

	for (;;) {
		end_try(q);
		if (q->tries == all_tries(q->r)) {
			fail(q);
			return;
		}
		q->tries++;
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			id = (uint16_t)rand();
		tp_dns_set_id(q->msg, id);
		if (open_socket(q, SOCK_DGRAM) == 0 &&
		    send(q->fd, q->msg, q->len, MSG_NOSIGNAL) >= 0)
			break;
	}
	q->watch = tp_watch_add(q->r->loop, q->fd, TP_READ, on_udp, q);
	q->timer = tp_timer_add(q->r->loop, q->r->conf.timeout_ms, on_timeout, q);
}

static int ask(struct relay *r, const uint8_t *p, size_t n)
{
	struct tp_dns_question question;
	struct query *q;

	if (tp_dns_parse_query(p, n, &question) < 0)
		return -1;
	q = tp_calloc(1, sizeof(*q));
	q->r = r;
	q->fd = -1;
	q->id = question.id;
	q->msg = tp_malloc(n);
	q->len = n;
	memcpy(q->msg, p, n);
	q->tcp_answer = TP_BUF_INIT(TP_DNS_MAX + 2);
	q->first = r->conf.rotate ? r->next_server++ : 0;
	q->next = r->queries;
	q->back = &r->queries;
	if (q->next)
		q->next->back = &q->next;
	r->queries = q;
	r->n_queries++;
	try_next(q);
	return 0;
}

static void on_in(void *arg, int events)
{
	struct relay *r = arg;
	char *room = tp_buf_reserve(&r->in, MAX_IN - r->in.len);
	size_t at = 0;
	ssize_t n = read(STDIN_FILENO, room, MAX_IN - r->in.len);

	(void)events;
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		tp_loop_stop(r->loop, 0);
		return;
	}
	if (n > 0)
		tp_buf_added(&r->in, (size_t)n);
	while (r->in.len - at >= 2) {
		const uint8_t *p = (const uint8_t *)r->in.data + at;
		size_t len = (size_t)(p[0] << 8 | p[1]);

		if (r->in.len - at - 2 < len)
			break;
		if (ask(r, p + 2, len) < 0) {
			tp_error("dns: something that is no DNS query came in");
			tp_loop_stop(r->loop, 1);
			return;
		}
		at += 2 + len;
	}
	tp_buf_consume(&r->in, at);
	pace(r);
}

static int read_config(struct relay *r, int argc, char **argv)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 20);
	int i;

	if (tp_read_file("/etc/resolv.conf", &b) < 0 && errno != ENOENT)
		tp_warn("dns: cannot read /etc/resolv.conf: %s", strerror(errno));
	tp_resolv_parse(&r->conf, b.data, b.len);
	if (argc > 1)
		r->conf.n_ns = 0;
	for (i = 1; i < argc && r->conf.n_ns < TP_RESOLV_SERVERS; i++) {
		if (tp_nameserver_parse(&r->conf.ns[r->conf.n_ns], argv[i]) < 0) {
			tp_error("dns: %s is not an address", argv[i]);
			return -1;
		}
		r->conf.n_ns++;
	}
	/* what the resolver does, too, when there is none */
	if (!r->conf.n_ns)
		tp_nameserver_parse(&r->conf.ns[r->conf.n_ns++], "127.0.0.1");
	return 0;
}

int tp_agent_dns(int argc, char **argv)
{
	struct relay r = { .in = TP_BUF_INIT(MAX_IN),
			   .out = TP_BUF_INIT(2 * MAX_OUT +
					      (MAX_QUERIES + 1) * (TP_DNS_MAX + 2u)) };
	int rc;

	if (read_config(&r, argc, argv) < 0)
		return 2;
	r.loop = tp_loop_new();
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
	r.in_watch = tp_watch_add(r.loop, STDIN_FILENO, TP_READ, on_in, &r);
	r.out_watch = tp_watch_add(r.loop, STDOUT_FILENO, 0, on_out, &r);
	rc = tp_loop_run(r.loop);
	while (r.queries) {
		struct query *q = r.queries;

		end_try(q);
		r.queries = q->next;
		free(q->msg);
		free(q);
	}
	tp_loop_free(r.loop);
	tp_resolv_free(&r.conf);
	tp_buf_free(&r.in);
	tp_buf_free(&r.out);
	return rc;
}
