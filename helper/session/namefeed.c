/* SPDX-License-Identifier: Apache-2.0 */
#include "session/namefeed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "kube/listwatch.h"
#include "session/nameobject.h"

#define FRAME_BYTES (64u << 10) /* of lines that go in one frame, about */
#define LINES_MAX   (4u << 20)	/* of one frame */

struct feed {
	struct tp_namefeed *all;
	char kind;
	const char *ns; /* "*", or the session's own */
	bool listing;	/* its lines can wait for each other */
	struct tp_task *task;
	struct tp_buf lines; /* of its thread, until they are handed over */
};

struct tp_namefeed {
	struct tp_session *s;
	struct feed feeds[3];
	unsigned running;
	bool stopping;
	pthread_mutex_t lock; /* of what follows: between the threads and the loop */
	struct tp_buf *ready; /* frames, in order */
	size_t n_ready;
	bool posted;
};

/* ------------------------------------------------------- to the sidecar */

static void send_ready(void *arg)
{
	struct tp_namefeed *f = arg;
	struct tp_buf *ready;
	size_t n;

	pthread_mutex_lock(&f->lock);
	ready = f->ready;
	n = f->n_ready;
	f->ready = NULL;
	f->n_ready = 0;
	f->posted = false;
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < n; i++) {
		if (f->s->control)
			tp_control_send(f->s->control, TP_CTL_NAMES, ready[i].data, ready[i].len);
		tp_buf_free(&ready[i]);
	}
	free(ready);
	if (f->stopping)
		tp_loop_stop(f->s->loop, 0);
}

static void hand_over(struct feed *d)
{
	struct tp_namefeed *f = d->all;
	bool post;

	if (!d->lines.len)
		return;
	pthread_mutex_lock(&f->lock);
	f->ready = tp_realloc(f->ready, (f->n_ready + 1) * sizeof(*f->ready));
	f->ready[f->n_ready++] = d->lines;
	post = !f->posted;
	f->posted = true;
	pthread_mutex_unlock(&f->lock);
	d->lines = TP_BUF_INIT(LINES_MAX);
	if (post)
		tp_loop_post(f->s->loop, send_ready, f);
}

/* ------------------------------------------------------------- a watch */

static void on_begin(void *arg)
{
	struct feed *d = arg;

	d->listing = true;
	tp_buf_printf(&d->lines, "begin %c %s\n", d->kind, d->ns);
}

static void on_put(void *arg, const struct tp_json *object)
{
	struct feed *d = arg;

	tp_nameobject_put(&d->lines, d->kind, object);
	if (!d->listing || d->lines.len >= FRAME_BYTES)
		hand_over(d);
}

static void on_gone(void *arg, const struct tp_json *object)
{
	struct feed *d = arg;

	tp_nameobject_gone(&d->lines, d->kind, object);
	hand_over(d);
}

static void on_end(void *arg)
{
	struct feed *d = arg;

	d->listing = false;
	tp_buf_printf(&d->lines, "end %c\n", d->kind);
	hand_over(d);
}

static int run(struct feed *d, const char *group, const char *resource, struct tp_cancel *c,
	       struct tp_err *err)
{
	const struct tp_listwatch_events ev = { on_begin, on_put, on_gone, on_end, d };
	struct tp_kube *k = d->all->s->kube;
	tp_autofree char *ns = tp_http_escape(tp_kube_namespace(k));
	tp_autofree char *all = tp_asprintf("%s/%s", group, resource);
	tp_autofree char *own = tp_asprintf("%s/namespaces/%s/%s", group, ns, resource);

	d->ns = "*";
	tp_kube_listwatch(k, all, &ev, c, err);
	if (err->kind != TP_ERR_FORBIDDEN)
		return -1;
	tp_verbose("%s; names of %s alone are answered here", err->msg, tp_kube_namespace(k));
	tp_buf_reset(&d->lines);
	d->ns = tp_kube_namespace(k);
	return tp_kube_listwatch(k, own, &ev, c, err);
}

static int watch_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct feed *d = arg;

	switch (d->kind) {
	case TP_NAME_SERVICE:
		return run(d, "/api/v1", "services", c, err);
	case TP_NAME_POD:
		return run(d, "/api/v1", "pods", c, err);
	}
	run(d, "/apis/discovery.k8s.io/v1", "endpointslices", c, err);
	if (err->kind != TP_ERR_NOT_FOUND)
		return -1;
	tp_buf_reset(&d->lines);
	return run(d, "/apis/discovery.k8s.io/v1beta1", "endpointslices", c, err); /* before 1.21 */
}

static void watch_done(void *arg, int rc, struct tp_err *err)
{
	struct feed *d = arg;

	(void)rc;
	d->task = NULL;
	if (err->kind != TP_ERR_CANCELLED)
		tp_verbose("%s; the agent answers names in its place", err->msg);
	if (!--d->all->running && d->all->stopping)
		tp_loop_stop(d->all->s->loop, 0);
}

/* ------------------------------------------------------------------ all */

struct tp_namefeed *tp_namefeed_start(struct tp_session *s)
{
	struct tp_namefeed *f;

	if (s->method->names != TP_NAMES_WATCH || !s->control)
		return NULL;
	f = tp_calloc(1, sizeof(*f));
	f->s = s;
	pthread_mutex_init(&f->lock, NULL);
	for (size_t i = 0; i < TP_ARRAY_SIZE(f->feeds); i++) {
		struct feed *d = &f->feeds[i];

		d->all = f;
		d->kind = TP_NAME_KINDS[i];
		d->lines = TP_BUF_INIT(LINES_MAX);
		d->task = tp_task_start(s->loop, watch_task, watch_done, d);
		f->running++;
	}
	return f;
}

void tp_namefeed_stop(struct tp_namefeed *f)
{
	if (!f)
		return;
	f->stopping = true;
	for (size_t i = 0; i < TP_ARRAY_SIZE(f->feeds); i++)
		if (f->feeds[i].task)
			tp_task_cancel(f->feeds[i].task);
	while (f->running || f->posted)
		tp_loop_run(f->s->loop);
	for (size_t i = 0; i < TP_ARRAY_SIZE(f->feeds); i++)
		tp_buf_free(&f->feeds[i].lines);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
