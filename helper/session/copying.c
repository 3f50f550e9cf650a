/* SPDX-License-Identifier: Apache-2.0 */
#include "session/copying.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/trim.h"
#include "common/control.h"
#include "docker/user_mounts.h"
#include "session/session.h"
#include "session/timings.h"
#include "session/volcopy.h"

struct tp_copying_job {
	struct tp_session *s;
	struct tp_copying_job *next;
	unsigned int gate; /* 0: gone */
	uint32_t uid, gid;
	char *tag;
	struct tp_task *task;
	struct tp_volcopy *copy;
	bool looked, interrupted;
};

static bool is_own(const struct tp_session *s, const char *tag)
{
	return !strcmp(tag, s->run_id);
}

static struct tp_volcopy_spec spec_of(struct tp_session *s, const struct tp_strv *mounts)
{
	struct tp_volcopy_spec spec = { .agent = { .forward = s->forward,
						   .kube = s->kube,
						   .pod = s->record.pod,
						   .agent = &s->agent,
						   .private_key = s->private_key },
					.mounts = mounts,
					.agent_dir = s->remote.agent_dir,
					.root = tp_volumes_root(s) };
	const char *limit = s->opts->volumes_limit;

	/* was checked with the options */
	tp_size_parse(limit ? limit : TP_VOLUMES_LIMIT, &spec.limit);
	return spec;
}

/* ------------------------------------------------------------ the first look */

static int look_task(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	struct tp_session *s = arg;
	TP_AUTO_STRV own = { 0 };

	(void)cancel; /* tp_copying_cancel */
	tp_user_mounts(s->args, &own);
	if (tp_volcopy_look(s->copying.first, &own, err))
		return -1;
	tp_timings_mark("volumes looked at");
	return 0;
}

static void look_done(void *arg, int rc, struct tp_err *err)
{
	struct tp_session *s = arg;

	s->copying.looking = false;
	/* A session without a container of its own is going to fork: threads and connections do not survive that. */
	if (rc || !s->args->image)
		tp_volcopy_free(tp_steal(&s->copying.first));
	if (rc)
		tp_session_fail(s, err);
	tp_loop_stop(s->loop, 0);
}

/* ------------------------------------------------------------------- jobs */

static void job_free(struct tp_copying_job *j)
{
	struct tp_copying_job **p = &j->s->copying.jobs;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	tp_volcopy_free(j->copy);
	free(j->tag);
	free(j);
}

static char *find_container(struct tp_copying_job *j, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *label = tp_asprintf("%s=%s", TP_LABEL_RUN, j->tag);
	TP_AUTO_JSON *list = tp_engine_list(j->s->engine, label, c, err);
	const char *id = tp_json_str_at(tp_json_at(list, 0), "Id");

	if (id)
		return tp_strdup(id);
	if (list)
		tp_err_set(err, TP_ERR_NOT_FOUND, "the engine has no container of this session");
	return NULL;
}

/* Of a container that somebody else launched (IN, its inspection) only what the engine tells is known: a volume
 * where its image has one, and that has no name, is the image's. */
static void guess_image_volumes(const struct tp_json *in, const struct tp_json *image,
				struct tp_strv *out)
{
	const struct tp_json *mounts = tp_json_get(in, "Mounts");
	const struct tp_json *volumes = tp_json_path(image, "Config.Volumes");

	for (size_t i = 0; i < tp_json_len(mounts); i++) {
		const char *to = tp_json_str_at(tp_json_at(mounts, i), "Destination");
		const char *name = tp_json_str_at(tp_json_at(mounts, i), "Name");

		if (to && name && strlen(name) == 64 && tp_json_get(volumes, to))
			tp_strv_add(out, to);
	}
}

/* The mounts of a container that its user has asked for. */
static int find_own(struct tp_copying_job *j, const char *id, struct tp_strv *own,
		    struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *in = tp_engine_inspect(j->s->engine, id, c, err);
	const char *image_id = tp_json_str_at(in, "Image");
	TP_AUTO_JSON *image = NULL;
	TP_AUTO_STRV guessed = { 0 };

	if (!in)
		return -1;
	if (is_own(j->s, j->tag)) {
		tp_volcopy_own_mounts(in, &j->s->image_volumes, own);
		return 0;
	}
	image = tp_engine_image(j->s->engine, image_id ? image_id : "", c, err);
	if (!image)
		return -1;
	guess_image_volumes(in, image, &guessed);
	tp_volcopy_own_mounts(in, &guessed, own);
	return 0;
}

