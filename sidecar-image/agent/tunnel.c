/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's half of sshuttle 1.1's protocol, so that the pod needs no
 * Python, no upload of one, and no half second for it to start. A frame is
 *
 *     'S' 'S' CHANNEL(2) COMMAND(2) LENGTH(2) DATA     (big endian)
 *
 * The greeting that sshuttle's own server sends first is left to the
 * sidecar (sidecar/transport.c), which has given it long before.
 *
 * A channel is one TCP connection. Each direction ends on its own:
 *
 *   client -> target: EOF from the client, or STOP_SENDING from us
 *   target -> client: EOF from us, or STOP_SENDING from the client
 *
 * and the channel's number is free again when both have.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/tunnel.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#define HEADER	 8
#define CHUNK	 32768	      /* bytes of one TCP_DATA */
#define MAX_OUT	 (512u << 10) /* to the client: past that no target is read */
#define MAX_HELD (32u << 20)  /* for targets that are slow: past that the client is not read */
#define STUCK_MS 30000	      /* a target that holds up all others for so long is given up */

enum {
	CMD_EXIT = 0x4200,
	CMD_PING,
	CMD_PONG,
	CMD_TCP_CONNECT,
	CMD_TCP_STOP_SENDING,
	CMD_TCP_EOF,
	CMD_TCP_DATA,
	CMD_ROUTES,
	CMD_HOST_REQ,
	CMD_HOST_LIST,
	CMD_DNS_REQ
};

struct channel {
	struct tunnel *t;
	struct channel *next, **back;
	uint16_t id;
	int fd;
	struct tp_watch *watch;
	struct tp_buf held; /* for the target */
	size_t drained;	    /* since the last look at who is stuck */
	bool connecting;
	bool from_client_over, to_client_over;
	bool shut; /* the target knows that the client sends no more */
};

struct tunnel {
	struct tp_loop *loop;
	struct tp_watch *in_watch, *out_watch;
	struct tp_timer *stuck;
	struct tp_buf in, out;
	struct channel *channel[65536];
	struct channel *all;
	size_t held; /* in all channels */
	int fd_in, fd_out;
	bool paused; /* no target is read: the client has not taken what there is */
	bool over;
};

static void on_target(void *arg, int events);

static void send_frame(struct tunnel *t, unsigned int id, unsigned int cmd, const void *p, size_t n)
{
	uint8_t h[HEADER] = { 'S',
			      'S',
			      (uint8_t)(id >> 8),
			      (uint8_t)id,
			      (uint8_t)(cmd >> 8),
			      (uint8_t)cmd,
			      (uint8_t)(n >> 8),
			      (uint8_t)n };

	if (tp_buf_put(&t->out, h, HEADER) < 0 || tp_buf_put(&t->out, p, n) < 0)
		t->over = true; /* a client that only asks and never reads */
}

static void watch_channel(struct channel *c)
{
	int events = 0;

	if (c->connecting || c->held.len)
		events |= TP_WRITE;
	if (!c->connecting && !c->to_client_over) {
		if (c->t->out.len < MAX_OUT)
			events |= TP_READ;
		else
			c->t->paused = true; /* so that on_out looks at us again */
	}
	tp_watch_set(c->watch, events);
}

static void on_stuck(void *arg);

/* Who may be read now. */
static void pace(struct tunnel *t)
{
	bool full = t->held > MAX_HELD;

	tp_watch_set(t->in_watch, full ? 0 : TP_READ);
	tp_watch_set(t->out_watch, t->out.len ? TP_WRITE : 0);
	if (full && !t->stuck) {
		struct channel *c;

		for (c = t->all; c; c = c->next)
			c->drained = 0;
		t->stuck = tp_timer_add(t->loop, STUCK_MS, on_stuck, t);
	} else if (!full && t->stuck) {
		tp_timer_del(t->stuck);
		t->stuck = NULL;
	}
	if (t->over)
		tp_loop_stop(t->loop, 1);
}

static void drop(struct channel *c)
{
	struct tunnel *t = c->t;

	if (t->channel[c->id] == c)
		t->channel[c->id] = NULL;
	t->held -= c->held.len;
	tp_watch_del(c->watch);
	tp_close_p(&c->fd);
	tp_buf_free(&c->held);
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	free(c);
}

