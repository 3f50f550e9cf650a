/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "common/dnsmsg.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static const char query[] = "\x12\x34\x01\x20\0\1\0\0\0\0\0\1"
			    "\3WeB\7default\0\0\1\0\1"
			    "\0\0\x29\x10\0\0\0\0\0\0\0";
static const char answer[] = "\x12\x34\x81\x80\0\1\0\2\0\0\0\1"
			     "\3web\7DEFAULT\0\0\1\0\1"
			     "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\1\2\3"
			     "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\1\2\4"
			     "\0\0\x29\x10\0\0\0\0\0\0\0";

static void test_query(void **state)
{
	struct tp_dns_question q;
	size_t i;

	(void)state;
	assert_int_equal(tp_dns_parse_query(BYTES(query), &q), 0);
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.type, TP_DNS_A);
	assert_int_equal(q.class, 1);
	assert_int_equal(q.udp_size, 4096);
	assert_string_equal(q.name, "web.default");
	for (i = 0; i < sizeof(query) - 1; i++)
		assert_int_equal(tp_dns_parse_query((const uint8_t *)query, i, &q), -1);
	/* an answer, no question, two, a pointer, a label too long, odd bytes in a name */
	assert_int_equal(tp_dns_parse_query(BYTES(answer), &q), -1);
	assert_int_equal(tp_dns_parse_query(BYTES("\0\0\0\0\0\0\0\0\0\0\0\0"), &q), -1);
	assert_int_equal(
		tp_dns_parse_query(BYTES("\0\0\0\0\0\2\0\0\0\0\0\0\0\0\1\0\1\0\0\1\0\1"), &q), -1);
	assert_int_equal(tp_dns_parse_query(BYTES("\0\0\0\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"), &q),
			 -1);
	assert_int_equal(tp_dns_parse_query(BYTES("\0\0\0\0\0\1\0\0\0\0\0\0\x40xx\0\0\1\0\1"), &q),
			 -1);
	assert_int_equal(tp_dns_parse_query(BYTES("\0\0\0\0\0\1\0\0\0\0\0\0\3a.\n\0\0\1\0\1"), &q),
			 0);
	assert_string_equal(q.name, "a\\046\\010");
	assert_int_equal(tp_dns_parse_query(BYTES("\0\0\0\0\0\1\0\0\0\0\0\0\0\0\1\0\1"), &q), 0);
	assert_string_equal(q.name, "");
}

static void test_is_answer(void **state)
{
	uint8_t other[sizeof(answer)];

	(void)state;
	assert_true(tp_dns_is_answer(BYTES(query), BYTES(answer)));
	memcpy(other, answer, sizeof(answer));
	other[0] = 0;
	assert_false(tp_dns_is_answer(BYTES(query), other, sizeof(answer) - 1));
	memcpy(other, answer, sizeof(answer));
	other[13] = 'x';
	assert_false(tp_dns_is_answer(BYTES(query), other, sizeof(answer) - 1));
	memcpy(other, answer, sizeof(answer));
	other[2] &= 0x7f;
	assert_false(tp_dns_is_answer(BYTES(query), other, sizeof(answer) - 1));
	/* an error without its question; a success without one is none */
	assert_true(tp_dns_is_answer(BYTES(query), BYTES("\x12\x34\x81\x85\0\0\0\0\0\0\0\0")));
	assert_false(tp_dns_is_answer(BYTES(query), BYTES("\x12\x34\x81\x80\0\0\0\0\0\0\0\0")));
}

static void test_error(void **state)
{
	uint8_t out[300];
	size_t n = tp_dns_error(BYTES(query), TP_DNS_SERVFAIL, out, sizeof(out));

	(void)state;
	assert_int_equal(n, TP_DNS_HEADER + 17);
	assert_true(tp_dns_is_answer(BYTES(query), out, n));
	assert_int_equal(tp_dns_rcode(out), TP_DNS_SERVFAIL);
	assert_int_equal(
		tp_dns_error(BYTES("\1\2\0\0\0\1\0\0\0\0\0\0\x3f"), TP_DNS_FORMERR, out, 300), 12);
	assert_int_equal(tp_dns_error(BYTES("\1\2"), TP_DNS_FORMERR, out, 300), 0);
	assert_int_equal(tp_dns_error(BYTES(query), TP_DNS_FORMERR, out, 11), 0);
}

