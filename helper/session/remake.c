/* SPDX-License-Identifier: Apache-2.0 */
/*
 *                down                           the same agent, or trouble that may pass
 *   CONNECTED ----------> LOOKING (a task: look.c) --------------------------> WAITING
 *       ^                  |   ^                                                 |
 *       |                  |   '---- time is over; a dial says: no such pod -----'
 *       |   another agent: |
 *       |   the sidecar    |
 *       |   is told        '--------> WAITING (for the sidecar, which dials it)
 *       |
 *       '---- up: from either. Trouble that will not pass ends the session, from either.
 *
 * The sidecar dials by itself, in its own time; all that is done here is to see
 * to it that there is an agent to be dialled. While there is none, dials are
 * refused at once (tp_link_hold).
 *
 * The user is told once that the link broke, with the best reason there is:
 * what became of the agent's pod, if a look tells that within SAY_MS; and once
 * that it is back. Only what takes long is explained in between.
 */
#include "session/remake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/look.h"
#include "session/session.h"
#include "session/trouble.h"

#define SAY_MS	     1500
#define EXIT_MS	     3000  /* for the reason, with --on-disconnect=exit */
#define LONG_MS	     15000 /* without a link: say what stands in the way; again if that changes */
#define PAUSE_MS     1000  /* between looks; doubled up to ... */
#define PAUSE_MAX_MS 5000  /* ... at most TP_STALE_CLAIM_MS */
#define SOON_MS	     200

struct tp_remake {
	struct tp_session *s;
	bool armed, down;

	struct tp_task *task;  /* LOOKING */
	struct tp_timer *next; /* WAITING */
	struct tp_look look;
	int pause_ms;
	struct tp_trouble dials, looks;

	/* what the user is told */
	struct tp_timer *say, *late;
	long long down_ms;
	char *why; /* the sidecar's words */
	bool told;
	char *told_late; /* the last explanation */

	pthread_mutex_t lock; /* of what follows: the task's thread writes it */
	char *gone;	      /* what became of the agent's pod */
	char *obstacle;	      /* what stands in the way */
};

static void set_text(struct tp_remake *m, char **field, const char *text)
{
	pthread_mutex_lock(&m->lock);
	free(*field);
	*field = tp_strdup(text);
	pthread_mutex_unlock(&m->lock);
}

static char *get_text(struct tp_remake *m, char *const *field)
{
	char *text;

	pthread_mutex_lock(&m->lock);
	text = tp_strdup(*field);
	pthread_mutex_unlock(&m->lock);
	return text;
}

static bool is_renewable(const struct tp_session *s)
{
	return s->kc.exec.command || s->kc.token_file;
}

static void stop_timer(struct tp_timer **t)
{
	tp_timer_del(*t);
	*t = NULL;
}

static void fail(struct tp_remake *m, const struct tp_err *err)
{
	m->armed = false;
	stop_timer(&m->next);
	stop_timer(&m->say);
	stop_timer(&m->late);
	tp_session_fail(m->s, err);
}

/* ------------------------------------------------------ what the user is told */

static void tell_down(struct tp_remake *m)
{
	tp_autofree char *gone = get_text(m, &m->gone);
	bool standing = m->s->record.mode == TP_MODE_EXISTING;

	stop_timer(&m->say);
	if (m->told)
		return;
	m->told = true;
	if (gone)
		tp_warn("the link to the cluster broke (the agent pod %s %s); %s", m->s->record.pod,
			gone, standing ? "looking for another" : "making it again");
	else
		tp_warn("the link to the cluster broke (%s); dialling again", m->why);
}

static void say_now(void *arg)
{
	tell_down(arg);
}

static void tell_late(void *arg)
{
	struct tp_remake *m = arg;
	tp_autofree char *text = get_text(m, &m->obstacle);

	m->late = tp_timer_add(m->s->loop, LONG_MS, tell_late, m);
	if (!text || (m->told_late && !strcmp(text, m->told_late)))
		return;
	tp_warn("no link to the cluster for %lld s: %s", (tp_now_ms() - m->down_ms) / 1000, text);
	free(m->told_late);
	m->told_late = tp_steal(&text);
}

