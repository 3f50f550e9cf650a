/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent pod is waited for, told to the user. Usual steps pass in a
 * second or two: not worth a line each. What is still waited for then is
 * told, and every change from there on.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/session.h"

#define QUIET_MS 3000

static void show(void *arg)
{
	struct tp_session *s = arg;

	pthread_mutex_lock(&s->progress_lock);
	if (s->progress && !s->failed && !s->ending)
		tp_info("waiting for the agent pod %s: %s", s->record.pod, s->progress);
	free(tp_steal(&s->progress));
	pthread_mutex_unlock(&s->progress_lock);
}

static void quiet_is_over(void *arg)
{
	struct tp_session *s = arg;

	s->progress_timer = NULL;
	show(s);
}

static void start_timer(void *arg)
{
	struct tp_session *s = arg;

	s->progress_timer = tp_timer_add(s->loop, QUIET_MS, quiet_is_over, s);
}

static void stop_timer(void *arg)
{
	struct tp_session *s = arg;

	tp_timer_del(s->progress_timer);
	s->progress_timer = NULL;
}

void tp_session_progress_begin(struct tp_session *s)
{
	s->pod_created = tp_now_ms();
	tp_loop_post(s->loop, start_timer, s);
}

void tp_session_progress(void *arg, const char *text)
{
	struct tp_session *s = arg;

	tp_verbose("the agent pod %s: %s", s->record.pod, text);
	pthread_mutex_lock(&s->progress_lock);
	free(s->progress);
	s->progress = tp_strdup(text);
	pthread_mutex_unlock(&s->progress_lock);
	if (tp_now_ms() - s->pod_created >= QUIET_MS)
		tp_loop_post(s->loop, show, s);
}

void tp_session_progress_end(struct tp_session *s)
{
	tp_loop_post(s->loop, stop_timer, s);
}
