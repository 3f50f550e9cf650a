/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd.h"
#include "docker/plugin.h"
#include "http/http.h"
#include "session/hostless.h"
#include "session/timings.h"

int main(int argc, char **argv)
{
	static struct tp_plugin plugin; /* what is used of it is used to the end */
	struct tp_err err = { 0 };
	const struct tp_cmd *c;
	const char *word;
	int code;

	/* docker asks this of every plugin, whatever is typed: nothing else is done. */
	if (argc == 2 && !strcmp(argv[1], TP_PLUGIN_METADATA)) {
		tp_plugin_print_metadata();
		return 0;
	}
	tp_timings_start();
	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	if (tp_plugin_parse(&plugin, argc, argv, getenv(TP_PLUGIN_CLI), &err)) {
		tp_error("%s", err.msg);
		return TP_EXIT_FAILED;
	}
	tp_plugin_use(&plugin);
	argc = (int)plugin.args.n;
	argv = plugin.args.v;
	word = argc > 1 ? argv[1] : "help";
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		word = "help";
	else if (!strcmp(word, "--version") || !strcmp(word, "-v"))
		word = "version";
	c = tp_cmd_find(word);
	if (!c) {
		const char *names[32];
		const char *near;
		size_t n = 0;

		for (const struct tp_cmd *const *p = tp_cmds; *p && n < 32; p++)
			if (!(*p)->hidden)
				names[n++] = (*p)->name;
		near = tp_nearest(word, names, n);
		tp_error("there is no command \"%s\"%s%s%s; `%s help` lists them", word,
			 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "",
			 tp_program());
		return TP_EXIT_FAILED;
	}
	if (plugin.called && !c->hidden)
		tp_plugin_follow();
	tp_http_global_init();
	tp_hostless_mark();
	/* A command looks at argv from its own name on. */
	code = c->run(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv, &err);
	if (code < 0) {
		tp_error("%s", err.msg);
		if (err.kind == TP_ERR_USAGE && isatty(STDERR_FILENO))
			tp_info("`%s %s --help` shows how it is used", tp_program(), c->name);
		code = TP_EXIT_FAILED;
	}
	return code;
}