/* Both directions at their end, and nothing left for the target: gone. */
static bool settle(struct channel *c)
{
	if (c->from_client_over && !c->held.len && !c->shut && !c->connecting) {
		shutdown(c->fd, SHUT_WR);
		c->shut = true;
	}
	if (c->from_client_over && c->to_client_over) {
		/* the number may be given again; what is held still goes out */
		if (c->t->channel[c->id] == c)
			c->t->channel[c->id] = NULL;
		if (!c->held.len) {
			drop(c);
			return true;
		}
	}
	watch_channel(c);
	return false;
}

static void end_from_client(struct channel *c)
{
	if (!c->from_client_over)
		send_frame(c->t, c->id, CMD_TCP_STOP_SENDING, "", 0);
	c->from_client_over = true;
	c->t->held -= c->held.len;
	tp_buf_free(&c->held);
	c->held = TP_BUF_INIT(MAX_HELD + (1u << 20));
}

static void end_to_client(struct channel *c)
{
	if (!c->to_client_over)
		send_frame(c->t, c->id, CMD_TCP_EOF, "", 0);
	c->to_client_over = true;
}

/* The connection is broken, or never was: the client hears of both ends. */
static void fail(struct channel *c)
{
	end_from_client(c);
	end_to_client(c);
	drop(c);
}

static void on_stuck(void *arg)
{
	struct tunnel *t = arg;
	struct channel *c, *worst = NULL;

	t->stuck = NULL;
	for (c = t->all; c; c = c->next)
		if (!c->drained && (!worst || c->held.len > worst->held.len))
			worst = c;
	if (worst && worst->held.len) {
		tp_warn("tunnel: a connection that takes no more data held up the others and was ended");
		fail(worst);
	}
	pace(t);
}

static void connect_to(struct tunnel *t, unsigned int id, const char *data, size_t n)
{
	struct sockaddr_storage to;
	struct channel *c = t->channel[id];
	socklen_t len;
	int one = 1;

	if (c) { /* only a client gone wrong gives a number twice */
		end_from_client(c);
		drop(c);
	}
	c = tp_calloc(1, sizeof(*c));
	c->t = t;
	c->id = (uint16_t)id;
	c->held = TP_BUF_INIT(MAX_HELD + (1u << 20));
	c->next = t->all;
	c->back = &t->all;
	if (c->next)
		c->next->back = &c->next;
	t->all = c;
	t->channel[id] = c;
	c->fd = tp_tunnel_target(data, n, &to, &len) < 0 ?
			-1 :
			socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		fail(c);
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		fail(c);
		return;
	}
	c->connecting = true;
	c->watch = tp_watch_add(t->loop, c->fd, TP_WRITE, on_target, c);
}

static int flush_held(struct channel *c)
{
	ssize_t n;

	while (c->held.len) {
		n = send(c->fd, c->held.data, c->held.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		tp_buf_consume(&c->held, (size_t)n);
		c->t->held -= (size_t)n;
		c->drained += (size_t)n;
	}
	return 0;
}

/* Reads once, straight behind the frame's header. 1 data, 0 nothing now, -1 the end. */
static int read_target(struct channel *c)
{
	struct tunnel *t = c->t;
	uint8_t *p = (uint8_t *)tp_buf_reserve(&t->out, HEADER + CHUNK);
	ssize_t n;

	if (!p)
		return 0;
	n = read(c->fd, p + HEADER, CHUNK);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	p[0] = p[1] = 'S';
	p[2] = (uint8_t)(c->id >> 8);
	p[3] = (uint8_t)c->id;
	p[4] = CMD_TCP_DATA >> 8;
	p[5] = CMD_TCP_DATA & 0xff;
	p[6] = (uint8_t)(n >> 8);
	p[7] = (uint8_t)n;
	tp_buf_added(&t->out, HEADER + (size_t)n);
	return 1;
}

static void on_out(void *arg, int events);

static void on_target(void *arg, int events)
{
	struct channel *c = arg;
	struct tunnel *t = c->t;
	int error = 0, turns, rc = 0;
	socklen_t len = sizeof(error);

	if (c->connecting) {
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
			fail(c);
			on_out(t, TP_WRITE);
			return;
		}
		c->connecting = false;
	}
	if (flush_held(c) < 0) {
		fail(c);
		on_out(t, TP_WRITE);
		return;
	}
	if ((events & TP_READ) && !c->to_client_over)
		for (turns = 4; turns && t->out.len < MAX_OUT && (rc = read_target(c)) > 0; turns--)
			;
	if (rc < 0)
		end_to_client(c);
	settle(c);
	on_out(t, TP_WRITE);
}

