/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "docker/stdcopy.h"

static char errors[256];

static void take_stderr(void *arg, const char *p, size_t n)
{
	(void)arg;
	strncat(errors, p, n);
}

#define WHOLE                 \
	"\1\0\0\0\0\0\0\3abc" \
	"\2\0\0\0\0\0\0\2er"  \
	"\1\0\0\0\0\0\0\0"    \
	"\1\0\0\0\0\0\0\1d"

static void takes_apart(void **state)
{
	(void)state;
	/* cut at each place */
	for (size_t cut = 0; cut < sizeof(WHOLE); cut++) {
		struct tp_stdcopy d = { 0 };
		char out[16] = "", err[16] = "";

		for (int half = 0; half < 2; half++) {
			const char *p = half ? WHOLE + cut : WHOLE, *data;
			size_t n = half ? sizeof(WHOLE) - 1 - cut : cut, len;

			if (cut == sizeof(WHOLE) - 1 && half)
				break;
			if (n > sizeof(WHOLE))
				break;
			int rc;
			while ((rc = tp_stdcopy_next(&d, &p, &n, &data, &len)) == 1)
				strncat(d.type == 2 ? err : out, data, len);
			assert_int_equal(rc, 0);
			assert_int_equal(n, 0);
		}
		if (cut < sizeof(WHOLE) - 1) {
			assert_string_equal(out, "abcd");
			assert_string_equal(err, "er");
		}
	}
}

static void refuses_other_streams(void **state)
{
	static const char *const bad[] = { "hello world", "\4\0\0\0\0\0\0\1", "\1\1", "\1\0\1",
					   "\1\0\0\1" };
	static const size_t lens[] = { 11, 8, 2, 3, 4 };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		struct tp_stdcopy d = { 0 };
		const char *p = bad[i], *data;
		size_t n = lens[i], len;

		assert_int_equal(tp_stdcopy_next(&d, &p, &n, &data, &len), -1);
	}
}

static struct tp_stream *make(int *peer)
{
	int fd[2];

	errors[0] = '\0';
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	*peer = fd[1];
	return tp_stdcopy_stream(tp_stream_from_fd(fd[0]), take_stderr, NULL);
}

static void is_a_stream(void **state)
{
	char buf[16];
	int peer;
	struct tp_stream *s = make(&peer);

	(void)state;
	assert_int_equal(tp_stream_read(s, buf, 16), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(tp_write_all(peer, WHOLE, sizeof(WHOLE) - 1), 0);
	assert_int_equal(tp_stream_read(s, buf, 2), 2);
	assert_true(tp_stream_pending(s));
	assert_int_equal(tp_stream_read(s, buf, 16), 1);
	assert_int_equal(tp_stream_read(s, buf, 16), 1);
	assert_string_equal(errors, "er");
	assert_int_equal(tp_stream_read(s, buf, 16), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(tp_stream_pending(s));
	assert_int_equal(tp_write_all(peer, "\1\0\0", 3), 0);
	assert_int_equal(tp_stream_read(s, buf, 16), -1);
	assert_false(tp_stream_pending(s));
	assert_int_equal(tp_stream_write(s, "in", 2), 2);
	assert_int_equal(tp_stream_shutdown(s), 0);
	assert_int_equal(read(peer, buf, 16), 2);
	assert_int_equal(read(peer, buf, 16), 0);
	close(peer);
	assert_int_equal(tp_stream_read(s, buf, 16), -1);
	assert_int_equal(errno, ECONNRESET);
	tp_stream_close(s);
}

static void tells_the_daemons_error(void **state)
{
	char buf[16];
	int peer;
	struct tp_stream *s = make(&peer);

	(void)state;
	assert_int_equal(tp_write_all(peer, "\1\0\0\0\0\0\0\1x\3\0\0\0\0\0\0\4oops", 21), 0);
	assert_int_equal(tp_stream_read(s, buf, 16), 1);
	assert_int_equal(tp_stream_read(s, buf, 16), -1);
	assert_string_equal(tp_stream_reason(s), "oops");
	assert_int_equal(tp_stream_read(s, buf, 16), -1);
	tp_stream_close(s);
	close(peer);

	s = make(&peer);
	close(peer);
	assert_int_equal(tp_stream_read(s, buf, 16), 0);
	tp_stream_close(s);
}

static void large_payload(void **state)
{
	static char in[200000], out[200000];
	char head[8] = { 1 };
	int peer;
	size_t got = 0, put = 0;
	struct tp_stream *s = make(&peer);

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 31 + i / 255);
	head[5] = (char)(sizeof(in) >> 16);
	head[6] = (char)(sizeof(in) >> 8 & 255);
	head[7] = (char)(sizeof(in) & 255);
	assert_int_equal(tp_write_all(peer, head, 8), 0);
	while (got < sizeof(in)) {
		ssize_t n = tp_stream_read(s, out + got, sizeof(out) - got);

		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		n = send(peer, in + put, sizeof(in) - put, MSG_DONTWAIT);
		assert_true(n > 0);
		put += (size_t)n;
	}
	assert_memory_equal(in, out, sizeof(in));
	tp_stream_close(s);
	close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_apart),	 cmocka_unit_test(refuses_other_streams),
		cmocka_unit_test(is_a_stream),	 cmocka_unit_test(tells_the_daemons_error),
		cmocka_unit_test(large_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
