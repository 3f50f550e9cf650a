/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's names as the sidecar keeps and answers them: lines, the store, each kind of question. */
#include <arpa/nameser.h>
#include <malloc.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "common/dnsmsg.h"
#include "common/nameline.h"
#include "names/answers.h"
#include "names/store.h"
#include "tp_test.h"

#pragma GCC diagnostic ignored \
	"-Wdeprecated-declarations" /* the C library's own reader of DNS is judge enough */

#define SRV 33
#define PTR 12
#define MX  15

static void put(struct tp_namestore *s, const char *line)
{
	assert_int_equal(tp_names_line(s, line, strlen(line)), 0);
}

/* Two Services, a headless one, one by another name, and what is behind them. */
static struct tp_namestore *cluster(void)
{
	static const char text[] = "begin S *\n"
				   "S shop web 10.96.0.7,fd00::7 http:tcp:80,:udp:53\n"
				   "S shop db - pg:tcp:5432\n"
				   "S shop out = -\n"
				   "S shop empty - -\n"
				   "end S\n"
				   "begin L *\n"
				   "L shop web-1 web http:tcp:8080 10.244.0.5,10.244.0.6\n"
				   "L shop db-1 db pg:tcp:5432 10.244.0.8/db-0,10.244.0.9/db-1\n"
				   "L shop db-2 db pg:tcp:5432 fd00::9/db-1\n"
				   "end L\n"
				   "begin P *\n"
				   "P shop web-abc 10.244.0.5\n"
				   "P shop six fd00::9\n"
				   "end P\n";
	struct tp_namestore *s = tp_names_new();

	assert_int_equal(tp_names_lines(s, text, strlen(text)), 0);
	return s;
}

/* The answer in text: "NAME.  5S IN A 1.2.3.4" a line, sorted as they come; authority and additional ones behind "/" and "+". */
static char *ask_with(const struct tp_namestore *s, const char *name, unsigned type, bool edns,
		      size_t max)
{
	static char text[8192];
	uint8_t q[512], out[4096];
	size_t n = tp_dns_make_query(77, name, (uint16_t)type, q, sizeof(q)), got = 0, at = 0;
	ns_msg m;

	assert_true(n > 0);
	if (edns) {
		memcpy(q + n, "\0\0\x29\x10\0\0\0\0\0\0\0", 11);
		n += 11;
		q[11] = 1;
	}
	switch (tp_names_answer(s, "cluster.local", q, n, out, max, &got)) {
	case TP_NAMES_AGENTS:
		return strcpy(text, "agent");
	case TP_NAMES_OUTSIDE:
		return strcpy(text, "outside");
	case TP_NAMES_ANSWERED:
		break;
	}
	assert_true(tp_dns_is_answer(q, n, out, got));
	assert_int_equal(ns_initparse(out, (int)got, &m), 0);
	at = (size_t)sprintf(text, "%u", tp_dns_rcode(out));
	for (int section = ns_s_an; section < ns_s_max; section++) {
		for (int i = 0; i < ns_msg_count(m, (ns_sect)section); i++) {
			char line[1024];
			ns_rr rr;

			assert_int_equal(ns_parserr(&m, (ns_sect)section, i, &rr), 0);
			if (ns_rr_type(rr) == ns_t_opt) {
				at += (size_t)sprintf(text + at, " opt");
				continue;
			}
			assert_true(ns_sprintrr(&m, &rr, NULL, NULL, line, sizeof(line)) > 0);
			at += (size_t)sprintf(text + at, "\n%s%s",
					      section == ns_s_an ? "" :
					      section == ns_s_ns ? "/" :
								   "+",
					      line);
		}
	}
	/* one space between words */
	at = 0;
	for (char *p = text; *p; p++)
		if (!strchr("\t ", *p) || !at || text[at - 1] != ' ')
			text[at++] = *p == '\t' ? ' ' : *p;
	text[at] = '\0';
	return text;
}

static char *ask(const struct tp_namestore *s, const char *name, unsigned type)
{
	return ask_with(s, name, type, false, 4096);
}

static bool has(const char *text, const char *what)
{
	if (strstr(text, what))
		return true;
	print_error("no '%s' in: %s\n", what, text);
	return false;
}

