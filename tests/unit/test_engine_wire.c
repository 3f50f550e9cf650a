/* SPDX-License-Identifier: Apache-2.0 */
/* The native engine's frames, and the queue of bytes behind them. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/queue.h"
#include "engine/wire.h"

static void test_open(void **state)
{
	char p[TP_WIRE_HEADER + TP_WIRE_OPEN];
	struct tp_target to = { IPPROTO_TCP, 4, 8080, { 10, 1, 2, 3 } };
	struct tp_wire_frame f;

	(void)state;
	tp_wire_header(p, 0x01020304, TP_WIRE_OPEN_TO, TP_WIRE_OPEN);
	tp_wire_target(p + TP_WIRE_HEADER, &to, 65536);
	for (size_t n = 0; n < sizeof(p); n++)
		assert_int_equal(tp_wire_parse(p, n, &f), 0);
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), sizeof(p));
	assert_int_equal(f.id, 0x01020304);
	assert_int_equal(f.type, TP_WIRE_OPEN_TO);
	assert_int_equal(f.value, 65536);
	assert_memory_equal(&f.target, &to, sizeof(to));
	p[TP_WIRE_HEADER] = IPPROTO_SCTP & 0x7f;
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
	/* echoes are of the address's own kind */
	p[TP_WIRE_HEADER] = IPPROTO_ICMP;
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), sizeof(p));
	p[TP_WIRE_HEADER] = IPPROTO_ICMPV6;
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
	p[TP_WIRE_HEADER + 1] = 6;
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), sizeof(p));
	p[TP_WIRE_HEADER] = IPPROTO_UDP;
	p[TP_WIRE_HEADER + 1] = 5;
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
}

static void test_garbage(void **state)
{
	struct tp_wire_frame f;
	char p[TP_WIRE_HEADER];

	(void)state;
	tp_wire_header(p, 1, 0, 0);
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
	tp_wire_header(p, 1, TP_WIRE_CREDIT + 1, 0);
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
	tp_wire_header(p, 1, TP_WIRE_END, 1);
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
	tp_wire_header(p, 1, TP_WIRE_CREDIT, 3);
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
	tp_wire_header(p, 1, TP_WIRE_DATA, 5);
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), 0);
	p[5] = 1;
	assert_int_equal(tp_wire_parse(p, sizeof(p), &f), -1);
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(tp_wire_errno(tp_wire_error(ECONNREFUSED)), ECONNREFUSED);
	assert_int_equal(tp_wire_errno(tp_wire_error(EHOSTUNREACH)), EHOSTUNREACH);
	assert_int_equal(tp_wire_errno(tp_wire_error(ENETUNREACH)), ENETUNREACH);
	assert_int_equal(tp_wire_errno(tp_wire_error(ETIMEDOUT)), ETIMEDOUT);
	assert_int_equal(tp_wire_errno(tp_wire_error(EPERM)), EACCES);
	assert_int_equal(tp_wire_errno(tp_wire_error(EMLINK)), EIO);
	assert_int_equal(tp_wire_errno(0xffffffff), EIO);
}

static void test_addresses(void **state)
{
	struct sockaddr_storage sa, back;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;
	struct tp_target to;

	(void)state;
	memset(&sa, 0, sizeof(sa));
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(53);
	assert_int_equal(inet_pton(AF_INET6, "fd00::7", &v6->sin6_addr), 1);
	assert_int_equal(tp_target_from(&to, IPPROTO_UDP, &sa), 0);
	assert_int_equal(to.family, 6);
	assert_int_equal(tp_target_sockaddr(&to, &back), sizeof(*v6));
	assert_memory_equal(&sa, &back, sizeof(*v6));
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.1.2.3", &v6->sin6_addr), 1);
	assert_int_equal(tp_target_from(&to, IPPROTO_TCP, &sa), 0);
	assert_int_equal(to.family, 4);
	assert_int_equal(to.addr[0], 10);
	assert_int_equal(to.addr[4], 0);
	assert_int_equal(tp_target_sockaddr(&to, &back), sizeof(struct sockaddr_in));
	sa.ss_family = AF_UNIX;
	assert_int_equal(tp_target_from(&to, IPPROTO_TCP, &sa), -1);
}

/* What goes in comes out, in pieces that fit neither blocks nor buffers. */
static void test_queue(void **state)
{
	struct tp_queue q = { 0 };
	int p[2];
	uint32_t in = 0, out = 0;
	size_t waits = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
	while (out < 500000) {
		uint32_t words[1237];
		size_t n = 0;
		ssize_t got;

		for (; n < 1 + in % 1237 && in < 500000; n++)
			words[n] = in++;
		tp_queue_put(&q, words, n * 4);
		waits += n * 4;
		assert_int_equal(q.len, waits);
		if (in % 3 == 0 || in == 500000) {
			got = tp_queue_write(&q, p[0], true);
			if (got > 0)
				waits -= (size_t)got;
			else if (q.len)
				assert_int_equal(errno, EAGAIN);
			assert_int_equal(q.len, waits);
		}
		while (in % 7 == 0 || in == 500000 || waits > 1000000) {
			got = recv(p[1], words, sizeof(words) / 4 * 4, MSG_PEEK);
			if (got < 4)
				break;
			got = recv(p[1], words, (size_t)got / 4 * 4, 0);
			for (ssize_t i = 0; i < got / 4; i++)
				assert_int_equal(words[i], out++);
			if (q.len && tp_queue_write(&q, p[0], true) > 0)
				waits = q.len;
		}
	}
	assert_int_equal(q.len, 0);
	tp_queue_free(&q);
	close(p[1]);
	tp_queue_put(&q, "x", 1);
	assert_int_equal(tp_queue_write(&q, p[0], true), -1);
	assert_int_equal(errno, EPIPE);
	tp_queue_free(&q);
	close(p[0]);
}

/* A pipe is no socket, and is written to all the same. */
static void test_queue_pipe(void **state)
{
	struct tp_queue q = { 0 };
	char got[8];
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	tp_queue_put(&q, "hello", 5);
	assert_int_equal(tp_queue_write(&q, p[1], false), 5);
	assert_int_equal(read(p[0], got, sizeof(got)), 5);
	assert_memory_equal(got, "hello", 5);
	tp_queue_free(&q);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),   cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_queue),  cmocka_unit_test(test_queue_pipe),
	};

	return cmocka_run_group_tests_name("engine wire", tests, NULL, NULL);
}
