/* SPDX-License-Identifier: Apache-2.0 */
/* streams and the relay */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/relay.h"
#include "base/stream.h"

/* Two socket pairs; the relay has [1] of each, the test plays on [0]. */
struct world {
	struct tp_loop *l;
	int a[2], b[2];
	struct tp_relay *r;
	int ends;
	char reason[128];
	bool has_reason;
	uint64_t ab, ba;
};

static int set_up(void **state)
{
	struct world *x = tp_calloc(1, sizeof(*x));

	x->l = tp_loop_new();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, x->a) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, x->b))
		return -1;
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct world *x = *state;

	tp_loop_free(x->l);
	for (int i = 0; i < 2; i++) {
		tp_close_p(&x->a[i]);
		tp_close_p(&x->b[i]);
	}
	free(x);
	return 0;
}

static void ended(void *arg, const char *reason)
{
	struct world *x = arg;

	x->ends++;
	tp_relay_count(x->r, &x->ab, &x->ba);
	x->has_reason = reason != NULL;
	snprintf(x->reason, sizeof(x->reason), "%s", reason ? reason : "");
	x->r = NULL;
	tp_loop_stop(x->l, 1);
}

static void too_late(void *arg)
{
	struct world *x = arg;

	tp_loop_stop(x->l, 0);
}

/* Runs until the relay's end (1), or MS milliseconds (0). */
static int run(struct world *x, int ms)
{
	struct tp_timer *t = tp_timer_add(x->l, ms, too_late, x);
	int rc = tp_loop_run(x->l);

	if (rc)
		tp_timer_del(t);
	return rc;
}

static void start(struct world *x, size_t size)
{
	x->r = tp_relay_start(x->l, tp_stream_from_fd(tp_steal_fd(&x->a[1])),
			      tp_stream_from_fd(tp_steal_fd(&x->b[1])), size, ended, x);
}

static void expect(int fd, const char *text)
{
	char got[256];
	ssize_t n = read(fd, got, sizeof(got) - 1);

	if (n < 0 && !*text)
		return;
	got[n > 0 ? n : 0] = '\0';
	assert_string_equal(got, text);
}

static void passes_bytes_and_ends(void **state)
{
	struct world *x = *state;
	char c;

	start(x, 0);
	assert_int_equal(x->ends, 0);
	assert_int_equal(write(x->a[0], "ping", 4), 4);
	assert_int_equal(write(x->b[0], "pong!", 5), 5);
	assert_int_equal(run(x, 5), 0);
	expect(x->a[0], "pong!");
	expect(x->b[0], "ping");

	/* half-close one way, the other still works */
	shutdown(x->a[0], SHUT_WR);
	assert_int_equal(run(x, 5), 0);
	assert_int_equal(read(x->b[0], &c, 1), 0);
	assert_int_equal(write(x->b[0], "late", 4), 4);
	assert_int_equal(run(x, 5), 0);
	expect(x->a[0], "late");

	shutdown(x->b[0], SHUT_WR);
	assert_int_equal(run(x, 1000), 1);
	assert_false(x->has_reason);
	assert_int_equal(x->ends, 1);
	assert_int_equal(x->ab, 4);
	assert_int_equal(x->ba, 9);
	assert_int_equal(read(x->a[0], &c, 1), 0);
}

static void the_last_bytes_arrive(void **state)
{
	struct world *x = *state;
	char c;

	assert_int_equal(write(x->a[0], "bye", 3), 3);
	shutdown(x->a[0], SHUT_WR);
	shutdown(x->b[0], SHUT_WR);
	start(x, 0);
	assert_int_equal(run(x, 1000), 1);
	assert_false(x->has_reason);
	expect(x->b[0], "bye");
	assert_int_equal(read(x->b[0], &c, 1), 0);
}

