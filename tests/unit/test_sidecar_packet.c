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

static const uint8_t echo[] = {
	0x45, 0,  0, 31, 0, 1, 0x40, 0, 63, IPPROTO_ICMP, 0, 0, 172, 17,  0,   2,
	10,   96, 0, 10, 8, 0, 0,    0, 12, 34,		  0, 7, 'a', 'b', 'c',
};

/* RFC 1071: with its own checksum in it, the sum is nothing but ones. */
static unsigned sum(const uint8_t *p, size_t n, unsigned s)
{
	for (size_t i = 0; i < n; i++)
		s += i % 2 ? p[i] : (unsigned)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static void test_echo(void **state)
{
	uint8_t copy[sizeof(echo)], reply[TP_PACKET_ECHO_HEAD + 3];
	struct tp_packet p;

	(void)state;
	assert_int_equal(tp_packet_parse(echo, sizeof(echo), &p), 0);
	assert_int_equal(p.to.protocol, IPPROTO_ICMP);
	assert_int_equal(p.from.port, 12 * 256 + 34);
	assert_int_equal(p.to.port, 0);
	assert_int_equal(p.sequence, 7);
	assert_int_equal(p.ttl, 63);
	assert_memory_equal(p.data, "abc", 3);
	assert_int_equal(tp_packet_echo_reply(&p, 61, "abc", 3, reply), 31);
	assert_memory_equal(reply + 12, echo + 16, 4);
	assert_memory_equal(reply + 16, echo + 12, 4);
	assert_int_equal(reply[8], 61);
	assert_int_equal(reply[20], 0);
	assert_memory_equal(reply + 24, echo + 24, 7);
	assert_int_equal(sum(reply, 20, 0), 0xffff);
	assert_int_equal(sum(reply + 20, 11, 0), 0xffff);
	memcpy(copy, echo, sizeof(echo));
	for (size_t n = 0; n < sizeof(echo); n++)
		assert_int_equal(tp_packet_parse(copy, n, &p), -1);
	copy[20] = 0; /* a reply */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
	copy[20] = 8;
	copy[21] = 1; /* no code that there is */
	assert_int_equal(tp_packet_parse(copy, sizeof(copy), &p), -1);
}

static void test_echo_ipv6(void **state)
{
	uint8_t v6[40 + 11] = { 0x60, 0, 0, 0, 0, 11, IPPROTO_ICMPV6, 63 };
	uint8_t reply[TP_PACKET_ECHO_HEAD + 3];
	struct tp_packet p;

	(void)state;
	v6[8] = 0xfd;
	v6[24] = 0xfc;
	memcpy(v6 + 40, echo + 20, 11);
	assert_int_equal(tp_packet_parse(v6, sizeof(v6), &p), -1); /* IPv4's number */
	v6[40] = 128;
	assert_int_equal(tp_packet_parse(v6, sizeof(v6), &p), 0);
	assert_int_equal(tp_packet_echo_reply(&p, 61, "abc", 3, reply), sizeof(v6));
	assert_int_equal(reply[40], 129);
	assert_int_equal(reply[7], 61);
	assert_memory_equal(reply + 8, v6 + 24, 16);
	assert_int_equal(sum(reply + 40, 11, sum(reply + 8, 32, IPPROTO_ICMPV6 + 11)), 0xffff);
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
		cmocka_unit_test(test_syn),	  cmocka_unit_test(test_not_a_syn),
		cmocka_unit_test(test_udp),	  cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_not_ours),  cmocka_unit_test(test_echo),
		cmocka_unit_test(test_echo_ipv6),
	};

	return cmocka_run_group_tests_name("sidecar packet", tests, NULL, NULL);
}
