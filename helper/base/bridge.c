/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bridge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/relay.h"

#define LOOK_MS 100 /* how exact the bounds are */

struct tp_bridge {
	/* the thread's alone, once it runs */
	struct tp_loop *loop;
	struct tp_relay *relay; /* NULL: ended */
	struct tp_watch *cancel_watch;
	struct tp_timer *look;
	uint64_t seen; /* bytes from the stream, when last looked at */

	pthread_t thread;
	bool running; /* the thread; the owner's */
	pthread_mutex_t lock;
	/* under the lock */
	long long until; /* tp_now_ms; 0: no bound */
	int total_ms, idle_ms;
	long long moved_ms; /* when something came last */
	bool ended;
	struct tp_err err;
};

/* In the thread. The socket's far end is closed with the relay. */
static void end(struct tp_bridge *b, enum tp_err_kind kind, const char *why)
{
	pthread_mutex_lock(&b->lock);
	if (!b->ended) {
		b->ended = true;
		tp_err_set(&b->err, kind, "%s", why);
	}
	pthread_mutex_unlock(&b->lock);
	tp_relay_stop(tp_steal(&b->relay));
}

static void relay_ended(void *arg, const char *reason)
{
	struct tp_bridge *b = arg;

	b->relay = NULL; /* frees itself */
	end(b, TP_ERR_UNREACHABLE, reason ? reason : "the other side closed the connection");
}

static void cancelled(void *arg, int events)
{
	struct tp_bridge *b = arg;

	(void)events;
	tp_watch_del(tp_steal(&b->cancel_watch));
	end(b, TP_ERR_CANCELLED, "cancelled");
}

static void look(void *arg)
{
	struct tp_bridge *b = arg;
	long long now = tp_now_ms();
	bool late, idle;
	uint64_t bytes;
	char why[64];

	b->look = NULL;
	if (!b->relay)
		return;
	tp_relay_count(b->relay, NULL, &bytes);
	pthread_mutex_lock(&b->lock);
	if (bytes != b->seen)
		b->moved_ms = now;
	b->seen = bytes;
	late = b->until && now > b->until;
	idle = b->idle_ms && now > b->moved_ms + b->idle_ms;
	snprintf(why, sizeof(why), late ? "took longer than %d s" : "no answer for %d s",
		 (late ? b->total_ms : b->idle_ms) / 1000);
	pthread_mutex_unlock(&b->lock);
	if (late || idle)
		end(b, TP_ERR_TIMEOUT, why);
	else
		b->look = tp_timer_add(b->loop, LOOK_MS, look, b);
}

static void stop(void *arg)
{
	struct tp_bridge *b = arg;

	tp_loop_stop(b->loop, 0);
}

static void *run(void *arg)
{
	struct tp_bridge *b = arg;

	tp_loop_run(b->loop);
	return NULL;
}

static int start_thread(struct tp_bridge *b)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&b->thread, NULL, run, b);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static void discard(struct tp_bridge *b)
{
	tp_relay_stop(b->relay);
	tp_loop_free(b->loop); /* with its watches and timers */
	pthread_mutex_destroy(&b->lock);
	free(b);
}

struct tp_bridge *tp_bridge_start(struct tp_stream *s, struct tp_cancel *c, int *fd,
				  struct tp_err *err)
{
	struct tp_bridge *b = tp_calloc(1, sizeof(*b));
	int pair[2], rc;

	pthread_mutex_init(&b->lock, NULL);
	b->loop = tp_loop_new();
	b->moved_ms = tp_now_ms();
	s->can_half_close = false; /* either side's end is the end */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		tp_err_errno(err, errno, "socketpair");
		tp_stream_close(s);
		discard(b);
		return NULL;
	}
	b->relay = tp_relay_start(b->loop, tp_stream_from_fd(pair[1]), s, 0, relay_ended, b);
	if (c)
		b->cancel_watch = tp_watch_add(b->loop, tp_cancel_fd(c), TP_READ, cancelled, b);
	b->look = tp_timer_add(b->loop, LOOK_MS, look, b);
	rc = start_thread(b);
	if (rc) {
		tp_err_errno(err, rc, "cannot start a thread");
		discard(b);
		close(pair[0]);
		return NULL;
	}
	b->running = true;
	*fd = pair[0];
	return b;
}

void tp_bridge_bound(struct tp_bridge *b, int total_ms, int idle_ms)
{
	long long now = tp_now_ms();

	pthread_mutex_lock(&b->lock);
	b->total_ms = total_ms;
	b->idle_ms = idle_ms;
	b->until = total_ms ? now + total_ms : 0;
	b->moved_ms = now;
	pthread_mutex_unlock(&b->lock);
}

bool tp_bridge_end(struct tp_bridge *b, struct tp_err *err)
{
	bool by_itself;

	if (b->running) {
		tp_loop_post(b->loop, stop, b);
		pthread_join(b->thread, NULL);
		b->running = false;
	}
	/* Only now: a stream that ends is closed first, and its reason noted a moment later. */
	by_itself = b->ended;
	if (by_itself && err)
		*err = b->err;
	tp_relay_stop(tp_steal(&b->relay));
	return by_itself;
}

void tp_bridge_free(struct tp_bridge *b)
{
	if (!b)
		return;
	tp_bridge_end(b, NULL);
	discard(b);
}
