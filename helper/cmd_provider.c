/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Compose project's provider: what docker compose calls for a service with
 * `provider: {type: tpdocker}` (docs/extension.md of docker/compose).
 *
 *     tpdocker compose metadata
 *     tpdocker compose --project-name=P up --OPTION=VALUE... SERVICE
 *     tpdocker compose --project-name=P down SERVICE
 *
 * It talks in JSON objects on stdout, {"type": ..., "message": ...}: info,
 * debug, setenv (NAME=VALUE, which services that depend on this one get with
 * the service's name in front), and at last error. What is anything else ends
 * `docker compose`, and stderr is not seen by anybody.
 */
#include "cmd_provider.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/known.h"
#include "session/inject.h"
#include "session/up.h"

struct provider_opts {
	struct tp_session_opts session; /* first: its table wants it */
	char *idle_timeout, *gate;
};

static const struct tp_opt table[] = {
	{ .name = "idle-timeout",
	  .type = TP_OPT_STRING,
	  .arg = "DURATION",
	  .help = "end the session when no container was joined for so long (90s, 10m, 1h30m)",
	  .offset = offsetof(struct provider_opts, idle_timeout) },
	{ .name = "gate",
	  .type = TP_OPT_STRING,
	  .arg = "NAME",
	  .help = "where the entry gates of containers that join ask for the pod's environment and volumes",
	  .offset = offsetof(struct provider_opts, gate) },
	TP_OPT_MORE(tp_session_opt_table),
};

/* ---------------------------------------------------------------- messages */

static void say(const char *type, const char *text)
{
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *json = NULL;
	TP_AUTO_BUF line = TP_BUF_INIT(1u << 20);

	tp_jw_object(w, NULL);
	tp_jw_str(w, "type", type);
	tp_jw_str(w, "message", text);
	tp_jw_end(w);
	json = tp_jw_finish(w, NULL, NULL);
	if (!json)
		return;
	tp_buf_printf(&line, "%s\n", json);
	/* whole lines, from whichever thread; nobody may read any more */
	if (tp_write_all(STDOUT_FILENO, line.data, line.len))
		errno = 0;
}

static void say_env(const char *name, const char *value)
{
	tp_autofree char *text = tp_asprintf("%s=%s", name, value);

	say("setenv", text);
}

/* An error is the last that Compose reads: those that come on the way wait for the end. */
static char *errors;
static pthread_mutex_t errors_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_log(enum tp_log_kind kind, const char *text)
{
	tp_autofree char *warning = NULL;
	char *old;

	switch (kind) {
	case TP_LOG_ERROR:
		pthread_mutex_lock(&errors_lock);
		old = errors;
		errors = old ? tp_asprintf("%s\n%s", old, text) : tp_strdup(text);
		free(old);
		pthread_mutex_unlock(&errors_lock);
		break;
	case TP_LOG_WARNING:
		warning = tp_asprintf("warning: %s", text);
		say("info", warning);
		break;
	case TP_LOG_INFO:
		say("info", text);
		break;
	case TP_LOG_DETAIL:
		say("debug", text);
		break;
	}
}

static int say_error(const struct tp_err *err)
{
	tp_autofree char *text =
		errors ? tp_asprintf("%s\n%s", err->msg, errors) : tp_strdup(err->msg);

	say("error", text);
	return TP_EXIT_FAILED;
}

/* ---------------------------------------------------------------- metadata */

static bool is_ours_to_say(const char *name)
{
	static const char *const others[] = { "timings", "verbose", "quiet", "help",
					      "docker-path" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(others); i++)
		if (!strcmp(name, others[i]))
			return false;
	return true;
}

static void parameter(struct tp_jw *w, const char *name, const char *help, const char *type,
		      const char *values)
{
	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", name);
	tp_jw_str(w, "description", help);
	tp_jw_bool(w, "required", false);
	tp_jw_str(w, "type", type);
	if (values) {
		tp_autofree char *list = tp_strdup(values);

		for (char *p = list; (p = strchr(p, '|')); p++)
			*p = ',';
		tp_jw_str(w, "enum", list);
	}
	tp_jw_end(w);
}

/* Options that are not in here Compose leaves out without a word. */
static int metadata(struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *json = NULL;

	tp_jw_object(w, NULL);
	tp_jw_str(w, "description",
		  "A session of tpdocker: the network of a pod in a Kubernetes cluster");
	tp_jw_object(w, "up");
	tp_jw_array(w, "parameters");
	TP_OPT_FOREACH(o, table)
	if (is_ours_to_say(o->name))
		parameter(w, o->name, o->help, o->type == TP_OPT_FLAG ? "boolean" : "string",
			  o->complete && strchr(o->complete, '|') ? o->complete : NULL);
	for (const struct tp_flag *f = tp_docker_flags; f->name; f++)
		if (f->cls == TP_FLAG_SIDECAR && f->takes_value)
			parameter(w, f->name, "as docker run has it, for the session's network",
				  "string", NULL);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_object(w, "down");
	tp_jw_array(w, "parameters");
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	json = tp_jw_finish(w, NULL, err);
	if (!json)
		return -1;
	printf("%s\n", json);
	return fflush(stdout) ? tp_err_errno(err, errno, "standard output") : 0;
}

/* ---------------------------------------------------------------- up, down */

struct who {
	char *name;  /* the session's */
	char *owner; /* as its record has it: "a-b" and "c" are not "a" and "b-c" */
};

static int find_who(struct who *w, const char *project, const char *service, struct tp_err *err)
{
	if (!project || !*project)
		return tp_err_set(err, TP_ERR_USAGE,
				  "for which project? Compose says it with --project-name");
	w->name = tp_asprintf("%s-%s", project, service);
	w->owner = tp_asprintf("the service %s of the Compose project %s", service, project);
	if (!tp_known_name_check(w->name, err))
		return 0;
	return tp_err_hint(err, "It is made of the project's name and the service's.");
}

static void who_free(struct who *w)
{
	free(w->name);
	free(w->owner);
}

/* The same as long as the session is the same; with a new one, whose network is another, Compose has to make the
 * containers anew, and so it does when a variable has changed. */
static void tell_env(const struct who *w)
{
	tp_autofree char *container = tp_asprintf("tpdocker-%s", w->name);
	struct tp_known k;
	struct tp_err e;

	say_env("SESSION", w->name);
	say_env("CONTAINER", container);
	if (tp_known_find(w->name, &k, &e))
		return;
	say_env("SESSION_ID", k.record.id);
	tp_known_free(&k);
}

static int up(const struct who *w, struct provider_opts *o, const struct tp_run_args *args,
	      struct tp_err *err)
{
	struct tp_up u = {
		.opts = &o->session,
		.args = args,
		.name = w->name,
		.owner = w->owner,
		.gate = o->gate,
		.reuse = true,
	};
	int rc, code = 0;

	if (tp_session_opts_check(&o->session, err) || tp_up_flags_check(args, err) ||
	    tp_up_gate_check(o->gate, &o->session, err) || tp_inject_no_others(&o->session, err) ||
	    tp_up_idle_parse(o->idle_timeout, &u.idle_ms, err))
		return -1;
	tp_session_opts_apply(&o->session);
	rc = tp_up(&u, &code, err);
	if (rc > 0) {
		tell_env(w);
		_exit(0); /* all else is the background process's now */
	}
	return rc ? rc : code;
}

static int down(const struct who *w, struct tp_err *err)
{
	tp_autofree char *gone = NULL;

	if (!tp_down(w->name, w->owner, err))
		return 0;
	if (err->kind != TP_ERR_NOT_FOUND && err->kind != TP_ERR_CONFLICT)
		return -1;
	gone = tp_asprintf("there is no session %s of this project's", w->name);
	say("info", gone);
	return 0;
}

static int call(const char *word, const char *project, int argc, char **argv, struct tp_err *err)
{
	struct provider_opts o = { 0 };
	struct tp_run_args args = { 0 };
	struct who w = { 0 };
	bool is_up = !strcmp(word, "up");
	int rc = -1, behind = tp_run_flags_parse(&args, table, &o, argc, argv, 1, err);

	if (behind >= 0 && behind != argc - 1)
		tp_err_set(err, TP_ERR_USAGE, "compose %s: which service?", word);
	else if (behind >= 0 && !find_who(&w, project, argv[behind], err))
		rc = is_up ? up(&w, &o, &args, err) : down(&w, err);
	who_free(&w);
	free(o.idle_timeout);
	free(o.gate);
	tp_run_args_free(&args);
	tp_session_opts_free(&o.session);
	return rc;
}

bool tp_is_provider_word(const char *word)
{
	return !strcmp(word, "metadata") || !strcmp(word, "up") || !strcmp(word, "down");
}

int tp_provider(const char *project, int argc, char **argv, struct tp_err *err)
{
	int rc;

	if (!strcmp(argv[0], "metadata"))
		return metadata(err);
	tp_log_set_sink(on_log);
	rc = call(argv[0], project, argc, argv, err);
	return rc < 0 ? say_error(err) : rc;
}
