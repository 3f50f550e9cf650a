/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "session/known.h"
#include "session/options.h"

struct status_opts {
	struct tp_session_opts talk; /* first: TP_TALK_OPTS wants it */
	char *format;
};

static const struct tp_opt table[] = {
	{ .name = "format",
	  .type = TP_OPT_STRING,
	  .arg = "text|json",
	  .help = "how to print (default: text)",
	  .offset = offsetof(struct status_opts, format),
	  .complete = "text|json" },
	TP_TALK_OPTS,
	TP_OPT_END,
};

/* False: the engine does not tell. */
static bool find_joined(const struct tp_known *k, struct tp_strv *names)
{
	struct tp_docker_endpoint ep;
	struct tp_err e = { 0 };
	struct tp_engine *engine = tp_known_engine(&k->record, &ep, NULL, &e);
	tp_autofree char *container = tp_asprintf("tpdocker-%s", tp_known_name(k));
	bool told = engine && !tp_known_joined(engine, tp_json_str_at(k->live, "sidecar"),
					       container, names, NULL, &e);

	if (!told)
		tp_warn("who is joined is not known: %s", e.msg);
	tp_engine_free(engine);
	tp_docker_endpoint_free(&ep);
	return told;
}

static int print_json(const struct tp_known *k, const struct tp_strv *joined, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *text = NULL;

	tp_jw_object(w, NULL);
	tp_known_write(k, w);
	if (joined) {
		tp_jw_array(w, "joined");
		for (size_t i = 0; i < joined->n; i++)
			tp_jw_str(w, NULL, joined->v[i]);
		tp_jw_end(w);
	} else {
		tp_jw_null(w, "joined");
	}
	tp_jw_end(w);
	text = tp_jw_finish(w, NULL, err);
	if (!text)
		return -1;
	printf("%s\n", text);
	return 0;
}

static void print_live(const struct tp_json *live)
{
	char idle[64];

	printf("link        %s\n", tp_json_str_at(live, "link") ?: "?");
	printf("bytes       %" PRId64 " to the cluster, %" PRId64 " from it\n",
	       tp_json_int_at(live, "bytesToCluster", 0),
	       tp_json_int_at(live, "bytesFromCluster", 0));
	printf("reconnects  %" PRId64 "\n", tp_json_int_at(live, "reconnects", 0));
	if (!tp_json_int_at(live, "idleTimeout", 0))
		return;
	tp_duration_print(tp_json_int_at(live, "idleTimeout", 0), idle, sizeof(idle));
	printf("ends        when nobody is joined for %s\n", idle);
}

static void print_text(const struct tp_known *k, const struct tp_strv *joined)
{
	static const char *const modes[] = { "", " (swapped out)", " (its own agent)" };
	const struct tp_record *r = &k->record;
	tp_autofree char *workload = tp_known_workload(r);
	char since[32], age[64];

	tp_known_time(r->started, since);
	tp_duration_print(time(NULL) - r->started, age, sizeof(age));
	printf("name        %s\n", tp_known_name(k));
	printf("state       %s\n", tp_known_state_word(k->state));
	printf("since       %s (%s)\n", since, age);
	printf("workload    %s%s\n", workload ? workload : "none: an agent of its own",
	       workload ? modes[r->mode] : "");
	printf("method      %s\n", r->method ?: "?");
	if (r->data_engine)
		printf("engine      %s\n", r->data_engine);
	printf("pod         %s\n", r->pod ?: "?");
	printf("namespace   %s\n", r->namespace ?: "?");
	printf("context     %s\n", r->context ?: "none");
	printf("container   tpdocker-%s\n", tp_known_name(k));
	printf("process     %d\n", r->pid);
	if (k->live)
		print_live(k->live);
	printf("joined      ");
	for (size_t i = 0; joined && i < joined->n; i++)
		printf("%s%s", i ? ", " : "", joined->v[i]);
	printf("%s\n", !joined ? "?" : joined->n ? "" : "nobody");
	if (k->state == TP_KNOWN_DEAD)
		tp_warn("its process died; `%s down %s` undoes what is left", tp_program(),
			tp_known_name(k));
}

static int run_status(int argc, char **argv, struct tp_err *err)
{
	struct status_opts o = { 0 };
	TP_AUTO_STRV joined = { 0 };
	struct tp_known k;
	int rc = 0, first = tp_opt_parse(table, &o, argc, argv, 1, err), behind;
	tp_autofree char *format = NULL;
	bool told;

	/* The options may stand behind the name. */
	behind = first < 0    ? -1 :
		 first < argc ? tp_opt_parse(table, &o, argc, argv, first + 1, err) :
				first;
	format = o.format;
	if (behind < 0)
		return -1;
	if (o.talk.help) {
		tp_cmd_usage(&tp_cmd_status);
		return 0;
	}
	tp_session_opts_log(&o.talk);
	if (format && strcmp(format, "text") && strcmp(format, "json"))
		return tp_err_set(err, TP_ERR_USAGE, "--format %s: it is text or json", format);
	if (first >= argc || behind < argc)
		return tp_err_set(err, TP_ERR_USAGE, "which session? Name one; `%s ps` lists them",
				  tp_program());
	if (tp_known_find(argv[first], &k, err))
		return -1;
	told = find_joined(&k, &joined);
	if (format && !strcmp(format, "json"))
		rc = print_json(&k, told ? &joined : NULL, err);
	else
		print_text(&k, told ? &joined : NULL);
	tp_known_free(&k);
	return rc;
}

static const char *const examples[] = {
	"status web",
	"how the session web is, and which containers are joined",
	NULL,
};

const struct tp_cmd tp_cmd_status = {
	.name = "status",
	.synopsis = "NAME [--format text|json]",
	.summary = "Tell how a session is.",
	.examples = examples,
	.options = table,
	.complete = "session",
	.run = run_status,
};
