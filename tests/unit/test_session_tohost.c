/* SPDX-License-Identifier: Apache-2.0 */
/* --container-to-host: what the helper connects to, and what not. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channels.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/tohost.h"

static struct tp_loop *l;
static struct tp_channels *sidecar;
static struct tp_tohost *helper;
static bool over;

static void ended(void *arg, const char *reason)
{
	(void)arg;
	(void)reason;
	over = true;
}

static void stop(void *arg)
{
	(void)arg;
	tp_loop_stop(l, 0);
}

static void run(int ms)
{
	tp_timer_add(l, ms, stop, NULL);
	tp_loop_run(l);
}

static void join(const struct tp_ports *ports)
{
	struct tp_channels_events ev = { .ended = ended };
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	if (!helper)
		helper = tp_tohost_new(l, ports, NULL, NULL); /* by the socket alone */
	tp_tohost_serve(helper, tp_stream_from_fd(p[0]));
	sidecar = tp_channels_new(l, tp_stream_from_fd(p[1]), &ev);
}

/* A listener of this machine's, at either loopback address. */
static int listen_at(bool v6, unsigned *port)
{
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr *p = v6 ? (struct sockaddr *)&sa6 : (struct sockaddr *)&sa;
	socklen_t len = v6 ? sizeof(sa6) : sizeof(sa);
	int fd = socket(p->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, p, len) || listen(fd, 8) || getsockname(fd, p, &len)) {
		tp_close_p(&fd);
		return -1;
	}
	*port = ntohs(v6 ? sa6.sin6_port : sa.sin_port);
	return fd;
}

/* A connection of the container's to PORT: its end, non-blocking. */
static int call(unsigned port)
{
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p), 0);
	tp_channels_open(sidecar, p[1], port);
	run(20);
	return p[0];
}

static void reaches(int lfd, unsigned port)
{
	int c = call(port), s = accept(lfd, NULL, NULL);
	char text[8] = "";

	assert_true(s >= 0);
	assert_int_equal(write(s, "hello", 5), 5);
	run(20);
	assert_int_equal(read(c, text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	close(s);
	close(c);
	run(20);
}

static void is_over(int c)
{
	char byte;

	assert_int_equal(read(c, &byte, 1), 0);
	close(c);
}

static void test_ports(void **state)
{
	unsigned open, secret, six = 0, closed;
	int fd = listen_at(false, &open), other = listen_at(false, &secret);
	int fd6 = listen_at(true, &six), gone = listen_at(false, &closed);
	struct tp_port v[] = { { TP_PORT_TO_HOST, 1, open, NULL },
			       { TP_PORT_TO_HOST, 2, closed, NULL },
			       { TP_PORT_TO_HOST, 3, six ? six : 1, NULL },
			       { TP_PORT_TO_POD, 4, secret, NULL } };
	struct tp_ports ports = { v, TP_ARRAY_SIZE(v) };

	(void)state;
	close(gone);
	l = tp_loop_new();
	join(&ports);
	reaches(fd, open);
	if (fd6 >= 0)
		reaches(fd6, six);
	is_over(call(closed));
	/* not named by --container-to-host: refused, whoever asks */
	tp_log_set_fd(-1);
	is_over(call(secret));
	is_over(call(22));
	tp_log_set_fd(2);
	assert_int_equal(tp_channels_count(sidecar), 0);

	/* a stream that breaks, and the next one */
	tp_channels_free(tp_steal(&sidecar));
	run(20);
	assert_false(over);
	join(&ports);
	reaches(fd, open);
	/* the newest one counts */
	struct tp_channels *before = sidecar;
	join(&ports);
	run(20);
	assert_true(over);
	tp_channels_free(before);
	reaches(fd, open);

	tp_tohost_free(helper);
	tp_channels_free(sidecar);
	tp_loop_free(l);
	close(fd);
	close(other);
	tp_close_p(&fd6);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ports) };

	return cmocka_run_group_tests_name("session tohost", tests, NULL, NULL);
}
