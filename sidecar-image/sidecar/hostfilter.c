/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a session in its machine's own network namespace (--method vpn-tcp). They are of one table,
 * which goes with this process (ownrules.h), and meet two kinds of packets: what the machine's
 * own programs send (output), and what its containers do (prerouting, by the interfaces of the engine's
 * bridges alone: nobody else's traffic is to be let into the cluster).
 *
 *   -300 answers   (UDP) are not tracked
 *   -151 pick      first packets of connections, datagrams and echo requests for the cluster are marked (native engine)
 *   -150 queue     what is marked goes to the engine, which lets it go, or marks why not
 *   -149 rejected  what the agent's connect was told, told to the program
 *   -105 lead      names to the forwarder, connections to the engine's port
 *    -10 guard     (input) both ports are for what was led there, and for nobody else
 *     10 refuse    what is for the cluster, and cannot be carried, does not go anywhere else
 */
#include <ctype.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/ownrules.h"
#include "sidecar/redirect.h"
#include "sidecar/sidecar.h"

#define TABLE	   "tpdocker-vpn"
#define RULES_MAX  (1u << 20)
#define MAX_BRIDGE 512

/* What containers of one network say to each other may come by here as well (br_netfilter), and stays between them. */
#define FROM_CONTAINERS                \
	"iifname != @bridges return\n" \
	"fib daddr . iif oif exists return\n"

struct hostfilter {
	struct ownrules *rules;
	int lock;		/* the abstract socket that there is one of */
	int links;		/* netlink: interfaces come */
	unsigned port;		/* the engine's; 0: not yet */
	struct tp_strv servers; /* whose port 53 is the forwarder's */
	bool queue_told;
};

/* The bridges that docker and podman make for their networks. */
static bool is_bridge(const char *name)
{
	static const char *const numbered[] = { "docker", "podman", "cni-podman" };

	if (!strncmp(name, "br-", 3) && strlen(name) == 15 &&
	    strspn(name + 3, "0123456789abcdef") == 12)
		return true;
	for (size_t i = 0; i < TP_ARRAY_SIZE(numbered); i++) {
		size_t n = strlen(numbered[i]);

		if (!strncmp(name, numbered[i], n) && name[n] &&
		    strspn(name + n, "0123456789") == strlen(name + n))
			return true;
	}
	return false;
}

/* What is IPv6 is left out: the machine's own goes on as it was. */
static void put_list(struct tp_buf *b, const char *before, const struct tp_strv *l)
{
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		if (strchr(l->v[i], ':'))
			continue;
		if (any)
			tp_buf_printf(b, ", %s", l->v[i]);
		else
			tp_buf_printf(b, " %s { %s", before, l->v[i]);
		any = true;
	}
	if (any)
		tp_buf_puts(b, " }");
}

static void find_bridges(struct tp_strv *out)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *i = list; i && i->if_index && out->n < MAX_BRIDGE; i++)
		if (is_bridge(i->if_name))
			tp_strv_addf(out, "\"%s\"", i->if_name);
	if (list)
		if_freenameindex(list);
}

static void put_set(struct tp_buf *b, const char *name, const char *type, const struct tp_strv *l)
{
	tp_buf_printf(b, "set %s { type %s;", name, type);
	put_list(b, "elements =", l);
	tp_buf_puts(b, " }\n");
}

static void put_sets(const struct sidecar *s, struct tp_buf *b)
{
	static const char ranges[] = "ipv4_addr; flags interval; auto-merge";
	TP_AUTO_STRV bridges = { 0 };

	find_bridges(&bridges);
	put_set(b, "scope", ranges, &s->scope);
	put_set(b, "never", ranges, &s->never_proxy);
	put_set(b, "servers", ranges, &s->hostfilter->servers);
	put_set(b, "bridges", "ifname", &bridges);
}

