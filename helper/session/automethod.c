/* SPDX-License-Identifier: Apache-2.0 */
#include "session/automethod.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "session/inject.h"

#define ANSWER_MS 30000
#define YES	  "yes\n"

/* As much as the sidecar of method container gets, and no network. */
static char *body(const struct tp_session *s, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_str(w, "Image", s->opts->image);
	tp_jw_str(w, "User", "0:0");
	tp_jw_array(w, "Entrypoint");
	tp_jw_str(w, NULL, TP_SIDECAR_PROGRAM);
	tp_jw_str(w, NULL, "filters");
	tp_jw_end(w);
	tp_jw_bool(w, "AttachStdout", true);
	tp_jw_object(w, "Labels");
	tp_jw_str(w, TP_LABEL_SESSION, s->record.id);
	tp_jw_str(w, TP_LABEL_OWNER, s->record.by);
	tp_jw_end(w);
	tp_jw_object(w, "HostConfig");
	tp_jw_bool(w, "AutoRemove", true);
	tp_jw_str(w, "NetworkMode", "none");
	tp_jw_array(w, "CapDrop");
	tp_jw_str(w, NULL, "ALL");
	tp_jw_end(w);
	tp_jw_array(w, "CapAdd");
	tp_jw_str(w, NULL, "NET_ADMIN");
	tp_jw_end(w);
	tp_jw_array(w, "SecurityOpt");
	tp_jw_str(w, NULL, "no-new-privileges");
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

static int read_answer(struct tp_stream *stream, struct tp_buf *answer, struct tp_cancel *c,
		       struct tp_err *err)
{
	char some[512];
	ssize_t n;

	while ((n = tp_stream_read_wait(stream, some, sizeof(some), ANSWER_MS, c, err)) > 0)
		if (tp_buf_put(answer, some, (size_t)n))
			break;
	return n < 0 ? -1 : 0;
}

/* 1 a packet filter can be set, 0 not (WHY), -1 ERR. */
static int filters(struct tp_session *s, struct tp_buf *why, struct tp_cancel *c,
		   struct tp_err *err)
{
	tp_autofree char *text = body(s, err);
	struct tp_stream *stream = NULL;
	char id[65] = "";
	int rc = -1;

	if (!text || tp_engine_create(s->engine, NULL, text, id, c, err))
		return -1;
	stream = tp_engine_attach(s->engine, id, NULL, NULL, c, err);
	if (stream)
		rc = tp_engine_start(s->engine, id, c, err);
	if (!rc)
		rc = read_answer(stream, why, c, err);
	tp_stream_close(stream);
	if (rc) {
		struct tp_err e = { 0 };

		/* an engine that allows no such container says so, and that is an answer */
		if (tp_engine_remove(s->engine, id, c, &e))
			tp_verbose("%s", e.msg);
		return -1;
	}
	if (!why->len)
		tp_buf_puts(why, "no packet filter can be set in a container here");
	return strcmp(why->data, YES) == 0;
}

static void choose(struct tp_session *s, const char *name, const char *why)
{
	s->method = tp_method_find(name);
	s->data_engine = tp_method_engine(s->method, s->opts);
	free(s->record.method);
	free(s->record.data_engine);
	s->record.method = tp_strdup(s->method->name);
	s->record.data_engine = tp_strdup(s->data_engine);
	tp_verbose("--method auto: %s, since %s", name, why);
}

/* The one method without a packet filter, if what the user asks for goes together with it. */
static int choose_unfiltered(struct tp_session *s, const char *why, struct tp_err *err)
{
	static const char name[] = "inject-tcp";
	tp_autofree char *reason = tp_asprintf("a packet filter cannot be set here: %s", why);
	struct tp_err e = { 0 };

	if (!s->record.gate && !s->hostless &&
	    !tp_method_suits(tp_method_find(name), s->opts, &e) &&
	    !tp_inject_suits_run(s->args, &e)) {
		choose(s, name, reason);
		return 0;
	}
	tp_err_set(err, TP_ERR_FAILED, "--method auto: %s", reason);
	return tp_err_hint(err,
			   "container takes the capability NET_ADMIN for the sidecar, and a kernel "
			   "with nf_tables; inject-tcp does not, but cannot serve this session%s%s",
			   e.msg[0] ? ": " : "", e.msg);
}

int tp_automethod(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_BUF why = TP_BUF_INIT(1024);
	struct tp_err e = { 0 };

	switch (filters(s, &why, c, &e)) {
	case 1:
		choose(s, "container", "a packet filter can be set in a container here");
		return 0;
	case 0:
		why.data[strcspn(why.data, "\n")] = '\0';
		break;
	default:
		if (tp_cancel_is_set(c) || e.kind == TP_ERR_UNREACHABLE) {
			*err = e;
			return -1;
		}
		tp_buf_printf(&why, "%s", e.msg);
	}
	return choose_unfiltered(s, why.data, err);
}
