/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of OpenSSH's connection sharing (PROTOCOL.mux, version 4): a
 * session costs a few messages on the master's control socket, not a process
 * of ssh's own, and the master reads and writes our descriptors itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/sidecar.h"

#define MUX_VERSION 4
#define MAX_MESSAGE 4096

/* names and values as in PROTOCOL.mux */
enum {
	MUX_MSG_HELLO = 0x00000001,
	MUX_C_NEW_SESSION = 0x10000002,
	MUX_S_PERMISSION_DENIED = 0x80000002,
	MUX_S_FAILURE = 0x80000003,
	MUX_S_EXIT_MESSAGE = 0x80000004,
};

struct mux_session {
	struct sidecar *s;
	int fd;
	struct tp_watch *watch;
	struct tp_buf in;
	int code;
	void (*on_end)(struct sidecar *s, int code);
};

static void put32(struct tp_buf *b, uint32_t v)
{
	char p[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

	tp_buf_put(b, p, 4);
}

static void put_string(struct tp_buf *b, const char *s)
{
	put32(b, (uint32_t)strlen(s));
	tp_buf_puts(b, s);
}

static uint32_t get32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void put_message(struct tp_buf *out, const struct tp_buf *body)
{
	put32(out, (uint32_t)body->len);
	tp_buf_put(out, body->data, body->len);
}

void mux_close(struct mux_session *m)
{
	if (!m)
		return;
	tp_watch_del(m->watch);
	tp_close_p(&m->fd);
	tp_buf_free(&m->in);
	free(m);
}

static void end(struct mux_session *m)
{
	struct sidecar *s = m->s;
	void (*on_end)(struct sidecar *, int) = m->on_end;
	int code = m->code;

	mux_close(m);
	on_end(s, code);
}

/* False when the session is over. */
static bool take(struct mux_session *m, const char *p, size_t n)
{
	if (n < 4)
		return false;
	switch (get32(p)) {
	case MUX_S_EXIT_MESSAGE:
		if (n >= 12)
			m->code = (int)get32(p + 8);
		return true; /* the master closes once the output is out */
	case MUX_S_PERMISSION_DENIED:
	case MUX_S_FAILURE:
		tp_warn("ssh refused a session: %.*s", n > 12 ? (int)(n - 12) : 0, p + 12);
		return false;
	}
	return true;
}

static void on_master(void *arg, int events)
{
	struct mux_session *m = arg;
	char *room = tp_buf_reserve(&m->in, MAX_MESSAGE);
	ssize_t n = room ? read(m->fd, room, MAX_MESSAGE) : 0;
	size_t at = 0;

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		end(m);
		return;
	}
	tp_buf_added(&m->in, (size_t)n);
	while (m->in.len - at >= 4) {
		size_t len = get32(m->in.data + at);

		if (len > MAX_MESSAGE) {
			end(m);
			return;
		}
		if (m->in.len - at - 4 < len)
			break;
		if (!take(m, m->in.data + at + 4, len)) {
			end(m);
			return;
		}
		at += 4 + len;
	}
	tp_buf_consume(&m->in, at);
}

/* Everything is written at once, before the master has said hello: it reads
 * message by message, and the order is all it asks for. */
static int request(int fd, const char *command)
{
	TP_AUTO_BUF body = TP_BUF_INIT(1 << 16);
	TP_AUTO_BUF out = TP_BUF_INIT(1 << 16);

	put32(&body, MUX_MSG_HELLO);
	put32(&body, MUX_VERSION);
	put_message(&out, &body);
	tp_buf_reset(&body);
	put32(&body, MUX_C_NEW_SESSION);
	put32(&body, 1);	  /* request id */
	put_string(&body, "");	  /* reserved */
	put32(&body, 0);	  /* no tty */
	put32(&body, 0);	  /* no X11 */
	put32(&body, 0);	  /* no agent */
	put32(&body, 0);	  /* no subsystem */
	put32(&body, 0xffffffff); /* no escape character */
	put_string(&body, "");	  /* terminal */
	put_string(&body, command);
	put_message(&out, &body);
	return send(fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len ? 0 : -1;
}

struct mux_session *mux_open(struct sidecar *s, const char *command, int in, int out, int err,
			     void (*on_end)(struct sidecar *s, int code), struct tp_err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = DIR_MASTER };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct mux_session *m;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    request(fd, command) < 0 || send_with_fd(fd, "", 1, in) < 0 ||
	    send_with_fd(fd, "", 1, out) < 0 || send_with_fd(fd, "", 1, err) < 0) {
		tp_err_errno(e, errno, "cannot open a session over ssh");
		tp_close_p(&fd);
		return NULL;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	m = tp_calloc(1, sizeof(*m));
	m->s = s;
	m->fd = fd;
	m->code = -1;
	m->in = TP_BUF_INIT(4 * MAX_MESSAGE);
	m->on_end = on_end;
	m->watch = tp_watch_add(s->loop, fd, TP_READ, on_master, m);
	return m;
}
