/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections over one stream. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/channels.h"
#include "base/mem.h"

#define MANY 300

/*
 * Both ends in one loop:
 *
 *   client[i] == near end (opens) ==stream== far end (asked) == server[i]
 *
 * NUMBER says what the far end does: 1 connects to a pair of sockets, 2
 * refuses, 3 answers when it is told to.
 */
struct world {
	struct tp_loop *l;
	struct tp_channels *near, *far;
	int client[MANY], server[MANY];
	size_t n_clients, n_servers;
	uint32_t waiting;
	bool tcp;
	int near_ended, far_ended;
	char why[256];
};

/* A pair of sockets: unix ones, or TCP, which know resets. */
static void make_pair(const struct world *x, int p[2])
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int lfd;

	if (!x->tcp) {
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p), 0);
		return;
	}
	lfd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(lfd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(lfd, 1), 0);
	assert_int_equal(getsockname(lfd, (struct sockaddr *)&sa, &len), 0);
	p[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(p[0], (struct sockaddr *)&sa, len), 0);
	p[1] = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	close(lfd);
}

static void asked(void *arg, uint32_t id, unsigned number)
{
	struct world *x = arg;
	int p[2];

	if (number == 3) {
		x->waiting = id;
		return;
	}
	if (number != 1) {
		tp_channels_answer(x->far, id, -1);
		return;
	}
	make_pair(x, p);
	x->server[x->n_servers++] = p[0];
	tp_channels_answer(x->far, id, p[1]);
}

static void near_ended(void *arg, const char *reason)
{
	struct world *x = arg;

	x->near_ended++;
	snprintf(x->why, sizeof(x->why), "%s", reason ? reason : "");
	tp_channels_free(tp_steal(&x->near));
}

static void far_ended(void *arg, const char *reason)
{
	struct world *x = arg;

	x->far_ended++;
	snprintf(x->why, sizeof(x->why), "%s", reason ? reason : "");
	tp_channels_free(tp_steal(&x->far));
}

static int set_up(void **state)
{
	struct world *x = tp_calloc(1, sizeof(*x));
	struct tp_channels_events near = { .ended = near_ended, .arg = x };
	struct tp_channels_events far = { asked, far_ended, x };
	int p[2];

	x->l = tp_loop_new();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p))
		return -1;
	x->near = tp_channels_new(x->l, tp_stream_from_fd(p[0]), &near);
	x->far = tp_channels_new(x->l, tp_stream_from_fd(p[1]), &far);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct world *x = *state;

	tp_channels_free(x->near);
	tp_channels_free(x->far);
	tp_loop_free(x->l);
	for (size_t i = 0; i < x->n_clients; i++)
		tp_close_p(&x->client[i]);
	for (size_t i = 0; i < x->n_servers; i++)
		tp_close_p(&x->server[i]);
	free(x);
	return 0;
}

static void stop(void *arg)
{
	struct world *x = arg;

	tp_loop_stop(x->l, 0);
}

static void run(struct world *x, int ms)
{
	tp_timer_add(x->l, ms, stop, x);
	tp_loop_run(x->l);
}

/* A connection to NUMBER; the client's end. */
static int dial(struct world *x, unsigned number)
{
	int p[2];

	make_pair(x, p);
	x->client[x->n_clients++] = p[0];
	tp_channels_open(x->near, p[1], number);
	run(x, 5);
	return p[0];
}

static ssize_t get(int fd, char *buf, size_t n)
{
	ssize_t got = read(fd, buf, n);

	return got < 0 ? -errno : got;
}

