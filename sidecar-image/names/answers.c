/* SPDX-License-Identifier: Apache-2.0 */
#include "names/answers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/dnsmsg.h"
#include "common/dnswrite.h"

#define TYPE_SOA   6
#define TYPE_PTR   12
#define TYPE_SRV   33
#define TYPE_ANY   255
#define CLASS_IN   1
#define UDP_SIZE   1232 /* of ours, in EDNS */
#define LABELS_MAX 4
#define TARGET_MAX 320
#define SRV_WEIGHT 100

struct query {
	const struct tp_namestore *s;
	const char *domain;
	struct tp_dns_question q;
	struct tp_dns_writer w;
	unsigned answers, more; /* records of the answer section, of the additional one */
	struct tp_word ns, svc, endpoint, port, protocol; /* what of the name there is */
	bool exists;
	unsigned targets; /* SRV: among how many the weight is shared */
	bool counting;
};

/* -------------------------------------------------------------- writing */

/* True: ADDRESS is of TYPE (A or AAAA). */
static bool binary(struct tp_word address, unsigned type, uint8_t out[16], size_t *n)
{
	char text[INET6_ADDRSTRLEN];
	int af = type == TP_DNS_A ? AF_INET : AF_INET6;

	if (address.n >= sizeof(text))
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	*n = af == AF_INET ? 4 : 16;
	return inet_pton(af, text, out) == 1;
}

/* ADDRESS as a record of TYPE, if it is of that; of OWNER in the additional section. */
static bool put_address(struct query *k, const char *owner, struct tp_word address, unsigned type)
{
	uint8_t bytes[16];
	size_t n, start;

	if (!binary(address, type, bytes, &n))
		return false;
	start = tp_dns_record(&k->w, owner, type, TP_NAMES_TTL);
	tp_dns_put(&k->w, bytes, n);
	tp_dns_record_end(&k->w, start);
	if (owner)
		k->more++;
	else
		k->answers++;
	return true;
}

static void put_soa(struct tp_dns_writer *w, const char *domain)
{
	char name[TARGET_MAX];
	size_t start = tp_dns_record(w, domain, TYPE_SOA, TP_NAMES_TTL);

	snprintf(name, sizeof(name), "ns.dns.%s", domain);
	tp_dns_put_name(w, name);
	snprintf(name, sizeof(name), "hostmaster.%s", domain);
	tp_dns_put_name(w, name);
	tp_dns_put32(w, 1);
	tp_dns_put32(w, 7200);
	tp_dns_put32(w, 1800);
	tp_dns_put32(w, 86400);
	tp_dns_put32(w, TP_NAMES_TTL);
	tp_dns_record_end(w, start);
}

/* ------------------------------------------------------------ endpoints */

static void endpoint_parts(struct tp_word member, struct tp_word *address, struct tp_word *hostname)
{
	const char *slash = memchr(member.p, '/', member.n);

	*address = member;
	*hostname = (struct tp_word){ "", 0 };
	if (!slash)
		return;
	address->n = (size_t)(slash - member.p);
	*hostname = (struct tp_word){ slash + 1, member.n - address->n - 1 };
}

/* The first label of an endpoint's own name: its host name, or its address with dashes. */
static void endpoint_label(struct tp_word address, struct tp_word hostname, char out[64])
{
	struct tp_word from = hostname.n ? hostname : address;
	size_t n = from.n < 63 ? from.n : 63;

	for (size_t i = 0; i < n; i++)
		out[i] = !hostname.n && strchr(".:", from.p[i]) ? '-' : from.p[i];
	out[n] = '\0';
}

static bool same(struct tp_word w, const char *text)
{
	return strlen(text) == w.n && strncasecmp(w.p, text, w.n) == 0;
}

/* ---------------------------------------------------- A, AAAA of names */

static bool on_slice_addresses(void *arg, const struct tp_nameline *l)
{
	struct query *k = arg;
	struct tp_word rest = l->addresses, member, address, hostname;

	while (tp_word_next(&rest, &member)) {
		char label[64];

		endpoint_parts(member, &address, &hostname);
		endpoint_label(address, hostname, label);
		if (k->endpoint.n && !same(k->endpoint, label))
			continue;
		k->exists = true;
		if (k->q.type == TP_DNS_A || k->q.type == TP_DNS_AAAA)
			put_address(k, NULL, address, k->q.type);
	}
	return k->w.full;
}

static void addresses(struct query *k, const struct tp_nameline *svc)
{
	struct tp_word rest = svc->addresses, member;

	if (k->endpoint.n || tp_word_is(svc->addresses, "-", 1)) {
		tp_names_slices(k->s, k->ns, k->svc, on_slice_addresses, k);
		return;
	}
	k->exists = true;
	while (tp_word_next(&rest, &member))
		if (k->q.type == TP_DNS_A || k->q.type == TP_DNS_AAAA)
			put_address(k, NULL, member, k->q.type);
}