static void stops_reading_without_room(void **state)
{
	struct world *x = *state;
	static char block[4096];
	size_t sent = 0, got = 0;
	ssize_t n;

	start(x, 1000);
	for (int i = 0; i < 5; i++) {
		while ((n = write(x->a[0], block, sizeof(block))) > 0)
			sent += (size_t)n;
		run(x, 2);
	}
	/* nobody reads on b: the writer is held up, nothing is lost */
	assert_true(write(x->a[0], block, sizeof(block)) < 0 && errno == EAGAIN);
	assert_true(sent < 4 << 20);
	shutdown(x->a[0], SHUT_WR);
	while (got < sent) {
		while ((n = read(x->b[0], block, sizeof(block))) > 0)
			got += (size_t)n;
		run(x, 1);
	}
	assert_int_equal(got, sent);
	shutdown(x->b[0], SHUT_WR);
	assert_int_equal(run(x, 1000), 1);
	assert_int_equal(x->ab, sent);
}

/* Another thread at each end, odd sizes, a tiny ring: all bytes in order. */
struct peer {
	int fd;
	unsigned int seed;
	size_t total;
	bool good;
};

static void *send_all(void *arg)
{
	struct peer *p = arg;
	unsigned char chunk[3000];
	size_t sent = 0;

	while (sent < p->total) {
		size_t n = (sent * 31 + p->seed) % sizeof(chunk) + 1;

		if (n > p->total - sent)
			n = p->total - sent;
		for (size_t i = 0; i < n; i++)
			chunk[i] = (unsigned char)((sent + i) * 131 >> 4);
		if (write(p->fd, chunk, n) != (ssize_t)n)
			return NULL;
		sent += n;
	}
	shutdown(p->fd, SHUT_WR);
	return NULL;
}

static void *receive_all(void *arg)
{
	struct peer *p = arg;
	unsigned char chunk[3000];
	size_t got = 0;
	ssize_t n;

	p->good = true;
	while ((n = read(p->fd, chunk, (got * 17 + p->seed) % sizeof(chunk) + 1)) > 0) {
		for (size_t i = 0; i < (size_t)n; i++)
			p->good = p->good && chunk[i] == (unsigned char)((got + i) * 131 >> 4);
		got += (size_t)n;
	}
	p->good = p->good && n == 0 && got == p->total;
	return NULL;
}

static void keeps_the_order_both_ways(void **state)
{
	struct world *x = *state;
	const size_t total = 300000;
	struct peer peers[4] = {
		{ x->a[0], 1, total, false },
		{ x->a[0], 2, total, false },
		{ x->b[0], 3, total, false },
		{ x->b[0], 4, total, false },
	};
	pthread_t threads[4];

	fcntl(x->a[0], F_SETFL, 0);
	fcntl(x->b[0], F_SETFL, 0);
	start(x, 777);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i % 2 ? receive_all : send_all, &peers[i]);
	assert_int_equal(run(x, 20000), 1);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(peers[1].good);
	assert_true(peers[3].good);
	assert_false(x->has_reason);
	assert_int_equal(x->ab, total);
	assert_int_equal(x->ba, total);
}

static void a_broken_side_ends_it(void **state)
{
	struct world *x = *state;

	start(x, 0);
	assert_int_equal(write(x->a[0], "unread", 6), 6);
	assert_int_equal(run(x, 2), 0);
	close(x->b[0]); /* with bytes unread: a reset */
	x->b[0] = -1;
	assert_int_equal(run(x, 1000), 1);
	assert_true(x->has_reason);
	assert_string_equal(x->reason, strerror(ECONNRESET));
}

static void a_side_that_is_gone_is_noticed(void **state)
{
	struct world *x = *state;
	char c;

	start(x, 0);
	tp_close_p(&x->a[0]); /* as a killed program does */
	assert_int_equal(run(x, 5), 0);
	assert_int_equal(read(x->b[0], &c, 1), 0);
	assert_int_equal(run(x, 5000), 1); /* b never said a word */
	assert_false(x->has_reason);
}

