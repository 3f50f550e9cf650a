/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/pod.h"

struct pair {
	int peer;
	struct tp_stream *s;
};

static struct pair start(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	return (struct pair){ fd[1],
			      tp_port_forward_stream(tp_ws_from_stream(tp_stream_from_fd(fd[0]))) };
}

static void stop(struct pair *p)
{
	tp_stream_close(p->s);
	close(p->peer);
}

static void frame(int fd, unsigned head, const void *p, size_t n)
{
	unsigned char h[4] = { (unsigned char)head, (unsigned char)n, 0, 0 };
	size_t len = 2;

	if (n >= 126) {
		h[1] = 126;
		h[2] = (unsigned char)(n >> 8);
		h[3] = (unsigned char)n;
		len = 4;
	}
	assert_int_equal(write(fd, h, len), len);
	if (n)
		assert_int_equal(write(fd, p, n), n);
}

static void expect(struct pair *p, const char *text)
{
	struct tp_err err = { 0 };
	char buf[64] = "";
	size_t got = 0, n = strlen(text);

	while (got < n) {
		ssize_t r = tp_stream_read_wait(p->s, buf + got, n - got, 2000, NULL, &err);

		if (r <= 0)
			fail_msg("%zd after \"%s\": %s", r, buf, err.msg);
		got += (size_t)r;
	}
	assert_memory_equal(buf, text, n);
}

static void expect_nothing(struct pair *p)
{
	char c;

	assert_int_equal(tp_stream_read(p->s, &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

static void broken(struct pair *p, int errnum, const char *words)
{
	char buf[16];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(tp_stream_read(p->s, buf, sizeof(buf)), -1);
		assert_int_equal(errno, errnum);
	}
	assert_non_null(tp_stream_reason(p->s));
	assert_contains(tp_stream_reason(p->s), words);
}

static void ports(struct pair *p)
{
	frame(p->peer, 0x82, "\0\x16\0", 3);
	frame(p->peer, 0x82, "\1\x16\0", 3);
}

static void test_data(void **state)
{
	struct pair p = start();

	(void)state;
	ports(&p);
	expect_nothing(&p);
	frame(p.peer, 0x82, "\0hello", 6);
	frame(p.peer, 0x82, "\0", 1);
	frame(p.peer, 0x82, "\0 world", 7);
	expect(&p, "hello world");
	expect_nothing(&p);
	stop(&p);
}

/* The port number, the channel byte and the data may come in any pieces. */
static void test_split(void **state)
{
	struct pair p = start();

	(void)state;
	frame(p.peer, 0x82, "\0\x16", 2);
	frame(p.peer, 0x82, "\0\0", 2);
	frame(p.peer, 0x02, "\1", 1); /* fragments */
	frame(p.peer, 0x00, "\x16", 1);
	frame(p.peer, 0x80, "\0", 1);
	frame(p.peer, 0x02, "", 0);
	frame(p.peer, 0x00, "\0a", 2);
	frame(p.peer, 0x00, "bc", 2);
	frame(p.peer, 0x80, "", 0); /* an empty end */
	frame(p.peer, 0x82, "\0d", 2);
	frame(p.peer, 0x89, "ping", 4);
	frame(p.peer, 0x82, "\0e", 2);
	expect(&p, "abcde");
	stop(&p);

	p = start();
	/* the port and data in one message */
	frame(p.peer, 0x82, "\0\x16\0xyz", 6);
	expect(&p, "xyz");
	stop(&p);
}

static void test_bytes(void **state)
{
	struct pair p = start();
	unsigned char frames[] = { 0x82, 3, 0, 22, 0, 0x82, 4, 0, 'a', 'b', 'c' };

	(void)state;
	for (size_t i = 0; i < sizeof(frames); i++) {
		if (i < 8)
			expect_nothing(&p);
		assert_int_equal(write(p.peer, frames + i, 1), 1);
	}
	expect(&p, "abc");
	stop(&p);
}

static void test_error(void **state)
{
	struct pair p = start();

	(void)state;
	ports(&p);
	frame(p.peer, 0x82, "\0a", 2);
	frame(p.peer, 0x82, "\1connection \x1brefused", 20);
	expect(&p, "a");
	broken(&p, ECONNRESET, "connection ?refused");
	stop(&p);

	p = start();
	ports(&p);
	frame(p.peer, 0x02, "\1in two", 7);
	frame(p.peer, 0x80, " parts", 6);
	broken(&p, ECONNRESET, "in two parts");
	stop(&p);
}

static void test_end(void **state)
{
	struct pair p = start();
	char c;

	(void)state;
	ports(&p);
	frame(p.peer, 0x82, "\0a", 2);
	frame(p.peer, 0x88, "\x03\xe8", 2);
	expect(&p, "a");
	assert_int_equal(tp_stream_read(p.s, &c, 1), 0);
	stop(&p);

	p = start();
	ports(&p);
	close(p.peer);
	p.peer = dup(0);
	broken(&p, ECONNRESET, "");
	stop(&p);
}

static void test_garbage(void **state)
{
	struct pair p = start();

	(void)state;
	frame(p.peer, 0x82, "\x07what", 5);
	broken(&p, EPROTO, "unknown channel");
	stop(&p);

	p = start();
	frame(p.peer, 0xf2, "x", 1);
	broken(&p, EPROTO, "");
	stop(&p);
}

static void test_write(void **state)
{
	struct pair p = start();
	unsigned char b[64];
	char *big = tp_calloc(1, 300000);
	size_t sent = 0, got = 0;

	(void)state;
	assert_int_equal(tp_stream_write(p.s, "hey", 3), 3);
	assert_int_equal(tp_stream_write(p.s, "", 0), 0);
	assert_int_equal(read(p.peer, b, sizeof(b)), 2 + 4 + 4);
	assert_int_equal(b[0], 0x82);
	assert_int_equal(b[1], 0x80 | 4);
	assert_int_equal(b[6] ^ b[2], 0); /* the channel */
	assert_int_equal(b[7] ^ b[3], 'h');
	assert_int_equal(b[9] ^ b[5], 'y');
	/* more than fits in one message or in the socket */
	while (sent < 300000) {
		ssize_t n = tp_stream_write(p.s, big + sent, 300000 - sent);
		char drain[4096];

		if (n > 0) {
			sent += (size_t)n;
		} else {
			assert_int_equal(errno, EAGAIN);
			n = read(p.peer, drain, sizeof(drain));
			assert_true(n > 0);
			got += (size_t)n;
		}
	}
	assert_true(got < 300000 + 6 * 100);
	free(big);
	assert_false(p.s->can_half_close);
	stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),  cmocka_unit_test(test_split),
		cmocka_unit_test(test_bytes), cmocka_unit_test(test_error),
		cmocka_unit_test(test_end),   cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
