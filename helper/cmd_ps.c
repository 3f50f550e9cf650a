/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "session/known.h"
#include "session/options.h"

#define COLUMNS 5

struct ps_opts {
	struct tp_session_opts talk; /* first: TP_TALK_OPTS wants it */
	char *format;
};

static const struct tp_opt table[] = {
	{ .name = "format",
	  .type = TP_OPT_STRING,
	  .arg = "table|json",
	  .help = "how to print (default: table)",
	  .offset = offsetof(struct ps_opts, format),
	  .complete = "table|json" },
	TP_TALK_OPTS,
	TP_OPT_END,
};

struct row {
	char *cell[COLUMNS];
};

static void print_table(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < COLUMNS; c++) {
			size_t width = 0;

			for (size_t j = 0; j < n; j++)
				if (strlen(rows[j].cell[c]) > width)
					width = strlen(rows[j].cell[c]);
			if (c + 1 < COLUMNS)
				printf("%-*s   ", (int)width, rows[i].cell[c]);
			else
				printf("%s\n", rows[i].cell[c]);
		}
	}
}

static void fill_row(struct row *row, const struct tp_known *k)
{
	tp_autofree char *workload = tp_known_workload(&k->record);
	char age[64];

	tp_duration_print(time(NULL) - k->record.started, age, sizeof(age));
	row->cell[0] = tp_strdup(tp_known_name(k));
	row->cell[1] = tp_strdup(tp_known_state_word(k->state));
	row->cell[2] = tp_asprintf("%s ago", age);
	row->cell[3] = workload ? tp_steal(&workload) : tp_asprintf("pod/%s", k->record.pod ?: "?");
	row->cell[4] = tp_strdup(k->record.namespace ?: "");
}

static int print_sessions(bool json, struct tp_err *err)
{
	static const char *const head[COLUMNS] = { "NAME", "STATE", "SINCE", "WORKLOAD",
						   "NAMESPACE" };
	TP_AUTO_STRV ids = { 0 };
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree struct row *rows = NULL;
	tp_autofree char *text = NULL;
	size_t n = 1, dead = 0;

	if (tp_record_list(&ids, err))
		return -1;
	rows = tp_calloc(ids.n + 1, sizeof(*rows));
	for (size_t c = 0; c < COLUMNS; c++)
		rows[0].cell[c] = tp_strdup(head[c]);
	tp_jw_array(w, NULL);
	for (size_t i = 0; i < ids.n; i++) {
		struct tp_known k;
		struct tp_err e = { 0 };

		if (tp_known_load(ids.v[i], &k, &e)) {
			if (e.kind != TP_ERR_NOT_FOUND) /* ended just now */
				tp_warn("%s", e.msg);
			continue;
		}
		dead += k.state == TP_KNOWN_DEAD;
		fill_row(&rows[n++], &k);
		tp_jw_object(w, NULL);
		tp_known_write(&k, w);
		tp_jw_end(w);
		tp_known_free(&k);
	}
	tp_jw_end(w);
	text = tp_jw_finish(w, NULL, err);
	if (text && json)
		printf("%s\n", text);
	else if (text)
		print_table(rows, n);
	for (size_t i = 0; i < n; i++)
		for (size_t c = 0; c < COLUMNS; c++)
			free(rows[i].cell[c]);
	if (dead)
		tp_warn("the process of %s died; `%s cleanup` undoes what is left",
			dead == 1 ? "a session" : "some sessions", tp_program());
	return text ? 0 : -1;
}

static int run_ps(int argc, char **argv, struct tp_err *err)
{
	struct ps_opts o = { 0 };
	int code = -1, first = tp_opt_parse(table, &o, argc, argv, 1, err);
	tp_autofree char *format = o.format;

	if (first < 0)
		return -1;
	tp_session_opts_log(&o.talk);
	if (o.talk.help) {
		tp_cmd_usage(&tp_cmd_ps);
		code = 0;
	} else if (first < argc) {
		tp_err_set(err, TP_ERR_USAGE, "`ps` takes no names; `%s status %s` tells more",
			   tp_program(), argv[first]);
	} else if (format && strcmp(format, "table") && strcmp(format, "json")) {
		tp_err_set(err, TP_ERR_USAGE, "--format %s: it is table or json", format);
	} else {
		code = print_sessions(format && !strcmp(format, "json"), err);
	}
	return code;
}

static const char *const examples[] = {
	"ps",
	"the sessions of this user on this machine, those of `run` as well",
	"ps --format json | jq -r '.[] | select(.state == \"ready\") | .name'",
	"for a script",
	NULL,
};

const struct tp_cmd tp_cmd_ps = {
	.name = "ps",
	.synopsis = "[--format table|json]",
	.summary = "List sessions.",
	.examples = examples,
	.options = table,
	.run = run_ps,
};
