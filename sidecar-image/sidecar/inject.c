/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method inject-tcp (common/inject.h): the agent's SOCKS server, a session of ssh's, and a local forward
 * of the master's that leads to it. Ports of --to-pod are local forwards as well.
 *
 *   "tpdocker-agent socks" --its port--> forward asked for --ok--> captured
 *
 * All of it goes with the link, and is made again with the next.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/inject.h"
#include "sidecar/sidecar.h"

#define LOCALHOST    "127.0.0.1"
#define SEND_TIMEOUT 2 /* seconds, to a port of the loopback */

struct inject {
	struct sidecar *s;
	int in;	 /* the SOCKS server ends when this is closed */
	int out; /* it says its port here */
	struct tp_watch *watch;
	char line[16];
	size_t got;
	unsigned port; /* in the pod; 0: not known */
	struct mux_forwards *mux;
	uint32_t request;	     /* the forward to it */
	uint32_t to_pod[MAX_TO_POD]; /* those of the ports that lead to the pod's */
};

static struct inject *inject(struct sidecar *s)
{
	if (!s->inject) {
		s->inject = tp_calloc(1, sizeof(*s->inject));
		s->inject->s = s;
		s->inject->in = s->inject->out = -1;
	}
	return s->inject;
}

static void stop_reading(struct inject *i)
{
	tp_watch_del(i->watch);
	i->watch = NULL;
	tp_close_p(&i->out);
}

void inject_close(struct sidecar *s)
{
	struct inject *i = s->inject;

	if (!i)
		return;
	/* The master may live on: what it was asked to open is to be closed. */
	if (i->mux && i->port)
		mux_forward_local(i->mux, false, LOCALHOST, TP_INJECT_PORT, LOCALHOST, i->port);
	mux_forwards_close(tp_steal(&i->mux));
	stop_reading(i);
	tp_close_p(&i->in);
	i->port = 0;
	i->got = 0;
	i->request = 0;
	s->captured = false;
}

/* -------------------------------------------------------- the forwards */

static void on_answer(void *arg, uint32_t request, bool ok)
{
	struct inject *i = arg;
	struct sidecar *s = i->s;

	if (request == i->request) {
		if (ok) {
			s->captured = true;
			sidecar_timing(s, "captured");
			sidecar_progress(s);
		} else {
			sidecar_fail(s,
				     "the port %d of the container's localhost is taken, and "
				     "--method inject-tcp needs it",
				     TP_INJECT_PORT);
		}
		return;
	}
	for (size_t k = 0; k < s->n_to_pod && !ok; k++)
		if (i->to_pod[k] == request)
			sidecar_sendf(s, TP_CTL_WARN,
				      "--to-pod %u: the port is taken in the container",
				      s->to_pod[k]);
}

static void on_mux_end(void *arg)
{
	struct inject *i = arg;

	mux_forwards_close(tp_steal(&i->mux));
	if (!i->s->captured && i->s->tunnel)
		capture_session_ended(i->s);
}

static void open_forwards(struct inject *i)
{
	struct sidecar *s = i->s;

	i->mux = mux_forwards_open(s, on_answer, on_mux_end, i);
	if (i->mux)
		i->request = mux_forward_local(i->mux, true, LOCALHOST, TP_INJECT_PORT, LOCALHOST,
					       i->port);
	for (size_t k = 0; k < s->n_to_pod && i->mux; k++)
		i->to_pod[k] = mux_forward_local(i->mux, true, LOCALHOST, s->to_pod[k], LOCALHOST,
						 s->to_pod[k]);
	if (!i->request)
		capture_session_ended(s);
}

/* ---------------------------------------------------------- the server */

static void on_port(void *arg, int events)
{
	struct inject *i = arg;
	ssize_t n = read(i->out, i->line + i->got, sizeof(i->line) - 1 - i->got);
	char end;

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		i->got += (size_t)n;
		i->line[i->got] = '\0';
		if (!strchr(i->line, '\n') && i->got < sizeof(i->line) - 1)
			return;
	}
	stop_reading(i);
	if (sscanf(i->line, "%5u%c", &i->port, &end) != 2 || end != '\n' || !i->port ||
	    i->port > 65535) {
		i->port = 0;
		tp_warn("the agent's SOCKS server does not say its port");
		return; /* it has ended, or will: its session tells */
	}
	open_forwards(i);
}

int inject_open(struct sidecar *s, int err_fd, void (*on_end)(struct sidecar *s, int code),
		struct tp_err *err)
{
	struct inject *i = inject(s);
	int in[2], out[2];

	inject_close(s);
	if (pipe2(in, O_CLOEXEC) < 0)
		return tp_err_errno(err, errno, "pipe");
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return tp_err_errno(err, errno, "pipe");
	}
	s->tunnel = mux_open(s, TP_AGENT_PROGRAM " socks", in[0], out[1], err_fd, on_end, err);
	close(in[0]);
	close(out[1]);
	i->in = in[1];
	i->out = out[0];
	fcntl(i->out, F_SETFL, O_NONBLOCK);
	i->watch = tp_watch_add(s->loop, i->out, TP_READ, on_port, i);
	return s->tunnel ? 0 : -1;
}

/* ----------------------------------------------------------- the probe */

/* RFC 1928: no authentication, CONNECT to an IPv4 address, in one go. */
int inject_probe(const struct sockaddr_in *to)
{
	struct sockaddr_in server = { .sin_family = AF_INET,
				      .sin_port = htons(TP_INJECT_PORT),
				      .sin_addr = { htonl(INADDR_LOOPBACK) } };
	unsigned char hello[13] = { 5, 1, 0, 5, 1, 0, 1 };
	struct timeval patience = { .tv_sec = SEND_TIMEOUT };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(hello + 7, &to->sin_addr, 4);
	memcpy(hello + 11, &to->sin_port, 2);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0 ||
	    send(fd, hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello)) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		errno = e;
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int inject_probe_answer(char *p, size_t *n)
{
	static const size_t len = 2 + 10;

	if (*n < len)
		return 1;
	if (memcmp(p, "\x05\x00\x05\x00\x00\x01", 6) != 0)
		return -1;
	memmove(p, p + len, *n - len);
	*n -= len;
	return 0;
}
