/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of the native engine in one loop, and connections through them. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/limit.h"
#include "base/loop.h"
#include "base/mem.h"
#include "engine/flows.h"

#define MANY 400

/*
 *   client[i] == near (opens) ==stream== far (asked) == server[i]
 *
 * The target's port is the number i; what the far end does is in DO[i].
 */
enum act { CONNECT, REFUSE, WAIT };

struct one {
	struct world *x;
	int client, server;
	int opened; /* what the near end was told: errno, or -1 for nothing yet */
	int gone;
	struct tp_flow *near, *far;
	enum act act;
	size_t packets, bytes;
};

struct world {
	struct tp_loop *l;
	struct tp_flows *near, *far;
	int stream[2];
	struct one one[MANY];
	int near_ended, far_ended;
	char why[200];
	bool (*done)(struct world *x);
	long long until;
};

/* A TCP connection, which knows resets; unix sockets do not. */
static void make_pair(int p[2])
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int lfd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(lfd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(lfd, 1), 0);
	assert_int_equal(getsockname(lfd, (struct sockaddr *)&sa, &len), 0);
	p[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(p[0], (struct sockaddr *)&sa, len), 0);
	p[1] = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(p[1] >= 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	close(lfd);
}

static void near_opened(void *arg, int errnum)
{
	struct one *o = arg;

	assert_int_equal(o->opened, -1);
	o->opened = errnum;
	if (errnum)
		o->near = NULL;
}

static void near_packet(void *arg, const void *p, size_t n)
{
	struct one *o = arg;

	(void)p;
	o->packets++;
	o->bytes += n;
}

static void was_gone(void *arg, int errnum)
{
	struct one *o = arg;

	o->gone = errnum;
	o->near = o->far = NULL;
}

static void far_packet(void *arg, const void *p, size_t n)
{
	struct one *o = arg;

	tp_flow_packet(o->far, p, n); /* an echo */
}

static const struct tp_flow_events near_events = { near_opened, near_packet, was_gone };
static const struct tp_flow_events far_events = { NULL, far_packet, was_gone };

static void connect_far(struct one *o)
{
	int p[2];

	make_pair(p);
	o->server = p[0];
	tp_flow_attach(tp_steal(&o->far), p[1]);
}

static void asked(void *arg, struct tp_flow *f, const struct tp_target *to)
{
	struct world *x = arg;
	struct one *o = &x->one[to->port];

	o->far = f;
	tp_flow_listen(f, &far_events, o);
	if (to->protocol == IPPROTO_UDP)
		tp_flow_attach(f, -1);
	else if (o->act == CONNECT)
		connect_far(o);
	else if (o->act == REFUSE)
		tp_flow_refuse(tp_steal(&o->far), ECONNREFUSED);
}

static void near_ended(void *arg, const char *reason)
{
	struct world *x = arg;

	x->near_ended++;
	snprintf(x->why, sizeof(x->why), "%s", reason ? reason : "");
}

static void far_ended(void *arg, const char *reason)
{
	struct world *x = arg;

	x->far_ended++;
	snprintf(x->why, sizeof(x->why), "%s", reason ? reason : "");
}

static void setup(struct world *x)
{
	struct tp_flows_events near_ev = { NULL, near_ended, x };
	struct tp_flows_events far_ev = { asked, far_ended, x };

	memset(x, 0, sizeof(*x));
	tp_raise_file_limit();
	x->l = tp_loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, x->stream), 0);
	x->near = tp_flows_new(x->l, x->stream[0], x->stream[0], &near_ev);
	x->far = tp_flows_new(x->l, x->stream[1], x->stream[1], &far_ev);
	for (int i = 0; i < MANY; i++)
		x->one[i] = (struct one){ .x = x, .client = -1, .server = -1, .opened = -1 };
}