static void expect(int fd, const char *text)
{
	char got[256];
	ssize_t n = get(fd, got, sizeof(got) - 1);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

/* ------------------------------------------------------------------- tests */

static void bytes_and_ends(void **state)
{
	struct world *x = *state;
	int c = dial(x, 1), s = x->server[0];
	char byte;

	assert_int_equal(write(c, "ping", 4), 4);
	assert_int_equal(write(s, "pong!", 5), 5);
	run(x, 5);
	expect(s, "ping");
	expect(c, "pong!");
	/* one way ends, the other goes on */
	shutdown(c, SHUT_WR);
	run(x, 5);
	assert_int_equal(get(s, &byte, 1), 0);
	assert_int_equal(write(s, "late", 4), 4);
	run(x, 5);
	expect(c, "late");
	assert_int_equal(tp_channels_count(x->near), 1);
	shutdown(s, SHUT_WR);
	run(x, 5);
	assert_int_equal(get(c, &byte, 1), 0);
	assert_int_equal(tp_channels_count(x->near), 0);
	assert_int_equal(tp_channels_count(x->far), 0);
}

/* The end stands behind the bytes, however many there are. */
static void last_bytes(void **state)
{
	struct world *x = *state;
	int c = dial(x, 1), s = x->server[0];
	static char block[100000];
	size_t got = 0;
	ssize_t n;

	n = write(c, block, sizeof(block));
	assert_true(n > 0);
	close(c);
	x->client[0] = -1;
	for (int i = 0; i < 50; i++) {
		ssize_t r;

		run(x, 1);
		while ((r = get(s, block, sizeof(block))) > 0)
			got += (size_t)r;
		if (r == 0)
			break;
	}
	assert_int_equal(got, n);
}

static void refused_is_a_reset(void **state)
{
	struct world *x = *state;
	int c;
	char byte;

	x->tcp = true;
	c = dial(x, 2);
	assert_int_equal(get(c, &byte, 1), -ECONNRESET);
	assert_int_equal(tp_channels_count(x->near), 0);
	assert_int_equal(tp_channels_count(x->far), 0);
}

static void reset_passes(void **state)
{
	struct world *x = *state;
	int c, s;
	char byte;

	x->tcp = true;
	c = dial(x, 1);
	s = x->server[0];
	tp_channels_reset(c);
	x->client[0] = -1;
	run(x, 5);
	assert_int_equal(get(s, &byte, 1), -ECONNRESET);
	/* and the other way */
	c = dial(x, 1);
	tp_channels_reset(x->server[1]);
	x->server[1] = -1;
	run(x, 5);
	assert_int_equal(get(c, &byte, 1), -ECONNRESET);
	assert_int_equal(tp_channels_count(x->near), 0);
	assert_int_equal(tp_channels_count(x->far), 0);
}

static void late_answer(void **state)
{
	struct world *x = *state;
	int c, p[2];
	char byte;

	x->tcp = true;
	c = dial(x, 3);
	assert_int_equal(write(c, "early", 5), 5);
	run(x, 5);
	make_pair(x, p);
	x->server[x->n_servers++] = p[0];
	tp_channels_answer(x->far, x->waiting, p[1]);
	run(x, 5);
	expect(p[0], "early");
	/* no such question, or answered before: closed, no harm done */
	make_pair(x, p);
	tp_channels_answer(x->far, x->waiting, p[1]);
	tp_channels_answer(x->far, 4711, -1);
	assert_int_equal(get(p[0], &byte, 1), -ECONNRESET);
	close(p[0]);
	run(x, 5);
	assert_int_equal(tp_channels_count(x->far), 1);
}

/* As much as the sockets and the window take, and then no more is read. */
static size_t stuff(struct world *x, int fd)
{
	static char block[65536];
	size_t all = 0;

	for (int idle = 0; idle < 3;) {
		ssize_t n = write(fd, block, sizeof(block));

		if (n > 0) {
			all += (size_t)n;
			idle = 0;
		} else {
			idle++;
		}
		run(x, 2);
	}
	return all;
}

static void unread_one_stops_nobody(void **state)
{
	struct world *x = *state;
	int stuck = dial(x, 1), c;
	size_t all = stuff(x, stuck), got = 0;
	static char block[65536];

	assert_true(all < 4u << 20);
	c = dial(x, 1);
	assert_int_equal(write(c, "through", 7), 7);
	run(x, 5);
	expect(x->server[1], "through");
	/* once it is read, all of it arrives */
	for (int i = 0; i < 400 && got < all; i++) {
		ssize_t n;

		while ((n = get(x->server[0], block, sizeof(block))) > 0)
			got += (size_t)n;
		run(x, 1);
	}
	assert_int_equal(got, all);
}

static void many(void **state)
{
	struct world *x = *state;
	char text[16];

	for (int i = 0; i < MANY; i++) {
		int p[2];

		make_pair(x, p);
		x->client[x->n_clients++] = p[0];
		tp_channels_open(x->near, p[1], 1);
		snprintf(text, sizeof(text), "c%d", i);
		assert_int_equal(write(p[0], text, strlen(text)), strlen(text));
	}
	run(x, 200);
	assert_int_equal(x->n_servers, MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "c%d", i);
		expect(x->server[i], text);
		close(x->server[i]);
		x->server[i] = -1;
	}
	for (int i = 0; i < MANY; i++) {
		close(x->client[i]);
		x->client[i] = -1;
	}
	run(x, 200);
	assert_int_equal(tp_channels_count(x->near), 0);
	assert_int_equal(tp_channels_count(x->far), 0);
}

