/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port forwards at the ssh master: one connection to its control socket, on
 * which forwards are opened and closed while the master lives. They belong to
 * the master, not to this connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "sidecar/muxwire.h"
#include "sidecar/sidecar.h"

struct mux_forwards {
	int fd;
	struct tp_watch *watch;
	struct tp_buf in;
	uint32_t last_request;
	mux_answer_fn *answer;
	void (*ended)(void *arg);
	void *arg;
};

void mux_forwards_close(struct mux_forwards *m)
{
	if (!m)
		return;
	tp_watch_del(m->watch);
	tp_close_p(&m->fd);
	tp_buf_free(&m->in);
	free(m);
}

static void take(struct mux_forwards *m, const char *p, size_t n)
{
	uint32_t type = n >= 4 ? mux_get32(p) : 0;

	if (n < 8 || (type != MUX_S_OK && type != MUX_S_PERMISSION_DENIED && type != MUX_S_FAILURE))
		return; /* its hello */
	m->answer(m->arg, mux_get32(p + 4), type == MUX_S_OK);
}

static void on_master(void *arg, int events)
{
	struct mux_forwards *m = arg;
	char *room = tp_buf_reserve(&m->in, MUX_MAX_MESSAGE);
	ssize_t n = room ? read(m->fd, room, MUX_MAX_MESSAGE) : 0, used;
	const char *body;
	size_t len;

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		tp_buf_added(&m->in, (size_t)n);
		while ((used = mux_parse(m->in.data, m->in.len, &body, &len)) > 0) {
			take(m, body, len);
			tp_buf_consume(&m->in, (size_t)used);
		}
		if (used == 0)
			return;
	}
	m->ended(m->arg);
}

struct mux_forwards *mux_forwards_open(struct sidecar *s, mux_answer_fn *answer,
				       void (*ended)(void *arg), void *arg)
{
	TP_AUTO_BUF body = TP_BUF_INIT(64);
	TP_AUTO_BUF out = TP_BUF_INIT(64);
	struct mux_forwards *m;
	int fd = mux_connect();

	mux_put32(&body, MUX_MSG_HELLO);
	mux_put32(&body, MUX_VERSION);
	mux_put_message(&out, &body);
	if (fd < 0 || send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len) {
		tp_close_p(&fd);
		return NULL;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	m = tp_calloc(1, sizeof(*m));
	m->fd = fd;
	m->in = TP_BUF_INIT(4 * MUX_MAX_MESSAGE);
	m->answer = answer;
	m->ended = ended;
	m->arg = arg;
	m->watch = tp_watch_add(s->loop, fd, TP_READ, on_master, m);
	return m;
}

static uint32_t ask(struct mux_forwards *m, bool open, uint32_t kind, const char *bind,
		    unsigned port, const char *host, unsigned host_port)
{
	TP_AUTO_BUF body = TP_BUF_INIT(512);
	TP_AUTO_BUF out = TP_BUF_INIT(512);

	mux_put32(&body, open ? MUX_C_OPEN_FWD : MUX_C_CLOSE_FWD);
	mux_put32(&body, ++m->last_request);
	mux_put32(&body, kind);
	mux_put_string(&body, bind);
	mux_put32(&body, port);
	mux_put_string(&body, host);
	mux_put32(&body, host_port);
	mux_put_message(&out, &body);
	/* Small, and the master reads: what does not fit now will not later. */
	if (send(m->fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		return 0;
	return m->last_request;
}

uint32_t mux_forward(struct mux_forwards *m, bool open, const char *bind, unsigned port,
		     const char *host, unsigned host_port)
{
	return ask(m, open, MUX_FWD_REMOTE, bind, port, host, host_port);
}

uint32_t mux_forward_local(struct mux_forwards *m, bool open, const char *bind, unsigned port,
			   const char *host, unsigned host_port)
{
	return ask(m, open, MUX_FWD_LOCAL, bind, port, host, host_port);
}
