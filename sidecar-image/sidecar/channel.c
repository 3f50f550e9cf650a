/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define PIECE	65536
#define IN_MORE (128u << 10) /* of the next frame, behind a whole one */

struct channel {
	struct channel_events ev;
	struct tp_loop *loop;
	struct tp_watch *out_watch;
	struct tp_buf in, out;
};

static _Noreturn void end(struct channel *c, enum channel_end why)
{
	c->ev.ended(c->ev.arg, why);
	abort();
}

static void on_out(void *arg, int events)
{
	struct channel *c = arg;
	ssize_t n;

	(void)events;
	while (c->out.len) {
		n = write(STDOUT_FILENO, c->out.data, c->out.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			end(c, CHANNEL_CLOSED);
		if (n < 0)
			break;
		tp_buf_consume(&c->out, (size_t)n);
	}
	tp_watch_set(c->out_watch, c->out.len ? TP_WRITE : 0);
}

static void on_in(void *arg, int events)
{
	struct channel *c = arg;
	char *room = tp_buf_reserve(&c->in, PIECE);
	ssize_t n = room ? read(STDIN_FILENO, room, PIECE) : 0, used = 0;
	struct tp_frame f;
	size_t at = 0;

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		end(c, CHANNEL_CLOSED);
	tp_buf_added(&c->in, (size_t)n);
	while ((used = tp_frame_parse(c->in.data + at, c->in.len - at, &f)) > 0) {
		c->ev.frame(c->ev.arg, &f);
		at += (size_t)used;
	}
	if (used < 0)
		end(c, CHANNEL_GARBAGE);
	/* a key or a token may have been in it */
	tp_wipe(c->in.data, at);
	tp_buf_consume(&c->in, at);
}

struct channel *channel_new(struct tp_loop *l, size_t out_max, const struct channel_events *ev)
{
	struct channel *c = tp_calloc(1, sizeof(*c));

	c->loop = l;
	c->ev = *ev;
	c->in = TP_BUF_INIT(TP_FRAME_MAX + IN_MORE);
	c->out = TP_BUF_INIT(out_max);
	fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
	c->out_watch = tp_watch_add(l, STDOUT_FILENO, 0, on_out, c);
	return c;
}

void channel_listen(struct channel *c)
{
	tp_watch_add(c->loop, STDIN_FILENO, TP_READ, on_in, c);
}

void channel_send(struct channel *c, const char *name, const void *p, size_t n)
{
	if (tp_frame_put(&c->out, name, p, n) < 0)
		end(c, CHANNEL_STUCK);
	on_out(c, TP_WRITE);
}
