/* SPDX-License-Identifier: Apache-2.0 */
/* loop, task, cancel */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/task.h"

struct world {
	struct tp_loop *l;
	struct tp_watch *w[4];
	struct tp_timer *t[4];
	int pipes[4][2];
	int calls[4];
	int events;
	char order[64];
};

static int set_up(void **state)
{
	struct world *x = tp_calloc(1, sizeof(*x));

	x->l = tp_loop_new();
	for (int i = 0; i < 4; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, x->pipes[i]))
			return -1;
	}
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct world *x = *state;

	tp_loop_free(x->l);
	for (int i = 0; i < 4; i++) {
		tp_close_p(&x->pipes[i][0]);
		tp_close_p(&x->pipes[i][1]);
	}
	free(x);
	return 0;
}

static void note(struct world *x, char c)
{
	size_t n = strlen(x->order);

	assert_true(n + 1 < sizeof(x->order));
	x->order[n] = c;
}

static void stop(void *arg)
{
	struct world *x = arg;

	note(x, '.');
	tp_loop_stop(x->l, 7);
}

static void note_a(void *arg)
{
	note(arg, 'a');
}

static void note_b(void *arg)
{
	note(arg, 'b');
}

static void timers_fire_in_order(void **state)
{
	struct world *x = *state;
	long long start = tp_now_ms();

	tp_timer_add(x->l, 20, stop, x);
	tp_timer_add(x->l, 5, note_b, x);
	tp_timer_add(x->l, 1, note_a, x);
	tp_timer_add(x->l, 5, note_a, x);
	tp_timer_del(tp_timer_add(x->l, 3, note_b, x));
	tp_timer_del(NULL);
	assert_int_equal(tp_loop_run(x->l), 7);
	assert_string_equal(x->order, "aba.");
	assert_true(tp_now_ms() - start >= 20);
}

static void timer_again(void *arg)
{
	struct world *x = arg;

	tp_timer_del(x->t[0]); /* itself: nothing happens */
	if (x->calls[0]++ < 5)
		x->t[0] = tp_timer_add(x->l, 0, timer_again, x);
	else
		tp_loop_stop(x->l, 1);
	tp_timer_del(x->t[1]);
	x->t[1] = NULL;
}

static void timers_change_timers(void **state)
{
	struct world *x = *state;

	x->t[0] = tp_timer_add(x->l, 0, timer_again, x);
	x->t[1] = tp_timer_add(x->l, 0, note_a, x);
	tp_timer_add(x->l, 1000, note_a, x); /* left over: freed with the loop */
	assert_int_equal(tp_loop_run(x->l), 1);
	assert_int_equal(x->calls[0], 6);
	assert_string_equal(x->order, "");
}

static void delete_all(void *arg, int events)
{
	struct world *x = arg;

	(void)events;
	note(x, 'w');
	for (int i = 0; i < 4; i++) {
		tp_watch_del(x->w[i]);
		x->w[i] = NULL;
	}
	tp_timer_add(x->l, 2, stop, x);
}

static void deleted_watches_stay_silent(void **state)
{
	struct world *x = *state;

	for (int i = 0; i < 4; i++) {
		x->w[i] = tp_watch_add(x->l, x->pipes[i][0], TP_READ, delete_all, x);
		assert_int_equal(write(x->pipes[i][1], "x", 1), 1);
	}
	assert_int_equal(tp_loop_run(x->l), 7);
	assert_string_equal(x->order, "w.");
	tp_watch_del(NULL);
}

static void replace(void *arg, int events)
{
	struct world *x = arg;

	(void)events;
	note(x, 'r');
	for (int i = 0; i < 2; i++) {
		/* the same number again: what epoll said was about the old one */
		tp_watch_del(x->w[i]);
		close(x->pipes[i][0]);
		x->pipes[i][0] = -1;
	}
	for (int i = 0; i < 2; i++) {
		x->pipes[i][0] = dup(x->pipes[2][0]); /* nothing to read there */
		x->w[i] = tp_watch_add(x->l, x->pipes[i][0], TP_READ, replace, x);
	}
	tp_timer_add(x->l, 3, stop, x);
}

static void reused_descriptors_are_new(void **state)
{
	struct world *x = *state;

	for (int i = 0; i < 2; i++) {
		x->w[i] = tp_watch_add(x->l, x->pipes[i][0], TP_READ, replace, x);
		assert_int_equal(write(x->pipes[i][1], "x", 1), 1);
	}
	assert_int_equal(tp_loop_run(x->l), 7);
	assert_string_equal(x->order, "r.");
}

