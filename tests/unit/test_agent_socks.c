/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's SOCKS server: what it reads and writes, and a whole one on the loopback. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/socks.h"
#include "agent/socksmsg.h"
#include "base/cancel.h"
#include "base/mem.h"

#define PATIENCE_MS 20000

/* ----------------------------------------------------------- messages */

static void test_greeting(void **state)
{
	static const uint8_t good[] = { 5, 2, 2, 0 }, password[] = { 5, 1, 2 }, four[] = { 4, 1 };
	bool open;

	(void)state;
	for (size_t n = 0; n < sizeof(good); n++)
		assert_int_equal(tp_socks_greeting(good, n, &open), 0);
	assert_int_equal(tp_socks_greeting(good, sizeof(good), &open), sizeof(good));
	assert_true(open);
	assert_int_equal(tp_socks_greeting(password, sizeof(password), &open), sizeof(password));
	assert_false(open);
	assert_int_equal(tp_socks_greeting(four, 1, &open), -1);
}

static void test_request(void **state)
{
	static const uint8_t v4[] = { 5, 1, 0, 1, 10, 1, 2, 3, 0x1f, 0x90, 'x' };
	static const uint8_t name[] = { 5, 0xf0, 0, 3, 3, 'w', 'e', 'b', 0, 0 };
	uint8_t v6[22] = { 5, 0xf1, 0, 4, 0xfd }, copy[sizeof(name)];
	struct tp_socks_request r;

	(void)state;
	for (size_t n = 0; n < sizeof(v4) - 1; n++)
		assert_int_equal(tp_socks_request(v4, n, &r), 0);
	assert_int_equal(tp_socks_request(v4, sizeof(v4), &r), sizeof(v4) - 1);
	assert_int_equal(r.refuse, TP_SOCKS_GRANTED);
	assert_int_equal(r.target.port, 8080);
	assert_int_equal(r.target.family, 4);
	assert_int_equal(r.target.addr[3], 3);
	for (size_t n = 0; n < sizeof(name); n++)
		assert_int_equal(tp_socks_request(name, n, &r), 0);
	assert_int_equal(tp_socks_request(name, sizeof(name), &r), sizeof(name));
	assert_int_equal(r.command, TP_SOCKS_RESOLVE);
	assert_string_equal(r.name, "web");
	assert_int_equal(tp_socks_request(v6, sizeof(v6), &r), sizeof(v6));
	assert_int_equal(r.refuse, TP_SOCKS_GRANTED);
	assert_int_equal(r.target.family, 6);

	memcpy(copy, name, sizeof(name));
	copy[6] = 0; /* in the middle of it */
	assert_int_equal(tp_socks_request(copy, sizeof(copy), &r), sizeof(copy));
	assert_int_equal(r.refuse, TP_SOCKS_NO_HOST);
	copy[1] = TP_SOCKS_UDP;
	assert_int_equal(tp_socks_request(copy, sizeof(copy), &r), sizeof(copy));
	assert_int_equal(r.refuse, TP_SOCKS_NO_COMMAND);
	copy[3] = 9;
	assert_true(tp_socks_request(copy, sizeof(copy), &r) > 0);
	assert_int_equal(r.refuse, TP_SOCKS_NO_KIND);
	copy[0] = 4;
	assert_int_equal(tp_socks_request(copy, sizeof(copy), &r), -1);
}

static void test_answer(void **state)
{
	struct tp_target a = { IPPROTO_TCP, 4, 80, { 10, 0, 0, 1 } };
	uint8_t out[TP_SOCKS_MESSAGE_MAX];
	char longest[400];

	(void)state;
	assert_int_equal(tp_socks_answer(TP_SOCKS_GRANTED, &a, NULL, out), 10);
	assert_memory_equal(out, "\5\0\0\1\n\0\0\1\0P", 10);
	assert_int_equal(tp_socks_answer(TP_SOCKS_REFUSED, NULL, NULL, out), 10);
	assert_int_equal(out[1], 5);
	a.family = 6;
	assert_int_equal(tp_socks_answer(TP_SOCKS_GRANTED, &a, NULL, out), 22);
	assert_int_equal(tp_socks_answer(TP_SOCKS_GRANTED, NULL, "web", out), 10);
	assert_memory_equal(out + 3, "\3\3web", 5);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(tp_socks_answer(TP_SOCKS_GRANTED, NULL, longest, out), sizeof(out));
}

/* -------------------------------------------------------------- server */

struct world {
	struct tp_loop *l;
	struct tp_socks *s;
	uint16_t port, far_port;
	int far; /* who listens there */
	int fd;	 /* a client's */
	uint8_t got[1000];
	size_t n, wanted;
	bool ended;
	long long until;
};

