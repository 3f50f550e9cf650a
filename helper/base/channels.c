/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection, on either side:
 *
 *   ASKED --answer(fd)--.
 *                        >-- OPEN --both ends, and all is written--> gone
 *   OPENING --OPENED----'
 *
 * and from any state --RESET, or an error of the socket--> gone.
 *
 * Each direction: bytes are read from the socket only while the other side
 * has given credit for them; what comes in is held until the socket takes
 * it, and is given back as credit then.
 */
#include "base/channels.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define BUCKETS 256
#define MAX_OUT (512u << 10) /* for the stream: past that no socket is read */
#define TURNS	16	     /* reads of the stream before others get their turn */

struct channel {
	struct tp_channels *c;
	struct channel *next; /* in its bucket */
	uint32_t id;
	int fd; /* -1: ASKED */
	struct tp_watch *watch;
	bool open;
	size_t credit;		 /* bytes that may be sent to the other side */
	struct tp_buf held;	 /* for the socket */
	size_t eaten;		 /* written to the socket and not given back yet */
	bool our_end, their_end; /* no more comes from the socket; from the other side */
	bool shut;		 /* the socket has been told of their end */
};

struct tp_channels {
	struct tp_loop *loop;
	struct tp_stream *s;
	struct tp_watch *watch, *write_watch; /* the second for streams of two descriptors */
	struct tp_channels_events ev;
	struct tp_timer *kick;
	struct tp_buf in, out;
	struct channel *bucket[BUCKETS];
	size_t n;
	uint32_t next_id;
	bool paused;   /* no socket is read: the stream does not take what there is */
	bool blocked;  /* the stream waits to be written to */
	bool over;     /* and ENDED was or will be called */
	char why[256]; /* "" is the orderly end */
};

/* -------------------------------------------------------------- the stream */

static void on_kick(void *arg);

static void kick(struct tp_channels *c)
{
	if (!c->kick)
		c->kick = tp_timer_add(c->loop, 0, on_kick, c);
}

/* Told from a timer: whoever noticed goes on with what it has in hand. */
static void over(struct tp_channels *c, const char *why)
{
	if (c->over)
		return;
	c->over = true;
	strncpy(c->why, why, sizeof(c->why) - 1);
	kick(c);
}

static void send_msg(struct tp_channels *c, uint32_t id, enum tp_channel_type type, const void *p,
		     size_t len)
{
	char *to = tp_buf_reserve(&c->out, TP_CHANNEL_HEADER + len);

	if (!to) {
		over(c, "the other side does not read what it is sent");
		return;
	}
	tp_channels_header(to, id, type, len);
	if (len)
		memcpy(to + TP_CHANNEL_HEADER, p, len);
	tp_buf_added(&c->out, TP_CHANNEL_HEADER + len);
}

static void watch_channel(struct channel *ch)
{
	int events = 0;

	if (!ch->watch)
		return;
	if (ch->held.len)
		events |= TP_WRITE;
	if (ch->open && !ch->our_end && ch->credit && !ch->c->paused)
		events |= TP_READ;
	tp_watch_set(ch->watch, ch->c->over ? 0 : events);
}

static void pause_all(struct tp_channels *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct channel *ch = c->bucket[i]; ch; ch = ch->next)
			watch_channel(ch);
}

static void flush(struct tp_channels *c)
{
	bool blocked = false;
	ssize_t n = 0;

	while (!c->over && c->out.len) {
		n = tp_stream_write(c->s, c->out.data, c->out.len);
		if (n < 0)
			break;
		tp_buf_consume(&c->out, (size_t)n);
	}
	if (!c->over && !c->out.len && n >= 0)
		n = tp_stream_write(c->s, NULL, 0); /* what it holds itself */
	if (!c->over && n < 0) {
		blocked = errno == EAGAIN;
		if (!blocked)
			over(c, tp_stream_reason(c->s) ? tp_stream_reason(c->s) : strerror(errno));
	}
	pause_all(c, c->out.len >= MAX_OUT);
	c->blocked = blocked;
	if (c->write_watch)
		tp_watch_set(c->write_watch, blocked ? TP_WRITE : 0);
	tp_watch_set(c->watch, c->over			  ? 0 :
			       c->write_watch || !blocked ? TP_READ :
							    TP_READ | TP_WRITE);
}

/* ------------------------------------------------------------- connections */

static struct channel *find(struct tp_channels *c, uint32_t id)
{
	struct channel *ch = c->bucket[id % BUCKETS];

	while (ch && ch->id != id)
		ch = ch->next;
	return ch;
}

static void on_socket(void *arg, int events);

static void attach(struct channel *ch, int fd)
{
	int one = 1;

	ch->fd = fd;
	/* of no effect where it is no TCP socket, as in tests */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ch->watch = tp_watch_add(ch->c->loop, fd, 0, on_socket, ch);
}

static struct channel *new_channel(struct tp_channels *c, uint32_t id)
{
	struct channel *ch = tp_calloc(1, sizeof(*ch));