static void test_fit(void **state)
{
	uint8_t a[sizeof(answer)];
	size_t n = sizeof(answer) - 1;

	(void)state;
	memcpy(a, answer, sizeof(answer));
	assert_int_equal(tp_dns_fit(a, n, 512), n);
	assert_false(tp_dns_truncated(a));
	/* too large: header, question and OPT stay */
	assert_int_equal(tp_dns_fit(a, n, n - 1), 12 + 17 + 11);
	assert_true(tp_dns_truncated(a));
	assert_int_equal(a[5], 1);
	assert_int_equal(a[7], 0);
	assert_int_equal(a[11], 1);
	assert_memory_equal(a + 29, "\0\0\x29", 3);
	memcpy(a, answer, sizeof(answer));
	assert_int_equal(tp_dns_fit(a, n, 30), 29);
	assert_int_equal(a[11], 0);
}

static void count(void *arg, const uint8_t addr[4])
{
	*(int *)arg += addr[3];
}

static void test_each_a(void **state)
{
	int sum = 0;

	(void)state;
	assert_int_equal(tp_dns_each_a(BYTES(answer), count, &sum), 2);
	assert_int_equal(sum, 7);
	assert_int_equal(tp_dns_each_a((const uint8_t *)answer, 40, count, &sum), -1);
	assert_int_equal(tp_dns_each_a((const uint8_t *)answer, 4, count, &sum), -1);
}

static void test_below(void **state)
{
	(void)state;
	assert_true(tp_dns_below("db.default.svc.cluster.local", "Cluster.Local."));
	assert_true(tp_dns_below("cluster.local", "cluster.local"));
	assert_false(tp_dns_below("xcluster.local", "cluster.local"));
	assert_false(tp_dns_below("local", "cluster.local"));
	assert_true(tp_dns_below("anything", "."));
}

static void test_make_query(void **state)
{
	struct tp_dns_question q;
	uint8_t p[300];
	size_t n = tp_dns_make_query(7, "a.bc.", TP_DNS_AAAA, p, sizeof(p));

	(void)state;
	assert_int_equal(tp_dns_parse_query(p, n, &q), 0);
	assert_string_equal(q.name, "a.bc");
	assert_int_equal(q.type, TP_DNS_AAAA);
	n = tp_dns_make_query(7, ".", TP_DNS_A, p, sizeof(p));
	assert_int_equal(tp_dns_parse_query(p, n, &q), 0);
	assert_int_equal(tp_dns_make_query(7, "a..b", TP_DNS_A, p, sizeof(p)), 0);
	assert_int_equal(tp_dns_make_query(7, "abcdef", TP_DNS_A, p, 18), 0);
}

/* "api" was asked; the answer is that of "api.x" */
static const char asked[] = "\x43\x21\x01\x20\0\1\0\0\0\0\0\0\3aPi\0\0\x21\0\1";
static const char longer[] = "\0\7\x85\x80\0\1\0\3\0\1\0\1"
			     "\3API\1x\0\0\x21\0\1"
			     "\xc0\x0c\0\x21\0\1\0\0\0\5\0\x0c\0\1\0\2\x1f\x90\3pod\xc0\x10"
			     "\1y\xc0\x10\0\1\0\1\0\0\0\6\0\4\x0a\1\2\3"
			     "\xc0\x0c\0\x10\0\1\0\0\0\7\0\3\2ab"
			     "\xc0\x0c\0\2\0\1\0\0\0\7\0\2\xc0\x0c"
			     "\0\0\x29\x10\0\0\0\0\0\0\0";
static const char renamed[] = "\x43\x21\x85\x80\0\1\0\3\0\1\0\1"
			      "\3aPi\0\0\x21\0\1"
			      "\xc0\x0c\0\x21\0\1\0\0\0\5\0\x0d\0\1\0\2\x1f\x90\3pod\1x\0"
			      "\1y\1x\0\0\1\0\1\0\0\0\6\0\4\x0a\1\2\3"
			      "\xc0\x0c\0\x10\0\1\0\0\0\7\0\3\2ab"
			      "\xc0\x0c\0\2\0\1\0\0\0\7\0\7\3API\1x\0"
			      "\0\0\x29\x10\0\0\0\0\0\0\0";