static void count_events(void *arg, int events)
{
	struct world *x = arg;

	x->events = events;
	x->calls[0]++;
	tp_loop_stop(x->l, 2);
}

static void hang_up_shows_as_what_was_asked(void **state)
{
	struct world *x = *state;

	tp_close_p(&x->pipes[0][1]);
	x->w[0] = tp_watch_add(x->l, x->pipes[0][0], TP_READ, count_events, x);
	assert_int_equal(tp_loop_run(x->l), 2);
	assert_int_equal(x->events, TP_READ);
	tp_watch_set(x->w[0], TP_WRITE);
	assert_int_equal(tp_loop_run(x->l), 2);
	assert_int_equal(x->events, TP_WRITE);
	tp_watch_set(x->w[0], TP_READ | TP_WRITE);
	assert_int_equal(tp_loop_run(x->l), 2);
	assert_int_equal(x->events, TP_READ | TP_WRITE);
	/* nothing asked for: silence, not a busy loop */
	tp_watch_set(x->w[0], 0);
	tp_timer_add(x->l, 5, stop, x);
	assert_int_equal(tp_loop_run(x->l), 7);
	assert_int_equal(x->calls[0], 3);
	tp_watch_set(x->w[0], TP_READ);
	assert_int_equal(tp_loop_run(x->l), 2);
}

static void files_are_always_ready(void **state)
{
	struct world *x = *state;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct tp_watch *w = tp_watch_add(x->l, fd, TP_READ | TP_WRITE, count_events, x);

	assert_int_equal(tp_loop_run(x->l), 2);
	assert_int_equal(x->events, TP_READ | TP_WRITE);
	tp_watch_set(w, TP_WRITE);
	assert_int_equal(tp_loop_run(x->l), 2);
	assert_int_equal(x->events, TP_WRITE);
	tp_watch_set(w, 0);
	tp_timer_add(x->l, 5, stop, x);
	assert_int_equal(tp_loop_run(x->l), 7);
	assert_int_equal(x->calls[0], 2);
	tp_watch_del(w);
	close(fd);
}

static void post_again(void *arg)
{
	struct world *x = arg;

	if (x->calls[0]++ < 1000)
		tp_loop_defer(x->l, post_again, x);
}

static void posts_run_in_order_and_starve_nobody(void **state)
{
	struct world *x = *state;

	tp_loop_post(x->l, note_a, x);
	tp_loop_post(x->l, stop, x);
	tp_loop_post(x->l, note_b, x); /* stays for the next run */
	assert_int_equal(tp_loop_run(x->l), 7);
	assert_string_equal(x->order, "a.");
	tp_loop_post(x->l, stop, x);
	assert_int_equal(tp_loop_run(x->l), 7);
	assert_string_equal(x->order, "a.b.");

	tp_loop_post(x->l, post_again, x);
	assert_int_equal(write(x->pipes[0][1], "x", 1), 1);
	tp_watch_add(x->l, x->pipes[0][0], TP_READ, count_events, x);
	assert_int_equal(tp_loop_run(x->l), 2);
	assert_true(x->calls[0] < 10);
	tp_loop_post(x->l, note_a, x); /* left over */
}

struct counter {
	struct tp_loop *l;
	int n, next[4];
	bool ordered;
};

struct item {
	struct counter *c;
	int thread, number;
};

static void on_item(void *arg)
{
	struct item *i = arg;

	if (i->c->next[i->thread]++ != i->number)
		i->c->ordered = false;
	if (++i->c->n == 4 * 500)
		tp_loop_stop(i->c->l, 0);
	free(i);
}

struct poster {
	struct counter *c;
	int number;
};

static void *post_many(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < 500; i++) {
		struct item *it = tp_malloc(sizeof(*it));

		*it = (struct item){ p->c, p->number, i };
		tp_loop_post(p->c->l, on_item, it);
	}
	return NULL;
}

static void posts_come_from_any_thread(void **state)
{
	struct world *x = *state;
	struct counter c = { .l = x->l, .ordered = true };
	struct poster posters[4];
	pthread_t threads[4];

	for (int i = 0; i < 4; i++) {
		posters[i] = (struct poster){ &c, i };
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
	}
	tp_loop_run(x->l);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(c.ordered);
	assert_int_equal(c.n, 2000);
}

