/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/socks.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/engine.h"
#include "agent/socksmsg.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/relay.h"
#include "base/task.h"

#define HANDSHAKE_MS \
	60000 /* for what a client has to say; names and connects take their own time */
#define ADDRESSES_MAX 8
#define PIECE	      (16u << 10) /* bytes under way in a connection, each way: 32 MB for all of them */
#define CONNECT_MS    60000	  /* for one address */

struct client {
	struct tp_socks *s;
	struct client *next, **back;
	int fd, far; /* far: the connection that was asked for */
	struct tp_watch *watch, *far_watch;
	struct tp_timer *timer;
	struct tp_relay *relay;
	uint8_t in[2 + TP_SOCKS_NAME_MAX + TP_SOCKS_MESSAGE_MAX];
	size_t len;
	bool greeted, looking;
	bool gone; /* while a lookup is under way, which is its last owner then */
	struct tp_socks_request request;
	/* what a lookup found */
	struct tp_target found[ADDRESSES_MAX];
	size_t n_found, at;
	char name[NI_MAXHOST];
};

struct tp_socks {
	struct tp_loop *loop;
	int listener;
	struct tp_watch *watch;
	struct client *clients;
	size_t n, lookups;
	bool paused; /* nobody is taken on until somebody goes */
};

static void on_listener(void *arg, int events);

static void forget(struct client *c)
{
	struct tp_socks *s = c->s;

	tp_watch_del(c->watch);
	tp_watch_del(c->far_watch);
	tp_timer_del(c->timer);
	tp_relay_stop(c->relay);
	c->watch = c->far_watch = NULL;
	c->timer = NULL;
	c->relay = NULL;
	tp_close_p(&c->fd);
	tp_close_p(&c->far);
	if (c->looking) {
		c->gone = true;
		return;
	}
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	free(c);
	s->n--;
	if (s->paused && s->listener >= 0)
		tp_watch_set(s->watch, TP_READ);
	s->paused = false;
}

static void pause_listening(struct tp_socks *s)
{
	s->paused = true;
	tp_watch_set(s->watch, 0);
}