/* ------------------------------------------------------------------ SRV */

static bool wanted(const struct query *k, struct tp_word port, unsigned *number)
{
	struct tp_word name, protocol;

	if (!tp_word_port(port, &name, &protocol, number))
		return false;
	if (!k->port.n)
		return true;
	return name.n == k->port.n && strncasecmp(name.p, k->port.p, name.n) == 0 &&
	       protocol.n == k->protocol.n &&
	       strncasecmp(protocol.p, k->protocol.p, protocol.n) == 0;
}

static void put_srv(struct query *k, unsigned port, const char *target)
{
	unsigned weight = k->targets ? SRV_WEIGHT / k->targets : SRV_WEIGHT;
	size_t start = tp_dns_record(&k->w, NULL, TYPE_SRV, TP_NAMES_TTL);

	tp_dns_put16(&k->w, 0);
	tp_dns_put16(&k->w, weight ? weight : 1);
	tp_dns_put16(&k->w, port);
	tp_dns_put_name(&k->w, target);
	tp_dns_record_end(&k->w, start);
	k->answers++;
}

static void target_of(const struct query *k, const char *label, char out[TARGET_MAX])
{
	snprintf(out, TARGET_MAX, "%s%s%.*s.%.*s.svc.%s", label, *label ? "." : "", (int)k->svc.n,
		 k->svc.p, (int)k->ns.n, k->ns.p, k->domain);
}

static bool on_slice_srv(void *arg, const struct tp_nameline *l)
{
	struct query *k = arg;
	struct tp_word ports = l->ports, port;
	unsigned number;

	while (tp_word_next(&ports, &port)) {
		struct tp_word rest = l->addresses, member, address, hostname;

		if (!wanted(k, port, &number))
			continue;
		while (tp_word_next(&rest, &member)) {
			char label[64], target[TARGET_MAX];

			k->exists = true;
			if (k->counting) {
				k->targets++;
				continue;
			}
			endpoint_parts(member, &address, &hostname);
			endpoint_label(address, hostname, label);
			target_of(k, label, target);
			put_srv(k, number, target);
		}
	}
	return k->w.full;
}

static bool on_slice_more(void *arg, const struct tp_nameline *l)
{
	struct query *k = arg;
	struct tp_word rest = l->addresses, member, address, hostname;

	while (tp_word_next(&rest, &member)) {
		char label[64], target[TARGET_MAX];

		endpoint_parts(member, &address, &hostname);
		endpoint_label(address, hostname, label);
		target_of(k, label, target);
		if (!put_address(k, target, address, TP_DNS_A))
			put_address(k, target, address, TP_DNS_AAAA);
	}
	return k->w.full;
}

static void service_more(struct query *k, const struct tp_nameline *svc)
{
	struct tp_word rest = svc->addresses, member;
	char target[TARGET_MAX];

	target_of(k, "", target);
	while (tp_word_next(&rest, &member))
		if (!put_address(k, target, member, TP_DNS_A))
			put_address(k, target, member, TP_DNS_AAAA);
}

/* The ports that a name with a port names exist if the Service has one, whatever is asked of it. */
static void srv(struct query *k, const struct tp_nameline *svc)
{
	bool headless = tp_word_is(svc->addresses, "-", 1);
	struct tp_word ports = svc->ports, port;
	char target[TARGET_MAX];
	unsigned number;

	k->counting = true;
	if (headless)
		tp_names_slices(k->s, k->ns, k->svc, on_slice_srv, k);
	k->counting = false;
	target_of(k, "", target);
	while (!headless && tp_word_next(&ports, &port)) {
		if (!wanted(k, port, &number))
			continue;
		k->exists = true;
		if (k->q.type == TYPE_SRV)
			put_srv(k, number, target);
	}
	if (k->q.type != TYPE_SRV)
		return;
	if (headless)
		tp_names_slices(k->s, k->ns, k->svc, on_slice_srv, k);
	if (headless && k->answers)
		tp_names_slices(k->s, k->ns, k->svc, on_slice_more, k);
	else if (k->answers)
		service_more(k, svc);
}

/* ------------------------------------------------------------------ PTR */

static void put_ptr(struct query *k, const char *target)
{
	size_t start = tp_dns_record(&k->w, NULL, TYPE_PTR, TP_NAMES_TTL);

	tp_dns_put_name(&k->w, target);
	tp_dns_record_end(&k->w, start);
	k->answers++;
}

struct at {
	struct query *k;
	const char *address;
	char kind; /* Services first: an address of theirs is nobody else's */
};