static void teardown(struct world *x)
{
	tp_flows_free(x->near);
	tp_flows_free(x->far);
	tp_close_p(&x->stream[0]);
	tp_close_p(&x->stream[1]);
	for (int i = 0; i < MANY; i++) {
		tp_close_p(&x->one[i].client);
		tp_close_p(&x->one[i].server);
	}
	tp_loop_free(x->l);
}

static void look(void *arg)
{
	struct world *x = arg;
	long long ms = tp_now_ms();

	if (!x->until)
		x->until = ms + 8000;
	if (x->done(x))
		tp_loop_stop(x->l, true);
	else if (ms > x->until)
		tp_loop_stop(x->l, false);
	else
		tp_timer_add(x->l, 1, look, x);
}

/* Runs until DONE says so; false if it never did. */
static bool run(struct world *x, bool (*done)(struct world *x))
{
	x->done = done;
	x->until = 0;
	tp_timer_add(x->l, 0, look, x);
	return tp_loop_run(x->l);
}

static void open_one(struct world *x, int i, enum act act, bool attach)
{
	struct tp_target to = { IPPROTO_TCP, 4, (uint16_t)i, { 127, 0, 0, 1 } };
	int p[2];

	x->one[i].act = act;
	x->one[i].near = tp_flow_open(x->near, &to, &near_events, &x->one[i]);
	assert_non_null(x->one[i].near);
	if (!attach)
		return;
	make_pair(p);
	x->one[i].client = p[0];
	tp_flow_attach(x->one[i].near, p[1]);
}

static void attach_near(struct one *o)
{
	int p[2];

	make_pair(p);
	o->client = p[0];
	tp_flow_attach(tp_steal(&o->near), p[1]);
}

static bool all_gone(struct world *x)
{
	return !tp_flows_count(x->near) && !tp_flows_count(x->far);
}

static bool first_opened(struct world *x)
{
	return x->one[0].opened >= 0;
}

static bool first_server(struct world *x)
{
	return x->one[0].server >= 0 && x->one[0].opened >= 0;
}

static bool server_reads(struct world *x)
{
	char c;

	return recv(x->one[0].server, &c, 1, MSG_PEEK) >= 0;
}

static bool client_reads(struct world *x)
{
	char c;

	return recv(x->one[0].client, &c, 1, MSG_PEEK) >= 0;
}

static bool client_reset(struct world *x)
{
	char c;

	return recv(x->one[0].client, &c, 1, 0) < 0 && errno == ECONNRESET;
}

static bool server_reset(struct world *x)
{
	char c;

	return recv(x->one[0].server, &c, 1, 0) < 0 && errno == ECONNRESET;
}

/* -------------------------------------------------------------- opening */

static void test_refused(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	open_one(&x, 0, REFUSE, false);
	assert_true(run(&x, first_opened));
	assert_int_equal(x.one[0].opened, ECONNREFUSED);
	assert_true(all_gone(&x));
	teardown(&x);
}

/* Where the connection could not be held: it gets a reset. */
static void test_refused_attached(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	open_one(&x, 0, REFUSE, true);
	assert_true(run(&x, client_reset));
	assert_int_equal(x.one[0].opened, ECONNREFUSED);
	assert_true(all_gone(&x));
	teardown(&x);
}

/* The server speaks first, before there is a client to take it. */
static void test_attach_late(void **state)
{
	struct world x;
	char got[8];

	(void)state;
	setup(&x);
	open_one(&x, 0, CONNECT, false);
	assert_true(run(&x, first_server));
	assert_int_equal(x.one[0].opened, 0);
	assert_int_equal(send(x.one[0].server, "220 hi", 6, 0), 6);
	tp_close_p(&x.one[0].server);
	attach_near(&x.one[0]);
	assert_true(run(&x, client_reads));
	assert_int_equal(recv(x.one[0].client, got, sizeof(got), 0), 6);
	assert_memory_equal(got, "220 hi", 6);
	shutdown(x.one[0].client, SHUT_WR);
	assert_true(run(&x, all_gone));
	teardown(&x);
}

static bool far_gone(struct world *x)
{
	return x->one[0].gone != 0;
}

