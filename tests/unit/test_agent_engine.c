/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's half of the native engine: what it connects to, and what it says of what it cannot. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/engine.h"
#include "base/cancel.h"
#include "base/limit.h"
#include "base/mem.h"

#define MANY 300

struct world {
	struct tp_loop *l;
	struct tp_flows *near;
	struct tp_far *far;
	int stream[2];
	int server, udp; /* on the loopback */
	uint16_t port, udp_port;
	int client[MANY];
	int opened[MANY]; /* errno, or -1 */
	int gone;
	size_t n_opened;
	char packet[64];
	size_t packet_len;
	bool (*done)(struct world *x);
	long long until;
};

struct one {
	struct world *x;
	int i;
};

static int bind_loopback(int type, uint16_t *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static void ended(void *arg, const char *reason)
{
	(void)arg;
	fail_msg("the stream ended: %s", reason ? reason : "");
}

static void on_opened(void *arg, int errnum)
{
	struct one *o = arg;

	o->x->opened[o->i] = errnum;
	o->x->n_opened++;
}

static void on_packet(void *arg, const void *p, size_t n)
{
	struct one *o = arg;

	assert_true(n < sizeof(o->x->packet));
	memcpy(o->x->packet, p, n);
	o->x->packet_len = n;
}

static void on_gone(void *arg, int errnum)
{
	struct one *o = arg;

	o->x->gone = errnum;
}

static const struct tp_flow_events events = { on_opened, on_packet, on_gone };
static struct one ones[MANY];

static void setup(struct world *x)
{
	struct tp_flows_events ev = { NULL, ended, x };

	memset(x, 0, sizeof(*x));
	tp_raise_file_limit();
	x->l = tp_loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, x->stream), 0);
	x->near = tp_flows_new(x->l, x->stream[0], x->stream[0], &ev);
	x->far = tp_far_new(x->l, x->stream[1], x->stream[1], ended, x);
	x->server = bind_loopback(SOCK_STREAM, &x->port);
	x->udp = bind_loopback(SOCK_DGRAM, &x->udp_port);
	for (int i = 0; i < MANY; i++) {
		ones[i] = (struct one){ x, i };
		x->client[i] = x->opened[i] = -1;
	}
}

static void teardown(struct world *x)
{
	tp_flows_free(x->near);
	tp_far_free(x->far);
	for (int i = 0; i < MANY; i++)
		tp_close_p(&x->client[i]);
	close(x->stream[0]);
	close(x->stream[1]);
	tp_close_p(&x->server);
	tp_close_p(&x->udp);
	tp_loop_free(x->l);
}

static void look(void *arg)
{
	struct world *x = arg;

	if (x->done(x))
		tp_loop_stop(x->l, true);
	else if (tp_now_ms() > x->until)
		tp_loop_stop(x->l, false);
	else
		tp_timer_add(x->l, 1, look, x);
}

static bool run(struct world *x, bool (*done)(struct world *x))
{
	x->done = done;
	x->until = tp_now_ms() + 8000;
	tp_timer_add(x->l, 0, look, x);
	return tp_loop_run(x->l);
}

static struct tp_flow *open_to(struct world *x, int i, uint8_t protocol, uint8_t family,
			       uint16_t port)
{
	struct tp_target to = { protocol, family, port, { 127, 0, 0, 1 } };
	struct tp_flow *f = tp_flow_open(x->near, &to, &events, &ones[i]);

	assert_non_null(f);
	return f;
}

static bool one_opened(struct world *x)
{
	return x->n_opened > 0;
}