static void services(void **state)
{
	struct tp_namestore *s = cluster();
	const char *a;

	(void)state;
	a = ask(s, "web.shop.svc.cluster.local", TP_DNS_A);
	assert_true(has(a, "IN A 10.96.0.7"));
	assert_null(strstr(a, "AAAA"));
	assert_true(has(ask(s, "WEB.Shop.svc.Cluster.local", TP_DNS_AAAA), "IN AAAA fd00::7"));
	a = ask(s, "web.shop.svc.cluster.local", MX);
	assert_true(*a == '0' && has(a, "/cluster.local. ") &&
		    has(a, "SOA ns.dns.cluster.local. hostmaster.cluster.local."));
	a = ask(s, "nope.shop.svc.cluster.local", TP_DNS_A);
	assert_true(*a == '3' && has(a, "SOA"));
	assert_true(*ask(s, "web.nowhere.svc.cluster.local", TP_DNS_A) == '3');
	assert_string_equal(ask(s, "out.shop.svc.cluster.local", TP_DNS_A), "agent");
	assert_string_equal(ask(s, "shop.svc.cluster.local", TP_DNS_A), "agent");
	assert_string_equal(ask(s, "cluster.local", TP_DNS_A), "agent");
	assert_string_equal(ask(s, "web.shop.svc.cluster.local", 255), "agent");
	assert_string_equal(ask(s, "example.com", TP_DNS_A), "outside");
	assert_string_equal(ask(s, "notcluster.local", TP_DNS_A), "outside");
	assert_true(has(ask_with(s, "web.shop.svc.cluster.local", TP_DNS_A, true, 4096), " opt"));
	/* what does not fit is no half answer */
	assert_string_equal(ask_with(s, "web.shop.svc.cluster.local", TP_DNS_A, true, 50), "agent");
	tp_names_free(s);
}

static void endpoints(void **state)
{
	struct tp_namestore *s = cluster();
	const char *a;

	(void)state;
	a = ask(s, "db.shop.svc.cluster.local", TP_DNS_A);
	assert_true(has(a, "10.244.0.8") && has(a, "10.244.0.9"));
	assert_true(has(ask(s, "db.shop.svc.cluster.local", TP_DNS_AAAA), "fd00::9"));
	a = ask(s, "db-0.db.shop.svc.cluster.local", TP_DNS_A);
	assert_true(has(a, "10.244.0.8"));
	assert_null(strstr(a, "10.244.0.9"));
	assert_true(has(ask(s, "10-244-0-6.web.shop.svc.cluster.local", TP_DNS_A), "10.244.0.6"));
	assert_true(*ask(s, "db-7.db.shop.svc.cluster.local", TP_DNS_A) == '3');
	assert_string_equal(ask(s, "empty.shop.svc.cluster.local", TP_DNS_A), "agent");
	assert_true(has(ask(s, "10-244-0-5.shop.pod.cluster.local", TP_DNS_A), "10.244.0.5"));
	assert_true(has(ask(s, "fd00--9.shop.pod.cluster.local", TP_DNS_AAAA), "fd00::9"));
	assert_true(*ask(s, "10-244-0-5.other.pod.cluster.local", TP_DNS_A) == '3');
	assert_true(*ask(s, "nonsense.shop.pod.cluster.local", TP_DNS_A) == '3');
	tp_names_free(s);
}

static void ports(void **state)
{
	struct tp_namestore *s = cluster();
	const char *a;

	(void)state;
	a = ask(s, "_http._tcp.web.shop.svc.cluster.local", SRV);
	assert_true(has(a, "SRV 0 100 80 web.shop.svc.cluster.local.") &&
		    has(a, "+web.shop.svc.cluster.local."));
	a = ask(s, "_pg._tcp.db.shop.svc.cluster.local", SRV);
	assert_true(has(a, "SRV 0 33 5432 db-0.db.shop.svc.cluster.local.") &&
		    has(a, "+db-1.db.shop.svc.cluster.local. 5S IN A 10.244.0.9"));
	assert_true(*ask(s, "_pg._udp.db.shop.svc.cluster.local", SRV) == '3');
	assert_true(*ask(s, "_no._tcp.web.shop.svc.cluster.local", SRV) == '3');
	a = ask(s, "web.shop.svc.cluster.local", SRV);
	assert_true(has(a, "0 100 80 ") && has(a, "0 100 53 "));
	a = ask(s, "_http._tcp.web.shop.svc.cluster.local", TP_DNS_A);
	assert_true(*a == '0' && has(a, "SOA"));
	tp_names_free(s);
}

static void backwards(void **state)
{
	struct tp_namestore *s = cluster();

	(void)state;
	assert_true(has(ask(s, "7.0.96.10.in-addr.arpa", PTR), "PTR web.shop.svc.cluster.local."));
	assert_true(
		has(ask(s, "8.0.244.10.in-addr.arpa", PTR), "PTR db-0.db.shop.svc.cluster.local."));
	assert_true(has(ask(s, "5.0.244.10.in-addr.arpa", PTR),
			"PTR 10-244-0-5.web.shop.svc.cluster.local."));
	assert_true(has(
		ask(s, "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
		    PTR),
		"PTR web.shop.svc.cluster.local."));
	assert_string_equal(ask(s, "4.3.2.1.in-addr.arpa", PTR), "outside");
	assert_string_equal(ask(s, "7.0.96.300.in-addr.arpa", PTR), "outside");
	tp_names_free(s);
}