	ch->c = c;
	ch->id = id;
	ch->fd = -1;
	ch->credit = TP_CHANNEL_WINDOW;
	ch->held = TP_BUF_INIT(TP_CHANNEL_WINDOW);
	ch->next = c->bucket[id % BUCKETS];
	c->bucket[id % BUCKETS] = ch;
	c->n++;
	return ch;
}

void tp_channels_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void drop(struct channel *ch, bool orderly)
{
	struct channel **p = &ch->c->bucket[ch->id % BUCKETS];

	while (*p != ch)
		p = &(*p)->next;
	*p = ch->next;
	ch->c->n--;
	tp_watch_del(ch->watch);
	if (orderly)
		tp_close_p(&ch->fd);
	else
		tp_channels_reset(ch->fd);
	tp_buf_free(&ch->held);
	free(ch);
}

/* The socket is of no use any more: the other side shall not wait for it. */
static void broke(struct channel *ch)
{
	send_msg(ch->c, ch->id, TP_CHANNEL_RESET, "", 0);
	drop(ch, false);
}

/* False when the connection has come to its end and is gone. */
static bool settle(struct channel *ch)
{
	if (ch->their_end && !ch->held.len && !ch->shut) {
		shutdown(ch->fd, SHUT_WR);
		ch->shut = true;
	}
	if (ch->shut && ch->our_end) {
		drop(ch, true);
		return false;
	}
	watch_channel(ch);
	return true;
}

static void give_back(struct channel *ch)
{
	const unsigned char v[4] = { (unsigned char)(ch->eaten >> 24),
				     (unsigned char)(ch->eaten >> 16),
				     (unsigned char)(ch->eaten >> 8), (unsigned char)ch->eaten };

	if (ch->eaten < TP_CHANNEL_WINDOW / 4 || ch->their_end)
		return;
	send_msg(ch->c, ch->id, TP_CHANNEL_CREDIT, v, sizeof(v));
	ch->eaten = 0;
}

