/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may leave the namespace: nothing but what goes through the tunnel
 * (which starts on its loopback), answers to who came in by a published
 * port, and what the user excepted. It stays while the link is down, so
 * that a session never falls back to the developer's own network. Only
 * tables of our own are touched: the engine's DNS lives in nat.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/redirect.h"
#include "sidecar/sidecar.h"

const char *filter_family(const char *cidr)
{
	return cidr_is_ipv6(cidr) ? "ip6" : "ip";
}

int filter_nft(const char *rules, size_t n, struct tp_err *err)
{
	char *argv[] = { (char *)"nft", (char *)"-f", (char *)"-", NULL };
	struct tp_child_opts o = { .argv = argv };
	TP_AUTO_BUF said = TP_BUF_INIT(8192);
	int status;

	if (tp_child_run(&o, rules, n, NULL, &said, 10000, &status, NULL, err) < 0)
		return tp_err_prefix(err, "nft");
	if (status == 0)
		return 0;
	tp_err_set(err, TP_ERR_FAILED, "the packet filter cannot be set: %.*s",
		   said.data ? (int)strcspn(said.data, "\n") : 0, said.data ? said.data : "");
	return tp_err_hint(
		err, "the sidecar needs the capability NET_ADMIN and a kernel with nf_tables");
}

/* A network without a way out (docker network create --internal) has no
 * default route, and connect fails before any rule is asked. */
static void default_route(bool have)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct rtentry r = { .rt_flags = RTF_UP, .rt_dev = (char *)"lo" };
	int fd;

	if (have)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(&r.rt_dst, &any, sizeof(any));
	memcpy(&r.rt_genmask, &any, sizeof(any));
	if (fd < 0 || ioctl(fd, SIOCADDRT, &r) < 0)
		tp_warn("cannot add a default route: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool read_routes(struct sidecar *s)
{
	FILE *f = fopen("/proc/net/route", "re");
	char line[512], dev[64];
	unsigned int dst, gw, flags, mask;
	bool found = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %x %x %x %*d %*d %*d %x", dev, &dst, &gw, &flags, &mask) !=
		    5)
			continue;
		if (gw && s->n_gateways < MAX_SUBNETS)
			s->gateways[s->n_gateways++] = ntohl(gw);
		if (dst == 0 && mask == 0 && (flags & RTF_UP))
			found = true;
	}
	if (f)
		fclose(f);
	return found;
}

/* The networks that this container is on. With local-net their containers
 * stay reachable, but not their gateways: those are the host. */
int filter_networks(struct sidecar *s, struct tp_err *err)
{
	struct ifaddrs *list, *i;

	default_route(read_routes(s));
	if (!s->local_net)
		return 0;
	if (getifaddrs(&list) < 0)
		return tp_err_errno(err, errno, "getifaddrs");
	for (i = list; i; i = i->ifa_next) {
		struct subnet *n = &s->subnets[s->n_subnets];
		uint32_t own;

		if (!i->ifa_addr || !i->ifa_netmask || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_LOOPBACK) || s->n_subnets == MAX_SUBNETS)
			continue;
		own = ntohl(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr);
		n->mask = ntohl(((struct sockaddr_in *)i->ifa_netmask)->sin_addr.s_addr);
		n->addr = own & n->mask;
		s->n_subnets++;
		/* where no route names it, it is the first address by custom */
		if (s->n_gateways < MAX_SUBNETS && n->addr + 1 != own)
			s->gateways[s->n_gateways++] = n->addr + 1;
	}
	freeifaddrs(list);
	return 0;
}

static void put_addr(struct tp_buf *b, uint32_t a, uint32_t mask)
{
	struct in_addr in = { htonl(a) };

	tp_buf_printf(b, "\t\tip daddr %s/%d", inet_ntoa(in), __builtin_popcount(mask));
}

/* Nothing but what is captured is kept in. */
static bool has_scope(const struct sidecar *s)
{
	return s->method->captured == TP_CAPTURED_SCOPE;
}