static bool first_far(struct world *x)
{
	return x->one[0].far != NULL;
}

/* The near end gives up before the far one has an answer. */
static void test_given_up(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	open_one(&x, 0, WAIT, false);
	assert_true(run(&x, first_far));
	tp_flow_drop(tp_steal(&x.one[0].near));
	assert_true(run(&x, far_gone));
	assert_int_equal(x.one[0].gone, ECONNRESET);
	assert_true(all_gone(&x));
	teardown(&x);
}

/* ------------------------------------------------------------------ ends */

static void test_half_close(void **state)
{
	struct world x;
	char got[8];

	(void)state;
	setup(&x);
	open_one(&x, 0, CONNECT, true);
	assert_true(run(&x, first_server));
	assert_int_equal(send(x.one[0].client, "ask", 3, 0), 3);
	shutdown(x.one[0].client, SHUT_WR);
	assert_true(run(&x, server_reads));
	assert_int_equal(recv(x.one[0].server, got, sizeof(got), 0), 3);
	assert_true(run(&x, server_reads));
	assert_int_equal(recv(x.one[0].server, got, sizeof(got), 0), 0);
	assert_int_equal(tp_flows_count(x.near), 1);
	assert_int_equal(send(x.one[0].server, "answer", 6, 0), 6);
	tp_close_p(&x.one[0].server);
	assert_true(run(&x, client_reads));
	assert_int_equal(recv(x.one[0].client, got, sizeof(got), 0), 6);
	assert_true(run(&x, client_reads));
	assert_int_equal(recv(x.one[0].client, got, sizeof(got), 0), 0);
	assert_true(run(&x, all_gone));
	teardown(&x);
}

static void test_reset_by_client(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	open_one(&x, 0, CONNECT, true);
	assert_true(run(&x, first_server));
	tp_flow_reset_fd(tp_steal_fd(&x.one[0].client));
	assert_true(run(&x, server_reset));
	assert_true(all_gone(&x));
	teardown(&x);
}

/* A server that answers without having read all, and closes: data, then a reset. */
static void test_reset_behind_data(void **state)
{
	struct world x;
	char got[8];

	(void)state;
	setup(&x);
	open_one(&x, 0, CONNECT, true);
	assert_true(run(&x, first_server));
	assert_int_equal(send(x.one[0].client, "more than is read", 17, 0), 17);
	assert_true(run(&x, server_reads));
	assert_int_equal(send(x.one[0].server, "413", 3, 0), 3);
	tp_close_p(&x.one[0].server);
	assert_true(run(&x, client_reads));
	assert_int_equal(recv(x.one[0].client, got, sizeof(got), 0), 3);
	assert_true(run(&x, client_reset));
	assert_true(run(&x, all_gone));
	teardown(&x);
}

static size_t fill(int fd)
{
	static char junk[65536];
	size_t sum = 0;
	ssize_t n;

	while ((n = send(fd, junk, sizeof(junk), MSG_NOSIGNAL)) > 0)
		sum += (size_t)n;
	return sum;
}

static struct {
	size_t filled, quiet;
} filling;

/* The client sends until nothing more goes for a while. */
static bool client_stuck(struct world *x)
{
	size_t n = fill(x->one[0].client);

	filling.filled += n;
	filling.quiet = n ? 0 : filling.quiet + 1;
	return filling.quiet > 50;
}

/* A client that has no credit left, and is killed: its server hears of it. */
static void test_reset_without_credit(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	memset(&filling, 0, sizeof(filling));
	open_one(&x, 0, CONNECT, true);
	assert_true(run(&x, first_server));
	assert_true(run(&x, client_stuck));
	tp_flow_reset_fd(tp_steal_fd(&x.one[0].client));
	assert_true(run(&x, all_gone));
	teardown(&x);
}

/* ---------------------------------------------------------------- windows */

