/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round of the loop: wait; call the watches that are ready; fire the
 * timers that are due; run what was posted. A handler may delete anything,
 * so a deleted watch stays in memory, marked, until the round is over, and
 * what epoll said about it is dropped.
 */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"

#define EVENTS_A_ROUND 64

struct tp_watch {
	struct tp_loop *loop;
	struct tp_watch *next, *prev;
	void (*fn)(void *arg, int events); /* NULL = deleted */
	void *arg;
	int fd;
	int events;
	bool in_epoll;
	bool always; /* epoll refuses it (a file, /dev/null): ready at any time */
};

struct tp_timer {
	struct tp_loop *loop;
	struct tp_timer *next, *prev;
	long long due;
	uint64_t seq;
	void (*fn)(void *arg);
	void *arg;
};

struct post {
	struct post *next;
	void (*fn)(void *arg);
	void *arg;
};

struct tp_loop {
	int epfd, wakefd;
	struct tp_watch *watches; /* newest first */
	bool dispatching, dead_watches;
	size_t n_always;
	struct tp_timer *timers; /* by due, then by age */
	struct tp_timer *firing;
	uint64_t seq;
	bool running, stop;
	int result;

	pthread_mutex_t lock; /* of what follows */
	struct post *first_post, *last_post;
};

static void die(const char *what) __attribute__((noreturn));

static void die(const char *what)
{
	fprintf(stderr, "tpdocker: event loop: %s: %s\n", what, strerror(errno));
	abort();
}

struct tp_loop *tp_loop_new(void)
{
	struct tp_loop *l = tp_calloc(1, sizeof(*l));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		die("epoll_create1");
	l->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wakefd < 0 || epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->wakefd, &ev))
		die("eventfd");
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void tp_loop_free(struct tp_loop *l)
{
	if (!l)
		return;
	while (l->watches) {
		struct tp_watch *w = l->watches;

		l->watches = w->next;
		free(w);
	}
	while (l->timers) {
		struct tp_timer *t = l->timers;

		l->timers = t->next;
		free(t);
	}
	while (l->first_post) {
		struct post *p = l->first_post;

		l->first_post = p->next;
		free(p);
	}
	pthread_mutex_destroy(&l->lock);
	close(l->wakefd);
	close(l->epfd);
	free(l);
}

/* Tells epoll what W listens for. A watch that listens for nothing leaves
 * the set: epoll would go on about errors and hang-ups. */
static void enlist(struct tp_watch *w)
{
	struct epoll_event ev = { .data.ptr = w };

	if (w->always)
		return;
	if (!w->events) {
		if (w->in_epoll)
			epoll_ctl(w->loop->epfd, EPOLL_CTL_DEL, w->fd, NULL);
		w->in_epoll = false;
		return;
	}
	ev.events = (w->events & TP_READ ? (uint32_t)EPOLLIN : 0) |
		    (w->events & TP_WRITE ? (uint32_t)EPOLLOUT : 0);
	if (!epoll_ctl(w->loop->epfd, w->in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &ev)) {
		w->in_epoll = true;
	} else if (errno == EPERM) {
		w->always = true;
		w->loop->n_always++;
	} else {
		die("epoll_ctl"); /* a descriptor that is closed, or watched twice */
	}
}

struct tp_watch *tp_watch_add(struct tp_loop *l, int fd, int events,
			      void (*fn)(void *arg, int events), void *arg)
{
	struct tp_watch *w = tp_calloc(1, sizeof(*w));

	w->loop = l;
	w->fn = fn;
	w->arg = arg;
	w->fd = fd;
	w->events = events;
	w->next = l->watches;
	if (l->watches)
		l->watches->prev = w;
	l->watches = w;
	enlist(w);
	return w;
}

void tp_watch_set(struct tp_watch *w, int events)
{
	if (w->events == events || !w->fn)
		return;
	w->events = events;
	enlist(w);
}

static void unlink_watch(struct tp_watch *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		w->loop->watches = w->next;
	if (w->next)
		w->next->prev = w->prev;
	if (w->always)
		w->loop->n_always--;
	free(w);
}

void tp_watch_del(struct tp_watch *w)
{
	if (!w || !w->fn)
		return;
	w->fn = NULL;
	w->events = 0;
	enlist(w);
	if (w->loop->dispatching)
		w->loop->dead_watches = true;
	else
		unlink_watch(w);
}

static void bury_watches(struct tp_loop *l)
{
	struct tp_watch *w, *next;

	if (!l->dead_watches)
		return;
	l->dead_watches = false;
	for (w = l->watches; w; w = next) {
		next = w->next;
		if (!w->fn)
			unlink_watch(w);
	}
}

struct tp_timer *tp_timer_add(struct tp_loop *l, int ms, void (*fn)(void *arg), void *arg)
{
	struct tp_timer *t = tp_calloc(1, sizeof(*t)), *before = NULL, *after = l->timers;