static void changes(void **state)
{
	struct tp_namestore *s = cluster();

	(void)state;
	put(s, "S shop web 10.96.0.8 http:tcp:80");
	assert_true(has(ask(s, "web.shop.svc.cluster.local", TP_DNS_A), "10.96.0.8"));
	assert_string_equal(ask(s, "7.0.96.10.in-addr.arpa", PTR), "outside");
	put(s, "-S shop web");
	put(s, "-S shop never");
	assert_true(*ask(s, "web.shop.svc.cluster.local", TP_DNS_A) == '3');
	/* another listing: what does not come again is gone, and only then */
	put(s, "begin S *");
	put(s, "S shop web 10.96.0.9 -");
	assert_true(has(ask(s, "db.shop.svc.cluster.local", TP_DNS_A), "10.244.0.8"));
	put(s, "end S");
	assert_true(*ask(s, "db.shop.svc.cluster.local", TP_DNS_A) == '3');
	assert_true(has(ask(s, "web.shop.svc.cluster.local", TP_DNS_A), "10.96.0.9"));
	/* one namespace alone: others are not known */
	put(s, "begin S shop");
	put(s, "S shop web 10.96.0.9 -");
	put(s, "end S");
	assert_true(has(ask(s, "web.shop.svc.cluster.local", TP_DNS_A), "10.96.0.9"));
	assert_string_equal(ask(s, "web.other.svc.cluster.local", TP_DNS_A), "agent");
	tp_names_free(s);
	/* nothing is known before it was listed */
	s = tp_names_new();
	put(s, "begin S *");
	put(s, "S shop web 10.96.0.9 -");
	assert_string_equal(ask(s, "web.shop.svc.cluster.local", TP_DNS_A), "agent");
	tp_names_free(s);
}

static void broken_lines(void **state)
{
	static const char *const bad[] = {
		"",	      "S",     "S a",	    "S a b",	  "S a b c",	"S a b c d e",
		"L a b c d",  "P a b", "X a b c d", "S  a b c d", " S a b c d", "S a b c d ",
		"S a b\tc d", "begin", "begin S",   "begin X *",  "end",	"end X",
		"-",	      "- a b", "-S a",
	};
	struct tp_namestore *s = tp_names_new();

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_int_equal(tp_names_line(s, bad[i], strlen(bad[i])), -1);
	assert_int_equal(tp_names_lines(s, "\n\nend\nS a b - -\n", 16), 1);
	assert_int_equal(tp_names_count(s), 1);
	/* odd members are kept, and stand for nothing */
	put(s, "S a c ,,x,1.2.3.4,, http:tcp:99999,::,a:b:c,:tcp:1");
	put(s, "begin S *");
	put(s, "S a c ,,x,1.2.3.4,, http:tcp:99999,::,a:b:c,:tcp:1");
	put(s, "end S");
	put(s, "begin L *");
	put(s, "end L");
	assert_true(has(ask(s, "c.a.svc.cluster.local", TP_DNS_A), "1.2.3.4"));
	assert_true(has(ask(s, "c.a.svc.cluster.local", SRV), "0 100 1 c.a.svc"));
	tp_names_free(s);
}

/* 10,000 Services, each with a slice of two endpoints and two pods: at most 20 MB, all of it. */
static void many(void **state)
{
	size_t before = mallinfo2().uordblks, taken;
	struct tp_namestore *s = tp_names_new();
	char line[256];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int a = i / 250, b = i % 250;

		snprintf(
			line, sizeof(line),
			"S namespace-%d service-with-a-name-%d 10.96.%d.%d http:tcp:80,metrics:tcp:9090",
			i % 100, i, a, b);
		put(s, line);
		snprintf(
			line, sizeof(line),
			"L namespace-%d service-with-a-name-%d-abcde service-with-a-name-%d http:tcp:8080,metrics:tcp:9090 10.1.%d.%d,10.2.%d.%d",
			i % 100, i, i, a, b, a, b);
		put(s, line);
		for (int k = 1; k < 3; k++) {
			snprintf(
				line, sizeof(line),
				"P namespace-%d service-with-a-name-%d-6f999789b8-abcd%d 10.%d.%d.%d",
				i % 100, i, k, k, a, b);
			put(s, line);
		}
	}
	taken = mallinfo2().uordblks - before;
	print_message("10,000 services, 20,000 pods: %zu KB, by its own count %zu\n", taken >> 10,
		      tp_names_bytes(s) >> 10);
#ifndef __SANITIZE_ADDRESS__
	assert_true(taken > 0);
	assert_true(taken <= 20u << 20);
#endif
	put(s, "begin S *");
	put(s, "end S");
	put(s, "begin L *");
	put(s, "end L");
	put(s, "begin P *");
	put(s, "end P");
	assert_int_equal(tp_names_count(s), 0);
	tp_names_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services), cmocka_unit_test(endpoints),
		cmocka_unit_test(ports),    cmocka_unit_test(backwards),
		cmocka_unit_test(changes),  cmocka_unit_test(broken_lines),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