static int listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(listen(fd, 100), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static int client_of(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void setup(struct world *x)
{
	memset(x, 0, sizeof(*x));
	x->l = tp_loop_new();
	x->s = tp_socks_new(x->l, listen_on_loopback(&x->port));
	x->far = listen_on_loopback(&x->far_port);
	x->fd = client_of(x->port);
}

static void look(void *arg)
{
	struct world *x = arg;
	ssize_t n = recv(x->fd, x->got + x->n, sizeof(x->got) - x->n, MSG_DONTWAIT);

	if (n > 0)
		x->n += (size_t)n;
	x->ended = x->ended || n == 0 || (n < 0 && errno != EAGAIN);
	if (x->n >= x->wanted || x->ended || tp_now_ms() > x->until)
		tp_loop_stop(x->l, 0);
	else
		tp_timer_add(x->l, 1, look, x);
}

/* The client gets N bytes. */
static void wait_for(struct world *x, size_t n)
{
	x->wanted = n;
	x->n = 0;
	x->until = tp_now_ms() + PATIENCE_MS;
	tp_timer_add(x->l, 0, look, x);
	tp_loop_run(x->l);
}

static void stop(void *arg)
{
	tp_loop_stop(arg, 0);
}

static void run_a_moment(struct world *x)
{
	tp_timer_add(x->l, 1, stop, x->l);
	tp_loop_run(x->l);
}

static void teardown(struct world *x)
{
	while (tp_socks_busy(x->s))
		run_a_moment(x);
	tp_socks_free(x->s);
	close(x->fd);
	close(x->far);
	tp_loop_free(x->l);
}

static void tell(struct world *x, const void *p, size_t n)
{
	assert_int_equal(send(x->fd, p, n, MSG_NOSIGNAL), n);
}

static void greet(struct world *x)
{
	tell(x, "\5\1\0", 3);
	wait_for(x, 2);
	assert_memory_equal(x->got, "\5\0", 2);
}

static void test_connect(void **state)
{
	uint8_t request[] = { 5, 1, 0, 1, 127, 0, 0, 1, 0, 0 };
	char text[16];
	struct world x;
	int server;

	(void)state;
	setup(&x);
	request[8] = (uint8_t)(x.far_port >> 8);
	request[9] = (uint8_t)x.far_port;
	/* a byte at a time, as some do */
	for (int i = 0; i < 3; i++) {
		tell(&x, &"\5\1\0"[i], 1);
		run_a_moment(&x);
	}
	wait_for(&x, 2);
	assert_memory_equal(x.got, "\5\0", 2);
	for (size_t i = 0; i < sizeof(request); i++) {
		tell(&x, &request[i], 1);
		run_a_moment(&x);
	}
	tell(&x, "early", 5);
	wait_for(&x, 10);
	assert_int_equal(x.n, 10);
	assert_int_equal(x.got[1], TP_SOCKS_GRANTED);
	server = accept(x.far, NULL, NULL);
	assert_true(server >= 0);
	for (int i = 0; i < 100; i++)
		run_a_moment(&x);
	assert_int_equal(recv(server, text, sizeof(text), MSG_DONTWAIT), 5);
	assert_memory_equal(text, "early", 5);
	/* half-close: the answer comes after the end */
	shutdown(x.fd, SHUT_WR);
	while (recv(server, text, sizeof(text), MSG_DONTWAIT) != 0)
		run_a_moment(&x);
	assert_int_equal(send(server, "late", 4, 0), 4);
	wait_for(&x, 4);
	assert_memory_equal(x.got, "late", 4);
	close(server);
	wait_for(&x, 1);
	assert_true(x.ended);
	teardown(&x);
}

static void test_refused(void **state)
{
	uint8_t request[] = { 5, 1, 0, 1, 127, 0, 0, 1, 0, 0 };
	struct world x;

	(void)state;
	setup(&x);
	request[8] = (uint8_t)(x.far_port >> 8);
	request[9] = (uint8_t)x.far_port;
	close(x.far);
	x.far = -1;
	greet(&x);
	tell(&x, request, sizeof(request));
	wait_for(&x, 10);
	assert_int_equal(x.got[1], TP_SOCKS_REFUSED);
	wait_for(&x, 1);
	assert_true(x.ended);
	teardown(&x);
}

static void test_resolve(void **state)
{
	static const uint8_t request[] = { 5,	0xf0, 0,   3,	9,   'l', 'o', 'c',
					   'a', 'l',  'h', 'o', 's', 't', 0,   0 };
	static const uint8_t nobody[] = { 5,   0xf0, 0,	  3,   8,   'n', 'o', ' ',
					  's', 'u',  'c', 'h', '.', 0,	 0 };
	struct world x;

	(void)state;
	setup(&x);
	greet(&x);
	tell(&x, request, sizeof(request));
	wait_for(&x, 10);
	assert_int_equal(x.got[1], TP_SOCKS_GRANTED);
	teardown(&x);
	setup(&x);
	greet(&x);
	tell(&x, nobody, sizeof(nobody));
	wait_for(&x, 10);
	assert_int_equal(x.got[1], TP_SOCKS_NO_HOST);
	teardown(&x);
}

/* Gone while its name is looked up, with a password only, with garbage: the server lives, and closes. */
static void test_bad_clients(void **state)
{
	static const uint8_t request[] = { 5,	0xf0, 0,   3,	9,   'l', 'o', 'c',
					   'a', 'l',  'h', 'o', 's', 't', 0,   0 };
	struct world x;

	(void)state;
	setup(&x);
	greet(&x);
	tell(&x, request, sizeof(request));
	close(x.fd);
	x.fd = client_of(x.port);
	tell(&x, "\5\1\2", 3);
	wait_for(&x, 3);
	assert_int_equal(x.n, 2);
	assert_int_equal(x.got[1], 0xff);
	assert_true(x.ended);
	close(x.fd);
	x.ended = false;
	x.fd = client_of(x.port);
	tell(&x, "GET / HTTP/1.1\r\n\r\n", 18);
	wait_for(&x, 1);
	assert_true(x.ended);
	teardown(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),    cmocka_unit_test(test_request),
		cmocka_unit_test(test_answer),	    cmocka_unit_test(test_connect),
		cmocka_unit_test(test_refused),	    cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_bad_clients),
	};

	return cmocka_run_group_tests_name("agent socks", tests, NULL, NULL);
}
