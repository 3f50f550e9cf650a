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
#include "sidecar/muxwire.h"
#include "sidecar/sidecar.h"

struct mux_session {
	struct sidecar *s;
	int fd;
	struct tp_watch *watch;
	struct tp_buf in;
	int code;
	void (*on_end)(struct sidecar *s, int code);
	void (*on_subsystem_end)(void *arg, int code); /* or this */
	void *arg;
};

int mux_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = DIR_MASTER };
	tp_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -1;
	return tp_steal_fd(&fd);
}

ssize_t mux_parse(const char *p, size_t n, const char **body, size_t *len)
{
	if (n < 4)
		return 0;
	*len = mux_get32(p);
	*body = p + 4;
	if (*len > MUX_MAX_MESSAGE)
		return -1;
	return n - 4 < *len ? 0 : (ssize_t)(4 + *len);
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
	struct mux_session was = *m;

	mux_close(m);
	if (was.on_end)
		was.on_end(was.s, was.code);
	else
		was.on_subsystem_end(was.arg, was.code);
}

/* False when the session is over. */
static bool take(struct mux_session *m, const char *p, size_t n)
{
	if (n < 4)
		return false;
	switch (mux_get32(p)) {
	case MUX_S_EXIT_MESSAGE:
		if (n >= 12)
			m->code = (int)mux_get32(p + 8);
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
	char *room = tp_buf_reserve(&m->in, MUX_MAX_MESSAGE);
	ssize_t n = room ? read(m->fd, room, MUX_MAX_MESSAGE) : 0, used;
	const char *body;
	size_t len;

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		end(m);
		return;
	}
	tp_buf_added(&m->in, (size_t)n);
	while ((used = mux_parse(m->in.data, m->in.len, &body, &len)) > 0) {
		if (!take(m, body, len)) {
			end(m);
			return;
		}
		tp_buf_consume(&m->in, (size_t)used);
	}
	if (used < 0)
		end(m);
}

/* Everything is written at once, before the master has said hello: it reads
 * message by message, and the order is all it asks for. */
static int request(int fd, const char *command, bool subsystem)
{
	TP_AUTO_BUF body = TP_BUF_INIT(1 << 16);
	TP_AUTO_BUF out = TP_BUF_INIT(1 << 16);

	mux_put32(&body, MUX_MSG_HELLO);
	mux_put32(&body, MUX_VERSION);
	mux_put_message(&out, &body);
	tp_buf_reset(&body);
	mux_put32(&body, MUX_C_NEW_SESSION);
	mux_put32(&body, 1);	   /* request id */
	mux_put_string(&body, ""); /* reserved */
	mux_put32(&body, 0);	   /* no tty */
	mux_put32(&body, 0);	   /* no X11 */
	mux_put32(&body, 0);	   /* no agent */
	mux_put32(&body, subsystem);
	mux_put32(&body, 0xffffffff); /* no escape character */
	mux_put_string(&body, "");    /* terminal */
	mux_put_string(&body, command);
	mux_put_message(&out, &body);
	return send(fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len ? 0 : -1;
}

static struct mux_session *open_session(struct sidecar *s, const char *command, bool subsystem,
					int in, int out, int err, struct tp_err *e)
{
	int fd = mux_connect();
	struct mux_session *m;

	if (fd < 0 || request(fd, command, subsystem) < 0 || send_with_fd(fd, "", 1, in) < 0 ||
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
	m->in = TP_BUF_INIT(4 * MUX_MAX_MESSAGE);
	m->watch = tp_watch_add(s->loop, fd, TP_READ, on_master, m);
	return m;
}

struct mux_session *mux_open(struct sidecar *s, const char *command, int in, int out, int err,
			     void (*on_end)(struct sidecar *s, int code), struct tp_err *e)
{
	struct mux_session *m = open_session(s, command, false, in, out, err, e);

	if (m)
		m->on_end = on_end;
	return m;
}

struct mux_session *mux_open_subsystem(struct sidecar *s, const char *name, int in, int out,
				       int err, void (*on_end)(void *arg, int code), void *arg,
				       struct tp_err *e)
{
	struct mux_session *m = open_session(s, name, true, in, out, err, e);

	if (m) {
		m->on_subsystem_end = on_end;
		m->arg = arg;
	}
	return m;
}
