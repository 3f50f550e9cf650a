/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "docker/plugin.h"
#include "session/cleanup.h"
#include "session/ctlsock.h"
#include "session/known.h"
#include "session/options.h"

#define END_MS	 90000 /* a session gives up after less, and says so */
#define GONE_MS	 60000
#define AGAIN_MS 100

struct down_opts {
	struct tp_session_opts talk; /* first: TP_TALK_OPTS wants it */
	bool all;
};

static const struct tp_opt table[] = {
	{ .name = "all",
	  .type = TP_OPT_FLAG,
	  .help = "every session that `up` started, of this user on this machine",
	  .offset = offsetof(struct down_opts, all) },
	TP_TALK_OPTS,
	TP_OPT_END,
};

/* Somebody else is at it. */
static int wait_gone(const struct tp_record *r, struct tp_err *err)
{
	for (long long until = tp_now_ms() + GONE_MS; tp_now_ms() < until;) {
		struct tp_record now;
		struct tp_err e = { 0 };

		if (tp_record_load(r->id, &now, &e) && e.kind == TP_ERR_NOT_FOUND)
			return 0;
		tp_record_free(&now);
		tp_cancel_poll(NULL, -1, 0, AGAIN_MS, NULL);
	}
	return tp_err_set(err, TP_ERR_TIMEOUT, "it is not undone after %d s", GONE_MS / 1000);
}

static int undo_dead(struct tp_record *r, struct tp_err *err)
{
	int got = tp_record_lock(r, false, err);

	if (got < 0)
		return -1;
	tp_info("the process of session %s died; undoing what is left", r->name ? r->name : r->id);
	if (!got)
		return wait_gone(r, err); /* its guardian */
	return tp_cleanup_record(r, tp_now_ms() + GONE_MS / 2, NULL, err);
}

/* Containers that were not started by `run --session` stay, of no use: that is said. */
static void warn_joined(const struct tp_known *k)
{
	struct tp_docker_endpoint ep;
	struct tp_err e = { 0 };
	struct tp_engine *engine = tp_known_engine(&k->record, &ep, NULL, &e);
	tp_autofree char *container = tp_asprintf("tpdocker-%s", tp_known_name(k));
	TP_AUTO_STRV names = { 0 };

	if (engine && !tp_known_joined(engine, tp_json_str_at(k->live, "sidecar"), container,
				       &names, NULL, &e))
		for (size_t i = 0; i < names.n; i++)
			tp_warn("%s is still joined to session %s, which ends now", names.v[i],
				tp_known_name(k));
	tp_engine_free(engine);
	tp_docker_endpoint_free(&ep);
}

static int ask_down(struct tp_known *k, struct tp_err *err)
{
	tp_autofree char *path = tp_record_path(k->record.id, TP_CTL_SUFFIX, err);
	TP_AUTO_BUF none = TP_BUF_INIT(TP_ERR_MAX);

	if (!path)
		return -1;
	warn_joined(k);
	if (!tp_ctl_ask(path, "down", &none, END_MS, NULL, err))
		return 0;
	/* It died while it was asked: its guardian has it now. */
	return err->kind == TP_ERR_FAILED ? -1 : wait_gone(&k->record, err);
}

static int end_session(const char *name, struct tp_err *err)
{
	struct tp_known k;
	int rc = tp_known_find(name, &k, err);

	if (rc)
		return -1;
	switch (k.state) {
	case TP_KNOWN_RUNNING:
		rc = tp_err_set(
			err, TP_ERR_USAGE,
			"the session %s is that of a `tpdocker run`, process %d: it ends when its "
			"container does",
			name, k.record.pid);
		break;
	case TP_KNOWN_DEAD:
		rc = undo_dead(&k.record, err);
		break;
	case TP_KNOWN_STARTING:
		kill(k.record.pid, SIGTERM);
		rc = wait_gone(&k.record, err);
		break;
	case TP_KNOWN_READY:
	case TP_KNOWN_RECONNECTING:
	case TP_KNOWN_ENDING:
		rc = ask_down(&k, err);
		break;
	}
	if (rc && err->kind != TP_ERR_USAGE)
		tp_err_prefix(err, "session %s", name);
	if (!rc)
		printf("%s\n", tp_known_name(&k));
	tp_known_free(&k);
	return rc;
}

static int all_names(struct tp_strv *names, struct tp_err *err)
{
	TP_AUTO_STRV ids = { 0 };

	if (tp_record_list(&ids, err))
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		struct tp_record r;
		struct tp_err e = { 0 };

		if (!tp_record_load(ids.v[i], &r, &e) && r.name)
			tp_strv_add(names, r.name);
		tp_record_free(&r);
	}
	return 0;
}

static int run_down(int argc, char **argv, struct tp_err *err)
{
	struct down_opts o = { 0 };
	TP_AUTO_STRV names = { 0 };
	int failed = 0, first = tp_opt_parse(table, &o, argc, argv, 1, err);

	if (first < 0)
		return -1;
	if (o.talk.help) {
		tp_cmd_usage(&tp_cmd_down);
		return 0;
	}
	tp_log_set_level(o.talk.quiet	? TP_LOG_QUIET :
			 o.talk.verbose ? TP_LOG_VERBOSE :
					  tp_plugin_log_level());
	for (int i = first; i < argc; i++)
		tp_strv_add(&names, argv[i]);
	if (o.all ? names.n > 0 : names.n == 0)
		return tp_err_set(err, TP_ERR_USAGE, "which session? Name them, or give --all");
	if (o.all && all_names(&names, err))
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct tp_err e = { 0 };

		if (!end_session(names.v[i], &e))
			continue;
		tp_error("%s", e.msg);
		failed++;
	}
	return failed ? TP_EXIT_FAILED : 0;
}

static const char *const examples[] = {
	"down web",   "end the session web: its workload is restored, its sidecar removed",
	"down --all", "end all of them",
	NULL,
};

const struct tp_cmd tp_cmd_down = {
	.name = "down",
	.synopsis = "NAME... | --all",
	.summary = "End sessions that run in the background.",
	.examples = examples,
	.options = table,
	.complete = "session...",
	.options_first = true,
	.run = run_down,
};