/* One that is not read holds its window and no more, and no other up. */
static void test_slow_reader(void **state)
{
	struct world x;
	char got[8];

	(void)state;
	setup(&x);
	memset(&filling, 0, sizeof(filling));
	open_one(&x, 0, CONNECT, true);
	assert_true(run(&x, first_server));
	assert_true(run(&x, client_stuck));
	assert_true(tp_flows_held(x.far) <= TP_FLOW_WINDOW_MAX);
	assert_true(tp_flows_held(x.near) <= TP_FLOW_WINDOW_MAX);

	struct one stuck = x.one[0];

	x.one[0] = (struct one){ .x = &x, .client = -1, .server = -1, .opened = -1 };
	open_one(&x, 0, CONNECT, true);
	assert_true(run(&x, first_server));
	assert_int_equal(send(x.one[0].client, "hello", 5, 0), 5);
	assert_true(run(&x, server_reads));
	assert_int_equal(recv(x.one[0].server, got, sizeof(got), 0), 5);
	close(stuck.client);
	close(stuck.server);
	teardown(&x);
}

/*
 * Numbers, 32 bits each, both ways through every connection, in pieces of any size, to readers
 * of which some sleep; every one must arrive, in order.
 */
#define FLOWS 60
#define WORDS 60000u

static struct {
	uint32_t up_in, up_out, down_in, down_out;
	bool up_over, down_over;
} pump[FLOWS];
static unsigned seed;

static unsigned any(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 12) % n;
}

static void pump_out(int fd, uint32_t *next)
{
	uint32_t w[4096];
	uint32_t n = 1 + any(4096);
	ssize_t sent;
	size_t i;

	if (n > WORDS - *next)
		n = WORDS - *next;
	for (i = 0; i < n; i++)
		w[i] = *next + (uint32_t)i;
	sent = n ? send(fd, w, n * 4, MSG_NOSIGNAL) : 0;
	if (sent > 0) {
		/* the rest of a word that was cut */
		while (sent % 4) {
			ssize_t more =
				send(fd, (char *)w + sent, 4 - (size_t)sent % 4, MSG_NOSIGNAL);

			if (more > 0)
				sent += more;
		}
		*next += (uint32_t)sent / 4;
		if (*next == WORDS)
			shutdown(fd, SHUT_WR);
	}
}

static void pump_in(int fd, uint32_t *next, bool *over)
{
	uint32_t w[8192];
	size_t most = (1 + any(8192)) * 4;
	ssize_t n = recv(fd, w, most, MSG_PEEK);

	if (n == 0 && !*over) {
		assert_int_equal(*next, WORDS);
		*over = true;
	}
	if (n < 4)
		return;
	n = recv(fd, w, (size_t)n / 4 * 4, 0);
	for (ssize_t i = 0; i < n / 4; i++)
		assert_int_equal(w[i], (*next)++);
}

static bool pumped(struct world *x)
{
	bool all = true;

	for (int i = 0; i < FLOWS; i++) {
		struct one *o = &x->one[i];

		if (o->server < 0)
			return false;
		pump_out(o->client, &pump[i].up_out);
		pump_out(o->server, &pump[i].down_out);
		if (any(1 + (unsigned)i % 7) == 0)
			pump_in(o->server, &pump[i].up_in, &pump[i].up_over);
		if (any(1 + (unsigned)i % 5) == 0)
			pump_in(o->client, &pump[i].down_in, &pump[i].down_over);
		all = all && pump[i].up_over && pump[i].down_over;
	}
	return all;
}

static void test_all_arrives(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	seed = 1;
	memset(pump, 0, sizeof(pump));
	for (int i = 0; i < FLOWS; i++)
		open_one(&x, i, CONNECT, true);
	assert_true(run(&x, pumped));
	assert_true(run(&x, all_gone));
	assert_int_equal(tp_flows_held(x.near), 0);
	assert_int_equal(tp_flows_held(x.far), 0);
	teardown(&x);
}

static bool all_opened(struct world *x)
{
	for (int i = 0; i < MANY; i++)
		if (x->one[i].opened < 0)
			return false;
	return true;
}

