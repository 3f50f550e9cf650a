/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection:
 *
 *   ASKING --OPENED--.                                  (near)
 *                     >-- OPEN --END both ways, all written--> gone
 *   ASKED --attach---'                                  (far)
 *
 * and from any state --RESET, or an error of the socket--> gone.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/flows_internal.h"

#define PIECE	  16384 /* room for less is not worth a read */
#define PIECES	  4	/* of one socket in a row */

#define GIVE_BACK (256u << 10) /* credit is sent for so much at the latest */

static void on_socket(void *arg, int events);

/* ---------------------------------------------------------- the table */

struct tp_flow *flow_find(struct tp_flows *s, uint32_t id)
{
	struct tp_flow *f = s->bucket[id % FLOW_BUCKETS];

	while (f && f->id != id)
		f = f->next;
	return f;
}

struct tp_flow *flow_new(struct tp_flows *s, uint32_t id, bool udp, enum flow_state state)
{
	struct tp_flow *f = tp_calloc(1, sizeof(*f));

	f->s = s;
	f->id = id;
	f->udp = udp;
	f->state = state;
	f->fd = -1;
	f->window = s->windows < TP_FLOWS_MEMORY / 4 * 3 ? TP_FLOW_WINDOW : TP_FLOW_WINDOW_MIN;
	if (udp)
		f->window = 0;
	f->room = f->window;
	s->windows += f->window;
	f->next = s->bucket[id % FLOW_BUCKETS];
	s->bucket[id % FLOW_BUCKETS] = f;
	s->n++;
	return f;
}

/* Closing FD is a reset from now on, or (OFF) an orderly end. Also the kernel's closing, when the
 * process is killed: a stream that was cut must not look like one that has ended. */
