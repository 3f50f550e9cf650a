/* SPDX-License-Identifier: Apache-2.0 */
#include "base/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DEFAULT_SIZE (256 * 1024)

/* Reads and writes of each direction before others get their turn. */
#define TURNS 16

/* How often to look whether a side that has ended is gone altogether. */
#define GONE_MS 250

enum state { OPEN, DRAINING, SHUT };

/* One of the two streams. */
struct side {
	struct tp_stream *s;
	struct tp_watch *watch;	      /* of s->fd */
	struct tp_watch *write_watch; /* of the write descriptor, where it is another one */
	bool readable, writable;      /* until EAGAIN says otherwise */
	bool unflushed;		      /* the stream's own output buffer waits for TP_WRITE */
};

/* Bytes from one side to the other, in a ring of r->size bytes. */
struct way {
	struct side *from, *to;
	enum state state;
	char *ring;
	size_t head, len;
	uint64_t moved;
};

struct tp_relay {
	struct tp_loop *loop;
	struct side a, b;
	struct way ab, ba;
	size_t size;
	struct tp_timer *kick; /* there is more to do, and poll may not say so */
	struct tp_timer *gone;
	tp_relay_end_fn *end;
	void *arg;
};

enum step { IDLE, MOVED, ENDED };

static void release(struct tp_relay *r)
{
	struct side *sides[] = { &r->a, &r->b };

	tp_timer_del(r->kick);
	tp_timer_del(r->gone);
	for (size_t i = 0; i < TP_ARRAY_SIZE(sides); i++) {
		tp_watch_del(sides[i]->watch);
		tp_watch_del(sides[i]->write_watch);
		tp_stream_close(sides[i]->s);
	}
	r->kick = r->gone = NULL;
}

static void discard(struct tp_relay *r)
{
	free(r->ab.ring);
	free(r->ba.ring);
	free(r);
}

void tp_relay_stop(struct tp_relay *r)
{
	if (!r)
		return;
	release(r);
	discard(r);
}

/* Returns ENDED, for `return finish(...)`: R is gone. */
static enum step finish(struct tp_relay *r, const char *reason)
{
	tp_autofree char *why = tp_strdup(reason); /* may lie in a stream */

	release(r);
	if (r->end)
		r->end(r->arg, why);
	discard(r);
	return ENDED;
}

static enum step finish_broken(struct tp_relay *r, struct side *side, int errnum)
{
	const char *why = tp_stream_reason(side->s);

	return finish(r, why ? why : strerror(errnum));
}

#define GATHER (64u << 10) /* bytes read before they are written */

static enum step fill(struct tp_relay *r, struct way *w)
{
	size_t tail, room;
	ssize_t n;

	if (w->state != OPEN || w->len == r->size)
		return IDLE;
	if (!w->from->readable && !tp_stream_pending(w->from->s))
		return IDLE;
	if (!w->len)
		w->head = 0;
	tail = (w->head + w->len) % r->size;
	room = tail < w->head ? w->head - tail : r->size - tail;
	n = tp_stream_read(w->from->s, w->ring + tail, room);
	if (n > 0) {
		w->len += (size_t)n;
		/* nothing hidden and less than asked for: spare the read that says EAGAIN */
		if ((size_t)n < room && !w->from->s->ops->pending)
			w->from->readable = false;
		return MOVED;
	}
	if (n == 0) {
		w->state = DRAINING;
		return MOVED;
	}
	if (errno != EAGAIN)
		return finish_broken(r, w->from, errno);
	w->from->readable = false;
	return IDLE;
}

/* Sends what the stream itself still holds; a read can leave something
 * there too (a WebSocket's pong). */
static enum step flush(struct tp_relay *r, struct side *to)
{
	if (!to->writable)
		return IDLE;
	if (tp_stream_write(to->s, NULL, 0) >= 0) {
		to->unflushed = false;
		return IDLE;
	}
	if (errno != EAGAIN)
		return finish_broken(r, to, errno);
	to->unflushed = true;
	to->writable = false;
	return IDLE;
}

static enum step drain(struct tp_relay *r, struct way *w)
{
	size_t chunk = w->head + w->len > r->size ? r->size - w->head : w->len;
	ssize_t n;

	if (!chunk || !w->to->writable)
		return IDLE;
	n = tp_stream_write(w->to->s, w->ring + w->head, chunk);
	if (n > 0) {
		w->head = (w->head + (size_t)n) % r->size;
		w->len -= (size_t)n;
		w->moved += (uint64_t)n;
		return MOVED;
	}
	if (n < 0 && errno != EAGAIN)
		return finish_broken(r, w->to, errno);
	w->to->writable = false;
	return IDLE;
}

/* DRAINING to SHUT, once everything has left. */
static enum step pass_end(struct tp_relay *r, struct way *w)
{
	if (w->state != DRAINING || w->len || w->to->unflushed)
		return IDLE;
	if (!w->from->s->can_half_close)
		return finish(r, NULL); /* its end is the end of both ways */
	/* it may close the descriptor */
	tp_watch_del(w->to->write_watch);
	w->to->write_watch = NULL;
	if (tp_stream_shutdown(w->to->s) && errno != ENOTCONN)
		return finish_broken(r, w->to, errno);
	w->state = SHUT;
	if (r->ab.state == SHUT && r->ba.state == SHUT)
		return finish(r, NULL);
	return MOVED;
}