static void can_be_stopped(void **state)
{
	struct world *x = *state;
	char c;

	start(x, 0);
	tp_relay_stop(x->r); /* before anything */
	assert_int_equal(run(x, 2), 0);
	assert_int_equal(x->ends, 0);
	assert_int_equal(read(x->a[0], &c, 1), 0);
	assert_int_equal(read(x->b[0], &c, 1), 0);
	tp_relay_stop(NULL);
}

static void two_descriptors_and_a_terminal(void **state)
{
	struct world *x = *state;
	int in[2], out[2], tty[2];
	struct termios mode;
	char c;

	/* a child's pipes against a socket */
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	x->r = tp_relay_start(x->l, tp_stream_from_fds(in[0], out[1]),
			      tp_stream_from_fd(tp_steal_fd(&x->b[1])), 0, ended, x);
	assert_int_equal(write(in[1], "up", 2), 2);
	assert_int_equal(write(x->b[0], "down", 4), 4);
	shutdown(x->b[0], SHUT_WR);
	assert_int_equal(run(x, 5), 0);
	expect(x->b[0], "up");
	expect(out[0], "down");
	assert_int_equal(read(out[0], &c, 1), 0); /* the pipe was closed */
	close(in[1]);
	assert_int_equal(run(x, 1000), 1);
	assert_false(x->has_reason);
	close(out[0]);

	/* a terminal cannot half-close: its end is the end */
	assert_int_equal(openpty(&tty[0], &tty[1], NULL, NULL, NULL), 0);
	tcgetattr(tty[1], &mode);
	cfmakeraw(&mode);
	tcsetattr(tty[1], TCSANOW, &mode);
	x->r = tp_relay_start(x->l, tp_stream_from_fd(tty[0]),
			      tp_stream_from_fd(tp_steal_fd(&x->a[1])), 0, ended, x);
	assert_int_equal(write(tty[1], "typed", 5), 5);
	assert_int_equal(run(x, 5), 0);
	expect(x->a[0], "typed");
	close(tty[1]);
	assert_int_equal(run(x, 1000), 1);
	assert_false(x->has_reason);
	assert_int_equal(x->ends, 2);
}

/* -------- a stream that keeps bytes inside, as TLS and WebSockets do */

struct odd {
	struct tp_stream s;
	char in[64], out[64];
	size_t n_in, n_out;
	int refuse; /* so many writes end in EAGAIN */
	bool broken, closed_by_us;
};

static ssize_t odd_read(struct tp_stream *s, void *buf, size_t n)
{
	struct odd *o = (struct odd *)s;

	if (!o->n_in) {
		if (o->broken) {
			errno = EPROTO;
			return -1;
		}
		errno = EAGAIN;
		return -1;
	}
	n = 1; /* one by one, poll knows nothing of it */
	memcpy(buf, o->in, n);
	memmove(o->in, o->in + 1, --o->n_in);
	return (ssize_t)n;
}

static ssize_t odd_write(struct tp_stream *s, const void *buf, size_t n)
{
	struct odd *o = (struct odd *)s;

	if (o->refuse > 0) {
		o->refuse--;
		if (n && o->n_out < 2) { /* takes it, and keeps it */
			memcpy(o->out + o->n_out, buf, 1);
			o->n_out++;
			return 1;
		}
		errno = EAGAIN;
		return -1;
	}
	if (o->n_out && write(s->fd, o->out, o->n_out) > 0)
		o->n_out = 0;
	return n ? write(s->fd, buf, n) : 0;
}

static bool odd_pending(struct tp_stream *s)
{
	return ((struct odd *)s)->n_in > 0;
}

static const char *odd_reason(struct tp_stream *s)
{
	return ((struct odd *)s)->broken ? "the odd stream broke" : NULL;
}

static int odd_shutdown(struct tp_stream *s)
{
	struct odd *o = (struct odd *)s;

	assert_int_equal(o->n_out, 0); /* all was sent before */
	return shutdown(s->fd, SHUT_WR);
}

static void odd_close(struct tp_stream *s)
{
	close(s->fd);
	free(s);
}

