/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "session/options.h"
#include "session/record.h"
#include "session/up.h"

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
	tp_session_opts_log(&o.talk);
	for (int i = first; i < argc; i++)
		tp_strv_add(&names, argv[i]);
	if (o.all ? names.n > 0 : names.n == 0)
		return tp_err_set(err, TP_ERR_USAGE, "which session? Name them, or give --all");
	if (o.all && all_names(&names, err))
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct tp_err e = { 0 };

		if (!tp_down(names.v[i], NULL, &e)) {
			printf("%s\n", names.v[i]);
			continue;
		}
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