static void test_rename(void **state)
{
	uint8_t out[512], bad[sizeof(longer)];
	size_t n = tp_dns_rename(BYTES(asked), BYTES(longer), out, sizeof(out));

	(void)state;
	assert_int_equal(n, sizeof(renamed) - 1);
	assert_memory_equal(out, renamed, n);
	assert_true(tp_dns_is_answer(BYTES(asked), out, n));
	for (size_t i = 0; i < sizeof(renamed) - 1; i++)
		assert_int_equal(tp_dns_rename(BYTES(asked), BYTES(longer), out, i), 0);
	/* cut off within what is needed */
	for (size_t i = 0; i < 80; i++)
		assert_int_equal(tp_dns_rename(BYTES(asked), (const uint8_t *)longer, i, out,
					       sizeof(out)),
				 0);
	/* a pointer to itself, and one that leads on */
	memcpy(bad, longer, sizeof(longer));
	bad[24] = 0x17;
	assert_int_equal(tp_dns_rename(BYTES(asked), bad, sizeof(bad) - 1, out, sizeof(out)), 0);
	bad[24] = 0x40;
	assert_int_equal(tp_dns_rename(BYTES(asked), bad, sizeof(bad) - 1, out, sizeof(out)), 0);
}

/* "x" in IN, CH and with EDNS, asked for "a.bc": nothing but the name is another. */
static void test_ask_for(void **state)
{
	static const char edns[] = "\x43\x21\x01\x30\0\1\0\0\0\0\0\1\1x\0\0\x10\0\3"
				   "\0\0\x29\x10\0\0\0\x80\0\0\4\0\x0a\0\0";
	static const char other[] = "\x43\x21\x01\x30\0\1\0\0\0\0\0\1\1a\2bc\0\0\x10\0\3"
				    "\0\0\x29\x10\0\0\0\x80\0\0\4\0\x0a\0\0";
	uint8_t out[512];
	size_t n = tp_dns_ask_for(BYTES(edns), "a.bc", out, sizeof(out));

	(void)state;
	assert_int_equal(n, sizeof(other) - 1);
	assert_memory_equal(out, other, n);
	for (size_t i = 0; i < sizeof(other) - 1; i++)
		assert_int_equal(tp_dns_ask_for(BYTES(edns), "a.bc", out, i), 0);
	for (size_t i = 0; i < sizeof(edns) - 1; i++)
		assert_int_equal(tp_dns_ask_for((const uint8_t *)edns, i, "a.bc", out, sizeof(out)),
				 0);
	assert_int_equal(tp_dns_ask_for(BYTES(edns), "a..b", out, sizeof(out)), 0);
}

/* Names in the data of a NAPTR and a DNAME are whole afterwards; a TXT's bytes are nobody's names. */
static void test_rename_data(void **state)
{
	static const char q[] = "\0\1\x01\0\0\1\0\0\0\0\0\0\1a\0\0\x23\0\1";
	static const char a[] = "\0\1\x81\x80\0\1\0\3\0\0\0\0\1a\1x\0\0\x23\0\1"
				"\xc0\x0c\0\x23\0\1\0\0\0\5\0\x0d\0\1\0\2\1S\3abc\0\xc0\x0c"
				"\xc0\x0c\0\x27\0\1\0\0\0\5\0\2\xc0\x0e"
				"\xc0\x0c\0\x10\0\1\0\0\0\5\0\3\2\xc0\x0c";
	static const char want[] = "\0\1\x81\x80\0\1\0\3\0\0\0\0\1a\0\0\x23\0\1"
				   "\xc0\x0c\0\x23\0\1\0\0\0\5\0\x10\0\1\0\2\1S\3abc\0\1a\1x\0"
				   "\xc0\x0c\0\x27\0\1\0\0\0\5\0\3\1x\0"
				   "\xc0\x0c\0\x10\0\1\0\0\0\5\0\3\2\xc0\x0c";
	uint8_t out[512];

	(void)state;
	assert_int_equal(tp_dns_rename(BYTES(q), BYTES(a), out, sizeof(out)), sizeof(want) - 1);
	assert_memory_equal(out, want, sizeof(want) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ask_for),	  cmocka_unit_test(test_rename_data),
		cmocka_unit_test(test_rename),	  cmocka_unit_test(test_query),
		cmocka_unit_test(test_is_answer), cmocka_unit_test(test_error),
		cmocka_unit_test(test_fit),	  cmocka_unit_test(test_each_a),
		cmocka_unit_test(test_below),	  cmocka_unit_test(test_make_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