/* --on-disconnect=exit */
static void exit_now(void *arg)
{
	struct tp_remake *m = arg;
	tp_autofree char *gone = get_text(m, &m->gone);
	struct tp_err e = { 0 };

	stop_timer(&m->say);
	if (gone)
		tp_err_set(
			&e, TP_ERR_FAILED,
			"the link to the cluster broke (the agent pod %s %s), which ends the run "
			"(--on-disconnect=exit)",
			m->s->record.pod, gone);
	else
		tp_err_set(&e, TP_ERR_FAILED,
			   "the link to the cluster broke (%s), which ends the run "
			   "(--on-disconnect=exit)",
			   m->why);
	fail(m, &e);
}

/* In the loop: the agent is known to be away. */
static void agent_is_gone(void *arg)
{
	struct tp_remake *m = arg;

	if (!m->down || !m->armed)
		return;
	tp_link_hold(m->s->link);
	if (m->look.only_look)
		exit_now(m);
	else
		tell_down(m);
}

/* -------------------------------------------------------------------- looks */

/* In the task's thread. */
static void on_gone(void *arg, const char *why)
{
	struct tp_remake *m = arg;

	set_text(m, &m->gone, why);
	tp_verbose("the agent pod %s %s", m->s->record.pod, why);
	tp_loop_post(m->s->loop, agent_is_gone, m);
}

/* In the task's thread. */
static void on_progress(void *arg, const char *text)
{
	struct tp_remake *m = arg;
	tp_autofree char *line =
		tp_asprintf("waiting for the agent pod %s: %s", m->s->record.pod, text);

	tp_verbose("%s", line);
	set_text(m, &m->obstacle, line);
}

static void look_now(void *arg);

static void look_later(struct tp_remake *m, int ms)
{
	stop_timer(&m->next);
	m->next = tp_timer_add(m->s->loop, ms, look_now, m);
}

static void pause_between(struct tp_remake *m)
{
	look_later(m, m->pause_ms);
	m->pause_ms = m->pause_ms < PAUSE_MAX_MS / 2 ? m->pause_ms * 2 : PAUSE_MAX_MS;
}

/* A standing agent's pod is another one: in the record already (look.c). */
static void take_pod(struct tp_remake *m)
{
	struct tp_record *r = &m->s->record;

	if (!m->look.pod)
		return;
	free(r->pod);
	free(r->pod_container);
	r->pod = tp_steal(&m->look.pod);
	r->pod_container = tp_steal(&m->look.container);
}

static void take_agent(struct tp_remake *m)
{
	struct tp_session *s = m->s;

	tp_agent_ready_free(&s->agent);
	s->agent = m->look.ready;
	memset(&m->look.ready, 0, sizeof(m->look.ready));
	tp_session_tell_agent(s);
}

static void look_failed(struct tp_remake *m, const struct tp_err *err)
{
	tp_verbose("looking for the agent: %s", err->msg);
	if (m->look.over || tp_trouble_note(&m->looks, err, is_renewable(m->s), tp_now_ms())) {
		fail(m, err);
		return;
	}
	if (err->kind != TP_ERR_CANCELLED)
		set_text(m, &m->obstacle, err->msg);
	if (m->look.soon)
		look_later(m, SOON_MS);
	else
		pause_between(m);
}

static void look_done(void *arg, int rc, struct tp_err *err)
{
	struct tp_remake *m = ((struct tp_look *)arg)->arg;
	struct tp_session *s = m->s;

	m->task = NULL;
	take_pod(m);
	if (!m->armed || !m->down || s->failed || s->ending) {
		tp_loop_stop(s->loop, 0); /* tp_remake_hold waits for this */
	} else if (m->look.only_look) {
		exit_now(m);
	} else if (rc) {
		look_failed(m, err);
	} else {
		tp_trouble_over(&m->looks);
		if (m->look.instance) {
			free(s->agent_instance);
			s->agent_instance = tp_steal(&m->look.instance);
		}
		if (m->look.result == TP_LOOK_ANOTHER) {
			m->pause_ms = PAUSE_MAX_MS; /* the sidecar has its turn */
			take_agent(m);
		} else {
			tp_session_aim_link(s);
		}
		pause_between(m);
	}
	tp_look_reset(&m->look);
}

