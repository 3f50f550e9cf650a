/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of the container's loopback that lead to the helper's machine. They
 * are listened on here from the start; what comes in goes to the helper as
 * connections over one stream (base/channels.h), by either kind of link. As
 * long as there is no such stream, connections are reset.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channels.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/sidecar.h"

#define MAX_PORTS     1024
#define REDIAL_MIN_MS 200
#define REDIAL_MAX_MS 5000
#define BACKLOG	      512

struct tohost;

/* One port, on both loopback addresses: "localhost" may be either. */
struct to_port {
	struct tohost *t;
	unsigned local, host;
	int fd[2];
};

struct tohost {
	struct sidecar *s;
	struct to_port *v;
	size_t n;
	struct tp_channels *channels;
	struct tp_timer *redial;
	int backoff_ms;
	long long since; /* tp_now_ms: when the stream began */
};

int tohost_add(struct sidecar *s, const char *text)
{
	struct to_port p = { .fd = { -1, -1 } };
	char rest;

	if (!s->tohost) {
		s->tohost = tp_calloc(1, sizeof(*s->tohost));
		s->tohost->s = s;
		s->tohost->v = tp_calloc(MAX_PORTS, sizeof(*s->tohost->v));
	}
	if (s->tohost->n == MAX_PORTS || sscanf(text, "%5u %5u%c", &p.local, &p.host, &rest) != 2 ||
	    !p.local || p.local > 65535 || !p.host || p.host > 65535)
		return -1;
	p.t = s->tohost;
	s->tohost->v[s->tohost->n++] = p;
	return 0;
}

static void accept_on(struct to_port *p, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (p->t->channels)
		tp_channels_open(p->t->channels, fd, p->host);
	else
		tp_channels_reset(fd);
}

static void on_v4(void *arg, int events)
{
	struct to_port *p = arg;

	(void)events;
	accept_on(p, p->fd[0]);
}

static void on_v6(void *arg, int events)
{
	struct to_port *p = arg;

	(void)events;
	accept_on(p, p->fd[1]);
}

static int listen_v4(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port),
				   .sin_addr = { htonl(INADDR_LOOPBACK) } };
	tp_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return tp_steal_fd(&fd);
}

static int listen_v6(unsigned port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)port),
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	tp_autoclose int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return tp_steal_fd(&fd);
}

int tohost_start(struct sidecar *s, struct tp_err *err)
{
	struct tohost *t = s->tohost;

	for (size_t i = 0; t && i < t->n; i++) {
		struct to_port *p = &t->v[i];

		p->fd[0] = listen_v4(p->local);
		if (p->fd[0] < 0)
			return tp_err_errno(err, errno,
					    "cannot listen on port %u of the container, which "
					    "--container-to-host asks for",
					    p->local);
		tp_watch_add(s->loop, p->fd[0], TP_READ, on_v4, p);
		/* where there is no IPv6, nobody calls there either */
		p->fd[1] = listen_v6(p->local);
		if (p->fd[1] >= 0)
			tp_watch_add(s->loop, p->fd[1], TP_READ, on_v6, p);
	}
	return 0;
}

bool tohost_wants(const struct sidecar *s, unsigned port)
{
	const struct tohost *t = s->tohost;

	for (size_t i = 0; t && i < t->n; i++)
		if (t->v[i].local == port)
			return true;
	return false;
}

/* ---------------------------------------------------------------- the stream */

static void on_redial(void *arg)
{
	struct tohost *t = arg;

	t->redial = NULL;
	tohost_link(t->s);
}

static void redial_later(struct tohost *t)
{
	t->backoff_ms = t->backoff_ms ? t->backoff_ms * 2 : REDIAL_MIN_MS;
	if (t->backoff_ms > REDIAL_MAX_MS)
		t->backoff_ms = REDIAL_MAX_MS;
	if (!t->redial)
		t->redial = tp_timer_add(t->s->loop, t->backoff_ms, on_redial, t);
}

static void on_end(void *arg, const char *reason)
{
	struct tohost *t = arg;

	tp_verbose("the way to the helper's machine ended: %s", reason ? reason : "closed");
	tp_channels_free(tp_steal(&t->channels));
	if (tp_now_ms() - t->since > REDIAL_MAX_MS)
		t->backoff_ms = 0;
	redial_later(t);
}

void tohost_stream(struct sidecar *s, int fd)
{
	struct tohost *t = s->tohost;
	struct tp_channels_events ev = { .ended = on_end, .arg = t };

	if (fd < 0) {
		redial_later(t);
		return;
	}
	tp_channels_free(t->channels);
	t->channels = tp_channels_new(s->loop, tp_stream_from_fd(fd), &ev);
	t->since = tp_now_ms();
	sidecar_timing(s, "host-reached");
}

void tohost_link(struct sidecar *s)
{
	if (s->tohost && !s->tohost->channels)
		local_dial_host(s);
}