	t->loop = l;
	t->due = tp_now_ms() + (ms > 0 ? ms : 0);
	t->seq = l->seq++;
	t->fn = fn;
	t->arg = arg;
	while (after && after->due <= t->due) {
		before = after;
		after = after->next;
	}
	t->prev = before;
	t->next = after;
	if (before)
		before->next = t;
	else
		l->timers = t;
	if (after)
		after->prev = t;
	return t;
}

static void unlink_timer(struct tp_timer *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		t->loop->timers = t->next;
	if (t->next)
		t->next->prev = t->prev;
}

void tp_timer_del(struct tp_timer *t)
{
	if (!t || t == t->loop->firing)
		return; /* one that is being called is freed behind the call */
	unlink_timer(t);
	free(t);
}

void tp_loop_post(struct tp_loop *l, void (*fn)(void *arg), void *arg)
{
	struct post *p = tp_calloc(1, sizeof(*p));
	uint64_t one = 1;
	ssize_t ignored;

	p->fn = fn;
	p->arg = arg;
	/* the wake-up inside the lock: a loop that ran P may be gone behind it */
	pthread_mutex_lock(&l->lock);
	if (l->last_post)
		l->last_post->next = p;
	else
		l->first_post = p;
	l->last_post = p;
	ignored = write(l->wakefd, &one, sizeof(one)); /* full = awake anyway */
	(void)ignored;
	pthread_mutex_unlock(&l->lock);
}

static bool has_posts(struct tp_loop *l)
{
	bool any;

	pthread_mutex_lock(&l->lock);
	any = l->first_post;
	pthread_mutex_unlock(&l->lock);
	return any;
}

/* Runs what was posted up to now; what that posts waits for the next round,
 * so that one that posts itself again starves nobody. */
static void run_posts(struct tp_loop *l)
{
	struct post *last, *p;

	pthread_mutex_lock(&l->lock);
	last = l->last_post;
	pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	do {
		pthread_mutex_lock(&l->lock);
		p = l->first_post;
		l->first_post = p->next;
		if (!l->first_post)
			l->last_post = NULL;
		pthread_mutex_unlock(&l->lock);
		p->fn(p->arg);
		free(p);
	} while (p != last && !l->stop);
}

static void run_timers(struct tp_loop *l)
{
	long long now = tp_now_ms();
	uint64_t newest = l->seq;

	/* those added by these wait for the next round */
	while (!l->stop && l->timers && l->timers->due <= now && l->timers->seq < newest) {
		struct tp_timer *t = l->timers;

		unlink_timer(t);
		l->firing = t;
		t->fn(t->arg);
		l->firing = NULL;
		free(t);
	}
}

static int time_to_wait(struct tp_loop *l)
{
	long long ms;

	if (has_posts(l))
		return 0;
	for (struct tp_watch *w = l->watches; l->n_always && w; w = w->next) {
		if (w->always && w->events)
			return 0;
	}
	if (!l->timers)
		return -1;
	ms = l->timers->due - tp_now_ms();
	if (ms < 0)
		return 0;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void dispatch(struct tp_loop *l, const struct epoll_event *ev, int n)
{
	l->dispatching = true;
	for (int i = 0; i < n && !l->stop; i++) {
		struct tp_watch *w = ev[i].data.ptr;
		uint32_t e = ev[i].events;
		int ready = 0;

		if (!w) {
			uint64_t count;
			ssize_t ignored = read(l->wakefd, &count, sizeof(count));

			(void)ignored;
			continue;
		}
		if (e & EPOLLIN)
			ready |= TP_READ;
		if (e & EPOLLOUT)
			ready |= TP_WRITE;
		if (e & (EPOLLERR | EPOLLHUP))
			ready |= TP_READ | TP_WRITE | TP_HANGUP;
		/* as it is now: an earlier handler may have changed its mind */
		ready &= w->events;
		if (w->fn && ready)
			w->fn(w->arg, ready);
	}
	/* new ones come in front and are not met here */
	for (struct tp_watch *w = l->watches; l->n_always && w && !l->stop; w = w->next) {
		if (w->always && w->events && w->fn)
			w->fn(w->arg, w->events);
	}
	l->dispatching = false;
	bury_watches(l);
}

int tp_loop_run(struct tp_loop *l)
{
	struct epoll_event ev[EVENTS_A_ROUND];

	if (l->running)
		abort();
	l->running = true;
	while (!l->stop) {
		int n = epoll_wait(l->epfd, ev, EVENTS_A_ROUND, time_to_wait(l));

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		dispatch(l, ev, n);
		if (!l->stop)
			run_timers(l);
		if (!l->stop)
			run_posts(l);
	}
	l->running = false;
	l->stop = false;
	return l->result;
}

void tp_loop_stop(struct tp_loop *l, int result)
{
	l->stop = true;
	l->result = result;
}
