/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/hostnames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cidr.h"
#include "base/log.h"
#include "base/mem.h"

#define TRY_MS	     1500
#define SUFFIXES_MAX 32
#define ROUNDS	     2
#define MAX_LAST     3 /* labels of a name that may lack the cluster's domain */

/* What docker gives to its containers if the machine's own servers are on its loopback. */
static const char *const docker_servers[] = { "8.8.8.8", "8.8.4.4" };

struct hostnames {
	struct sidecar *s;
	struct tp_resolv conf; /* its search list grows by what the marker teaches */
	struct tp_strv servers;
	struct tp_nameserver upstream; /* --dns-upstream; no length: there is none */
	/* Whether the cluster's DNS passes on to this machine what it does not know, as that of a local cluster does: a name that
	 * nobody else can know is asked of the agent, and comes back here, or does not. */
	enum { LOOP_UNKNOWN, LOOP_NONE, LOOP_FOUND } loop;
	char probe[64];
};

/* One question to the machine's servers, one after another. */
struct upstream {
	struct hostnames *h;
	struct pending *p;
	int fd;
	bool tcp;
	unsigned tries;
	uint16_t id;
	struct tp_watch *watch;
	struct tp_timer *timer;
	struct tp_buf in;
	size_t sent;
};

/* ------------------------------------------------------------- whose */

static size_t labels(const char *name, size_t n)
{
	size_t count = n > 0;

	for (size_t i = 0; i < n; i++)
		count += name[i] == '.';
	return count;
}

/* "7.0.244.10.in-addr.arpa" */
static bool reverse_of(const char *name, const struct tp_strv *scope)
{
	unsigned a, b, c, d;
	char end[20] = "", text[20];
	struct tp_cidr address, range;

	if (sscanf(name, "%3u.%3u.%3u.%3u.%19s", &d, &c, &b, &a, end) != 5 ||
	    strcmp(end, "in-addr.arpa"))
		return false;
	snprintf(text, sizeof(text), "%u.%u.%u.%u", a & 255, b & 255, c & 255, d & 255);
	for (size_t i = 0; i < scope->n; i++)
		if (tp_cidr_parse(text, &address) == 0 && tp_cidr_parse(scope->v[i], &range) == 0 &&
		    tp_cidr_has(&range, &address))
			return true;
	return false;
}

/* Below the domain of which the pod searches "svc.DOMAIN". */
static bool in_cluster(const char *name, const struct tp_strv *search)
{
	bool any = false;

	for (size_t i = 0; i < search->n; i++) {
		if (strncasecmp(search->v[i], "svc.", 4) != 0)
			continue;
		any = true;
		if (tp_dns_below(name, search->v[i] + 4))
			return true;
	}
	return !any && tp_dns_below(name, "cluster.local");
}

/* The same for the first N bytes of NAME. */
static bool in_cluster_cut(const char *name, size_t n, const struct tp_strv *search)
{
	tp_autofree char *cut = tp_strndup(name, n);

	return in_cluster(cut, search);
}

static bool ends_in_svc(const char *name, size_t n)
{
	return n > 4 && !memcmp(name + n - 4, ".svc", 4);
}

/* How much of NAME is left without the longest of the machine's own suffixes. */
static size_t without_suffix(const char *name, const struct tp_strv *suffixes)
{
	size_t n = strlen(name), left = n;

	for (size_t i = 0; i < suffixes->n; i++) {
		size_t len = strlen(suffixes->v[i]);

		while (len && suffixes->v[i][len - 1] == '.')
			len--;
		if (len && len < n && tp_dns_below(name, suffixes->v[i]) && n - len - 1 < left)
			left = n - len - 1;
	}
	return left;
}

const char *hostnames_also(const struct tp_strv *also, const char *name)
{
	for (size_t i = 0; i < also->n; i++)
		if (strcasecmp(name, also->v[i]) == 0)
			return also->v[i];
	return NULL;
}

enum whose hostnames_whose(const char *name, const struct tp_strv *search,
			   const struct tp_strv *suffixes, const struct tp_strv *scope,
			   const struct tp_strv *also)
{
	size_t n = without_suffix(name, suffixes), count = labels(name, n);

	if (in_cluster(name, search) || reverse_of(name, scope) || in_cluster_cut(name, n, search))
		return NAME_CLUSTER;
	if (tp_dns_below(name, "in-addr.arpa") || tp_dns_below(name, "ip6.arpa"))
		return NAME_HOST;
	if (hostnames_also(also, name))
		return NAME_CLUSTER;
	if (!n)
		return NAME_HOST;
	if (count == 1 || ends_in_svc(name, n))
		return NAME_RATHER;
	return count <= MAX_LAST ? NAME_EITHER : NAME_HOST;
}

