/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names. A forwarder on a loopback port, by UDP and TCP, to which questions
 * to the pod's nameservers are redirected:
 *
 *   below docker.internal        --> the nameserver that the engine gave
 *   another container, perhaps   --> the engine's own DNS and the agent; the engine's word counts
 *   everything else              --> the agent
 *
 * (Where not all of them are the cluster's to answer: hostnames.h, watchnames.c.)
 *
 * The agent gets length-prefixed messages over one ssh session, as many at a
 * time as come. While there is none they are held for a while: a link that
 * breaks is mostly back before a resolver gives up.
 */
#include "sidecar/dnsfwd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/hostnames.h"
#include "sidecar/sidecar.h"

#define MAX_OUT	  (2u << 20)
#define HOLD_MS	  4000	/* a question without a link; glibc asks again after 5 s */
#define ANSWER_MS 30000 /* the agent gives up by itself long before */
#define ENGINE_MS 60	/* how long the engine's DNS may take when the agent has answered */
#define ENGINE_NO_MS \
	500 /* the same, if it knows of none: a busy engine is waited for rather than a container not found */
#define ENGINE_MAX_MS 700
#define SWEEP_MS      250
#define CLIENT_MS     30000
#define CHECK_MS      3000

static unsigned int slot(const struct dnsfwd *d, const struct pending *p)
{
	return (unsigned int)(p - d->pending);
}

static void reply(struct dnsfwd *d, struct pending *p, const uint8_t *answer, size_t n)
{
	static uint8_t copy[TP_DNS_MAX];
	uint8_t len[2];

	if (n < TP_DNS_HEADER || n > sizeof(copy))
		return;
	memcpy(copy, answer, n);
	tp_dns_set_id(copy, p->id);
	if (!p->client) {
		n = tp_dns_fit(copy, n, p->udp_size);
		dns_client_send(d, p, copy, n);
		return;
	}
	if (p->client->fd < 0 || p->client->generation != p->generation)
		return;
	len[0] = (uint8_t)(n >> 8);
	len[1] = (uint8_t)n;
	if (tp_buf_put(&p->client->out, len, 2) < 0 || tp_buf_put(&p->client->out, copy, n) < 0)
		dns_client_end(p->client); /* one that asks and does not read */
	else
		dns_client_flush(p->client);
}

static void forget(struct dnsfwd *d, struct pending *p)
{
	free(p->msg);
	free(p->answer);
	hostnames_drop(p->up);
	hostnames_leave(p->tries);
	memset(p, 0, sizeof(*p));
	d->n_pending--;
}

static void checked(struct dnsfwd *d, bool ok)
{
	if (d->s->dns_checked)
		return;
	tp_timer_del(d->check_timer);
	d->check_timer = NULL;
	if (!ok)
		sidecar_sendf(d->s, "warn",
			      "the pod's nameservers do not answer; names may not resolve");
	d->s->dns_checked = true;
	sidecar_timing(d->s, "names-resolve");
	sidecar_progress(d->s);
}

void dns_finish(struct dnsfwd *d, struct pending *p, const uint8_t *answer, size_t n)
{
	if (p->check) {
		forget(d, p);
		checked(d, tp_dns_rcode(answer) != TP_DNS_SERVFAIL);
		return;
	}
	if (p->part) {
		struct tries *t = p->part;
		size_t i = p->part_no;

		forget(d, p);
		hostnames_tried(t, i, answer, n);
		return;
	}
	if (p->probe) {
		struct tp_dns_question q;

		if (tp_dns_parse_query(p->msg, p->len, &q) == 0)
			hostnames_asked(d->host, q.name);
		forget(d, p);
		return;
	}
	if (d->host)
		hostnames_seen(d->host, p, answer, n);
	if (!p->own)
		reply(d, p, answer, n);
	forget(d, p);
}

static void finish_with(struct dnsfwd *d, struct pending *p, unsigned rcode)
{
	uint8_t answer[TP_DNS_HEADER + 300];
	size_t n = tp_dns_error(p->msg, p->len, rcode, answer, sizeof(answer));

	dns_finish(d, p, answer, n);
}

void dns_refuse(struct dnsfwd *d, struct pending *p)
{
	finish_with(d, p, TP_DNS_SERVFAIL);
}

void dns_no_such_name(struct dnsfwd *d, struct pending *p)
{
	finish_with(d, p, TP_DNS_NXDOMAIN);
}

/* ---------------------------------------------------------- the engine's turn */

static int patience(const struct pending *p)
{
	bool found = tp_dns_rcode(p->answer) == TP_DNS_NOERROR && (p->answer[6] || p->answer[7]);

	return found ? ENGINE_MS : ENGINE_NO_MS;
}

static bool is_over(const struct pending *p, long long now)
{
	return p->used && p->answer && now - p->agent_answered >= patience(p);
}

/* -------------------------------------------------------------- sweep */

static void on_sweep(void *arg)
{
	struct dnsfwd *d = arg;
	long long now = tp_now_ms();
	size_t i;

	d->sweep = NULL;
	for (i = 0; i < MAX_PENDING; i++) {
		struct pending *p = &d->pending[i];

		if (!p->used)
			continue;
		if (is_over(p, now))
			dns_finish(d, p, p->answer, p->answer_len);
		else if ((p->engine_only && now - p->asked >= ENGINE_MAX_MS) ||
			 (!p->sent && !p->up && !p->tries && now - p->asked >= HOLD_MS) ||
			 now - p->asked >= ANSWER_MS)
			dns_refuse(d, p);
	}
	for (i = 0; i < MAX_CLIENTS; i++)
		if (d->clients[i].fd >= 0 && now - d->clients[i].active >= CLIENT_MS)
			dns_client_end(&d->clients[i]);
	for (i = 0; i < MAX_CLIENTS && d->clients[i].fd < 0; i++)
		;
	if (d->n_pending || i < MAX_CLIENTS)
		d->sweep = tp_timer_add(d->s->loop, SWEEP_MS, on_sweep, d);
}

void dns_sweep_later(struct dnsfwd *d)
{
	if (!d->sweep)
		d->sweep = tp_timer_add(d->s->loop, SWEEP_MS, on_sweep, d);
}

static void on_engine_late(void *arg)
{
	struct dnsfwd *d = arg;
	long long now = tp_now_ms();
	size_t i;

	for (i = 0; i < MAX_PENDING; i++)
		if (is_over(&d->pending[i], now))
			dns_finish(d, &d->pending[i], d->pending[i].answer,
				   d->pending[i].answer_len);
}

/* --------------------------------------------------- agent and engine */

static void to_agent(struct dnsfwd *d, struct pending *p)
{
	uint8_t head[2] = { (uint8_t)(p->len >> 8), (uint8_t)p->len };

	if (d->channel < 0 || d->out.len + p->len + 2 > d->out.max)
		return; /* held */
	tp_dns_set_id(p->msg, (uint16_t)slot(d, p));
	tp_buf_put(&d->out, head, 2);
	tp_buf_put(&d->out, p->msg, p->len);
	p->sent = true;
}

static void to_engine(struct dnsfwd *d, struct pending *p)
{
	tp_dns_set_id(p->msg, (uint16_t)slot(d, p));
	if (sendto(d->engine, p->msg, p->len, MSG_NOSIGNAL, (struct sockaddr *)&d->engine_addr,
		   sizeof(d->engine_addr)) >= 0)
		p->at_engine = true;
}

static void agent_answer(struct dnsfwd *d, const uint8_t *a, size_t n)
{
	struct pending *p;

	if (n < TP_DNS_HEADER || tp_dns_id(a) >= MAX_PENDING)
		return;
	p = &d->pending[tp_dns_id(a)];
	if (!p->used || p->answer || p->up || p->tries || !tp_dns_is_answer(p->msg, p->len, a, n))
		return;
	if (!p->at_engine) {
		dns_finish(d, p, a, n);
		return;
	}
	p->answer = tp_malloc(n);
	memcpy(p->answer, a, n);
	p->answer_len = n;
	p->agent_answered = tp_now_ms();
	tp_timer_add(d->s->loop, patience(p), on_engine_late, d);
}

struct local_check {
	const struct sidecar *s;
	bool all;
};

static void check_local(void *arg, const uint8_t a[4])
{
	struct local_check *c = arg;
	uint32_t addr = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
	size_t i;

	for (i = 0; i < c->s->n_subnets; i++)
		if ((addr & c->s->subnets[i].mask) == c->s->subnets[i].addr)
			return;
	c->all = false;
}

/* The engine's DNS passes on what it does not know, perhaps to the
 * developer's own nameserver. What it knows itself lies on its networks. */
static bool engine_knows(const struct dnsfwd *d, const struct pending *p, const uint8_t *a,
			 size_t n)
{
	struct local_check c = { d->s, true };
	int found;

	if (tp_dns_rcode(a) != TP_DNS_NOERROR)
		return false;
	found = tp_dns_each_a(a, n, check_local, &c);
	if (p->type == TP_DNS_AAAA)
		return found == 0 && a[7] == 0 && a[6] == 0; /* it has the name, but no IPv6 */
	return found > 0 && c.all;
}

static void on_engine(void *arg, int events)
{
	static uint8_t a[TP_DNS_MAX];
	struct dnsfwd *d = arg;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct pending *p;
	ssize_t n;

	(void)events;
	n = recvfrom(d->engine, a, sizeof(a), 0, (struct sockaddr *)&from, &len);
	if (n < TP_DNS_HEADER || from.sin_addr.s_addr != d->engine_addr.sin_addr.s_addr ||
	    tp_dns_id(a) >= MAX_PENDING)
		return;
	p = &d->pending[tp_dns_id(a)];
	if (!p->used || !p->at_engine || !tp_dns_is_answer(p->msg, p->len, a, (size_t)n))
		return;
	p->at_engine = false;
	if (p->engine_only || engine_knows(d, p, a, (size_t)n))
		dns_finish(d, p, a, (size_t)n);
	else if (p->answer)
		dns_finish(d, p, p->answer, p->answer_len);
}

/* Called by the loop: what was sent on the old one is asked again. */
void dnsfwd_channel(struct dnsfwd *d, int fd)
{
	size_t i;

	if (!d) {
		tp_close_p(&fd);
		return;
	}
	tp_watch_del(d->channel_watch);
	d->channel_watch = NULL;
	tp_close_p(&d->channel);
	tp_buf_free(&d->in);
	tp_buf_free(&d->out);
	d->in = TP_BUF_INIT(256u << 10);
	d->out = TP_BUF_INIT(MAX_OUT);
	for (i = 0; i < MAX_PENDING; i++)
		d->pending[i].sent = false;
	if (fd < 0)
		return;
	d->channel = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	d->channel_watch = tp_watch_add(d->s->loop, fd, TP_READ, dnsfwd_on_channel, d);
	for (i = 0; i < MAX_PENDING; i++)
		if (d->pending[i].used && !d->pending[i].engine_only && !d->pending[i].up &&
		    !d->pending[i].tries)
			to_agent(d, &d->pending[i]);
	if (d->host)
		hostnames_linked(d->host);
	dns_channel_flush(d);
}

void dns_channel_flush(struct dnsfwd *d)
{
	ssize_t n;

	while (d->channel >= 0 && d->out.len) {
		n = send(d->channel, d->out.data, d->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			dnsfwd_channel(d, -1);
			return;
		}
		if (n < 0)
			break;
		tp_buf_consume(&d->out, (size_t)n);
	}
	if (d->channel_watch)
		tp_watch_set(d->channel_watch, TP_READ | (d->out.len ? TP_WRITE : 0));
}

void dnsfwd_on_channel(void *arg, int events)
{
	struct dnsfwd *d = arg;
	size_t at = 0;
	ssize_t n;

	if (events & TP_WRITE)
		dns_channel_flush(d);
	if (d->channel < 0 || !(events & TP_READ))
		return;
	n = read(d->channel, tp_buf_reserve(&d->in, 65536), 65536);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		dnsfwd_channel(d, -1); /* the session's end says why */
		return;
	}
	tp_buf_added(&d->in, (size_t)n);
	while (d->in.len - at >= 2) {
		const uint8_t *p = (const uint8_t *)d->in.data + at;
		size_t len = (size_t)(p[0] << 8 | p[1]);

		if (d->in.len - at - 2 < len)
			break;
		agent_answer(d, p + 2, len);
		at += 2 + len;
	}
	tp_buf_consume(&d->in, at);
}