static int write_held(struct channel *ch)
{
	while (ch->held.len) {
		ssize_t n = send(ch->fd, ch->held.data, ch->held.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		tp_buf_consume(&ch->held, (size_t)n);
		ch->eaten += (size_t)n;
	}
	return 0;
}

/* One read, straight behind the message's header. False: the socket is broken. */
static bool read_socket(struct channel *ch)
{
	struct tp_channels *c = ch->c;
	size_t most = ch->credit < TP_CHANNEL_PAYLOAD ? ch->credit : TP_CHANNEL_PAYLOAD;
	char *p = tp_buf_reserve(&c->out, TP_CHANNEL_HEADER + TP_CHANNEL_PAYLOAD);
	ssize_t n;

	if (!p)
		return true;
	do
		n = recv(ch->fd, p + TP_CHANNEL_HEADER, most, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN;
	if (n == 0) {
		ch->our_end = true;
		send_msg(c, ch->id, TP_CHANNEL_END, "", 0);
		return true;
	}
	tp_channels_header(p, ch->id, TP_CHANNEL_DATA, (size_t)n);
	tp_buf_added(&c->out, TP_CHANNEL_HEADER + (size_t)n);
	ch->credit -= (size_t)n;
	return true;
}

static void on_socket(void *arg, int events)
{
	struct channel *ch = arg;
	struct tp_channels *c = ch->c;
	bool ok = !(events & TP_WRITE) || write_held(ch) == 0;

	if (ok && (events & TP_READ) && ch->open && !ch->our_end && ch->credit)
		ok = read_socket(ch);
	if (!ok) {
		broke(ch);
	} else {
		give_back(ch);
		settle(ch);
	}
	flush(c);
}

void tp_channels_open(struct tp_channels *c, int fd, unsigned number)
{
	const unsigned char v[2] = { (unsigned char)(number >> 8), (unsigned char)number };

	if (c->over || c->n >= TP_CHANNELS_MAX) {
		tp_channels_reset(fd);
		return;
	}
	while (find(c, c->next_id))
		c->next_id++;
	attach(new_channel(c, c->next_id), fd);
	send_msg(c, c->next_id++, TP_CHANNEL_OPEN, v, sizeof(v));
	flush(c);
}

void tp_channels_answer(struct tp_channels *c, uint32_t id, int fd)
{
	struct channel *ch = find(c, id);

	if (!ch || ch->fd >= 0 || c->over) { /* given up by the other side meanwhile */
		tp_channels_reset(fd);
		return;
	}
	if (fd < 0) {
		broke(ch);
	} else {
		attach(ch, fd);
		ch->open = true;
		send_msg(c, id, TP_CHANNEL_OPENED, "", 0);
		watch_channel(ch);
	}
	flush(c);
}

/* ------------------------------------------------------------ what comes in */

static void take_open(struct tp_channels *c, const struct tp_channel_msg *m)
{
	if (!c->ev.asked || find(c, m->id)) {
		over(c, "the other side opened a connection that it may not open");
	} else if (c->n >= TP_CHANNELS_MAX) {
		send_msg(c, m->id, TP_CHANNEL_RESET, "", 0);
	} else {
		new_channel(c, m->id);
		c->ev.asked(c->ev.arg, m->id, m->value);
	}
}

static void take_data(struct channel *ch, const struct tp_channel_msg *m)
{
	ssize_t sent = 0;

	/* what is held and what is eaten is what credit was not given back for */
	if (!ch->open || ch->their_end || ch->held.len + ch->eaten + m->len > TP_CHANNEL_WINDOW) {
		over(ch->c, "the other side sent more than it may");
		return;
	}
	if (!ch->held.len) {
		sent = send(ch->fd, m->data, m->len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			broke(ch);
			return;
		}
		if (sent < 0)
			sent = 0;
	}
	ch->eaten += (size_t)sent;
	tp_buf_put(&ch->held, m->data + sent, m->len - (size_t)sent);
	give_back(ch);
	watch_channel(ch);
}

static void take(struct tp_channels *c, const struct tp_channel_msg *m)
{
	struct channel *ch = find(c, m->id);

	if (m->type == TP_CHANNEL_OPEN) {
		take_open(c, m);
		return;
	}
	if (!ch)
		return; /* crossed with our own end of it */
	switch (m->type) {
	case TP_CHANNEL_OPENED:
		ch->open |= ch->fd >= 0;
		watch_channel(ch);
		break;
	case TP_CHANNEL_DATA:
		take_data(ch, m);
		break;
	case TP_CHANNEL_END:
		if (!ch->open) {
			over(c, "the other side ended what it had not opened");
			break;
		}
		ch->their_end = true;
		settle(ch);
		break;
	case TP_CHANNEL_CREDIT:
		if (m->value > TP_CHANNEL_WINDOW - ch->credit) {
			over(c, "the other side gives credit that it does not have");
			break;
		}
		ch->credit += m->value;
		watch_channel(ch);
		break;
	default: /* RESET */
		drop(ch, false);
		break;
	}
}

static void take_all(struct tp_channels *c)
{
	struct tp_channel_msg m;
	size_t at = 0;
	ssize_t used = 0;

	while (!c->over && (used = tp_channels_parse(c->in.data + at, c->in.len - at, &m)) > 0) {
		take(c, &m);
		at += (size_t)used;
	}
	if (used < 0)
		over(c, "something else than connections came in");
	tp_buf_consume(&c->in, at);
}

static void read_stream(struct tp_channels *c)
{
	int turn;

	for (turn = 0; turn < TURNS && !c->over; turn++) {
		char *room = tp_buf_reserve(&c->in, 2 * TP_CHANNEL_PAYLOAD);
		ssize_t n = tp_stream_read(c->s, room, 2 * TP_CHANNEL_PAYLOAD);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			over(c, tp_stream_reason(c->s) ? tp_stream_reason(c->s) : strerror(errno));
		else if (n == 0)
			over(c, "");
		if (n <= 0)
			break;
		tp_buf_added(&c->in, (size_t)n);
		take_all(c);
	}
	/* more may be hidden in the stream's own buffer, where poll sees nothing */
	if (turn == TURNS)
		kick(c);
	flush(c);
}

static void on_stream(void *arg, int events)
{
	struct tp_channels *c = arg;

	if (events & TP_WRITE)
		flush(c);
	if (events & TP_READ)
		read_stream(c);
}

static void on_write_fd(void *arg, int events)
{
	(void)events;
	flush(arg);
}

static void on_kick(void *arg)
{
	struct tp_channels *c = arg;

	c->kick = NULL;
	if (!c->over)
		read_stream(c);
	else if (c->ev.ended)
		c->ev.ended(c->ev.arg, c->why[0] ? c->why : NULL);
}

struct tp_channels *tp_channels_new(struct tp_loop *l, struct tp_stream *s,
				    const struct tp_channels_events *ev)
{
	struct tp_channels *c = tp_calloc(1, sizeof(*c));
	int out = tp_stream_write_fd(s);

	c->loop = l;
	c->s = s;
	c->ev = *ev;
	c->in = TP_BUF_INIT(4 * TP_CHANNEL_PAYLOAD);
	c->out = TP_BUF_INIT(8u << 20);
	c->watch = tp_watch_add(l, s->fd, TP_READ, on_stream, c);
	if (out >= 0 && out != s->fd)
		c->write_watch = tp_watch_add(l, out, 0, on_write_fd, c);
	kick(c); /* the stream may hold something already */
	return c;
}

void tp_channels_free(struct tp_channels *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (c->bucket[i])
			drop(c->bucket[i], false);
	tp_timer_del(c->kick);
	tp_watch_del(c->watch);
	tp_watch_del(c->write_watch);
	tp_stream_close(c->s);
	tp_buf_free(&c->in);
	tp_buf_free(&c->out);
	free(c);
}

size_t tp_channels_count(const struct tp_channels *c)
{
	return c->n;
}
