/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flows.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/flows_internal.h"

#define IN	 (256u << 10)
#define OUT_DATA (256u << 10) /* for the stream: past that no socket is read */
#define OUT_ALL	 (2u << 20)   /* past that not even the stream is: answers to it would be more */
#define PIPE	 (256 << 10)
#define READS	 4  /* of the stream, before others get their turn */
#define TURNS	 64 /* pieces, before the loop looks at others */

static void on_kick(void *arg);

void flows_kick(struct tp_flows *s)
{
	if (!s->kick)
		s->kick = tp_timer_add(s->loop, 0, on_kick, s);
}

void flows_over(struct tp_flows *s, const char *why)
{
	if (s->over)
		return;
	s->over = true;
	strncpy(s->why, why, sizeof(s->why) - 1);
	/* told from the timer: whoever noticed goes on with what it has in hand */
	flows_kick(s);
}

bool flows_have_room(const struct tp_flows *s)
{
	return s->out.len < OUT_DATA;
}

void flows_send(struct tp_flows *s, uint32_t id, enum tp_wire_type type, const void *p, size_t n)
{
	char h[TP_WIRE_HEADER];

	if (s->over)
		return;
	tp_wire_header(h, id, type, n);
	tp_queue_put(&s->out, h, sizeof(h));
	tp_queue_put(&s->out, p, n);
	flows_kick(s);
}

void flows_send32(struct tp_flows *s, uint32_t id, enum tp_wire_type type, uint32_t v)
{
	char b[4];

	tp_wire_put32(b, v);
	flows_send(s, id, type, b, sizeof(b));
}

/* ------------------------------------------------------------- writing */

static void watch_stream(struct tp_flows *s)
{
	int in = !s->over && s->out.len < OUT_ALL ? TP_READ : 0;
	int out = !s->over && s->blocked ? TP_WRITE : 0;

	if (s->out_watch)
		tp_watch_set(s->out_watch, out);
	tp_watch_set(s->in_watch, s->out_watch ? in : in | out);
}

static void write_out(struct tp_flows *s)
{
	s->blocked = false;
	if (!s->out.len || tp_queue_write(&s->out, s->fd_out, s->out_is_socket) >= 0)
		s->blocked = s->out.len;
	else if (errno == EAGAIN)
		s->blocked = true;
	else
		flows_over(s, errno == EPIPE || errno == ECONNRESET ? "" : strerror(errno));
}

static void next_turn(struct tp_flows *s)
{
	struct tp_flow *f = s->first_turn;

	flow_leave_turns(f);
	if (flow_turn(f))
		flow_wait_turn(f);
}

static void flush(struct tp_flows *s)
{
	int turns = TURNS;

	write_out(s);
	while (!s->over && !s->blocked && s->first_turn && turns) {
		for (; flows_have_room(s) && s->first_turn && turns; turns--)
			next_turn(s);
		write_out(s);
	}
	if (!s->over && !s->blocked && s->first_turn)
		flows_kick(s);
	watch_stream(s);
}

/* ------------------------------------------------------------- reading */

static void take_open(struct tp_flows *s, const struct tp_wire_frame *m)
{
	struct tp_flow *f;

	if (!s->ev.asked || flow_find(s, m->id)) {
		flows_over(s, "the other side opened a connection that it may not open");
		return;
	}
	if (s->n >= TP_FLOWS_MAX) {
		flows_send32(s, m->id, TP_WIRE_REFUSED, TP_WIRE_ERROR_BUSY);
		return;
	}
	f = flow_new(s, m->id, m->target.protocol != IPPROTO_TCP, FLOW_ASKED);
	f->credit = m->value;
	s->ev.asked(s->ev.arg, f, &m->target);
}

