/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's own socket, DIR_LOCAL (seqpacket, in the sidecar's tmpfs,
 * so out of the user's container's reach), and the link to the helper.
 *
 *   ssh's ProxyCommand: "dial" -->     <-- "greeted" or "raw", and a descriptor
 *   docker exec:        "link" -->     <-- "go", and the other end of a "raw" one
 *   docker exec:        "host" -->     <-- "go", and the other end of tohost.c's stream
 *   docker's check:     "health" -->   <-- "ready", or the end
 *   sshuttle's ssh:     "tunnel" and a descriptor -->   (held open as long as the tunnel)
 *
 * "dial" is answered when the agent is known, so that ssh can be started
 * long before.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "sidecar/sidecar.h"

#define MAX_PEERS    32
#define LINK_WAIT_MS 20000 /* for the helper's docker exec */

struct peer {
	struct sidecar *s;
	int fd;
	struct tp_watch *watch;
	bool wants_dial;
};

/* The far end of a connection over docker exec, until the helper's comes. */
struct waiting {
	int fd;
	struct tp_timer *timer;
};

struct local {
	struct tp_watch *watch;
	int fd;
	struct peer peers[MAX_PEERS];
	struct waiting ssh, host;
};

static int connect_unix(const char *path, int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The helper's socket, with the greeting for WHAT written. */
static int greet(struct sidecar *s, const char *what)
{
	tp_autofree char *line = tp_asprintf("tpdocker %s %s\n", s->nonce ? s->nonce : "", what);
	const char *own = getenv(TP_LINK_ENV);
	int fd = connect_unix(own ? own : TP_LINK_SOCKET, SOCK_STREAM);

	if (fd < 0)
		return -1;
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void link_found(struct sidecar *s, bool is_socket)
{
	tp_watch_del(s->check_watch);
	s->check_watch = NULL;
	tp_timer_del(s->check_timer);
	s->check_timer = NULL;
	tp_close_p(&s->check_fd);
	s->link_known = true;
	s->link_is_socket = is_socket;
	sidecar_send(s, TP_CTL_LINK, is_socket ? "socket" : "exec", is_socket ? 6 : 4);
	if (s->have_agent)
		local_agent(s);
	tohost_link(s);
}

static void on_check(void *arg, int events)
{
	struct sidecar *s = arg;
	char answer[8];
	ssize_t n = recv(s->check_fd, answer, sizeof(answer), 0);

	(void)events;
	link_found(s, n >= 3 && memcmp(answer, "ok\n", 3) == 0);
}

static void on_check_timeout(void *arg)
{
	struct sidecar *s = arg;

	s->check_timer = NULL;
	link_found(s, false);
}

/* A bind-mounted socket file can be there without anything behind it: where
 * the engine is in another machine, say. Only trying tells. */
void link_check(struct sidecar *s)
{
	s->check_fd = greet(s, "check");
	if (s->check_fd < 0) {
		link_found(s, false);
		return;
	}
	s->check_watch = tp_watch_add(s->loop, s->check_fd, TP_READ, on_check, s);
	s->check_timer = tp_timer_add(s->loop, 1500, on_check_timeout, s);
}

static void end_peer(struct peer *p)
{
	tp_watch_del(p->watch);
	p->watch = NULL;
	tp_close_p(&p->fd);
	p->wants_dial = false;
}

static void drop_waiting(struct waiting *w)
{
	tp_timer_del(w->timer);
	w->timer = NULL;
	tp_close_p(&w->fd);
}

static void on_waiting_timeout(void *arg)
{
	struct waiting *w = arg;

	w->timer = NULL;
	tp_warn("the helper made no link in time");
	drop_waiting(w); /* whoever has the near end sees that */
}

/* Asks the helper for a docker exec; the near end of what it will be joined to, or -1. */
static int dial_exec(struct sidecar *s, struct waiting *w)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	/* an older one that nobody came for is given up: there is one ssh, and one tohost */
	drop_waiting(w);
	w->fd = pair[1];
	w->timer = tp_timer_add(s->loop, LINK_WAIT_MS, on_waiting_timeout, w);
	sidecar_sendf(s, TP_CTL_DIAL, "%s", w == &s->local->host ? "host" : "");
	return pair[0];
}

void local_dial_host(struct sidecar *s)
{
	if (s->link_known)
		tohost_stream(s,
			      s->link_is_socket ? greet(s, "host") : dial_exec(s, &s->local->host));
}

void local_undialled(struct sidecar *s, bool host)
{
	/* whoever has the near end sees that, and dials again in its time */
	if (s->local)
		drop_waiting(host ? &s->local->host : &s->local->ssh);
}

static void answer_dial(struct sidecar *s, struct peer *p)
{
	int fd;

	if (s->link_is_socket) {
		fd = greet(s, "dial");
		if (fd >= 0)
			send_with_fd(p->fd, "greeted", 7, fd);
		else
			tp_warn("cannot connect to %s: %s", TP_LINK_SOCKET, strerror(errno));
		tp_close_p(&fd);
	} else if ((fd = dial_exec(s, &s->local->ssh)) >= 0) {
		send_with_fd(p->fd, "raw", 3, fd);
		close(fd);
	}
	end_peer(p);
}

void local_agent(struct sidecar *s)
{
	size_t i;

	for (i = 0; s->link_known && i < MAX_PEERS; i++)
		if (s->local->peers[i].fd >= 0 && s->local->peers[i].wants_dial)
			answer_dial(s, &s->local->peers[i]);
}

static void on_peer(void *arg, int events)
{
	struct peer *p = arg;
	struct sidecar *s = p->s;
	char word[16];
	int fd;
	ssize_t n = recv_with_fd(p->fd, word, sizeof(word), &fd);

	(void)events;
	if (n == 4 && memcmp(word, "dial", 4) == 0) {
		p->wants_dial = true;
		if (s->have_agent)
			local_agent(s);
	} else if (n == 4 && (memcmp(word, "link", 4) == 0 || memcmp(word, "host", 4) == 0)) {
		struct waiting *w = word[0] == 'l' ? &s->local->ssh : &s->local->host;

		if (w->fd >= 0)
			send_with_fd(p->fd, "go", 2, w->fd);
		drop_waiting(w);
		end_peer(p);
	} else if (n == 6 && memcmp(word, "health", 6) == 0) {
		/* without an engine nobody else is told when all of it is there */
		if (s->ready_said && !s->down_said && (s->serving || !getenv(TP_LINK_ENV)))
			send_with_fd(p->fd, "ready", 5, -1);
		end_peer(p);
	} else if (n == 6 && memcmp(word, "tunnel", 6) == 0 && fd >= 0) {
		tp_close_p(&s->capture_fd);
		tp_close_p(&s->transport_fd);
		s->capture_fd = tp_steal_fd(&fd);
		/* held, not watched: sshuttle's own end is noticed otherwise */
		s->transport_fd = tp_steal_fd(&p->fd);
		tp_watch_del(p->watch);
		p->watch = NULL;
		ssh_capture_offered(s);
	} else {
		end_peer(p);
	}
	tp_close_p(&fd);
}

static void on_connection(void *arg, int events)
{
	struct sidecar *s = arg;
	struct local *l = s->local;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	size_t i;

	(void)events;
	if (fd < 0)
		return;
	for (i = 0; i < MAX_PEERS; i++) {
		if (l->peers[i].fd >= 0)
			continue;
		l->peers[i].s = s;
		l->peers[i].fd = fd;
		l->peers[i].watch = tp_watch_add(s->loop, fd, TP_READ, on_peer, &l->peers[i]);
		return;
	}
	close(fd);
}

int local_start(struct sidecar *s, struct tp_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = DIR_LOCAL };
	struct local *l = tp_calloc(1, sizeof(*l));
	size_t i;

	s->local = l;
	l->ssh.fd = l->host.fd = -1;
	for (i = 0; i < MAX_PEERS; i++)
		l->peers[i].fd = -1;
	unlink(DIR_LOCAL);
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(l->fd, 16) < 0)
		return tp_err_errno(err, errno, "cannot listen on %s", DIR_LOCAL);
	l->watch = tp_watch_add(s->loop, l->fd, TP_READ, on_connection, s);
	return 0;
}