/* A stream that breaks resets what it carried. */
static void stream_ends(void **state)
{
	struct world *x = *state;
	int c;
	char byte;

	x->tcp = true;
	c = dial(x, 1);
	tp_channels_free(tp_steal(&x->far));
	run(x, 20);
	assert_int_equal(x->near_ended, 1);
	assert_null(x->near);
	assert_int_equal(get(c, &byte, 1), -ECONNRESET);
	assert_int_equal(get(x->server[0], &byte, 1), -ECONNRESET);
}

/* Each of these ends the stream: it is no use to guess what was meant. */
static void garbage_ends_it(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "\0\0\0\1\7\0\0\0", 8 },	/* no such type */
		{ "\0\0\0\1\1\0\0\0", 8 },	/* OPEN without a number */
		{ "\0\0\0\1\3\0\0\0", 8 },	/* DATA without any */
		{ "\0\0\0\1\3\0\x80\1", 8 },	/* more than a message holds */
		{ "\0\0\0\1\1\1\0\2\0\1", 10 }, /* a flag */
		{ "\0\0\0\1\1\0\0\2\0\3"	/* the same one twice */
		  "\0\0\0\1\1\0\0\2\0\3",
		  20 },
		{ "\0\0\0\1\1\0\0\2\0\3" /* DATA before it was opened */
		  "\0\0\0\1\3\0\0\1x",
		  19 },
		{ "\0\0\0\1\1\0\0\2\0\3" /* END likewise */
		  "\0\0\0\1\4\0\0\0",
		  18 },
		{ "\0\0\0\1\1\0\0\2\0\1" /* credit for what was not sent */
		  "\0\0\0\1\6\0\0\4\0\0\0\1",
		  22 },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		struct world x = { .l = tp_loop_new() };
		struct tp_channels_events far = { asked, far_ended, &x };
		int p[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
		x.far = tp_channels_new(x.l, tp_stream_from_fd(p[0]), &far);
		assert_int_equal(write(p[1], bad[i].bytes, bad[i].n), bad[i].n);
		run(&x, 10);
		if (x.far_ended != 1 || !x.why[0])
			fail_msg("case %zu was taken", i);
		for (size_t j = 0; j < x.n_servers; j++)
			close(x.server[j]);
		close(p[1]);
		tp_loop_free(x.l);
	}
}

/* What crossed with the end of a connection is passed over. */
static void crossed(void **state)
{
	static const char late[] = "\0\0\0\1\1\0\0\2\0\2" /* refused */
				   "\0\0\0\1\3\0\0\1x"
				   "\0\0\0\1\4\0\0\0"
				   "\0\0\0\1\6\0\0\4\0\0\1\0"
				   "\0\0\0\1\5\0\0\0";
	struct world x = { .l = tp_loop_new() };
	struct tp_channels_events far = { asked, far_ended, &x };
	char answer[64];
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	x.far = tp_channels_new(x.l, tp_stream_from_fd(p[0]), &far);
	assert_int_equal(write(p[1], late, sizeof(late) - 1), sizeof(late) - 1);
	run(&x, 10);
	assert_int_equal(x.far_ended, 0);
	assert_int_equal(read(p[1], answer, sizeof(answer)), 8);
	assert_memory_equal(answer, "\0\0\0\1\5\0\0\0", 8);
	tp_channels_free(x.far);
	close(p[1]);
	tp_loop_free(x.l);
}

/* The side that opens is never asked. */
static void only_one_side_opens(void **state)
{
	struct world *x = *state;
	int p[2];

	make_pair(x, p);
	tp_channels_open(x->far, p[1], 1);
	run(x, 10);
	assert_int_equal(x->near_ended, 1);
	close(p[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_and_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(last_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_is_a_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reset_passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unread_one_stops_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stream_ends, set_up, tear_down),
		cmocka_unit_test(garbage_ends_it),
		cmocka_unit_test(crossed),
		cmocka_unit_test_setup_teardown(only_one_side_opens, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("channels", tests, NULL, NULL);
}