/* ------------------------------------------------------------ questions */

bool dnsfwd_may_be_container(const char *name, const struct tp_strv *search)
{
	const char *dot = strchr(name, '.');
	size_t i;

	if (!*name)
		return false;
	for (i = 0; i < search->n; i++)
		if (tp_dns_below(name, search->v[i]))
			return false;
	if (!dot)
		return true;
	/* NAME.NETWORK; no public domain ends in a word like proj_default */
	return !strchr(dot + 1, '.') && strpbrk(dot + 1, "_-");
}

static struct pending *take_slot(struct dnsfwd *d)
{
	unsigned int i;

	for (i = 0; i < MAX_PENDING; i++) {
		struct pending *p = &d->pending[d->next++ % MAX_PENDING];

		if (!p->used) {
			p->used = true;
			d->n_pending++;
			return p;
		}
	}
	return NULL;
}

struct pending *dns_ask(struct dnsfwd *d, const uint8_t *msg, size_t n,
			const struct sockaddr_in *from, struct in_addr local, struct client *client)
{
	struct tp_dns_question q;
	struct pending none = { .client = client, .udp_size = TP_DNS_UDP_MIN }, *p;
	bool engine;

	if (n < TP_DNS_HEADER || (msg[2] & 0x80))
		return NULL; /* not a question at all */
	none.id = tp_dns_id(msg);
	if (from)
		none.from = *from;
	none.local = local;
	if (client)
		none.generation = client->generation;
	if (tp_dns_parse_query(msg, n, &q) < 0 || !(p = take_slot(d))) {
		uint8_t answer[TP_DNS_HEADER + 300];
		bool broken = tp_dns_parse_query(msg, n, &q) < 0;

		n = tp_dns_error(msg, n, broken ? TP_DNS_FORMERR : TP_DNS_SERVFAIL, answer,
				 sizeof(answer));
		reply(d, &none, answer, n);
		return NULL;
	}
	p->id = none.id;
	p->from = none.from;
	p->local = local;
	p->client = client;
	p->generation = none.generation;
	p->type = q.type;
	p->udp_size = q.udp_size;
	p->asked = tp_now_ms();
	p->msg = tp_malloc(n);
	memcpy(p->msg, msg, n);
	p->len = n;
	if (d->host) {
		dns_sweep_later(d);
		if (d->s->hostfilter ? hostnames_route(d->host, p, q.name) :
				       watchnames_route(d, p, q.name))
			to_agent(d, p);
		return p;
	}
	p->engine_only = d->engine >= 0 && tp_dns_below(q.name, "docker.internal");
	engine = p->engine_only || (d->s->local_net && d->have_engine &&
				    (q.type == TP_DNS_A || q.type == TP_DNS_AAAA) &&
				    dnsfwd_may_be_container(q.name, &d->search));
	if (engine)
		to_engine(d, p);
	if (!p->engine_only)
		to_agent(d, p);
	dns_sweep_later(d);
	return p;
}