static void put_set(const struct sidecar *s, struct tp_buf *b, bool v6)
{
	size_t n = 0;

	tp_buf_printf(b, "\tset scope%c {\n\t\ttype ipv%c_addr; flags interval; auto-merge;\n",
		      v6 ? '6' : '4', v6 ? '6' : '4');
	for (size_t i = 0; i < s->scope.n; i++)
		if (cidr_is_ipv6(s->scope.v[i]) == v6)
			tp_buf_printf(b, "%s%s", n++ ? ", " : "\t\telements = { ", s->scope.v[i]);
	tp_buf_puts(b, n ? " }\n\t}\n" : "\t}\n");
}

void filter_scope_sets(const struct sidecar *s, struct tp_buf *b)
{
	if (!has_scope(s))
		return;
	put_set(s, b, false);
	put_set(s, b, true);
}

static int add_to_sets(struct sidecar *s, const char *range, struct tp_err *err)
{
	char family = cidr_is_ipv6(range) ? '6' : '4';
	TP_AUTO_BUF b = TP_BUF_INIT(512);

	tp_buf_printf(&b, "add element inet tpdocker scope%c { %s }\n", family, range);
	if (s->captured)
		tp_buf_printf(&b, "add element inet tpdocker-engine scope%c { %s }\n", family,
			      range);
	return filter_nft(b.data, b.len, err);
}

int filter_scope_add(struct sidecar *s, const char *range, struct tp_err *err)
{
	if (tp_strv_has(&s->scope, range))
		return 0;
	if (s->scope.n >= MAX_CIDRS)
		return tp_err_set(err, TP_ERR_FAILED, "too many ranges");
	tp_strv_add(&s->scope, range);
	return s->hostfilter ? hostfilter_add(s, range, err) : add_to_sets(s, range, err);
}

int filter_prepare(struct sidecar *s, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 20);
	size_t i;

	tp_buf_puts(&b, "table inet tpdocker {}\n"
			"delete table inet tpdocker\n"
			"table inet tpdocker {\n");
	filter_scope_sets(s, &b);
	/* The helper's own connections, where it is in here: not even the capture's nat sees them. (The engine's resolver is one
	 * of nat rules: ours to 127.0.0.11 are to be seen by those.) */
	if (getenv(TP_LINK_ENV))
		tp_buf_printf(&b,
			      "\tchain own {\n"
			      "\t\ttype filter hook output priority -300; policy accept;\n"
			      "\t\tip daddr != 127.0.0.0/8 meta mark 0x%x notrack\n"
			      "\t}\n",
			      TP_SIDECAR_MARK);
	tp_buf_puts(&b, "\tchain output {\n"
			"\t\ttype filter hook output priority 10; policy drop;\n"
			"\t\tip daddr 127.0.0.0/8 accept\n"
			"\t\tip6 daddr ::1 accept\n"
			"\t\tfib daddr type local accept\n");
	tp_buf_printf(&b, "\t\tmeta mark 0x%x accept\n", TP_SIDECAR_MARK);
	tp_buf_puts(&b, "\t\tct state established,related accept\n");
	for (i = 0; i < s->never_proxy.n; i++)
		tp_buf_printf(&b, "\t\t%s daddr %s accept\n", filter_family(s->never_proxy.v[i]),
			      s->never_proxy.v[i]);
	for (i = 0; i < s->n_gateways && s->local_net; i++) {
		put_addr(&b, s->gateways[i], 0xffffffffu);
		tp_buf_puts(&b, " goto refuse\n");
	}
	for (i = 0; i < s->n_subnets; i++) {
		put_addr(&b, s->subnets[i].addr, s->subnets[i].mask);
		tp_buf_puts(&b, " accept\n");
	}
	/* The interface that ipv6.c made leads nowhere. */
	if (has_scope(s))
		tp_buf_puts(&b, "\t\tip daddr @scope4 goto refuse\n"
				"\t\tip6 daddr @scope6 goto refuse\n"
				"\t\toifname \"tpdocker0\" goto refuse\n"
				"\t\taccept\n");
	tp_buf_puts(&b, "\t\tgoto refuse\n"
			"\t}\n"
			"\tchain refuse {\n"
			"\t\tmeta l4proto tcp reject with tcp reset\n"
			"\t\treject with icmpx type admin-prohibited\n"
			"\t}\n"
			"}\n");
	return filter_nft(b.data, b.len, err);
}