static void put_pick(struct tp_buf *b)
{
	tp_buf_puts(b, "chain pick {\n"
		       "meta mark != 0 return\n"
		       "ct direction reply return\n"
		       "ip daddr @servers meta l4proto { tcp, udp } th dport 53 return\n"
		       "ip daddr @never return\n"
		       "ip daddr != @scope return\n"
		       "tcp flags & (fin|syn|rst|ack) != syn return\n");
	tp_buf_printf(b, "meta l4proto { tcp, udp } meta mark set 0x%x\n", MARK_QUEUE);
	/* A reply is the request, turned around: what came in by a bridge would be taken for a forgery then. */
	tp_buf_printf(b, "fib saddr type local icmp type echo-request meta mark set 0x%x\n}\n",
		      MARK_QUEUE);
	tp_buf_puts(b, "chain rejected {\n");
	tp_buf_printf(b, "meta mark 0x%x meta l4proto tcp reject with tcp reset\n", MARK_REFUSED);
	tp_buf_printf(b, "meta mark 0x%x reject with icmp type port-unreachable\n", MARK_REFUSED);
	tp_buf_printf(b, "meta mark 0x%x reject with icmp type net-unreachable\n", MARK_NO_ROUTE);
	tp_buf_printf(b, "meta mark 0x%x reject with icmp type host-unreachable\n", MARK_NO_HOST);
	tp_buf_printf(b, "meta mark 0x%x reject with icmp type admin-prohibited\n}\n", MARK_DENIED);
	tp_buf_printf(b,
		      "chain answers { type filter hook output priority -300; policy accept;\n"
		      "meta mark 0x%x notrack\n}\n",
		      MARK_ANSWER);
	tp_buf_puts(
		b,
		"chain pick-out { type filter hook output priority -151; policy accept;\n"
		"jump pick\n}\n"
		"chain pick-in { type filter hook prerouting priority -151; policy accept;\n" FROM_CONTAINERS
		"jump pick\n}\n"
		"chain queue-out { type filter hook output priority -150; policy accept; }\n"
		"chain queue-in { type filter hook prerouting priority -150; policy accept; }\n"
		"chain rejected-out { type filter hook output priority -149; policy accept;\n"
		"jump rejected\n}\n"
		"chain rejected-in { type filter hook prerouting priority -149; policy accept;\n"
		"jump rejected\n}\n");
}

static void put_lead(const struct sidecar *s, struct tp_buf *b)
{
	unsigned names = dnsfwd_port(s->dnsfwd), port = s->hostfilter->port;

	tp_buf_printf(b, "chain lead {\nmeta mark 0x%x return\n", TP_SIDECAR_MARK);
	tp_buf_printf(b, "ip daddr @servers udp dport 53 redirect to :%u\n", names);
	tp_buf_printf(b, "ip daddr @servers tcp dport 53 redirect to :%u\n", names);
	tp_buf_puts(b, "ip daddr @never return\n");
	tp_buf_printf(b, "ip daddr @scope meta l4proto tcp redirect to :%u\n}\n", port);
	tp_buf_puts(
		b,
		"chain lead-out { type nat hook output priority -105; policy accept;\n"
		"jump lead\n}\n"
		"chain lead-in { type nat hook prerouting priority -105; policy accept;\n" FROM_CONTAINERS
		"jump lead\n}\n");
	tp_buf_puts(b, "chain guard { type filter hook input priority -10; policy accept;\n");
	tp_buf_printf(b, "tcp dport { %u, %u } ct status & dnat == 0 reject with tcp reset\n", port,
		      names);
	tp_buf_printf(b, "udp dport %u ct status & dnat == 0 drop\n}\n", names);
}

static void put_refuse(struct tp_buf *b)
{
	tp_buf_puts(b, "chain refuse {\n"
		       "ct direction reply return\n"
		       "ip daddr @never return\n");
	tp_buf_printf(b, "meta mark 0x%x return\n", TP_SIDECAR_MARK);
	tp_buf_puts(
		b,
		"ip daddr @scope meta l4proto tcp reject with tcp reset\n"
		"ip daddr @scope reject with icmp type admin-prohibited\n"
		"}\n"
		"chain refuse-out { type filter hook output priority 10; policy accept;\n"
		"jump refuse\n}\n"
		"chain refuse-in { type filter hook forward priority -10; policy accept;\n" FROM_CONTAINERS
		"jump refuse\n}\n");
}