static bool client_reads(struct world *x)
{
	char c;

	return recv(x->client[0], &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* To a listener, which answers. */
static void test_connect(void **state)
{
	struct world x;
	struct tp_flow *f;
	char got[8];
	int pair[2], c;

	(void)state;
	setup(&x);
	assert_int_equal(listen(x.server, 8), 0);
	f = open_to(&x, 0, IPPROTO_TCP, 4, x.port);
	assert_true(run(&x, one_opened));
	assert_int_equal(x.opened[0], 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	x.client[0] = pair[0];
	tp_flow_attach(f, pair[1]);
	c = accept(x.server, NULL, NULL);
	assert_true(c >= 0);
	assert_int_equal(send(c, "hello", 5, 0), 5);
	close(c);
	assert_true(run(&x, client_reads));
	assert_int_equal(recv(x.client[0], got, sizeof(got), 0), 5);
	assert_true(run(&x, client_reads));
	assert_int_equal(recv(x.client[0], got, sizeof(got), 0), 0);
	teardown(&x);
}

/* Nobody listens there. */
static void test_refused(void **state)
{
	struct world x;

	(void)state;
	setup(&x);
	open_to(&x, 0, IPPROTO_TCP, 4, x.port);
	assert_true(run(&x, one_opened));
	assert_int_equal(x.opened[0], ECONNREFUSED);
	assert_int_equal(tp_flows_count(x.near), 0);
	teardown(&x);
}

/* An address that no connection goes to is an error at once, and not the stream's end. */
static void test_impossible(void **state)
{
	struct tp_target to = { IPPROTO_TCP, 4, 80, { 255, 255, 255, 255 } };
	struct world x;

	(void)state;
	setup(&x);
	assert_non_null(tp_flow_open(x.near, &to, &events, &ones[0]));
	assert_true(run(&x, one_opened));
	assert_true(x.opened[0] > 0);
	teardown(&x);
}

static bool all_opened(struct world *x)
{
	int c;

	while ((c = accept(x->server, NULL, NULL)) >= 0)
		close(c);
	return x->n_opened == MANY;
}

static bool none_left(struct world *x)
{
	return !tp_flows_count(x->near);
}

/* Many at once; each that is given up before there is an answer leaves nothing either. */
static void test_many(void **state)
{
	struct tp_flow *f[MANY];
	struct world x;
	int pair[2];

	(void)state;
	setup(&x);
	assert_int_equal(listen(x.server, 4096), 0);
	for (int i = 0; i < MANY; i++)
		tp_flow_drop(open_to(&x, i, IPPROTO_TCP, 4, x.port));
	for (int i = 0; i < MANY; i++)
		f[i] = open_to(&x, i, IPPROTO_TCP, 4, x.port);
	assert_true(run(&x, all_opened));
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(x.opened[i], 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		x.client[i] = pair[0];
		tp_flow_attach(f[i], pair[1]);
		tp_close_p(&x.client[i]);
	}
	assert_true(run(&x, none_left));
	teardown(&x);
}

static bool udp_arrived(struct world *x)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char p[64];
	ssize_t n = recvfrom(x->udp, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n >= 0)
		assert_int_equal(sendto(x->udp, p, (size_t)n, 0, (struct sockaddr *)&from, len), n);
	return x->packet_len > 0;
}

static void test_udp(void **state)
{
	struct world x;
	struct tp_flow *f;

	(void)state;
	setup(&x);
	f = open_to(&x, 0, IPPROTO_UDP, 4, x.udp_port);
	tp_flow_packet(f, "question", 8);
	assert_true(run(&x, udp_arrived));
	assert_int_equal(x.packet_len, 8);
	assert_memory_equal(x.packet, "question", 8);
	tp_flow_drop(f);
	teardown(&x);
}

static bool was_gone(struct world *x)
{
	return x->gone != 0;
}

/* The ICMP error comes back as an error of the flow. */
static void test_udp_refused(void **state)
{
	struct world x;
	struct tp_flow *f;

	(void)state;
	setup(&x);
	tp_close_p(&x.udp);
	f = open_to(&x, 0, IPPROTO_UDP, 4, x.udp_port);
	tp_flow_packet(f, "question", 8);
	assert_true(run(&x, was_gone));
	assert_int_equal(x.gone, ECONNREFUSED);
	assert_int_equal(tp_flows_count(x.near), 0);
	teardown(&x);
}

static bool echo_is_settled(struct world *x)
{
	return x->packet_len || x->gone || x->opened[0] > 0;
}

/* Where the kernel allows such sockets; where it does not, that is told. */
static void test_ping(void **state)
{
	static const char request[] = { 64, 0, 0, 7, 'a', 'b', 'c' };
	struct world x;
	struct tp_flow *f;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	(void)state;
	setup(&x);
	f = open_to(&x, 0, IPPROTO_ICMP, 4, 0);
	tp_flow_packet(f, request, 1); /* cut: is passed over */
	tp_flow_packet(f, request, sizeof(request));
	assert_true(run(&x, echo_is_settled));
	if (fd >= 0) {
		assert_int_equal(x.packet_len, sizeof(request));
		assert_memory_equal(x.packet + 2, request + 2, sizeof(request) - 2);
		tp_flow_drop(f);
	} else {
		assert_int_equal(x.opened[0], EACCES);
	}
	tp_close_p(&fd);
	teardown(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),	   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_impossible), cmocka_unit_test(test_many),
		cmocka_unit_test(test_udp),	   cmocka_unit_test(test_udp_refused),
		cmocka_unit_test(test_ping),
	};

	return cmocka_run_group_tests_name("agent engine", tests, NULL, NULL);
}
