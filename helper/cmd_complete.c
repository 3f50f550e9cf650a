/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scripts of cmd_completion.c ask, and docker's own completion when we
 * are its plugin: `tpdocker __complete run --swap-deployment we` prints what the
 * last word may become. It answers within a second, or does not know.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "complete/bounded.h"
#include "complete/source.h"
#include "docker/flags.h"

#define ANSWER_MS  700 /* from our start; a shell and its script take their time, too */
#define ANSWER_MAX (1u << 20)

/* ------------------------------------------------ what is known without asking */

static void add_commands(struct tp_answer *a)
{
	for (const struct tp_cmd *const *c = tp_cmds; *c; c++)
		if (!(*c)->hidden)
			tp_answer_add(a, (*c)->name, (*c)->summary);
}

static void add_variables(struct tp_answer *a)
{
	for (char *const *e = environ; *e; e++) {
		tp_autofree char *name = tp_strndup(*e, strcspn(*e, "="));

		tp_answer_add(a, name, NULL);
	}
}

/* A session without a container takes only those of the network namespace. */
static bool takes_flag(const struct tp_cmd *cmd, const struct tp_flag *f)
{
	return f->cls != TP_FLAG_DROP &&
	       (cmd->docker_flags == TP_DOCKER_RUN_FLAGS || f->cls == TP_FLAG_SIDECAR);
}

static void add_options(const struct tp_cursor *p, struct tp_answer *a)
{
	const struct tp_cmd *cmd = p->cmd;

	TP_OPT_FOREACH(o, cmd->options)
	{
		tp_autofree char *name = tp_asprintf("--%s", o->name);

		if (o->type == TP_OPT_LIST || !tp_strv_has(&p->given, o->name))
			tp_answer_add(a, name, o->help);
	}
	if (!cmd->options)
		tp_answer_add(a, "--help", NULL);
	for (const struct tp_flag *f = tp_docker_flags; cmd->docker_flags && f->name; f++) {
		tp_autofree char *name = tp_asprintf("--%s", f->name);
		char letter[] = { '-', f->short_name, '\0' };

		if (!takes_flag(cmd, f))
			continue;
		tp_answer_add(a, name, "as docker run has it");
		if (f->short_name && !strcmp(a->prefix, "-"))
			tp_answer_add(a, letter, name);
	}
}

/* ------------------------------------------------------------ what is asked for */

/* Every kind (struct tp_opt) that is no list of values. */
static const struct kind {
	const char *name;
	void (*source)(const char *kind, const struct tp_cursor *p, struct tp_answer *a);
	enum tp_directive files;
} kinds[] = {
	{ "file", NULL, TP_COMPLETE_FILES },
	{ "folder", NULL, TP_COMPLETE_FOLDERS },
	{ "command", NULL, TP_COMPLETE_NO_FILES },
	{ "variable", NULL, TP_COMPLETE_NO_FILES },
	{ "session", tp_complete_sessions, TP_COMPLETE_NO_FILES },
	{ "context", tp_complete_cluster, TP_COMPLETE_NO_FILES },
	{ "namespace", tp_complete_cluster, TP_COMPLETE_NO_FILES },
	{ "serviceaccount", tp_complete_cluster, TP_COMPLETE_NO_FILES },
	{ "workload", tp_complete_cluster, TP_COMPLETE_NO_FILES },
	{ "agent", tp_complete_cluster, TP_COMPLETE_NO_FILES },
	{ "docker-context", tp_complete_engine, TP_COMPLETE_NO_FILES },
	{ "image", tp_complete_engine, TP_COMPLETE_NO_FILES },
	{ "container", tp_complete_engine, TP_COMPLETE_NO_FILES },
	{ "network", tp_complete_engine, TP_COMPLETE_NO_FILES },
	{ "volume", tp_complete_engine, TP_COMPLETE_FILES }, /* -v takes paths as well */
};

struct question {
	const struct kind *kind;
	const struct tp_cursor *cursor;
};

static void ask(void *arg, int out)
{
	const struct question *q = arg;
	struct tp_answer a = TP_ANSWER_INIT(q->cursor->begun);
	FILE *f = fdopen(out, "w");

	q->kind->source(q->kind->name, q->cursor, &a);
	if (f) {
		tp_answer_print_values(&a, true, f);
		fflush(f);
	}
	tp_answer_free(&a);
}

static void add_kind(const struct tp_cursor *p, long long until, struct tp_answer *a)
{
	struct question q = { .cursor = p };
	TP_AUTO_BUF text = TP_BUF_INIT(ANSWER_MAX);

	for (size_t i = 0; i < TP_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, p->kind))
			q.kind = &kinds[i];
	if (!q.kind) {
		tp_answer_add_choices(a, p->kind);
		return;
	}
	a->files = q.kind->files;
	if (!strcmp(q.kind->name, "command"))
		add_commands(a);
	else if (!strcmp(q.kind->name, "variable"))
		add_variables(a);
	else if (q.kind->source && !tp_bounded(ask, &q, until, &text) && text.len)
		tp_answer_read_values(a, text.data);
}

static int run_complete(int argc, char **argv, struct tp_err *err)
{
	const bool notes = strcmp(argv[0], "__completeNoDesc") != 0;
	const long long until = tp_now_ms() + ANSWER_MS;
	struct tp_cursor p;
	struct tp_answer a;

	if (argc < 2)
		return tp_err_set(err, TP_ERR_USAGE, "%s WORD... (the last one may be empty)",
				  argv[0]);
	/* Whatever is wrong, the line that is being typed is not to be written into. */
	tp_log_set_level(TP_LOG_QUIET);
	tp_cursor_find(&p, tp_cmds, argc - 1, argv + 1);
	a = TP_ANSWER_INIT(p.begun);
	switch (p.what) {
	case TP_CURSOR_COMMAND:
		add_commands(&a);
		tp_answer_add_choices(&a, p.begun[0] == '-' ? "--help|--version" : "");
		break;
	case TP_CURSOR_OPTION:
		add_options(&p, &a);
		break;
	case TP_CURSOR_VALUE:
		if (p.kind)
			add_kind(&p, until, &a);
		break;
	case TP_CURSOR_NOWHERE:
		break;
	}
	tp_answer_print_values(&a, notes, stdout);
	tp_answer_print_directive(&a, stdout);
	tp_answer_free(&a);
	tp_cursor_free(&p);
	return 0;
}

const struct tp_cmd tp_cmd_complete = {
	.name = "__complete",
	.synopsis = "WORD...",
	.summary = "Tell a shell what the last word may become.",
	.hidden = true,
	.run = run_complete,
};

const struct tp_cmd tp_cmd_complete_bare = {
	.name = "__completeNoDesc",
	.synopsis = "WORD...",
	.summary = "The same without descriptions.",
	.hidden = true,
	.run = run_complete,
};