static void look_now(void *arg)
{
	struct tp_remake *m = arg;

	m->next = NULL;
	m->look.only_look = m->s->opts->exit_on_disconnect;
	m->task = tp_task_start(m->s->loop, tp_look_task, look_done, &m->look);
}

/* ------------------------------------------------------------------- events */

static void begin(struct tp_remake *m)
{
	bool exits = m->s->opts->exit_on_disconnect;

	m->pause_ms = PAUSE_MS;
	/* What else was connected may be as dead, and not know it. */
	tp_kube_drop_idle(m->s->kube);
	stop_timer(&m->say);
	if (!m->told)
		m->say = tp_timer_add(m->s->loop, exits ? EXIT_MS : SAY_MS,
				      exits ? exit_now : say_now, m);
	stop_timer(&m->late);
	if (!exits)
		m->late = tp_timer_add(m->s->loop, LONG_MS, tell_late, m);
	if (!m->task && !m->next)
		look_later(m, 0);
}

void tp_remake_link_down(struct tp_remake *m, const char *why)
{
	if (m->down)
		return;
	m->down = true;
	m->down_ms = tp_now_ms();
	m->told = false;
	free(m->why);
	m->why = tp_strdup(why);
	if (m->armed)
		begin(m);
}

void tp_remake_link_up(struct tp_remake *m)
{
	/* Too late for --on-disconnect=exit: it is about to end. */
	if (!m->down || (m->armed && m->s->opts->exit_on_disconnect))
		return;
	if (m->armed)
		tell_down(m);
	m->down = false;
	stop_timer(&m->next);
	stop_timer(&m->late);
	if (m->task)
		tp_task_cancel(m->task);
	tp_trouble_over(&m->dials);
	tp_trouble_over(&m->looks);
	set_text(m, &m->gone, NULL);
	set_text(m, &m->obstacle, NULL);
	free(tp_steal(&m->told_late));
	if (m->armed)
		tp_info("the link to the cluster is back, after %.1f s",
			(double)(tp_now_ms() - m->down_ms) / 1000);
}

void tp_remake_dial_failed(struct tp_remake *m, const struct tp_err *err)
{
	tp_autofree char *obstacle = NULL;

	if (!m->down || !m->armed)
		return;
	if (tp_trouble_note(&m->dials, err, is_renewable(m->s), tp_now_ms())) {
		fail(m, err);
		return;
	}
	/* What a look says is more to the point. */
	obstacle = get_text(m, &m->obstacle);
	if (!m->task || !obstacle)
		set_text(m, &m->obstacle, err->msg);
	if (err->kind == TP_ERR_NOT_FOUND && m->next)
		look_later(m, SOON_MS);
}

void tp_remake_arm(struct tp_remake *m)
{
	m->armed = true;
	if (m->down)
		begin(m);
}

bool tp_remake_is_armed(const struct tp_remake *m)
{
	return m->armed;
}

void tp_remake_hold(struct tp_remake *m)
{
	m->armed = false;
	stop_timer(&m->next);
	stop_timer(&m->say);
	stop_timer(&m->late);
	if (m->task)
		tp_task_cancel(m->task);
	while (m->task)
		tp_loop_run(m->s->loop);
}

struct tp_remake *tp_remake_new(struct tp_session *s)
{
	struct tp_remake *m = tp_calloc(1, sizeof(*m));

	m->s = s;
	m->look.s = s;
	m->look.gone = on_gone;
	m->look.progress = on_progress;
	m->look.arg = m;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void tp_remake_free(struct tp_remake *m)
{
	if (!m)
		return;
	tp_remake_hold(m);
	tp_look_reset(&m->look);
	free(m->look.ending_uid);
	free(m->why);
	free(m->gone);
	free(m->obstacle);
	free(m->told_late);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