/* ssh runs this and takes the descriptor that it sends to its stdout
 * (ProxyUseFdpass); after that nothing stands between ssh and the link. */
int sidecar_dial(int argc, char **argv)
{
	char word[16], answer[4] = "";
	int sock, fd = -1;
	size_t got = 0;
	ssize_t n;

	(void)argc;
	(void)argv;
	/* ssh may be stopped while we wait for the helper: then nobody wants this */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sock = connect_unix(DIR_LOCAL, SOCK_SEQPACKET);
	if (sock < 0 || send_with_fd(sock, "dial", 4, -1) < 0) {
		fprintf(stderr, "tpdocker: dial: %s\n", strerror(errno));
		return 1;
	}
	n = recv_with_fd(sock, word, sizeof(word), &fd);
	if (n <= 0 || fd < 0) {
		fprintf(stderr, "tpdocker: the helper cannot be reached\n");
		return 1;
	}
	while (word[0] == 'g' && got < 3) {
		/* byte by byte: what follows is ssh's */
		n = recv(fd, answer + got, 1, 0);
		if (n <= 0 || answer[got] != "ok\n"[got]) {
			fprintf(stderr, "tpdocker: the helper made no connection to the agent\n");
			return 1;
		}
		got++;
	}
	return send_with_fd(STDOUT_FILENO, "", 1, fd) < 0;
}

/* For docker's HEALTHCHECK: 0 while the tunnel is up and names resolve. */
int sidecar_health(int argc, char **argv)
{
	char word[16];
	int none = -1, sock = connect_unix(DIR_LOCAL, SOCK_SEQPACKET);
	bool ready = sock >= 0 && send_with_fd(sock, "health", 6, -1) >= 0 &&
		     recv_with_fd(sock, word, sizeof(word), &none) == 5;

	(void)argc;
	(void)argv;
	puts(ready ? "ready" : "not ready");
	return !ready;
}