/* ---------------------------------------------------- the servers' turn */

static void next_try(struct upstream *u);

static void end_try(struct upstream *u)
{
	tp_watch_del(tp_steal(&u->watch));
	tp_timer_del(tp_steal(&u->timer));
	tp_close_p(&u->fd);
	tp_buf_reset(&u->in);
	u->sent = 0;
}

void hostnames_drop(struct upstream *u)
{
	if (!u)
		return;
	end_try(u);
	tp_buf_free(&u->in);
	free(u);
}

static void on_late(void *arg)
{
	struct upstream *u = arg;

	u->timer = NULL;
	next_try(u);
}

static void answered(struct upstream *u, const uint8_t *a, size_t n)
{
	struct pending *p = u->p;

	/* It is sent with the client's own ID, whatever stands here. */
	dns_finish(u->h->s->dnsfwd, p, a, n);
}

static void on_tcp(struct upstream *u, int events)
{
	uint8_t head[2] = { (uint8_t)(u->p->len >> 8), (uint8_t)u->p->len };
	struct iovec io[2] = { { head, 2 }, { u->p->msg, u->p->len } };
	ssize_t n;

	if ((events & TP_WRITE) && !u->sent) {
		/* a question fits into any socket's buffer that is empty */
		struct msghdr m = { .msg_iov = io, .msg_iovlen = 2 };

		n = sendmsg(u->fd, &m, MSG_NOSIGNAL);
		if (n != (ssize_t)u->p->len + 2) {
			next_try(u);
			return;
		}
		u->sent = (size_t)n;
		tp_watch_set(u->watch, TP_READ);
		return;
	}
	if (!(events & TP_READ))
		return;
	n = read(u->fd, tp_buf_reserve(&u->in, 4096), 4096);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		tp_buf_added(&u->in, (size_t)n);
	if (n > 0 && u->in.len >= 2) {
		const uint8_t *a = (const uint8_t *)u->in.data;
		size_t len = (size_t)(a[0] << 8 | a[1]);

		if (u->in.len - 2 < len)
			return;
		if (tp_dns_is_answer(u->p->msg, u->p->len, a + 2, len)) {
			answered(u, a + 2, len);
			return;
		}
	}
	if (n <= 0)
		next_try(u);
}

static void on_udp(struct upstream *u)
{
	static uint8_t a[TP_DNS_MAX];
	ssize_t n = recv(u->fd, a, sizeof(a), 0);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		next_try(u);
		return;
	}
	tp_dns_set_id(u->p->msg, u->id);
	if (!tp_dns_is_answer(u->p->msg, u->p->len, a, (size_t)n))
		return;
	if (tp_dns_truncated(a) && u->p->client) {
		u->tcp = true; /* who asks by TCP wants all of it */
		u->tries--;
		next_try(u);
		return;
	}
	answered(u, a, (size_t)n);
}

static void on_socket(void *arg, int events)
{
	struct upstream *u = arg;

	if (u->tcp)
		on_tcp(u, events);
	else
		on_udp(u);
}