/* Connections that come and go leave nothing. */
static void test_many(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	for (int i = 0; i < MANY; i++)
		open_one(&x, i, i % 3 ? CONNECT : REFUSE, true);
	assert_true(run(&x, all_opened));
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(x.one[i].opened, i % 3 ? 0 : ECONNREFUSED);
		if (i % 2)
			tp_close_p(&x.one[i].client);
		else
			tp_flow_reset_fd(tp_steal_fd(&x.one[i].client));
		tp_close_p(&x.one[i].server);
	}
	assert_true(run(&x, all_gone));
	teardown(&x);
}

/* More than there may be are refused, and those that there are go on. */
static void test_too_many(void **state)
{
	static struct tp_flow *flow[TP_FLOWS_MAX];
	struct tp_target to = { IPPROTO_TCP, 4, 0, { 127, 0, 0, 1 } };
	struct world x;

	(void)state;
	setup(&x);
	x.one[0].act = WAIT;
	for (int i = 0; i < TP_FLOWS_MAX; i++) {
		flow[i] = tp_flow_open(x.near, &to, NULL, NULL);
		assert_non_null(flow[i]);
	}
	assert_null(tp_flow_open(x.near, &to, NULL, NULL));
	assert_int_equal(errno, EAGAIN);
	for (int i = 0; i < TP_FLOWS_MAX; i++)
		tp_flow_drop(flow[i]);
	assert_true(run(&x, all_gone));
	assert_int_equal(x.near_ended + x.far_ended, 0);
	teardown(&x);
}

/* -------------------------------------------------------------------- UDP */

static bool ten_packets(struct world *x)
{
	return x->one[0].packets == 10;
}

static void test_udp(void **state)
{
	struct tp_target to = { IPPROTO_UDP, 4, 0, { 127, 0, 0, 1 } };
	static char big[60000];
	struct world x;

	(void)state;
	setup(&x);
	x.one[0].near = tp_flow_open(x.near, &to, &near_events, &x.one[0]);
	assert_true(run(&x, first_opened));
	for (int i = 0; i < 4; i++)
		tp_flow_packet(x.one[0].near, big, sizeof(big));
	for (int i = 0; i < 6; i++)
		tp_flow_packet(x.one[0].near, big, (size_t)i);
	assert_true(run(&x, ten_packets));
	assert_int_equal(x.one[0].bytes, 4 * sizeof(big) + 15);
	tp_flow_drop(x.one[0].far);
	assert_true(run(&x, far_gone));
	assert_true(all_gone(&x));
	teardown(&x);
}

/* ------------------------------------------------------------- the stream */

static bool any_ended(struct world *x)
{
	return x->near_ended || x->far_ended;
}

static void garbage(struct world *x, const void *p, size_t n)
{
	static const char hello[] = {
		0, 0, 0, 0, TP_WIRE_HELLO, 0, 0, 4, 0, 0, 0, TP_WIRE_VERSION
	};
	struct tp_flows_events ev = { asked, far_ended, x };
	int pair[2];

	setup(x);
	x->one[1].act = WAIT;
	tp_flows_free(x->far);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	x->far = tp_flows_new(x->l, pair[0], pair[0], &ev);
	if (n)
		assert_int_equal(write(pair[1], hello, sizeof(hello)), sizeof(hello));
	assert_true(write(pair[1], p, n) >= 0);
	if (!n)
		close(pair[1]);
	assert_true(run(x, any_ended));
	assert_int_equal(x->far_ended, 1);
	if (n)
		close(pair[1]);
	tp_flows_free(tp_steal(&x->far));
	close(pair[0]);
	teardown(x);
}