static bool on_address(void *arg, const struct tp_nameline *l)
{
	struct at *a = arg;
	struct query *k = a->k;
	struct tp_word rest = l->addresses, member, address, hostname;
	char label[64] = "", target[TARGET_MAX];

	if (l->kind != a->kind)
		return false;
	k->exists = true;
	k->ns = l->ns;
	k->svc = l->kind == TP_NAME_SLICE ? l->service : l->name;
	while (l->kind == TP_NAME_SLICE && tp_word_next(&rest, &member)) {
		endpoint_parts(member, &address, &hostname);
		if (tp_word_is(address, a->address, strlen(a->address)))
			endpoint_label(address, hostname, label);
	}
	target_of(k, label, target);
	if (k->q.type == TYPE_PTR)
		put_ptr(k, target);
	return k->w.full;
}

/* The address that NAME is the reverse of, as inet_ntop writes it. */
static bool reverse(const char *name, char out[INET6_ADDRSTRLEN])
{
	uint8_t a[16];
	unsigned b[4];
	char rest[16];

	if (sscanf(name, "%3u.%3u.%3u.%3u.%15s", &b[3], &b[2], &b[1], &b[0], rest) == 5 &&
	    strcmp(rest, "in-addr.arpa") == 0) {
		for (int i = 0; i < 4; i++)
			if (b[i] > 255)
				return false;
		snprintf(out, INET6_ADDRSTRLEN, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		return true;
	}
	if (strlen(name) != 32 * 2 + strlen("ip6.arpa") || strcmp(name + 64, "ip6.arpa") != 0)
		return false;
	memset(a, 0, sizeof(a));
	for (int i = 0; i < 32; i++) {
		const char *digit = strchr("0123456789abcdef", name[i * 2]);

		if (!digit || name[i * 2 + 1] != '.')
			return false;
		a[15 - i / 2] |= (uint8_t)((digit - "0123456789abcdef") << (i % 2 * 4));
	}
	return inet_ntop(AF_INET6, a, out, INET6_ADDRSTRLEN) != NULL;
}

/* ------------------------------------------------------------ the whole */

static bool on_pod(void *arg, const struct tp_nameline *l)
{
	struct query *k = arg;

	if (l->kind == TP_NAME_POD && tp_word_is(l->ns, k->ns.p, k->ns.n))
		k->exists = true;
	return k->exists;
}

/* 10-1-2-3.NAMESPACE.pod; with more than three dashes, or letters, an IPv6 one. */
static void pod(struct query *k)
{
	char text[INET6_ADDRSTRLEN];
	struct tp_word w = { text, k->svc.n };
	size_t dashes = 0;
	uint8_t bytes[16];
	size_t n;

	if (k->svc.n >= sizeof(text))
		return;
	for (size_t i = 0; i < k->svc.n; i++)
		dashes += k->svc.p[i] == '-';
	for (size_t i = 0; i < k->svc.n; i++)
		text[i] = k->svc.p[i] == '-' ? (dashes == 3 ? '.' : ':') : k->svc.p[i];
	text[k->svc.n] = '\0';
	if (!binary(w, TP_DNS_A, bytes, &n)) {
		if (!binary(w, TP_DNS_AAAA, bytes, &n))
			return;
		inet_ntop(AF_INET6, bytes, text, sizeof(text));
		w.n = strlen(text);
	}
	tp_names_at(k->s, text, on_pod, k);
	if (k->exists && (k->q.type == TP_DNS_A || k->q.type == TP_DNS_AAAA))
		put_address(k, NULL, w, k->q.type);
}

/* Whether the query has an OPT record: it is the first behind the question, if any. */
static bool has_edns(const uint8_t *q, size_t qn, const struct tp_dns_question *k)
{
	return k->end + 3 <= qn && q[k->end] == 0 &&
	       (q[k->end + 1] << 8 | q[k->end + 2]) == TP_DNS_OPT;
}

static void begin(struct tp_dns_writer *w, const uint8_t *q, const struct tp_dns_question *k)
{
	uint8_t head[TP_DNS_HEADER] = { q[0], q[1], (uint8_t)(0x84 | (q[2] & 0x01)), 0x80, 0, 1 };

	tp_dns_put(w, head, sizeof(head));
	tp_dns_put(w, q + TP_DNS_HEADER, k->end - TP_DNS_HEADER);
}

static size_t finish(struct query *k, bool edns)
{
	struct tp_dns_writer *w = &k->w;
	unsigned authority = 0;

	if (!k->answers) {
		put_soa(w, k->domain);
		authority = 1;
	}
	if (edns) {
		tp_dns_put(w, "\0\0\x29", 3);
		tp_dns_put16(w, UDP_SIZE);
		tp_dns_put32(w, 0);
		tp_dns_put16(w, 0);
		k->more++;
	}
	if (w->full)
		return 0;
	w->p[3] |= k->exists ? TP_DNS_NOERROR : TP_DNS_NXDOMAIN;
	w->p[6] = (uint8_t)(k->answers >> 8);
	w->p[7] = (uint8_t)k->answers;
	w->p[9] = (uint8_t)authority;
	w->p[10] = (uint8_t)(k->more >> 8);
	w->p[11] = (uint8_t)k->more;
	return w->n;
}

/* NAME less ".WHAT.DOMAIN": its length before that, or 0. */
static size_t below(const char *name, const char *what, const char *domain)
{
	char tail[TARGET_MAX];
	int n = snprintf(tail, sizeof(tail), ".%s.%s", what, domain);
	size_t len = strlen(name);

	if (n < 0 || (size_t)n >= sizeof(tail) || len <= (size_t)n ||
	    strcasecmp(name + len - n, tail) != 0)
		return 0;
	return len - (size_t)n;
}

/* The labels of the first N bytes of NAME, the last one first; 0: too many. */
static size_t labels(const char *name, size_t n, struct tp_word out[LABELS_MAX])
{
	size_t count = 0, end = n;

	for (size_t i = n; i-- > 0;) {
		if (name[i] != '.' && i)
			continue;
		if (count == LABELS_MAX)
			return 0;
		out[count] = (struct tp_word){ name + i + (name[i] == '.'), 0 };
		out[count].n = end - (size_t)(out[count].p - name);
		if (!out[count].n)
			return 0;
		count++;
		end = i;
	}
	return count;
}

/* What is asked of a Service. */
static enum tp_names_word of_service(struct query *k, const struct tp_word *l, size_t n)
{
	struct tp_nameline svc;

	k->ns = l[0];
	k->svc = l[1];
	if (!tp_names_knows(k->s, "SL", k->ns))
		return TP_NAMES_AGENTS;
	if (n == 3)
		k->endpoint = l[2];
	if (n == 4) {
		if (*l[2].p != '_' || *l[3].p != '_' || l[2].n < 2 || l[3].n < 2)
			return TP_NAMES_AGENTS;
		k->protocol = (struct tp_word){ l[2].p + 1, l[2].n - 1 };
		k->port = (struct tp_word){ l[3].p + 1, l[3].n - 1 };
	}
	if (!tp_names_service(k->s, k->ns, k->svc, &svc))
		return TP_NAMES_ANSWERED;
	if (tp_word_is(svc.addresses, "=", 1))
		return TP_NAMES_AGENTS;
	if (n == 4 || (n == 2 && k->q.type == TYPE_SRV))
		srv(k, &svc);
	else
		addresses(k, &svc);
	/* What the cluster says of one that has nobody behind it is a matter of its version. */
	if (!k->exists && n == 2)
		return TP_NAMES_AGENTS;
	return TP_NAMES_ANSWERED;
}

static enum tp_names_word judge(struct query *k, const char *address)
{
	struct tp_word l[LABELS_MAX];
	size_t len, n;

	if (*address) {
		struct at a = { k, address, TP_NAME_SERVICE };

		tp_names_at(k->s, address, on_address, &a);
		a.kind = TP_NAME_SLICE;
		if (!k->exists)
			tp_names_at(k->s, address, on_address, &a);
		return k->exists ? TP_NAMES_ANSWERED : TP_NAMES_OUTSIDE;
	}
	len = below(k->q.name, "svc", k->domain);
	n = len ? labels(k->q.name, len, l) : 0;
	if (n >= 2)
		return of_service(k, l, n);
	len = below(k->q.name, "pod", k->domain);
	n = len ? labels(k->q.name, len, l) : 0;
	if (n != 2)
		return TP_NAMES_AGENTS;
	k->ns = l[0];
	k->svc = l[1];
	if (!tp_names_knows(k->s, "P", k->ns))
		return TP_NAMES_AGENTS;
	pod(k);
	return TP_NAMES_ANSWERED;
}

enum tp_names_word tp_names_answer(const struct tp_namestore *s, const char *domain,
				   const uint8_t *q, size_t qn, uint8_t *out, size_t max, size_t *n)
{
	struct query k = { .s = s, .domain = domain, .w = { .p = out, .max = max } };
	char address[INET6_ADDRSTRLEN] = "";
	enum tp_names_word word;

	if (tp_dns_parse_query(q, qn, &k.q) < 0)
		return TP_NAMES_AGENTS;
	if (!reverse(k.q.name, address) && !tp_dns_below(k.q.name, domain))
		return TP_NAMES_OUTSIDE;
	if (k.q.class != CLASS_IN || k.q.type == TYPE_ANY || strchr(k.q.name, '\\'))
		return TP_NAMES_AGENTS;
	begin(&k.w, q, &k.q);
	word = judge(&k, address);
	if (word != TP_NAMES_ANSWERED)
		return word;
	*n = finish(&k, has_edns(q, qn, &k.q));
	return *n ? TP_NAMES_ANSWERED : TP_NAMES_AGENTS;
}