/* The engine picks its packets before they are redirected. */
static void put_not_the_engines(struct tp_buf *b, const struct tp_resolv *r)
{
	size_t i;

	tp_buf_puts(b, "\tchain pass {\n"
		       "\t\ttype filter hook output priority -152; policy accept;\n");
	for (i = 0; i < r->n_ns; i++)
		if (r->ns[i].addr.ss_family == AF_INET)
			tp_buf_printf(b,
				      "\t\tip daddr %s meta mark 0 meta l4proto { tcp, udp } "
				      "th dport 53 meta mark set 0x%x\n",
				      r->ns[i].text, MARK_PASS);
	tp_buf_puts(b, "\t}\n");
}

/* Questions to the pod's nameservers go to our forwarder, whatever else
 * listens on port 53 in there. */
int filter_names(struct sidecar *s, const struct tp_resolv *r, uint16_t port, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 16);
	size_t i;

	tp_buf_puts(&b, "table ip tpdocker {}\n"
			"delete table ip tpdocker\n"
			"table ip tpdocker {\n");
	if (s->native)
		put_not_the_engines(&b, r);
	tp_buf_puts(&b, "\tchain names {\n"
			"\t\ttype nat hook output priority -110; policy accept;\n");
	tp_buf_printf(&b, "\t\tmeta mark 0x%x return\n", TP_SIDECAR_MARK);
	for (i = 0; i < r->n_ns; i++) {
		if (r->ns[i].addr.ss_family != AF_INET)
			continue;
		tp_buf_printf(&b, "\t\tip daddr %s udp dport 53 redirect to :%u\n", r->ns[i].text,
			      port);
		tp_buf_printf(&b, "\t\tip daddr %s tcp dport 53 redirect to :%u\n", r->ns[i].text,
			      port);
	}
	tp_buf_puts(&b, "\t}\n}\n");
	return filter_nft(b.data, b.len, err);
}

/* Before the capture's own rules, which leave the loopback alone. It sees where
 * the connection was to go, and the agent connects to its own loopback there. */
int filter_to_pod(struct sidecar *s, unsigned int port, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 16);
	size_t i;

	if (!s->n_to_pod)
		return 0;
	tp_buf_puts(&b, "table ip tpdocker-ports {}\n"
			"delete table ip tpdocker-ports\n"
			"table ip tpdocker-ports {\n"
			"\tchain output {\n"
			"\t\ttype nat hook output priority -120; policy accept;\n"
			"\t\tip daddr 127.0.0.1 tcp dport {");
	for (i = 0; i < s->n_to_pod; i++)
		tp_buf_printf(&b, "%s %u", i ? "," : "", s->to_pod[i]);
	tp_buf_printf(&b, " } redirect to :%u\n\t}\n}\n", port);
	return filter_nft(b.data, b.len, err);
}

/* The rules of a sshuttle that was killed: with its port nobody listens. */
void filter_drop_capture(unsigned int port)
{
	tp_autofree char *rules = tp_asprintf("table inet sshuttle-ipv4-%u {}\n"
					      "delete table inet sshuttle-ipv4-%u\n",
					      port, port);
	struct tp_err err;

	if (port && filter_nft(rules, strlen(rules), &err) < 0)
		tp_verbose("%s", err.msg);
}

/* Alone in a network namespace of its own: what a session would set, in short. */
int sidecar_filters(int argc, char **argv)
{
	static const char rules[] = "table inet tpdocker {\n"
				    "\tchain out {\n"
				    "\t\ttype nat hook output priority -100; policy accept;\n"
				    "\t\tmeta mark 0x1 tcp dport 1 redirect to :1\n"
				    "\t}\n"
				    "}\n";
	struct tp_err err;

	(void)argc;
	(void)argv;
	puts(filter_nft(rules, sizeof(rules) - 1, &err) < 0 ? err.msg : "yes");
	return 0;
}