/* All of it anew, at one stroke. */
static int apply(struct sidecar *s, struct tp_err *err)
{
	struct hostfilter *h = s->hostfilter;
	TP_AUTO_BUF b = TP_BUF_INIT(RULES_MAX);
	struct tp_err e = { 0 };

	if (!h->port)
		return 0;
	tp_buf_puts(&b, "table ip " TABLE " { flags owner; }\n"
			"delete table ip " TABLE "\n"
			"table ip " TABLE " {\nflags owner;\n");
	put_sets(s, &b);
	if (s->native)
		put_pick(&b);
	put_lead(s, &b);
	put_refuse(&b);
	tp_buf_puts(&b, "}\n");
	if (ownrules_run(h->rules, b.data, err) < 0)
		return tp_err_hint(err, "it takes Linux 5.12 with nf_tables, and the capability "
					"NET_ADMIN in the machine's own network namespace");
	if (s->native &&
	    (ownrules_queue(h->rules, TABLE, "queue-out", MARK_QUEUE, ENGINE_QUEUE, &e) < 0 ||
	     ownrules_queue(h->rules, TABLE, "queue-in", MARK_QUEUE, ENGINE_QUEUE, &e) < 0) &&
	    !h->queue_told) {
		h->queue_told = true;
		tp_verbose("this kernel has no NFQUEUE (%s): a port where nobody listens looks "
			   "open for a moment, and UDP does not pass",
			   e.msg);
	}
	return 0;
}

int hostfilter_capture(struct sidecar *s, unsigned int port, struct tp_err *err)
{
	s->hostfilter->port = port;
	return apply(s, err);
}

int hostfilter_names(struct sidecar *s, const struct tp_strv *servers, struct tp_err *err)
{
	struct tp_strv *own = &s->hostfilter->servers;

	tp_strv_free(own);
	for (size_t i = 0; i < servers->n; i++)
		tp_strv_add(own, servers->v[i]);
	return apply(s, err);
}

int hostfilter_add(struct sidecar *s, const char *range, struct tp_err *err)
{
	tp_autofree char *rule = tp_asprintf("add element ip " TABLE " scope { %s }\n", range);

	return s->hostfilter->port ? ownrules_run(s->hostfilter->rules, rule, err) : 0;
}

/* ------------------------------------------------------------ bridges */

/* A network that the engine makes now has a bridge of its own. */
static void on_links(void *arg, int events)
{
	struct sidecar *s = arg;
	char buf[8192];
	TP_AUTO_BUF b = TP_BUF_INIT(RULES_MAX);
	TP_AUTO_STRV bridges = { 0 };
	struct tp_err err = { 0 };

	(void)events;
	while (recv(s->hostfilter->links, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	find_bridges(&bridges);
	if (!s->hostfilter->port || !bridges.n)
		return;
	put_list(&b, "add element ip " TABLE " bridges", &bridges);
	tp_buf_puts(&b, "\n");
	if (ownrules_run(s->hostfilter->rules, b.data, &err) < 0)
		tp_warn("a new network's containers are not led to the cluster: %s", err.msg);
}

static int watch_links(struct sidecar *s, struct tp_err *err)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		tp_err_errno(err, errno, "cannot hear of interfaces");
		tp_close_p(&fd);
		return -1;
	}
	s->hostfilter->links = fd;
	tp_watch_add(s->loop, fd, TP_READ, on_links, s);
	return 0;
}

/* -------------------------------------------------------------- start */

/* Who connects wants to know that we are here, and no more. */
static void on_lock(void *arg, int events)
{
	int fd = accept(((struct sidecar *)arg)->hostfilter->lock, NULL, NULL);

	(void)events;
	tp_close_p(&fd);
}

int hostfilter_start(struct sidecar *s, struct tp_err *err)
{
	struct hostfilter *h = tp_calloc(1, sizeof(*h));

	s->hostfilter = h;
	h->links = -1;
	h->lock = abstract_listen(TP_HOST_SOCKET, err);
	if (h->lock < 0) {
		if (strstr(err->msg, strerror(EADDRINUSE)))
			tp_err_set(err, TP_ERR_CONFLICT,
				   "another session has this machine's network: there is one "
				   "vpn-tcp at a time");
		return -1;
	}
	tp_watch_add(s->loop, h->lock, TP_READ, on_lock, s);
	h->rules = ownrules_open(err);
	return h->rules ? watch_links(s, err) : -1;
}