/* Small, on a fresh connection: what does not fit now has nobody to take it. */
static bool say(struct client *c, const uint8_t *p, size_t n)
{
	return send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

static void answer(struct client *c, enum tp_socks_reply reply, const struct tp_target *a,
		   const char *name)
{
	uint8_t out[TP_SOCKS_MESSAGE_MAX];

	say(c, out, tp_socks_answer(reply, a, name, out));
	shutdown(c->fd, SHUT_WR);
	forget(c);
}

static void on_relay_end(void *arg, const char *reason)
{
	struct client *c = arg;

	(void)reason;
	c->relay = NULL;
	forget(c);
}

/* The far side is there: the client is told, and from now on bytes go both ways. */
static void join(struct client *c)
{
	uint8_t out[TP_SOCKS_MESSAGE_MAX];
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct tp_target own = { .family = 4 };
	int one = 1;

	if (getsockname(c->far, (struct sockaddr *)&sa, &len) == 0)
		tp_target_from(&own, IPPROTO_TCP, &sa);
	setsockopt(c->far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* what it has sent ahead of the answer fits into a buffer that is empty */
	if (!say(c, out, tp_socks_answer(TP_SOCKS_GRANTED, &own, NULL, out)) ||
	    (c->len && send(c->far, c->in, c->len, MSG_NOSIGNAL) != (ssize_t)c->len)) {
		forget(c);
		return;
	}
	tp_watch_del(c->watch);
	c->watch = NULL;
	c->relay = tp_relay_start(c->s->loop, tp_stream_from_fd(tp_steal_fd(&c->fd)),
				  tp_stream_from_fd(tp_steal_fd(&c->far)), PIECE, on_relay_end, c);
}

static void connect_next(struct client *c, int error);

static void give_up(struct client *c, int error)
{
	tp_watch_del(c->far_watch);
	c->far_watch = NULL;
	tp_timer_del(c->timer);
	c->timer = NULL;
	tp_close_p(&c->far);
	connect_next(c, error);
}

static void on_silence(void *arg)
{
	struct client *c = arg;

	c->timer = NULL;
	give_up(c, ETIMEDOUT);
}

static void on_connected(void *arg, int events)
{
	struct client *c = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(c->far, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		give_up(c, tp_far_errno(&c->found[c->at - 1], error));
		return;
	}
	tp_watch_del(c->far_watch);
	c->far_watch = NULL;
	tp_timer_del(c->timer);
	c->timer = NULL;
	join(c);
}

/* ERROR: what the one before said. */
static void connect_next(struct client *c, int error)
{
	while (c->at < c->n_found) {
		c->far = tp_far_connect(&c->found[c->at++], SOCK_STREAM, &error);
		if (c->far >= 0) {
			c->far_watch = tp_watch_add(c->s->loop, c->far, TP_WRITE, on_connected, c);
			c->timer = tp_timer_add(c->s->loop, CONNECT_MS, on_silence, c);
			return;
		}
	}
	answer(c, tp_socks_reply_of(error), NULL, NULL);
}

/* ------------------------------------------------------------- names */

static int look_up(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	struct client *c = arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *i;
	struct sockaddr_storage sa;
	socklen_t len;

	(void)cancel;
	(void)err;
	if (c->request.command == TP_SOCKS_RESOLVE_PTR) {
		len = tp_target_sockaddr(&c->request.target, &sa);
		return getnameinfo((struct sockaddr *)&sa, len, c->name, sizeof(c->name), NULL, 0,
				   NI_NAMEREQD) ?
			       -1 :
			       0;
	}
	if (getaddrinfo(c->request.name, NULL, &hints, &list) != 0)
		return -1;
	for (i = list; i && c->n_found < ADDRESSES_MAX; i = i->ai_next) {
		memset(&sa, 0, sizeof(sa));
		memcpy(&sa, i->ai_addr, i->ai_addrlen);
		if (tp_target_from(&c->found[c->n_found], IPPROTO_TCP, &sa) == 0)
			c->found[c->n_found++].port = c->request.target.port;
	}
	freeaddrinfo(list);
	return c->n_found ? 0 : -1;
}

/* What can be told is one address: IPv4's, which every pod can use that has it. */
static const struct tp_target *best(const struct client *c)
{
	for (size_t i = 0; i < c->n_found; i++)
		if (c->found[i].family == 4)
			return &c->found[i];
	return &c->found[0];
}

static void on_looked_up(void *arg, int rc, struct tp_err *err)
{
	struct client *c = arg;

	(void)err;
	c->s->lookups--;
	c->looking = false;
	if (c->gone)
		forget(c);
	else if (rc < 0)
		answer(c, TP_SOCKS_NO_HOST, NULL, NULL);
	else if (c->request.command == TP_SOCKS_RESOLVE_PTR)
		answer(c, TP_SOCKS_GRANTED, NULL, c->name);
	else if (c->request.command == TP_SOCKS_RESOLVE)
		answer(c, TP_SOCKS_GRANTED, best(c), NULL);
	else
		connect_next(c, 0);
}

/* ------------------------------------------------------- what it says */

static void begin(struct client *c)
{
	tp_timer_del(c->timer);
	c->timer = NULL;
	if (c->request.refuse != TP_SOCKS_GRANTED) {
		answer(c, c->request.refuse, NULL, NULL);
	} else if (!c->request.name[0] && c->request.command != TP_SOCKS_RESOLVE_PTR) {
		c->found[0] = c->request.target;
		c->n_found = 1;
		if (c->request.command == TP_SOCKS_RESOLVE) /* an address is its own */
			answer(c, TP_SOCKS_GRANTED, &c->found[0], NULL);
		else
			connect_next(c, 0);
	} else if (c->s->lookups == TP_SOCKS_LOOKUPS_MAX) {
		answer(c, TP_SOCKS_FAILURE, NULL, NULL);
	} else {
		c->s->lookups++;
		c->looking = true;
		tp_task_start(c->s->loop, look_up, on_looked_up, c);
	}
}

static void used(struct client *c, size_t n)
{
	c->len -= n;
	memmove(c->in, c->in + n, c->len);
}

/* False: it is gone. */
static bool take_greeting(struct client *c)
{
	static const uint8_t none[] = { 5, 0 }, never[] = { 5, 0xff };
	bool open;
	ssize_t n = tp_socks_greeting(c->in, c->len, &open);

	if (!n)
		return true;
	if (n > 0) {
		used(c, (size_t)n);
		c->greeted = true;
		if (say(c, open ? none : never, sizeof(none)) && open)
			return true;
	}
	forget(c);
	return false;
}

static void on_client(void *arg, int events)
{
	struct client *c = arg;
	ssize_t n;

	(void)events;
	if (c->looking || c->far >= 0 || c->len == sizeof(c->in)) {
		/* it waits for us; more than its end is not looked for */
		tp_watch_set(c->watch, TP_HANGUP);
		if (events & TP_HANGUP)
			forget(c);
		return;
	}
	n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		forget(c);
		return;
	}
	c->len += (size_t)n;
	if (!c->greeted && !take_greeting(c))
		return;
	if (!c->greeted)
		return;
	n = tp_socks_request(c->in, c->len, &c->request);
	if (n > 0) {
		used(c, (size_t)n);
		begin(c);
	} else if (n < 0) {
		forget(c);
	}
}

static void on_slow(void *arg)
{
	struct client *c = arg;

	c->timer = NULL;
	forget(c);
}

static void on_listener(void *arg, int events)
{
	struct tp_socks *s = arg;
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	(void)events;
	if (fd < 0) {
		if ((errno == EMFILE || errno == ENFILE || errno == ENOMEM) && s->n)
			pause_listening(s);
		return;
	}
	c = tp_calloc(1, sizeof(*c));
	c->s = s;
	c->fd = fd;
	c->far = -1;
	c->next = s->clients;
	c->back = &s->clients;
	if (c->next)
		c->next->back = &c->next;
	s->clients = c;
	c->watch = tp_watch_add(s->loop, fd, TP_READ, on_client, c);
	c->timer = tp_timer_add(s->loop, HANDSHAKE_MS, on_slow, c);
	if (++s->n == TP_SOCKS_CLIENTS_MAX)
		pause_listening(s);
}

struct tp_socks *tp_socks_new(struct tp_loop *l, int listener)
{
	struct tp_socks *s = tp_calloc(1, sizeof(*s));

	s->loop = l;
	s->listener = listener;
	s->watch = tp_watch_add(l, listener, TP_READ, on_listener, s);
	return s;
}

size_t tp_socks_busy(const struct tp_socks *s)
{
	return s->lookups;
}

void tp_socks_free(struct tp_socks *s)
{
	if (!s)
		return;
	tp_watch_del(s->watch);
	tp_close_p(&s->listener);
	while (s->clients)
		forget(s->clients);
	free(s);
}

/* ---------------------------------------------------------- the command */

static void on_stdin(void *arg, int events)
{
	char some[512];
	ssize_t n = read(STDIN_FILENO, some, sizeof(some));

	(void)events;
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		tp_loop_stop(arg, 0);
}

/* On the loopback; its port in *PORT. */
static int listen_somewhere(unsigned *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sin);
	tp_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return -1;
	*port = ntohs(sin.sin_port);
	return tp_steal_fd(&fd);
}

int tp_agent_socks(int argc, char **argv)
{
	struct tp_loop *l = tp_loop_new();
	unsigned port;
	int fd;

	(void)argc;
	(void)argv;
	tp_raise_file_limit();
	fd = listen_somewhere(&port);
	if (fd < 0) {
		tp_error("socks: cannot listen: %s", strerror(errno));
		return 1;
	}
	tp_socks_new(l, fd);
	printf("%u\n", port);
	if (fflush(stdout) != 0)
		return 1;
	tp_watch_add(l, STDIN_FILENO, TP_READ, on_stdin, l);
	/* a lookup may be under way: nothing is taken apart, the process ends */
	return tp_loop_run(l);
}
