/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's end of the control channel: frames to and from the sidecar's
 * PID 1, inside the loop.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/sidecar.h"

struct tp_control {
	struct tp_loop *loop;
	struct tp_stream *stream;
	struct tp_watch *watch;
	struct tp_control_events ev;
	struct tp_buf in, out;
	bool ended;
};

static void control_end(struct tp_control *c, const char *reason)
{
	if (c->ended)
		return;
	c->ended = true;
	tp_watch_del(c->watch);
	c->watch = NULL;
	c->ev.ended(c->ev.arg, reason);
}

static void control_flush(struct tp_control *c)
{
	while (c->out.len && !c->ended) {
		ssize_t n = tp_stream_write(c->stream, c->out.data, c->out.len);

		if (n > 0)
			tp_buf_consume(&c->out, (size_t)n);
		else if (errno == EAGAIN)
			break;
		else
			return; /* the reading side tells the end, with the reason */
	}
	if (c->watch)
		tp_watch_set(c->watch, TP_READ | (c->out.len ? TP_WRITE : 0));
}

/* Hands over every whole frame; false if the channel is no more. */
static bool control_frames(struct tp_control *c)
{
	struct tp_frame f;
	ssize_t n;

	while (c->in.len && (n = tp_frame_parse(c->in.data, c->in.len, &f)) != 0) {
		if (n < 0) {
			control_end(c, "it sent something that is not the control protocol");
			return false;
		}
		c->ev.frame(c->ev.arg, &f);
		if (c->ended)
			return false;
		tp_buf_consume(&c->in, (size_t)n);
	}
	return true;
}

static void control_ready(void *arg, int events)
{
	struct tp_control *c = arg;

	if (events & TP_WRITE)
		control_flush(c);
	while (!c->ended) {
		char *room = tp_buf_reserve(&c->in, 64 << 10);
		ssize_t n;

		if (!room) {
			control_end(c, "it sent too much");
			return;
		}
		n = tp_stream_read(c->stream, room, 64 << 10);
		if (n > 0) {
			tp_buf_added(&c->in, (size_t)n);
			if (!control_frames(c))
				return;
			continue;
		}
		if (n < 0 && errno == EAGAIN)
			return;
		control_end(c, n ? (tp_stream_reason(c->stream) ? tp_stream_reason(c->stream) :
								  strerror(errno)) :
				   "it ended");
	}
}

struct tp_control *tp_control_new(struct tp_loop *l, struct tp_stream *s,
				  const struct tp_control_events *ev)
{
	struct tp_control *c = tp_calloc(1, sizeof(*c));

	c->loop = l;
	c->stream = s;
	c->ev = *ev;
	c->in = TP_BUF_INIT(TP_FRAME_MAX + (128u << 10));
	c->out = TP_BUF_INIT(1u << 20);
	c->watch = tp_watch_add(l, s->fd, TP_READ, control_ready, c);
	return c;
}

void tp_control_free(struct tp_control *c)
{
	if (!c)
		return;
	c->ended = true;
	tp_watch_del(c->watch);
	tp_stream_close(c->stream);
	tp_buf_free(&c->in);
	tp_buf_free(&c->out);
	free(c);
}

void tp_control_send(struct tp_control *c, const char *name, const void *data, size_t len)
{
	if (tp_frame_put(&c->out, name, data, len))
		control_end(c, "it does not read what it is told");
	else
		control_flush(c);
}

void tp_control_sends(struct tp_control *c, const char *name, const char *text)
{
	tp_control_send(c, name, text, strlen(text));
}

void tp_control_send_list(struct tp_control *c, const char *name, const struct tp_strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		tp_control_sends(c, name, l->v[i]);
}
