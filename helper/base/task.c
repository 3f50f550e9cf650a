/* SPDX-License-Identifier: Apache-2.0 */
#include "base/task.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

struct tp_task {
	struct tp_loop *loop;
	tp_task_fn *fn;
	tp_task_done_fn *done;
	void *arg;
	struct tp_cancel *cancel;
	pthread_t thread;
	bool started;
	int rc;
	struct tp_err err;
};

static void finish(void *arg)
{
	struct tp_task *t = arg;

	/* The thread is in its last instructions. Waiting for it means that the loop, which it
	 * has just used, may be freed by DONE's caller. */
	if (t->started)
		pthread_join(t->thread, NULL);
	if (t->done)
		t->done(t->arg, t->rc, &t->err);
	tp_cancel_free(t->cancel);
	free(t);
}

static void *run(void *arg)
{
	struct tp_task *t = arg;

	t->rc = t->fn(t->arg, t->cancel, &t->err);
	tp_loop_post(t->loop, finish, t);
	return NULL;
}

struct tp_task *tp_task_start(struct tp_loop *l, tp_task_fn *fn, tp_task_done_fn *done, void *arg)
{
	struct tp_task *t = tp_calloc(1, sizeof(*t));
	sigset_t all, old;
	int rc;

	t->loop = l;
	t->fn = fn;
	t->done = done;
	t->arg = arg;
	t->cancel = tp_cancel_new();
	t->started = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		t->started = false;
		t->rc = tp_err_errno(&t->err, rc, "cannot start a thread");
		tp_loop_post(l, finish, t);
	}
	return t;
}

void tp_task_cancel(struct tp_task *t)
{
	if (t)
		tp_cancel_trigger(t->cancel);
}