static const struct tp_stream_ops odd_ops = {
	.read = odd_read,
	.write = odd_write,
	.shutdown = odd_shutdown,
	.pending = odd_pending,
	.reason = odd_reason,
	.close = odd_close,
};

static struct odd *odd_new(int fd)
{
	struct odd *o = tp_calloc(1, sizeof(*o));

	o->s.ops = &odd_ops;
	o->s.fd = fd;
	o->s.can_half_close = true;
	return o;
}

static void streams_with_buffers_of_their_own(void **state)
{
	struct world *x = *state;
	struct odd *o = odd_new(tp_steal_fd(&x->a[1]));

	strcpy(o->in, "hidden, one byte a read, more than the turns of one go");
	o->n_in = strlen(o->in);
	o->refuse = 5;
	assert_int_equal(write(x->b[0], "kept back", 9), 9);
	shutdown(x->b[0], SHUT_WR);
	x->r = tp_relay_start(x->l, &o->s, tp_stream_from_fd(tp_steal_fd(&x->b[1])), 0, ended, x);
	assert_int_equal(run(x, 20), 0);
	expect(x->b[0], "hidden, one byte a read, more than the turns of one go");
	expect(x->a[0], "kept back");
	o->broken = true;
	assert_int_equal(write(x->a[0], "!", 1), 1); /* wakes it */
	assert_int_equal(run(x, 1000), 1);
	assert_string_equal(x->reason, "the odd stream broke");
}

/* -------- the blocking helpers */

static void helpers_are_bounded(void **state)
{
	struct world *x = *state;
	struct tp_stream *s = tp_stream_from_fd(tp_steal_fd(&x->a[1]));
	struct tp_cancel *c = tp_cancel_new();
	size_t n = 4 << 20;
	tp_autofree char *big = tp_calloc(1, n);
	struct tp_err err = { 0 };
	char buf[16];

	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), 2, c, &err), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	assert_int_equal(write(x->a[0], "abc", 3), 3);
	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), -1, c, &err), 3);
	assert_int_equal(tp_stream_write_all(s, "abc", 3, 100, c, &err), 0);
	expect(x->a[0], "abc");
	assert_int_equal(tp_stream_write_all(s, big, n, 5, c, &err), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	tp_cancel_trigger(c);
	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), -1, c, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	assert_int_equal(tp_stream_write_all(s, big, n, -1, c, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	tp_close_p(&x->a[0]);
	assert_int_equal(tp_stream_write_all(s, "x", 1, -1, NULL, &err), -1); /* and no SIGPIPE */
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	tp_stream_close(s);
	tp_stream_close(NULL);
	tp_cancel_free(c);

	s = tp_stream_from_fd(tp_steal_fd(&x->b[1]));
	shutdown(x->b[0], SHUT_WR);
	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), -1, NULL, &err), 0);
	assert_int_equal(tp_stream_shutdown(s), 0);
	assert_int_equal(read(x->b[0], buf, 1), 0);
	tp_stream_close(s);
}

static void shared_descriptors_get_their_mode_back(void **state)
{
	int fds[2], copy;
	struct tp_stream *s;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	copy = dup(fds[0]);
	s = tp_stream_from_fd(fds[0]);
	assert_true(fcntl(copy, F_GETFL) & O_NONBLOCK);
	assert_int_equal(tp_stream_write_fd(s), fds[0]);
	assert_false(s->can_half_close);
	tp_stream_close(s);
	assert_false(fcntl(copy, F_GETFL) & O_NONBLOCK);
	close(copy);
	close(fds[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(passes_bytes_and_ends),
		TEST(the_last_bytes_arrive),
		TEST(stops_reading_without_room),
		TEST(keeps_the_order_both_ways),
		TEST(a_broken_side_ends_it),
		TEST(a_side_that_is_gone_is_noticed),
		TEST(can_be_stopped),
		TEST(two_descriptors_and_a_terminal),
		TEST(streams_with_buffers_of_their_own),
		TEST(helpers_are_bounded),
		TEST(shared_descriptors_get_their_mode_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