/* -------------------------------------------------------------- set-up */

/* The nameserver that the engine gave to this container. */
static void open_engine(struct dnsfwd *d)
{
	uint32_t mark = TP_SIDECAR_MARK;
	struct tp_resolv own;

	tp_resolv_parse(&own, d->s->own_resolv, d->s->own_resolv_len);
	if (own.n_ns && own.ns[0].addr.ss_family == AF_INET) {
		memcpy(&d->engine_addr, &own.ns[0].addr, sizeof(d->engine_addr));
		d->have_engine = strcmp(own.ns[0].text, "127.0.0.11") == 0;
		d->engine = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		/* through the filter, though nothing else may ask that server */
		if (d->engine >= 0 &&
		    setsockopt(d->engine, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
			tp_verbose("SO_MARK: %s", strerror(errno));
		if (d->engine >= 0)
			d->engine_watch =
				tp_watch_add(d->s->loop, d->engine, TP_READ, on_engine, d);
	}
	tp_resolv_free(&own);
}

int dnsfwd_start(struct sidecar *s, struct tp_err *err)
{
	struct dnsfwd *d = tp_calloc(1, sizeof(*d));
	size_t i;

	s->dnsfwd = d;
	d->s = s;
	d->udp = d->tcp = d->engine = d->channel = -1;
	for (i = 0; i < MAX_CLIENTS; i++)
		d->clients[i].fd = -1;
	if (dns_listen(d, err) < 0)
		return -1;
	if (s->hostfilter || s->method->names == TP_NAMES_WATCH)
		d->host = hostnames_new(s);
	else
		open_engine(d);
	return 0;
}

const struct tp_strv *dnsfwd_servers(const struct dnsfwd *d)
{
	return hostnames_servers(d->host);
}

uint16_t dnsfwd_port(const struct dnsfwd *d)
{
	return d->port;
}

void dnsfwd_config(struct dnsfwd *d, const struct tp_strv *search)
{
	size_t i;

	tp_strv_free(&d->search);
	for (i = 0; i < search->n; i++)
		tp_strv_add(&d->search, search->v[i]);
}

void dnsfwd_uncheck(struct dnsfwd *d)
{
	size_t i;

	if (!d)
		return;
	tp_timer_del(d->check_timer);
	d->check_timer = NULL;
	for (i = 0; i < MAX_PENDING; i++)
		if (d->pending[i].used && d->pending[i].check)
			forget(d, &d->pending[i]);
	d->s->dns_checked = false;
}

static void on_check_timeout(void *arg)
{
	struct dnsfwd *d = arg;

	d->check_timer = NULL;
	checked(d, false);
}

/* A question of N bytes to the agent, whosever the name is; NULL: it cannot be asked. */
static struct pending *ask_agent(struct dnsfwd *d, const uint8_t *msg, size_t n, uint16_t type)
{
	struct pending *p = n ? take_slot(d) : NULL;

	if (!p)
		return NULL;
	p->type = type;
	p->asked = tp_now_ms();
	p->msg = tp_malloc(n);
	memcpy(p->msg, msg, n);
	p->len = n;
	to_agent(d, p);
	dns_sweep_later(d);
	return p;
}

bool dns_ask_try(struct dnsfwd *d, const struct pending *of, const char *name, struct tries *t,
		 size_t i)
{
	uint8_t msg[TP_DNS_UDP_MIN + 4096];
	size_t n = tp_dns_ask_for(of->msg, of->len, name, msg, sizeof(msg));
	struct pending *p = ask_agent(d, msg, n, of->type);

	if (!p)
		return false;
	p->part = t;
	p->part_no = i;
	return true;
}

void dns_ask_own(struct dnsfwd *d, const char *name)
{
	struct sockaddr_in nobody = { 0 };
	uint8_t msg[600];
	size_t n = tp_dns_make_query(1, name, TP_DNS_A, msg, sizeof(msg));
	struct pending *p = n ? dns_ask(d, msg, n, &nobody, (struct in_addr){ 0 }, NULL) : NULL;

	if (p && p->used)
		p->own = true;
}

void dns_ask_agent(struct dnsfwd *d, const char *name)
{
	uint8_t msg[600];
	size_t n = tp_dns_make_query(1, name, TP_DNS_A, msg, sizeof(msg));
	struct pending *p = ask_agent(d, msg, n, TP_DNS_A);

	if (p)
		p->probe = true;
}

/* The namespace's own domain: asked of the cluster's DNS, never passed on by it. */
void dnsfwd_check(struct dnsfwd *d)
{
	const char *name = d->search.n ? d->search.v[0] : "localhost";
	uint8_t msg[600];
	size_t n = tp_dns_make_query(1, name, TP_DNS_A, msg, sizeof(msg));
	struct sockaddr_in nobody = { 0 };
	struct pending *p;

	if (d->s->dns_checked || d->check_timer)
		return;
	if (d->s->hostfilter)
		hostnames_look(d->host);
	if (!n)
		n = tp_dns_make_query(1, "localhost", TP_DNS_A, msg, sizeof(msg));
	p = dns_ask(d, msg, n, &nobody, (struct in_addr){ 0 }, NULL);
	if (p)
		p->check = true;
	d->check_timer = tp_timer_add(d->s->loop, CHECK_MS, on_check_timeout, d);
	dns_channel_flush(d);
}