static void close_resets(int fd, bool on)
{
	struct linger now = { .l_onoff = on };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void tp_flow_reset_fd(int fd)
{
	if (fd < 0)
		return;
	close_resets(fd, true);
	close(fd);
}

void flow_leave_turns(struct tp_flow *f)
{
	struct tp_flows *s = f->s;

	if (!f->waits_turn)
		return;
	if (f->turn_prev)
		f->turn_prev->turn_next = f->turn_next;
	else
		s->first_turn = f->turn_next;
	if (f->turn_next)
		f->turn_next->turn_prev = f->turn_prev;
	else
		s->last_turn = f->turn_prev;
	f->waits_turn = false;
}

void flow_free(struct tp_flow *f, bool orderly)
{
	struct tp_flow **p = &f->s->bucket[f->id % FLOW_BUCKETS];

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	flow_leave_turns(f);
	f->s->n--;
	f->s->windows -= f->window;
	f->s->held -= f->held.len;
	tp_watch_del(f->watch);
	if (orderly && f->fd >= 0) {
		close_resets(f->fd, false);
		close(f->fd);
	} else {
		tp_flow_reset_fd(f->fd);
	}
	tp_queue_free(&f->held);
	free(f);
}

/* ---------------------------------------------------------- the socket */

static bool may_read(const struct tp_flow *f)
{
	return f->state == FLOW_OPEN && f->fd >= 0 && !f->our_end && f->credit;
}

void flow_rewatch(struct tp_flow *f)
{
	int events = f->held.len ? TP_WRITE : 0;

	if (!f->watch)
		return;
	/* whoever reads learns of a reset by that, behind the bytes that came before it */
	if (may_read(f))
		events |= f->waits_turn ? 0 : TP_READ;
	else if (!f->hung_up)
		events |= TP_HANGUP;
	tp_watch_set(f->watch, f->s->over ? 0 : events);
}

static int read_piece(struct tp_flow *f, bool *end);

/* The socket is of no use any more: the other side shall not wait for it. What came before that
 * is passed on; it may be the answer that says why. */
static void broke(struct tp_flow *f, int errnum)
{
	bool end = false;

	while (may_read(f) && !end && read_piece(f, &end) > 0)
		;
	flows_send32(f->s, f->id, TP_WIRE_RESET, tp_wire_error(errnum));
	flow_free(f, false);
}

/* False when the connection has come to its end and is gone. */
static bool settle(struct tp_flow *f)
{
	if (f->their_end && !f->held.len && !f->shut && f->fd >= 0) {
		shutdown(f->fd, SHUT_WR);
		f->shut = true;
	}
	if (f->shut && f->our_end) {
		flow_free(f, true);
		return false;
	}
	flow_rewatch(f);
	return true;
}

/*
 * A flow that has used its window up, and whose socket keeps pace (it may
 * lag, but not by most of the window), gets a larger one: the way is long. But a quarter of the
 * memory is kept for new flows.
 */
static uint32_t growth(struct tp_flow *f)
{
	size_t most = TP_FLOWS_MEMORY / 4 * 3;
	uint32_t more = f->window;

	if (f->held.len > f->window / 2 || f->used < f->window || f->window >= TP_FLOW_WINDOW_MAX ||
	    f->s->windows + more > most)
		return 0;
	if (f->window + more > TP_FLOW_WINDOW_MAX)
		more = TP_FLOW_WINDOW_MAX - f->window;
	f->window += more;
	f->s->windows += more;
	f->used = 0;
	return more;
}

static void give_back(struct tp_flow *f)
{
	uint32_t more;

	if (f->eaten < (f->window < 4 * GIVE_BACK ? f->window / 4 : GIVE_BACK) || !f->eaten ||
	    f->their_end)
		return;
	more = f->eaten + growth(f);
	flows_send32(f->s, f->id, TP_WIRE_CREDIT, more);
	f->room += more;
	f->eaten = 0;
}

static int write_held(struct tp_flow *f)
{
	ssize_t n;

	if (!f->held.len)
		return 0;
	n = tp_queue_write(&f->held, f->fd, true);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	f->s->held -= (size_t)n;
	f->eaten += (uint32_t)n;
	if (!f->held.len)
		tp_queue_free(&f->held); /* thousands of idle flows hold no block */
	give_back(f);
	return 0;
}

/* Straight behind the frame's header: 1 if there may be more, 0 if not now or at the end, -1 with errno. */
static int read_piece(struct tp_flow *f, bool *end)
{
	struct tp_flows *s = f->s;
	size_t room;
	char *p = tp_queue_reserve(&s->out, TP_WIRE_HEADER + PIECE, &room);
	ssize_t n;

	room -= TP_WIRE_HEADER;
	if (room > f->credit)
		room = f->credit;
	do
		n = recv(f->fd, p + TP_WIRE_HEADER, room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	*end = n == 0;
	if (n == 0)
		return 0;
	tp_wire_header(p, f->id, TP_WIRE_DATA, (size_t)n);
	tp_queue_added(&s->out, TP_WIRE_HEADER + (size_t)n);
	flows_kick(s);
	f->credit -= (uint32_t)n;
	return (size_t)n == room;
}

/* The same, and the end is passed on. */
static int read_socket(struct tp_flow *f)
{
	bool end = false;
	int rc = read_piece(f, &end);

	if (end) {
		f->our_end = true;
		flows_send(f->s, f->id, TP_WIRE_END, "", 0);
	}
	return rc;
}

void flow_wait_turn(struct tp_flow *f)
{
	struct tp_flows *s = f->s;

	if (f->waits_turn)
		return;
	f->waits_turn = true;
	f->turn_next = NULL;
	f->turn_prev = s->last_turn;
	if (s->last_turn)
		s->last_turn->turn_next = f;
	else
		s->first_turn = f;
	s->last_turn = f;
}

bool flow_turn(struct tp_flow *f)
{
	int rc = may_read(f) ? read_socket(f) : 0;

	if (rc < 0) {
		broke(f, errno);
		return false;
	}
	if (rc > 0 && may_read(f))
		return true;
	settle(f);
	return false;
}

static void on_socket(void *arg, int events)
{
	struct tp_flow *f = arg;
	int error = 0, rc = 1;
	socklen_t len = sizeof(error);

	if (f->s->over) {
		flow_rewatch(f);
		return;
	}
	if ((events & TP_HANGUP) && !may_read(f)) {
		/* an end in both directions, which reading tells of in its time; or a reset */
		f->hung_up = true;
		if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error) {
			broke(f, error);
			return;
		}
	}
	if ((events & TP_WRITE) && write_held(f) < 0) {
		broke(f, errno);
		return;
	}
	if ((events & TP_READ) && may_read(f) && !f->waits_turn) {
		for (int i = 0; i < PIECES && rc > 0 && may_read(f) && flows_have_room(f->s); i++)
			rc = read_socket(f);
		if (rc > 0 && may_read(f) && !flows_have_room(f->s))
			flow_wait_turn(f);
	}
	if (rc < 0)
		broke(f, errno);
	else
		settle(f);
}

/* --------------------------------------------------------- what comes in */

static bool take_opened(struct tp_flow *f, uint32_t window)
{
	if (f->state != FLOW_ASKING)
		return false;
	f->state = FLOW_OPEN;
	f->credit = window;
	flow_rewatch(f);
	if (f->ev && f->ev->opened)
		f->ev->opened(f->arg, 0);
	return true;
}

static bool take_data(struct tp_flow *f, const char *p, size_t n)
{
	ssize_t sent = 0;

	if (f->udp) {
		if (f->state != FLOW_OPEN)
			return false;
		if (f->ev && f->ev->packet)
			f->ev->packet(f->arg, p, n); /* F may be gone behind it */
		return true;
	}
	if (f->state != FLOW_OPEN || f->their_end || n > f->room)
		return false;
	f->room -= (uint32_t)n;
	f->used = f->used + (uint32_t)n < f->used ? UINT32_MAX : f->used + (uint32_t)n;
	if (f->fd >= 0 && !f->held.len) {
		do
			sent = send(f->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (sent < 0 && errno == EINTR);
		if (sent < 0 && errno != EAGAIN) {
			broke(f, errno);
			return true;
		}
		if (sent < 0)
			sent = 0;
	}
	f->eaten += (uint32_t)sent;
	if ((size_t)sent < n) {
		tp_queue_put(&f->held, p + sent, n - (size_t)sent);
		f->s->held += n - (size_t)sent;
		flow_rewatch(f);
	}
	give_back(f);
	return true;
}

static void take_reset(struct tp_flow *f, int errnum)
{
	const struct tp_flow_events *ev = f->ev;
	bool asking = f->state == FLOW_ASKING, told = f->fd < 0;
	void *arg = f->arg;

	flow_free(f, false);
	if (!ev)
		return;
	if (asking && ev->opened)
		ev->opened(arg, errnum);
	else if (!asking && told && ev->gone)
		ev->gone(arg, errnum);
}

static bool take_credit(struct tp_flow *f, uint32_t more)
{
	if (f->state != FLOW_OPEN || f->udp || more > TP_FLOW_WINDOW_MAX ||
	    f->credit > TP_FLOW_WINDOW_MAX - more)
		return false;
	f->credit += more;
	flow_rewatch(f);
	return true;
}

bool flow_take(struct tp_flow *f, const struct tp_wire_frame *m)
{
	switch (m->type) {
	case TP_WIRE_OPENED:
		return m->value <= TP_FLOW_WINDOW_MAX && take_opened(f, m->value);
	case TP_WIRE_DATA:
		return take_data(f, m->data, m->len);
	case TP_WIRE_END:
		if (f->state != FLOW_OPEN || f->their_end || f->udp)
			return false;
		f->their_end = true;
		settle(f);
		return true;
	case TP_WIRE_CREDIT:
		return take_credit(f, m->value);
	case TP_WIRE_REFUSED:
		if (f->state != FLOW_ASKING)
			return false;
		take_reset(f, tp_wire_errno(m->value));
		return true;
	case TP_WIRE_RESET:
		take_reset(f, tp_wire_errno(m->value));
		return true;
	default:
		return false;
	}
}

/* ---------------------------------------------------------- the callers' */

struct tp_flow *tp_flow_open(struct tp_flows *s, const struct tp_target *to,
			     const struct tp_flow_events *ev, void *arg)
{
	char p[TP_WIRE_OPEN];
	struct tp_flow *f;

	if (s->over || s->n >= TP_FLOWS_MAX) {
		errno = s->over ? EPIPE : EAGAIN;
		return NULL;
	}
	while (flow_find(s, s->next_id))
		s->next_id++;
	f = flow_new(s, s->next_id++, to->protocol != IPPROTO_TCP, FLOW_ASKING);
	tp_flow_listen(f, ev, arg);
	tp_wire_target(p, to, f->window);
	flows_send(s, f->id, TP_WIRE_OPEN_TO, p, sizeof(p));
	return f;
}

void tp_flow_listen(struct tp_flow *f, const struct tp_flow_events *ev, void *arg)
{
	f->ev = ev;
	f->arg = arg;
}

void tp_flow_attach(struct tp_flow *f, int fd)
{
	int one = 1;

	if (f->state == FLOW_ASKED) {
		flows_send32(f->s, f->id, TP_WIRE_OPENED, f->window);
		f->state = FLOW_OPEN;
	}
	if (f->udp || fd < 0)
		return;
	f->fd = fd;
	/* of no effect where it is no TCP socket, as in tests */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close_resets(fd, true);
	f->watch = tp_watch_add(f->s->loop, fd, 0, on_socket, f);
	if (write_held(f) < 0)
		broke(f, errno);
	else
		settle(f);
}

void tp_flow_refuse(struct tp_flow *f, int errnum)
{
	flows_send32(f->s, f->id, TP_WIRE_REFUSED, tp_wire_error(errnum));
	flow_free(f, false);
}

void tp_flow_break(struct tp_flow *f, int errnum)
{
	broke(f, errnum);
}

void tp_flow_packet(struct tp_flow *f, const void *p, size_t n)
{
	if (n <= TP_WIRE_PAYLOAD && flows_have_room(f->s))
		flows_send(f->s, f->id, TP_WIRE_DATA, p, n);
}
