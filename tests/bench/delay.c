/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A longer way to the API server:
 *
 *   delay MS HOST PORT
 *
 * Listens on a port of the loopback that it prints, and passes each connection on to HOST:PORT (numbers) with MS
 * milliseconds added to the round trip, half of it each way. Throughput is not limited: what is under way waits
 * in memory, up to a bound for each connection. Ends with its stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE  (256 << 10)
#define BOUND  (96 << 20) /* bytes under way in one direction: more than 80 ms of the fastest */
#define WAYS   512	  /* two for a connection */
#define NOBODY (-1)

struct piece {
	struct piece *next;
	long long due; /* microseconds */
	size_t len, at;
	char data[];
};

/* One direction of a connection. */
struct way {
	int in, out;
	struct piece *first, **last;
	size_t bytes;
	bool ended, shut;
	long long end_due;
};

static struct way ways[WAYS];
static long long half;

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void quit(const char *what)
{
	fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct way *other(struct way *w)
{
	size_t i = (size_t)(w - ways);

	return &ways[i ^ 1];
}

static void close_both(struct way *w)
{
	struct way *both[] = { w, other(w) };

	close(w->in);
	close(w->out);
	for (int i = 0; i < 2; i++) {
		while (both[i]->first) {
			struct piece *p = both[i]->first;

			both[i]->first = p->next;
			free(p);
		}
		both[i]->in = NOBODY;
	}
}

static void start(int near, int far)
{
	size_t i = 0;
	int one = 1;

	while (i < WAYS && ways[i].in != NOBODY)
		i += 2;
	if (i == WAYS || far < 0) {
		close(near);
		if (far >= 0)
			close(far);
		return;
	}
	setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ways[i] = (struct way){ .in = near, .out = far, .last = &ways[i].first };
	ways[i + 1] = (struct way){ .in = far, .out = near, .last = &ways[i + 1].first };
}

/* False: the connection is gone. */
static bool take(struct way *w)
{
	struct piece *p = malloc(sizeof(*p) + PIECE);
	ssize_t n;

	if (!p)
		quit("memory");
	n = recv(w->in, p->data, PIECE, MSG_DONTWAIT);
	if (n > 0) {
		p->next = NULL;
		p->due = now() + half;
		p->len = (size_t)n;
		p->at = 0;
		p = realloc(p, sizeof(*p) + p->len);
		*w->last = p;
		w->last = &p->next;
		w->bytes += p->len;
		return true;
	}
	free(p);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		close_both(w);
		return false;
	}
	w->ended = true;
	w->end_due = now() + half;
	return true;
}

static bool give(struct way *w)
{
	long long t = now();

	while (w->first && w->first->due <= t) {
		struct piece *p = w->first;
		ssize_t n =
			send(w->out, p->data + p->at, p->len - p->at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n < 0) {
			close_both(w);
			return false;
		}
		p->at += (size_t)n;
		w->bytes -= (size_t)n;
		if (p->at < p->len)
			return true;
		w->first = p->next;
		if (!w->first)
			w->last = &w->first;
		free(p);
	}
	if (w->ended && !w->first && !w->shut && w->end_due <= t) {
		shutdown(w->out, SHUT_WR);
		w->shut = true;
		if (other(w)->shut) {
			close_both(w);
			return false;
		}
	}
	return true;
}

/* Milliseconds until something is due. */
static int soonest(void)
{
	long long t = now(), least = 1000000;

	for (size_t i = 0; i < WAYS; i++) {
		struct way *w = &ways[i];
		long long due = w->in == NOBODY	     ? t + least :
				w->first	     ? w->first->due :
				w->ended && !w->shut ? w->end_due :
						       t + least;

		if (due - t < least)
			least = due - t;
	}
	return least <= 0 ? 0 : (int)((least + 999) / 1000);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET }, own = { .sin_family = AF_INET };
	static struct pollfd fds[2 + 2 * WAYS];
	static struct way *of[2 + 2 * WAYS];
	socklen_t len = sizeof(own);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: delay MS HOST PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	half = atoi(argv[1]) * 500LL;
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&own, len) < 0 || listen(listener, 512) < 0 ||
	    getsockname(listener, (struct sockaddr *)&own, &len) < 0)
		quit("listen");
	printf("%u\n", ntohs(own.sin_port));
	fflush(stdout);
	for (size_t i = 0; i < WAYS; i++)
		ways[i].in = NOBODY;
	for (;;) {
		nfds_t n = 2;

		fds[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (size_t i = 0; i < WAYS; i++) {
			struct way *w = &ways[i];

			if (w->in == NOBODY)
				continue;
			of[n] = w;
			fds[n++] =
				(struct pollfd){ .fd = !w->ended && w->bytes < BOUND ? w->in : -1,
						 .events = POLLIN };
			of[n] = w;
			fds[n++] =
				(struct pollfd){ .fd = w->first && w->first->due <= now() ? w->out :
											    -1,
						 .events = POLLOUT };
		}
		if (poll(fds, n, soonest()) < 0 && errno != EINTR)
			quit("poll");
		if (fds[0].revents)
			return 0;
		for (nfds_t i = 2; i < n; i++)
			if (of[i]->in != NOBODY && fds[i].fd >= 0 && fds[i].events == POLLIN &&
			    fds[i].revents)
				take(of[i]);
		for (size_t i = 0; i < WAYS; i++)
			if (ways[i].in != NOBODY)
				give(&ways[i]);
		if (fds[1].revents) {
			int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC), far;

			far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (near >= 0 && far >= 0 &&
			    connect(far, (struct sockaddr *)&to, sizeof(to)) == 0)
				start(near, far);
			else {
				close(near);
				close(far);
			}
		}
	}
}
