/* SPDX-License-Identifier: Apache-2.0 */
#include "session/clash.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define ROUTES_MAX (1u << 20)

/* Each range once: by the name that was known first. */
static void add(struct tp_nets *l, const struct tp_cidr *net, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add(struct tp_nets *l, const struct tp_cidr *net, const char *fmt, ...)
{
	va_list ap;

	for (size_t i = 0; i < l->n; i++)
		if (tp_cidr_has(&l->v[i].net, net) && tp_cidr_has(net, &l->v[i].net))
			return;
	if (l->n == TP_NETS_MAX)
		return;
	l->v[l->n].net = *net;
	va_start(ap, fmt);
	vsnprintf(l->v[l->n].what, sizeof(l->v[l->n].what), fmt, ap);
	va_end(ap);
	l->n++;
}

/* One line of /proc/net/route; false: it is none. */
static bool route_line(const char *line, struct tp_cidr *net, char dev[IF_NAMESIZE + 1])
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	unsigned dst, gw, flags, mask;

	if (sscanf(line, "%16s %8x %8x %8x %*d %*d %*d %8x", dev, &dst, &gw, &flags, &mask) != 5)
		return false;
	sin.sin_addr.s_addr = dst;
	return tp_cidr_from((const struct sockaddr *)&sin, (unsigned)__builtin_popcount(mask),
			    net) == 0;
}

static const char *next_line(const char *line)
{
	line = strchr(line, '\n');
	return line ? line + 1 : "";
}

void tp_nets_of_routes(const char *text, struct tp_nets *out)
{
	for (const char *line = text; *line; line = next_line(line)) {
		char dev[IF_NAMESIZE + 1], shown[TP_CIDR_TEXT];
		struct tp_cidr net;

		if (route_line(line, &net, dev) && net.bits > 1)
			add(out, &net, "the route %s by %s", tp_cidr_text(&net, shown), dev);
	}
}

bool tp_nets_default_route(const char *text)
{
	for (const char *line = text; *line; line = next_line(line)) {
		char dev[IF_NAMESIZE + 1];
		struct tp_cidr net;

		if (route_line(line, &net, dev) && net.bits <= 1)
			return true;
	}
	return false;
}

void tp_nets_of_engine(const struct tp_json *networks, struct tp_nets *out)
{
	for (size_t i = 0; i < tp_json_len(networks); i++) {
		const struct tp_json *n = tp_json_at(networks, i);
		const struct tp_json *config = tp_json_path(n, "IPAM.Config");
		const char *name = tp_json_str_at(n, "Name");

		for (size_t j = 0; j < tp_json_len(config); j++) {
			const char *subnet = tp_json_str_at(tp_json_at(config, j), "Subnet");
			struct tp_cidr net;

			if (subnet && tp_cidr_parse(subnet, &net) == 0)
				add(out, &net, "the docker network %s, %s", name ? name : "?",
				    subnet);
		}
	}
}

static void own_addresses(struct tp_nets *out)
{
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return;
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		char shown[TP_CIDR_TEXT];
		struct tp_cidr net;

		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
		    !(i->ifa_flags & IFF_LOOPBACK) && tp_cidr_from(i->ifa_addr, 32, &net) == 0)
			add(out, &net, "this machine's own address %s, of %s",
			    tp_cidr_text(&net, shown), i->ifa_name);
	}
	freeifaddrs(list);
}

static bool settled(const struct tp_cidr *net, const struct tp_strv *never)
{
	struct tp_cidr c;

	for (size_t i = 0; i < never->n; i++)
		if (tp_cidr_parse(never->v[i], &c) == 0 && tp_cidr_has(&c, net))
			return true;
	return false;
}

int tp_clash_judge(const struct tp_scope *s, const struct tp_nets *nets,
		   const struct tp_strv *never, struct tp_err *err)
{
	TP_AUTO_BUF clashes = TP_BUF_INIT(TP_ERR_MAX / 2);
	char one[TP_CIDR_TEXT] = "";
	struct tp_cidr told = { 0 };

	for (size_t i = 0; i < nets->n; i++) {
		const struct tp_cidr *net = &nets->v[i].net;

		if (clashes.len && tp_cidr_has(&told, net))
			continue; /* this machine's address in it */

		for (size_t j = 0; j < s->capture.n && !settled(net, never); j++) {
			struct tp_cidr c;

			if (tp_cidr_parse(s->capture.v[j], &c) || !tp_cidr_overlap(&c, net))
				continue;
			if (!tp_cidr_has(&c, net)) {
				tp_warn("%s has %s too: it is the cluster's from now on",
					nets->v[i].what, s->capture.v[j]);
				continue;
			}
			tp_buf_printf(&clashes, "%s%s lies in %s", clashes.len ? "; " : "",
				      nets->v[i].what, s->capture.v[j]);
			if (!*one)
				tp_cidr_text(net, one);
			told = *net;
		}
	}
	if (!clashes.len)
		return 0;
	tp_err_set(err, TP_ERR_CONFLICT,
		   "what is to be captured for the cluster is reached from this machine already: "
		   "%s",
		   clashes.data);
	return tp_err_hint(err,
			   "Leave it out with --never-proxy %s, give the cluster's ranges more "
			   "exactly (--pod-cidr, --service-cidr), or take the network away.",
			   one);
}

int tp_clash_check(const struct tp_scope *s, struct tp_engine *e, bool local,
		   const struct tp_strv *never, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree struct tp_nets *nets = tp_calloc(1, sizeof(*nets));
	TP_AUTO_JSON *networks = tp_engine_networks(e, c, err);
	TP_AUTO_BUF routes = TP_BUF_INIT(ROUTES_MAX);

	if (!networks)
		return -1;
	tp_nets_of_engine(networks, nets);
	if (local) {
		if (tp_read_file("/proc/net/route", &routes) == 0 && routes.len) {
			tp_nets_of_routes(routes.data, nets);
			if (!tp_nets_default_route(routes.data))
				tp_warn("this machine has no default route: its own programs' "
					"connections to the cluster end before they can be captured");
		}
		own_addresses(nets);
	}
	return tp_clash_judge(s, nets, never, err);
}