static int job_task(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	struct tp_copying_job *j = arg;
	tp_autofree char *id = find_container(j, cancel, err);
	TP_AUTO_STRV own = { 0 };
	struct tp_volcopy_target t = {
		.engine = j->s->engine, .container = id, .own = &own, .uid = j->uid, .gid = j->gid
	};

	if (!id || find_own(j, id, &own, cancel, err) ||
	    (!j->looked && tp_volcopy_look(j->copy, &own, err)))
		return -1;
	return tp_volcopy_put(j->copy, &t, err);
}

static void job_done(void *arg, int rc, struct tp_err *err)
{
	struct tp_copying_job *j = arg;
	struct tp_session *s = j->s;
	bool own = is_own(s, j->tag);

	if (!rc)
		tp_strv_add(&s->copying.done, j->tag);
	if (!rc && own)
		tp_timings_mark("volumes copied");
	if (rc && own && !s->copying.refusal)
		s->copying.refusal = tp_strdup(err->msg);
	if (s->gate_told && !own)
		s->gate_told(s->gate_told_arg, j->tag, rc ? err->msg : NULL);
	/* One that is interrupted is left to the signal. */
	if (j->gate && !s->ending && !(j->interrupted && s->args->sig_proxy))
		tp_volumes_gate_answer(s, j->gate, rc ? err->msg : NULL);
	job_free(j);
	tp_trim_memory();
	tp_loop_stop(s->loop, 0); /* somebody may wait for this */
}

static void gate_arrived(struct tp_session *s, const struct tp_gate *g)
{
	struct tp_volcopy_spec spec = spec_of(s, &s->remote.mounts);
	struct tp_copying_job *j;

	if (tp_strv_has(&s->copying.done, g->tag)) {
		tp_volumes_gate_answer(s, g->id, NULL);
		return;
	}
	if (s->failed || s->ending || s->copying.looking) {
		tp_volumes_gate_answer(s, g->id, "the session is not ready for containers");
		return;
	}
	j = tp_calloc(1, sizeof(*j));
	j->s = s;
	j->next = s->copying.jobs;
	s->copying.jobs = j;
	j->gate = g->id;
	j->uid = g->uid;
	j->gid = g->gid;
	j->tag = tp_strdup(g->tag);
	if (is_own(s, g->tag))
		j->copy = tp_steal(&s->copying.first);
	j->looked = j->copy;
	if (!j->copy)
		j->copy = tp_volcopy_new(&spec);
	j->task = tp_task_start(s->loop, job_task, job_done, j);
}

static void job_cancel(struct tp_copying_job *j)
{
	tp_volcopy_cancel(j->copy);
	tp_task_cancel(j->task);
}

static void gate_left(struct tp_session *s, unsigned int id)
{
	for (struct tp_copying_job *j = s->copying.jobs; j; j = j->next) {
		if (j->gate != id)
			continue;
		j->gate = 0;
		job_cancel(j);
	}
}

/* ---------------------------------------------------------------- session */

void tp_copying_begin(struct tp_session *s, const struct tp_strv *mounts)
{
	struct tp_volcopy_spec spec = spec_of(s, mounts);

	s->gate_arrived = gate_arrived;
	s->gate_left = gate_left;
	s->copying.first = tp_volcopy_new(&spec);
	s->copying.looking = true;
	tp_task_start(s->loop, look_task, look_done, s);
}

void tp_copying_cancel(struct tp_session *s)
{
	if (s->copying.first)
		tp_volcopy_cancel(s->copying.first);
	for (struct tp_copying_job *j = s->copying.jobs; j; j = j->next)
		job_cancel(j);
}

void tp_copying_interrupt(struct tp_session *s)
{
	for (struct tp_copying_job *j = s->copying.jobs; j; j = j->next) {
		if (!is_own(s, j->tag))
			continue;
		j->interrupted = true;
		job_cancel(j);
	}
}

void tp_copying_stop(struct tp_session *s)
{
	tp_copying_cancel(s);
	while (s->copying.looking || s->copying.jobs)
		tp_loop_run(s->loop);
}

bool tp_copying_passed(const struct tp_session *s)
{
	return tp_strv_has(&s->copying.done, s->run_id);
}

void tp_copying_free(struct tp_copying *c)
{
	tp_volcopy_free(tp_steal(&c->first));
	tp_strv_free(&c->done);
	free(tp_steal(&c->refusal));
}
