/* SPDX-License-Identifier: Apache-2.0 */
/* Packets as the kernel hands them to the redirector. */
#include "tp_test.h"

#include <netinet/in.h>

#include "sidecar/packet.h"

static const uint8_t syn[] = {
	0x45, 0,    0,	  40,	0,  1,	0x40, 0,  64, IPPROTO_TCP, 0, 0, /* IPv4 */
	172,  17,   0,	  2,	10, 96, 0,    10,			 /* from, to */
	0xc0, 1,    0x1f, 0x90, 0,  0,	0,    1,  0,  0,	   0, 0,
	0x50, 0x02, 0xff, 0xff, 0,  0,	0,    0,
};

static const uint8_t udp[] = {
	0x45, 0,  0, 31, 0,    1, 0x40, 0,  64, IPPROTO_UDP, 0, 0, 172, 17,  0,	  2,
	10,   96, 0, 10, 0xc0, 1, 0,	53, 0,	11,	     0, 0, 'a', 'b', 'c',
};

static void test_syn(void **state)
{
	struct tp_packet p;

	(void)state;
	assert_int_equal(tp_packet_parse(syn, sizeof(syn), &p), 0);
	assert_true(p.syn);
	assert_int_equal(p.from.port, 0xc001);
	assert_int_equal(p.to.port, 8080);
	assert_int_equal(p.to.protocol, IPPROTO_TCP);
	assert_int_equal(p.to.family, 4);
	assert_int_equal(p.from.addr[0], 172);
	assert_int_equal(p.to.addr[3], 10);
}

static void test_not_a_syn(void **state)
{
	uint8_t copy[sizeof(syn)];
	struct tp_packet p;

	(void)state;
	memcpy(copy, syn, sizeof(syn));
	copy[33] = 0x12; /* SYN and ACK */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), 0);
	assert_false(p.syn);
	copy[33] = 0xc2; /* SYN with ECN's bits */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), 0);
	assert_true(p.syn);
}

static void test_udp(void **state)
{
	uint8_t copy[sizeof(udp)];
	struct tp_packet p;

	(void)state;
	assert_int_equal(tp_packet_parse(udp, sizeof(udp), &p), 0);
	assert_int_equal(p.to.port, 53);
	assert_int_equal(p.len, 3);
	assert_memory_equal(p.data, "abc", 3);
	memcpy(copy, udp, sizeof(udp));
	copy[25] = 12; /* more than there is */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
	copy[25] = 7; /* less than its header */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
	copy[25] = 8; /* nothing in it */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), 0);
	assert_int_equal(p.len, 0);
}

static void test_ipv6(void **state)
{
	uint8_t v6[40 + 11] = { 0x60, 0, 0, 0, 0, 11, IPPROTO_UDP, 64 };
	struct tp_packet p;

	(void)state;
	v6[8] = 0xfd;
	v6[24] = 0xfc;
	memcpy(v6 + 40, udp + 20, 11);
	assert_int_equal(tp_packet_parse(v6, sizeof(v6), &p), 0);
	assert_int_equal(p.from.family, 6);
	assert_int_equal(p.from.addr[0], 0xfd);
	assert_int_equal(p.to.addr[0], 0xfc);
	assert_int_equal(p.len, 3);
	v6[6] = 0; /* a hop-by-hop header */
	assert_int_equal(tp_packet_parse(v6, sizeof(v6), &p), -1);
}

static void test_not_ours(void **state)
{
	uint8_t copy[sizeof(syn)];
	struct tp_packet p;

	(void)state;
	for (size_t n = 0; n < sizeof(syn); n++)
		assert_int_equal(tp_packet_parse(syn, n, &p), -1);
	memcpy(copy, syn, sizeof(syn));
	copy[0] = 0x44; /* a header that is too short */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
	copy[0] = 0x4f; /* one that leaves no room for TCP's */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
	copy[0] = 0x45;
	copy[6] = 0x20; /* more fragments */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
	copy[6] = 0x40;
	copy[9] = IPPROTO_ICMP;
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syn),	 cmocka_unit_test(test_not_a_syn),
		cmocka_unit_test(test_udp),	 cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_not_ours),
	};

	return cmocka_run_group_tests_name("sidecar packet", tests, NULL, NULL);
}