/* -------- tasks */

struct job {
	struct tp_loop *l;
	struct tp_task *t;
	pthread_t self;
	bool other_thread, blocked;
	int rc;
	struct tp_err err;
};

static int work(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	struct job *j = arg;
	sigset_t mask;

	(void)cancel;
	j->other_thread = !pthread_equal(j->self, pthread_self());
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	j->blocked = sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM);
	return tp_err_set(err, TP_ERR_CONFLICT, "no luck");
}

static int wait_for_cancel(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	(void)arg;
	return tp_cancel_poll(cancel, -1, 0, 10000, err);
}

static void work_done(void *arg, int rc, struct tp_err *err)
{
	struct job *j = arg;

	assert_true(pthread_equal(j->self, pthread_self()));
	j->rc = rc;
	j->err = *err;
	tp_loop_stop(j->l, 0);
}

static void tasks_run_beside_the_loop(void **state)
{
	struct world *x = *state;
	struct job j = { .l = x->l, .self = pthread_self() };
	sigset_t mask;

	tp_task_start(x->l, work, work_done, &j);
	tp_loop_run(x->l);
	assert_true(j.other_thread);
	assert_true(j.blocked);
	assert_int_equal(j.rc, -1);
	assert_int_equal(j.err.kind, TP_ERR_CONFLICT);
	assert_string_equal(j.err.msg, "no luck");
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGINT));
}

static void cancel_job(void *arg)
{
	struct job *j = arg;

	tp_task_cancel(j->t);
	tp_task_cancel(j->t);
}

static void tasks_can_be_cancelled(void **state)
{
	struct world *x = *state;
	struct job j = { .l = x->l, .self = pthread_self() };
	long long start = tp_now_ms();

	j.t = tp_task_start(x->l, wait_for_cancel, work_done, &j);
	tp_timer_add(x->l, 2, cancel_job, &j);
	tp_loop_run(x->l);
	assert_int_equal(j.rc, -1);
	assert_int_equal(j.err.kind, TP_ERR_CANCELLED);
	assert_true(tp_now_ms() - start < 5000);
	tp_task_cancel(NULL);
}

/* -------- cancel */

static void cancel_is_seen_everywhere(void **state)
{
	struct world *x = *state;
	struct tp_cancel *c = tp_cancel_new();
	struct pollfd p = { .fd = tp_cancel_fd(c), .events = POLLIN };
	struct tp_err err = { 0 };

	assert_false(tp_cancel_is_set(NULL));
	assert_int_equal(tp_cancel_fd(NULL), -1);
	tp_cancel_free(NULL);
	assert_false(tp_cancel_is_set(c));
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(tp_cancel_poll(c, x->pipes[0][0], POLLIN, 1, &err), 0);
	assert_int_equal(tp_cancel_poll(c, -1, 0, 0, &err), 0);
	assert_int_equal(tp_cancel_poll(NULL, x->pipes[0][0], POLLOUT, -1, &err), 1);
	assert_int_equal(tp_cancel_poll(NULL, 987654, POLLIN, 5, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FAILED);
	assert_int_equal(write(x->pipes[0][1], "x", 1), 1);
	assert_int_equal(tp_cancel_poll(c, x->pipes[0][0], POLLIN, -1, &err), 1);
	errno = EDOM;
	tp_cancel_trigger(c);
	tp_cancel_trigger(c);
	tp_cancel_trigger(NULL);
	assert_int_equal(errno, EDOM);
	assert_true(tp_cancel_is_set(c));
	assert_int_equal(poll(&p, 1, 0), 1);
	/* cancelled goes before ready */
	assert_int_equal(tp_cancel_poll(c, x->pipes[0][0], POLLIN, -1, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	tp_cancel_free(c);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(timers_fire_in_order),
		TEST(timers_change_timers),
		TEST(deleted_watches_stay_silent),
		TEST(reused_descriptors_are_new),
		TEST(hang_up_shows_as_what_was_asked),
		TEST(files_are_always_ready),
		TEST(posts_run_in_order_and_starve_nobody),
		TEST(posts_come_from_any_thread),
		TEST(tasks_run_beside_the_loop),
		TEST(tasks_can_be_cancelled),
		TEST(cancel_is_seen_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