static void test_garbage(void **state)
{
	static const char wrong[] = "GET / HTTP/1.1\r\n\r\n";
	/* an OPEN of a connection that is waited for, and data that it may not send yet */
	static const char early[] =
		"\0\0\0\1\2\0\0\30\6\4\0\1\177\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0"
		"\0\0\0\1\5\0\0\1x";
	static const char twice[] =
		"\0\0\0\1\2\0\0\30\6\4\0\1\177\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0"
		"\0\0\0\1\2\0\0\30\6\4\0\1\177\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0";
	static const char credit[] =
		"\0\0\0\1\2\0\0\30\6\4\0\1\177\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0"
		"\0\0\0\1\10\0\0\4\377\377\377\377";
	struct world x;

	(void)state;
	garbage(&x, wrong, sizeof(wrong) - 1);
	assert_contains(x.why, "protocol");
	garbage(&x, early, sizeof(early) - 1);
	assert_contains(x.why, "keep to the protocol");
	garbage(&x, twice, sizeof(twice) - 1);
	assert_contains(x.why, "may not open");
	garbage(&x, credit, sizeof(credit) - 1);
	assert_contains(x.why, "keep to the protocol");
	garbage(&x, "", 0);
	assert_string_equal(x.why, "");
}

/* A peer that asks and never reads: what is held for it stays bounded, and it is not read itself. */
static void test_never_reads(void **state)
{
	static const char hello[] = {
		0, 0, 0, 0, TP_WIRE_HELLO, 0, 0, 4, 0, 0, 0, TP_WIRE_VERSION
	};
	static char frames[4096][TP_WIRE_HEADER + TP_WIRE_OPEN];
	struct tp_target to = { IPPROTO_TCP, 4, 1, { 127, 0, 0, 1 } };
	struct world x;
	struct tp_flows_events ev = { asked, far_ended, &x };
	uint32_t id = 1;
	int pair[2], full = 0;

	(void)state;
	setup(&x);
	x.one[1].act = REFUSE;
	tp_flows_free(x.far);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	x.far = tp_flows_new(x.l, pair[0], pair[0], &ev);
	assert_int_equal(write(pair[1], hello, sizeof(hello)), sizeof(hello));
	/* refusals of 12 bytes for each 32: far more than would be allowed to wait */
	while (full < 20 && id < 4000000) {
		size_t at = 0;

		for (int i = 0; i < 4096; i++) {
			tp_wire_header(frames[i], id++, TP_WIRE_OPEN_TO, TP_WIRE_OPEN);
			tp_wire_target(frames[i] + TP_WIRE_HEADER, &to, 65536);
		}
		while (at < sizeof(frames) && full < 20) {
			ssize_t n = send(pair[1], (char *)frames + at, sizeof(frames) - at,
					 MSG_NOSIGNAL);

			if (n > 0) {
				at += (size_t)n;
				full = 0;
			} else {
				full++;
			}
			tp_timer_add(x.l, 0, (void (*)(void *))look, &x);
			x.done = all_gone;
			x.until = 0;
			tp_loop_run(x.l);
		}
	}
	assert_int_equal(full, 20);
	assert_true(tp_flows_held(x.far) < (3u << 20));
	tp_flows_free(tp_steal(&x.far));
	close(pair[0]);
	close(pair[1]);
	teardown(&x);
}

/* The stream breaks: told once, and the sockets get a reset when the flows are freed. */
static void test_broken(void **state)
{
	struct world x;
	char c;

	(void)state;
	setup(&x);
	open_one(&x, 0, CONNECT, true);
	assert_true(run(&x, first_server));
	tp_flows_free(tp_steal(&x.far));
	tp_close_p(&x.stream[1]);
	assert_true(run(&x, any_ended));
	assert_int_equal(send(x.one[0].client, "x", 1, MSG_NOSIGNAL), 1);
	tp_flows_free(tp_steal(&x.near));
	assert_int_equal(recv(x.one[0].client, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(x.near_ended, 1);
	teardown(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_attached),
		cmocka_unit_test(test_attach_late),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_reset_by_client),
		cmocka_unit_test(test_reset_behind_data),
		cmocka_unit_test(test_reset_without_credit),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_all_arrives),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests_name("engine flows", tests, NULL, NULL);
}
