/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's half of the tunnel under load: whatever is sent arrives, also
 * when the client takes its time and the output buffer is full for a while. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"

#define TOTAL (8u << 20)

static int listen_on(unsigned *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static void serve(int fd)
{
	static char chunk[65536];
	int c = accept(fd, NULL, NULL);

	for (size_t sent = 0; sent < TOTAL;) {
		ssize_t n = write(c, chunk, sizeof(chunk));

		if (n <= 0)
			_exit(1);
		sent += (size_t)n;
	}
	close(c);
	_exit(0);
}

static void put16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

/* Reads all that comes, in small pieces; the bytes of TCP_DATA. */
static size_t drain(int fd)
{
	static unsigned char buf[1 << 16];
	size_t have = 0, data = 0;

	while (data < TOTAL) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, 5000) != 1)
			break; /* stuck: nothing came for a long time */
		n = read(fd, buf + have, sizeof(buf) - have > 4096 ? 4096 : sizeof(buf) - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		while (have >= 8) {
			size_t len = (size_t)buf[6] << 8 | buf[7];
			size_t take = have - 8 < len ? have - 8 : len;

			if (have - 8 < len)
				break;
			if (buf[4] == 0x42 && buf[5] == 0x06)
				data += take;
			memmove(buf, buf + 8 + len, have - 8 - len);
			have -= 8 + len;
		}
	}
	return data;
}

static void test_all_arrives(void **state)
{
	int in[2], out[2], lfd, status;
	unsigned port;
	pid_t server, agent;
	unsigned char frame[64];
	int n;

	(void)state;
	lfd = listen_on(&port);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	server = fork();
	if (!server)
		serve(lfd);
	agent = fork();
	if (!agent) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		_exit(tp_agent_tunnel(0, NULL));
	}
	close(in[0]);
	close(out[1]);
	n = snprintf((char *)frame + 8, sizeof(frame) - 8, "%d,127.0.0.1,%u", AF_INET, port);
	memcpy(frame, "SS", 2);
	put16(frame + 2, 1);
	put16(frame + 4, 0x4203);
	put16(frame + 6, (unsigned)n);
	assert_int_equal(write(in[1], frame, 8 + (size_t)n), 8 + n);
	assert_int_equal(drain(out[0]), TOTAL);
	close(in[1]);
	close(out[0]);
	kill(agent, SIGKILL);
	waitpid(agent, &status, 0);
	kill(server, SIGKILL);
	waitpid(server, &status, 0);
	close(lfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all_arrives) };

	return cmocka_run_group_tests_name("agent tunnel flow", tests, NULL, NULL);
}
