/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native engine's rules. In the order in which a packet meets them:
 *
 *   -300 answers   (UDP) are not tracked: what the program sends next would count as a reply to them
 *   -151 pick      what is for the cluster is marked: first packets of connections, and datagrams
 *   -150 (mangle)  what is marked goes to the queue; the engine lets it go, or marks why not
 *   -149 rejected  what the agent's connect was told, told to the program
 *   -100 lead      connections to the engine's port
 *
 * The way into the queue is a rule of iptables', which loads its kernel module
 * in a container with NET_ADMIN only, as nft's own does not.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/redirect.h"
#include "sidecar/sidecar.h"

/* What the engine leaves alone, as sshuttle does. */
static void put_exceptions(const struct sidecar *s, struct tp_buf *b, const char *taken)
{
	size_t i;

	/* IPv6's are to be of this link neither */
	tp_buf_puts(b, s->ipv6 ? "\t\tip6 daddr fe80::/10 return\n" :
				 "\t\tmeta nfproto != ipv4 return\n");
	tp_buf_puts(b, "\t\tfib daddr type != unicast return\n");
	for (i = 0; i < s->also_proxy.n; i++)
		tp_buf_printf(b, "\t\t%s daddr %s %s\n", filter_family(s->also_proxy.v[i]),
			      s->also_proxy.v[i], taken);
	for (i = 0; i < s->never_proxy.n; i++)
		tp_buf_printf(b, "\t\t%s daddr %s return\n", filter_family(s->never_proxy.v[i]),
			      s->never_proxy.v[i]);
	for (i = 0; i < s->n_subnets; i++) {
		struct in_addr a = { htonl(s->subnets[i].addr) };

		tp_buf_printf(b, "\t\tip daddr %s/%d return\n", inet_ntoa(a),
			      __builtin_popcount(s->subnets[i].mask));
	}
	if (s->method->captured == TP_CAPTURED_SCOPE)
		tp_buf_puts(b, "\t\tip daddr != @scope4 return\n"
			       "\t\tip6 daddr != @scope6 return\n");
}

static void put_answers(struct tp_buf *b)
{
	tp_buf_puts(b, "\tchain answers {\n"
		       "\t\ttype filter hook output priority -300; policy accept;\n");
	tp_buf_printf(b, "\t\tmeta mark 0x%x notrack\n\t}\n", MARK_ANSWER);
}

static void put_pick(const struct sidecar *s, struct tp_buf *b)
{
	size_t i;

	tp_buf_puts(b, "\tchain pick {\n"
		       "\t\ttype filter hook output priority -151; policy accept;\n"
		       "\t\tmeta mark != 0 return\n"
		       "\t\tct direction reply return\n" /* to who came in by a published port */
		       "\t\tmeta l4proto tcp tcp flags & (fin|syn|rst|ack) != syn return\n");
	if (s->n_to_pod) {
		tp_buf_puts(b, "\t\tip daddr 127.0.0.1 tcp dport {");
		for (i = 0; i < s->n_to_pod; i++)
			tp_buf_printf(b, "%s %u", i ? "," : "", s->to_pod[i]);
		tp_buf_puts(b, " } goto chosen\n");
	}
	put_exceptions(s, b, "goto chosen");
	tp_buf_puts(b, "\t\tmeta l4proto { tcp, udp } goto chosen\n"
		       "\t\ticmp type echo-request goto chosen\n"
		       "\t\ticmpv6 type echo-request goto chosen\n"
		       "\t}\n"
		       "\tchain chosen {\n");
	tp_buf_printf(b, "\t\tmeta l4proto { tcp, udp, icmp, ipv6-icmp } meta mark set 0x%x\n\t}\n",
		      MARK_QUEUE);
}

static void put_rejected(struct tp_buf *b)
{
	tp_buf_puts(b, "\tchain rejected {\n"
		       "\t\ttype filter hook output priority -149; policy accept;\n");
	tp_buf_printf(b, "\t\tmeta mark 0x%x meta l4proto tcp reject with tcp reset\n",
		      MARK_REFUSED);
	tp_buf_printf(b, "\t\tmeta mark 0x%x reject with icmpx type port-unreachable\n",
		      MARK_REFUSED);
	tp_buf_printf(b, "\t\tmeta mark 0x%x reject with icmpx type no-route\n", MARK_NO_ROUTE);
	tp_buf_printf(b, "\t\tmeta mark 0x%x reject with icmpx type host-unreachable\n",
		      MARK_NO_HOST);
	tp_buf_printf(b, "\t\tmeta mark 0x%x reject with icmpx type admin-prohibited\n\t}\n",
		      MARK_DENIED);
}

/* Once: the rule stays, and where nobody serves the queue its packets pass on. PROGRAM: iptables, ip6tables. */
static void queue_rule(const char *program)
{
	tp_autofree char *mark = tp_asprintf("0x%x", MARK_QUEUE);
	tp_autofree char *queue = tp_asprintf("%d", ENGINE_QUEUE);
	char *argv[] = { (char *)program,
			 (char *)"-w",
			 (char *)"5",
			 (char *)"-t",
			 (char *)"mangle",
			 (char *)"-A",
			 (char *)"OUTPUT",
			 (char *)"-m",
			 (char *)"mark",
			 (char *)"--mark",
			 mark,
			 (char *)"-j",
			 (char *)"NFQUEUE",
			 (char *)"--queue-num",
			 queue,
			 (char *)"--queue-bypass",
			 NULL };
	struct tp_child_opts o = { .argv = argv };
	TP_AUTO_BUF said = TP_BUF_INIT(8192);
	struct tp_err err = { 0 };
	int status = 0;

	if (tp_child_run(&o, NULL, 0, NULL, &said, 10000, &status, NULL, &err) < 0 || status)
		tp_verbose(
			"this kernel has no NFQUEUE (%s: %s): a port where nobody listens looks open "
			"for a moment, and neither UDP nor ping passes",
			program, said.len ? said.data : err.msg);
}

int filter_engine(struct sidecar *s, unsigned int port, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 20);

	tp_buf_puts(&b, "table inet tpdocker-engine {}\n"
			"delete table inet tpdocker-engine\n"
			"table inet tpdocker-engine {\n");
	filter_scope_sets(s, &b);
	put_answers(&b);
	put_pick(s, &b);
	put_rejected(&b);
	tp_buf_puts(&b, "\tchain lead {\n"
			"\t\ttype nat hook output priority -100; policy accept;\n");
	tp_buf_printf(&b, "\t\tmeta mark 0x%x return\n", TP_SIDECAR_MARK);
	tp_buf_puts(&b, "\t\tmeta l4proto != tcp return\n");
	put_exceptions(s, &b, "goto take");
	tp_buf_puts(&b, "\t\tgoto take\n"
			"\t}\n"
			"\tchain take {\n");
	tp_buf_printf(&b, "\t\tmeta l4proto tcp redirect to :%u\n\t}\n}\n", port);
	if (!s->queue_tried) {
		s->queue_tried = true;
		queue_rule("iptables");
		if (s->ipv6)
			queue_rule("ip6tables");
	}
	return filter_nft(b.data, b.len, err);
}
