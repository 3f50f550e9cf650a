/* SPDX-License-Identifier: Apache-2.0 */
/* -p as docker takes it (go-connections' nat.ParsePortSpec, and the
 * "published=8080,target=80" form that the CLI turns into it). */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "docker/flags.h"

static int bad(struct tp_err *err, const char *spec, const char *why)
{
	tp_err_set(err, TP_ERR_USAGE, "\"%s\" is not a port to publish: %s", spec, why);
	return tp_err_hint(err, "[IP:][HOSTPORT:]PORT[/tcp|udp|sctp]");
}

static int parse_number(const char *s, size_t n, unsigned *out)
{
	unsigned v = 0;

	if (n == 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (unsigned)(s[i] - '0');
		if (v > 65535)
			return -1;
	}
	*out = v;
	return 0;
}

static int parse_range(const char *s, unsigned *from, unsigned *to)
{
	const char *dash = strchr(s, '-');
	size_t n = dash ? (size_t)(dash - s) : strlen(s);

	if (parse_number(s, n, from) < 0)
		return -1;
	*to = *from;
	if (dash && parse_number(dash + 1, strlen(dash + 1), to) < 0)
		return -1;
	return *from <= *to ? 0 : -1;
}

/* "published=8080,target=80,protocol=udp" to "8080:80/udp". */
static char *from_long_form(const char *spec)
{
	tp_autofree char *copy = tp_strdup(spec);
	const char *published = "", *target = "", *protocol = "tcp";
	char *save = NULL;

	for (char *f = strtok_r(copy, ",", &save); f; f = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(f, '=');

		if (!eq || eq == f)
			return NULL;
		*eq = '\0';
		if (strcmp(f, "published") == 0)
			published = eq + 1;
		else if (strcmp(f, "target") == 0)
			target = eq + 1;
		else if (strcmp(f, "protocol") == 0)
			protocol = eq + 1;
	}
	return tp_asprintf("%s:%s/%s", published, target, protocol);
}

/* The address, its brackets taken off; it must be one. */
static int parse_ip(char *ip, char out[48])
{
	unsigned char raw[sizeof(struct in6_addr)];
	size_t n = strlen(ip);

	if (ip[0] == '[') {
		if (ip[n - 1] != ']')
			return -1;
		ip[n - 1] = '\0';
		ip++;
		if (inet_pton(AF_INET6, ip, raw) != 1)
			return -1;
	} else if (inet_pton(AF_INET, ip, raw) != 1 && inet_pton(AF_INET6, ip, raw) != 1) {
		return -1;
	}
	snprintf(out, 48, "%s", ip);
	return 0;
}

static int parse_proto(char *ctr, char out[5])
{
	static const char *const protos[] = { "tcp", "udp", "sctp" };
	char *slash = strchr(ctr, '/');

	strcpy(out, "tcp");
	if (!slash)
		return 0;
	*slash++ = '\0';
	if (!*slash)
		return 0; /* docker takes "80/" as tcp */
	for (size_t i = 0; i < TP_ARRAY_SIZE(protos); i++) {
		if (strcasecmp(slash, protos[i]) == 0) {
			strcpy(out, protos[i]);
			return 0;
		}
	}
	return -1;
}

int tp_port_parse(const char *spec, struct tp_port_binding *out, int max, struct tp_err *err)
{
	tp_autofree char *text = strchr(spec, '=') ? from_long_form(spec) : tp_strdup(spec);
	struct tp_port_binding b = { 0 };
	char *ctr, *host = NULL, *ip = NULL;
	unsigned cfrom, cto, hfrom = 0, hto = 0;

	if (!text)
		return bad(err, spec, "not name=value");
	ctr = strrchr(text, ':');
	if (ctr) {
		*ctr++ = '\0';
		host = strrchr(text, ':');
		if (host) {
			*host++ = '\0';
			ip = text;
		} else {
			host = text;
		}
	} else {
		ctr = text;
	}
	if (ip && *ip && parse_ip(ip, b.host_ip) < 0)
		return bad(err, spec, "that is no IP address");
	if (parse_proto(ctr, b.proto) < 0)
		return bad(err, spec, "the protocol is neither tcp, udp nor sctp");
	if (parse_range(ctr, &cfrom, &cto) < 0 || cfrom == 0)
		return bad(err, spec, "no container port between 1 and 65535");
	bool any = !host || !*host;
	if (!any && parse_range(host, &hfrom, &hto) < 0)
		return bad(err, spec, "no host port between 0 and 65535");
	if (!any && hto - hfrom != cto - cfrom && cfrom != cto)
		return bad(err, spec, "the ranges differ in length");
	int count = (int)(cto - cfrom) + 1;
	if (count > max)
		return bad(err, spec, "too many ports");
	for (int i = 0; out && i < count; i++) {
		out[i] = b;
		out[i].ctr_port = cfrom + (unsigned)i;
		out[i].host_port = any ? 0 : hfrom + (cfrom == cto ? 0 : (unsigned)i);
		out[i].host_port_end = any ? 0 : cfrom == cto ? hto : out[i].host_port;
	}
	return count;
}