static int open_marked(const struct tp_nameserver *ns, bool tcp)
{
	uint32_t mark = TP_SIDECAR_MARK;
	int fd = socket(ns->addr.ss_family,
			(tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 &&
	    (connect(fd, (const struct sockaddr *)&ns->addr, ns->len) == 0 || errno == EINPROGRESS))
		return fd;
	close(fd);
	return -1;
}

static void next_try(struct upstream *u)
{
	const struct tp_resolv *conf = &u->h->conf;
	const struct tp_nameserver *given = u->h->upstream.len ? &u->h->upstream : NULL;
	unsigned n_ns = given ? 1 : (unsigned)conf->n_ns;
	struct dnsfwd *d = u->h->s->dnsfwd;

	for (;;) {
		end_try(u);
		if (u->tries >= n_ns * ROUNDS) {
			dns_refuse(d, u->p);
			return;
		}
		u->fd = open_marked(given ? given : &conf->ns[u->tries % n_ns], u->tcp);
		u->tries++;
		if (u->fd < 0)
			continue;
		if (getrandom(&u->id, sizeof(u->id), 0) != (ssize_t)sizeof(u->id))
			u->id = (uint16_t)(tp_now_ms() ^ (long long)u->tries);
		tp_dns_set_id(u->p->msg, u->id);
		if (u->tcp || send(u->fd, u->p->msg, u->p->len, MSG_NOSIGNAL) >= 0)
			break;
	}
	u->watch = tp_watch_add(d->s->loop, u->fd, u->tcp ? TP_READ | TP_WRITE : TP_READ, on_socket,
				u);
	u->timer = tp_timer_add(d->s->loop, TRY_MS, on_late, u);
}

void hostnames_ask(struct hostnames *h, struct pending *p)
{
	struct upstream *u = tp_calloc(1, sizeof(*u));

	u->h = h;
	u->p = p;
	u->fd = -1;
	u->in = TP_BUF_INIT(TP_DNS_MAX + 4096);
	p->up = u;
	next_try(u);
}

/* ------------------------------------------------- the agent's turn */

/* What NAME could be in the cluster, in the order in which the pod's resolver would try. */
static size_t candidates(const struct hostnames *h, const char *name, size_t n, enum whose w,
			 char *out[HOSTNAMES_TRIES])
{
	const struct tp_strv *search = &h->s->dnsfwd->search;
	size_t count = 0;

	if (w == NAME_CLUSTER) {
		out[count++] = tp_strndup(name, n);
		return count;
	}
	for (size_t i = 0; i < search->n && count < HOSTNAMES_TRIES; i++)
		if (in_cluster(search->v[i], search))
			out[count++] = tp_asprintf("%.*s.%s", (int)n, name, search->v[i]);
	return count;
}

/* ---------------------------------------------------- marker and loop */

/* What a resolver has put behind the marker, it puts behind other names, too. */
static void learn_suffix(struct hostnames *h, const char *suffix)
{
	struct tp_strv *known = &h->conf.search;

	if (!*suffix || !h->s->marking || known->n >= SUFFIXES_MAX || tp_strv_has(known, suffix) ||
	    in_cluster(suffix, &h->s->dnsfwd->search) || strchr(suffix, '\\'))
		return;
	tp_strv_add(known, suffix);
	tp_verbose("names: this machine's resolver puts %s behind names", suffix);
}

/* True: the question was ours, and is answered. */
static bool own_question(struct hostnames *h, struct pending *p, const char *name)
{
	size_t n = strlen(TP_DNS_MARKER);

	if (*h->probe && strcmp(name, h->probe) == 0) {
		if (h->loop != LOOP_FOUND && h->s->scope_names.n)
			sidecar_sendf(
				h->s, TP_CTL_WARN,
				"the cluster's DNS asks this machine for what it does not know (a "
				"local cluster): names of --also-proxy are asked of %s",
				h->upstream.len ?
					h->s->dns_upstream :
					"this machine's servers; --dns-upstream names another");
		h->loop = LOOP_FOUND;
	} else if (strncmp(name, TP_DNS_MARKER, n) == 0 && (!name[n] || name[n] == '.')) {
		learn_suffix(h, name[n] ? name + n + 1 : "");
	} else {
		return false;
	}
	dns_no_such_name(h->s->dnsfwd, p);
	return true;
}

/* Another question like P is with the agent: P may be that one, which came round. */
static bool is_under_way(const struct dnsfwd *d, const struct pending *p, const char *name)
{
	for (size_t i = 0; i < MAX_PENDING; i++) {
		const struct pending *other = &d->pending[i];
		struct tp_dns_question q;

		if (other != p && other->used && other->sent && other->type == p->type &&
		    tp_dns_parse_query(other->msg, other->len, &q) == 0 &&
		    strcmp(q.name, name) == 0)
			return true;
	}
	return false;
}

/* A name of --also-proxy that would go round in circles. */
static bool goes_round(const struct hostnames *h, const struct pending *p, const char *name)
{
	return hostnames_also(&h->s->scope_names, name) && h->loop != LOOP_NONE &&
	       (h->loop == LOOP_FOUND || is_under_way(h->s->dnsfwd, p, name));
}

void hostnames_look(struct hostnames *h)
{
	uint64_t nonce;

	if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return;
	snprintf(h->probe, sizeof(h->probe), "%016llx.loop.tpdocker.dev",
		 (unsigned long long)nonce);
	h->loop = LOOP_UNKNOWN;
	dns_ask_agent(h->s->dnsfwd, h->probe);
}

bool hostnames_route(struct hostnames *h, struct pending *p, const char *name)
{
	struct dnsfwd *d = h->s->dnsfwd;
	size_t n = without_suffix(name, &h->conf.search), count;
	enum whose w = hostnames_whose(name, &d->search, &h->conf.search, &h->s->scope,
				       &h->s->scope_names);
	char *names[HOSTNAMES_TRIES];

	if (own_question(h, p, name))
		return false;
	if (goes_round(h, p, name)) {
		hostnames_ask(h, p);
		return false;
	}
	if (w == NAME_CLUSTER && !in_cluster_cut(name, n, &d->search))
		n = strlen(name); /* as it is */
	if (w == NAME_CLUSTER && !name[n]) {
		if (h->loop != LOOP_FOUND || !is_under_way(d, p, name))
			return true;
		dns_refuse(d, p); /* the pod's own server asks us: there is nobody who knows */
		return false;
	}
	if (w == NAME_HOST || (w == NAME_EITHER && d->channel < 0) || strchr(name, '\\')) {
		hostnames_ask(h, p);
		return false;
	}
	count = candidates(h, name, n, w, names);
	if (count)
		hostnames_try(h, h->s->dnsfwd, p, names, count, w != NAME_CLUSTER);
	else
		hostnames_ask(h, p);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	return false;
}

/* --------------------------------------------------------------- start */

static bool on_loopback(const char *server)
{
	return !strncmp(server, "127.", 4);
}

struct hostnames *hostnames_new(struct sidecar *s)
{
	struct hostnames *h = tp_calloc(1, sizeof(*h));
	bool all_local = true;

	h->s = s;
	if (s->dns_upstream && !tp_nameserver_parse_port(&h->upstream, s->dns_upstream))
		tp_verbose("names of others are asked of %s", s->dns_upstream);
	if (s->host_resolv)
		tp_resolv_parse(&h->conf, s->host_resolv, strlen(s->host_resolv));
	else
		tp_resolv_parse(&h->conf, s->own_resolv ? s->own_resolv : "", s->own_resolv_len);
	for (size_t i = 0; i < h->conf.n_ns; i++) {
		if (h->conf.ns[i].addr.ss_family != AF_INET)
			continue;
		tp_strv_add(&h->servers, h->conf.ns[i].text);
		all_local &= on_loopback(h->conf.ns[i].text);
	}
	for (size_t i = 0; i < s->host_dns.n; i++) {
		if (tp_strv_has(&h->servers, s->host_dns.v[i]))
			continue;
		tp_strv_add(&h->servers, s->host_dns.v[i]);
		all_local &= on_loopback(s->host_dns.v[i]);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(docker_servers) && all_local; i++)
		tp_strv_add(&h->servers, docker_servers[i]);
	return h;
}

void hostnames_linked(struct hostnames *h)
{
	const struct tp_strv *names = &h->s->scope_names;

	for (size_t i = 0; i < names->n; i++)
		dns_ask_own(h->s->dnsfwd, names->v[i]);
}

void hostnames_asked(struct hostnames *h, const char *name)
{
	if (strcmp(name, h->probe) == 0 && h->loop == LOOP_UNKNOWN)
		h->loop = LOOP_NONE;
}

static void capture_address(void *arg, const uint8_t a[4])
{
	tp_autofree char *text = tp_asprintf("%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
	struct tp_err err;

	if (filter_scope_add(arg, text, &err) < 0)
		tp_warn("%s is not captured: %s", text, err.msg);
}

void hostnames_seen(struct hostnames *h, const struct pending *p, const uint8_t *answer, size_t n)
{
	struct tp_dns_question q;
	const char *name;

	if (!h->s->scope_names.n || p->check || p->type != TP_DNS_A ||
	    tp_dns_parse_query(p->msg, p->len, &q) < 0)
		return;
	name = hostnames_also(&h->s->scope_names, q.name);
	if (name && tp_dns_each_a(answer, n, capture_address, h->s) <= 0)
		sidecar_sendf(h->s, TP_CTL_WARN,
			      "--also-proxy %s: the cluster knows no address of it", name);
}

const struct tp_strv *hostnames_servers(const struct hostnames *h)
{
	return &h->servers;
}