static void take(struct tp_flows *s, const struct tp_wire_frame *m)
{
	struct tp_flow *f;

	if (!s->greeted) {
		s->greeted = m->type == TP_WIRE_HELLO && m->value == TP_WIRE_VERSION && !m->id;
		if (!s->greeted)
			flows_over(s, "the other side speaks another version of the protocol");
		return;
	}
	if (m->type == TP_WIRE_OPEN_TO) {
		take_open(s, m);
		return;
	}
	if (m->type == TP_WIRE_HELLO) {
		flows_over(s, "the other side greeted twice");
		return;
	}
	f = flow_find(s, m->id); /* not there: crossed with our own end of it */
	if (f && !flow_take(f, m))
		flows_over(s, "the other side does not keep to the protocol");
}

static void take_all(struct tp_flows *s)
{
	struct tp_wire_frame m;
	size_t at = 0;
	ssize_t used = 0;

	while (!s->over && (used = tp_wire_parse(s->in + at, s->in_len - at, &m)) > 0) {
		at += (size_t)used;
		take(s, &m);
	}
	if (used < 0)
		flows_over(s, "what came in is not the engine's protocol");
	s->in_len -= at;
	if (s->in_len)
		memmove(s->in, s->in + at, s->in_len);
}

static void read_in(struct tp_flows *s)
{
	for (int i = 0; i < READS && !s->over && s->out.len < OUT_ALL; i++) {
		size_t room = IN - s->in_len;
		ssize_t n = read(s->fd_in, s->in + s->in_len, room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			flows_over(s, n == 0 || errno == ECONNRESET ? "" : strerror(errno));
			return;
		}
		s->in_len += (size_t)n;
		take_all(s);
		if ((size_t)n < room)
			return;
	}
}

static void on_in(void *arg, int events)
{
	struct tp_flows *s = arg;

	if (events & TP_READ)
		read_in(s);
	/* at once if it was blocked, else behind all that happens in this round */
	if (events & TP_WRITE)
		flush(s);
}

static void on_out(void *arg, int events)
{
	(void)events;
	flush(arg);
}

static void on_kick(void *arg)
{
	struct tp_flows *s = arg;

	s->kick = NULL;
	if (!s->over)
		flush(s);
	if (!s->over || s->told)
		return;
	s->told = true;
	watch_stream(s);
	if (s->ev.ended)
		s->ev.ended(s->ev.arg, s->why[0] ? s->why : NULL);
}

/* -------------------------------------------------------------- set-up */

struct tp_flows *tp_flows_new(struct tp_loop *l, int fd_in, int fd_out,
			      const struct tp_flows_events *ev)
{
	struct tp_flows *s = tp_calloc(1, sizeof(*s));
	struct stat st;

	s->loop = l;
	s->ev = *ev;
	s->fd_in = fd_in;
	s->fd_out = fd_out;
	s->in = tp_malloc(IN);
	s->out_is_socket = fstat(fd_out, &st) == 0 && S_ISSOCK(st.st_mode);
	/* sshd's pipes hold 64 KB, and each time that is full another process has to have its turn */
	fcntl(fd_in, F_SETPIPE_SZ, PIPE);
	fcntl(fd_out, F_SETPIPE_SZ, PIPE);
	s->next_id = 1;
	fcntl(fd_in, F_SETFL, fcntl(fd_in, F_GETFL) | O_NONBLOCK);
	fcntl(fd_out, F_SETFL, fcntl(fd_out, F_GETFL) | O_NONBLOCK);
	s->in_watch = tp_watch_add(l, fd_in, TP_READ, on_in, s);
	if (fd_in != fd_out)
		s->out_watch = tp_watch_add(l, fd_out, 0, on_out, s);
	flows_send32(s, 0, TP_WIRE_HELLO, TP_WIRE_VERSION);
	return s;
}

void tp_flows_free(struct tp_flows *s)
{
	if (!s)
		return;
	s->over = true;
	for (size_t i = 0; i < FLOW_BUCKETS; i++)
		while (s->bucket[i])
			flow_free(s->bucket[i], false);
	tp_watch_del(s->in_watch);
	tp_watch_del(s->out_watch);
	tp_timer_del(s->kick);
	tp_queue_free(&s->out);
	free(s->in);
	free(s);
}

size_t tp_flows_count(const struct tp_flows *s)
{
	return s->n;
}

size_t tp_flows_held(const struct tp_flows *s)
{
	return s->held + s->out.len;
}