static void take_data(struct channel *c, const char *p, size_t n)
{
	ssize_t sent = 0;

	if (c->from_client_over)
		return;
	if (!c->connecting && !c->held.len) {
		sent = send(c->fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			fail(c);
			return;
		}
		if (sent < 0)
			sent = 0;
	}
	if ((size_t)sent < n) {
		if (tp_buf_put(&c->held, p + sent, n - (size_t)sent) < 0) {
			fail(c);
			return;
		}
		c->t->held += n - (size_t)sent;
	}
	watch_channel(c);
}

static void take_frame(struct tunnel *t, unsigned int id, unsigned int cmd, const char *p, size_t n)
{
	struct channel *c = t->channel[id];

	switch (cmd) {
	case CMD_PING:
		send_frame(t, 0, CMD_PONG, p, n);
		return;
	case CMD_TCP_CONNECT:
		connect_to(t, id, p, n);
		return;
	case CMD_EXIT:
		t->over = true;
		return;
	}
	if (!c)
		return; /* crossed with our own end of the channel */
	switch (cmd) {
	case CMD_TCP_DATA:
		take_data(c, p, n);
		break;
	case CMD_TCP_EOF:
		c->from_client_over = true;
		settle(c);
		break;
	case CMD_TCP_STOP_SENDING:
		c->to_client_over = true;
		settle(c);
		break;
	}
}

static void on_in(void *arg, int events)
{
	struct tunnel *t = arg;
	char *room = tp_buf_reserve(&t->in, 65536 + HEADER);
	ssize_t n = read(t->fd_in, room, 65536 + HEADER);
	struct tp_tunnel_frame f;
	size_t at = 0;
	ssize_t used = 0;

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		tp_loop_stop(t->loop, 0);
		return;
	}
	tp_buf_added(&t->in, (size_t)n);
	while ((used = tp_tunnel_parse(t->in.data + at, t->in.len - at, &f)) > 0) {
		take_frame(t, f.channel, f.cmd, f.data, f.len);
		at += (size_t)used;
	}
	if (used < 0) {
		tp_error("tunnel: something that is not sshuttle's protocol came in");
		t->over = true;
	}
	tp_buf_consume(&t->in, at);
	on_out(t, TP_WRITE);
}

static void on_out(void *arg, int events)
{
	struct tunnel *t = arg;
	struct channel *c;
	ssize_t n;

	(void)events;
	while (t->out.len) {
		n = write(t->fd_out, t->out.data, t->out.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			tp_loop_stop(t->loop, 0);
			return;
		}
		if (n < 0)
			break;
		tp_buf_consume(&t->out, (size_t)n);
	}
	if (t->paused != (t->out.len >= MAX_OUT)) {
		t->paused = !t->paused;
		for (c = t->all; c; c = c->next)
			watch_channel(c);
	}
	pace(t);
}

int tp_agent_tunnel(int argc, char **argv)
{
	struct tunnel *t = tp_calloc(1, sizeof(*t));
	int rc;

	(void)argc;
	(void)argv;
	tp_raise_file_limit();
	t->loop = tp_loop_new();
	t->in = TP_BUF_INIT(256u << 10);
	t->out = TP_BUF_INIT(8u << 20);
	t->fd_in = STDIN_FILENO;
	t->fd_out = STDOUT_FILENO;
	fcntl(t->fd_in, F_SETFL, O_NONBLOCK);
	fcntl(t->fd_out, F_SETFL, O_NONBLOCK);
	t->in_watch = tp_watch_add(t->loop, t->fd_in, TP_READ, on_in, t);
	t->out_watch = tp_watch_add(t->loop, t->fd_out, 0, on_out, t);
	rc = tp_loop_run(t->loop);
	while (t->all)
		drop(t->all);
	tp_loop_free(t->loop);
	tp_buf_free(&t->in);
	tp_buf_free(&t->out);
	free(t);
	return rc;
}