static enum step move(struct tp_relay *r, struct way *w)
{
	enum step all = IDLE, s;

	/* A TLS record is 16 KiB at most: a few of them together cost the far
	 * side of a write less than each by itself. Only what is there is
	 * gathered; nothing waits. */
	do {
		if ((s = fill(r, w)) == ENDED)
			return ENDED;
		all = s == MOVED ? MOVED : all;
	} while (s == MOVED && w->len < GATHER);
	if ((s = drain(r, w)) == ENDED)
		return ENDED;
	all = s == MOVED ? MOVED : all;
	if (!w->len && flush(r, w->to) == ENDED)
		return ENDED;
	if ((s = pass_end(r, w)) == ENDED)
		return ENDED;
	return s == MOVED ? MOVED : all;
}

/* Has the other end closed both ways? Shows for unix sockets and pipes; a
 * TCP peer tells only when something is sent to it. */
static bool is_gone(const struct tp_stream *s)
{
	struct pollfd p = { .fd = tp_stream_write_fd(s) };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* A side that has ended for reading, and where nothing can be said to the
 * other side, would otherwise be kept until that one happens to speak. */
static void look_whether_gone(void *arg)
{
	struct tp_relay *r = arg;

	r->gone = NULL;
	if ((r->ab.state == SHUT && is_gone(r->a.s)) || (r->ba.state == SHUT && is_gone(r->b.s)))
		finish(r, NULL);
	else
		r->gone = tp_timer_add(r->loop, GONE_MS, look_whether_gone, r);
}

/* IN is the way that S is read for, OUT the one that ends in it. */
static void listen_for(struct tp_relay *r, struct side *s, struct way *in, struct way *out)
{
	int want_read = in->state == OPEN && in->len < r->size ? TP_READ : 0;
	int want_write = (out->len || s->unflushed) && !s->writable ? TP_WRITE : 0;

	if (s->write_watch) {
		tp_watch_set(s->watch, want_read);
		tp_watch_set(s->write_watch, want_write);
	} else {
		tp_watch_set(s->watch, want_read | want_write);
	}
}

static void service(void *arg);

static void kick(void *arg)
{
	struct tp_relay *r = arg;

	r->kick = NULL;
	service(r);
}

static void service(void *arg)
{
	struct tp_relay *r = arg;
	enum step s1 = MOVED, s2 = MOVED;

	for (int turn = 0; turn < TURNS && (s1 == MOVED || s2 == MOVED); turn++) {
		if ((s1 = move(r, &r->ab)) == ENDED || (s2 = move(r, &r->ba)) == ENDED)
			return;
	}
	listen_for(r, &r->a, &r->ab, &r->ba);
	listen_for(r, &r->b, &r->ba, &r->ab);
	/* a timer and not a post, which could not be taken back */
	if ((s1 == MOVED || s2 == MOVED) && !r->kick)
		r->kick = tp_timer_add(r->loop, 0, kick, r);
	if ((r->ab.state == SHUT || r->ba.state == SHUT) && !r->gone)
		r->gone = tp_timer_add(r->loop, GONE_MS, look_whether_gone, r);
}

static void on_event(struct tp_relay *r, struct side *s, int events)
{
	if (events & TP_READ)
		s->readable = true;
	if (events & TP_WRITE)
		s->writable = true;
	service(r);
}

static void on_a(void *arg, int events)
{
	struct tp_relay *r = arg;

	on_event(r, &r->a, events);
}

static void on_b(void *arg, int events)
{
	struct tp_relay *r = arg;

	on_event(r, &r->b, events);
}

static void side_init(struct tp_relay *r, struct side *side, struct tp_stream *s,
		      void (*fn)(void *arg, int events))
{
	int out = tp_stream_write_fd(s);

	side->s = s;
	side->readable = side->writable = true;
	side->watch = tp_watch_add(r->loop, s->fd, TP_READ, fn, r);
	if (out >= 0 && out != s->fd)
		side->write_watch = tp_watch_add(r->loop, out, 0, fn, r);
}

struct tp_relay *tp_relay_start(struct tp_loop *l, struct tp_stream *a, struct tp_stream *b,
				size_t bufsize, tp_relay_end_fn *end, void *arg)
{
	struct tp_relay *r = tp_calloc(1, sizeof(*r));

	r->loop = l;
	r->size = bufsize ? bufsize : DEFAULT_SIZE;
	r->end = end;
	r->arg = arg;
	r->ab.ring = tp_malloc(r->size);
	r->ba.ring = tp_malloc(r->size);
	side_init(r, &r->a, a, on_a);
	side_init(r, &r->b, b, on_b);
	r->ab.from = r->ba.to = &r->a;
	r->ab.to = r->ba.from = &r->b;
	/* from the loop, as promised: END must not come before we return */
	r->kick = tp_timer_add(l, 0, kick, r);
	return r;
}

void tp_relay_count(const struct tp_relay *r, uint64_t *ab, uint64_t *ba)
{
	if (ab)
		*ab = r->ab.moved;
	if (ba)
		*ba = r->ba.moved;
}
