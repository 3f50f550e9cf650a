/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd.h"
#include "http/http.h"
#include "session/timings.h"

int main(int argc, char **argv)
{
	struct tp_err err = { 0 };
	const struct tp_cmd *c;
	const char *word = argc > 1 ? argv[1] : "help";
	int code;

	tp_timings_start();
	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
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
		tp_error("there is no command \"%s\"%s%s%s; `tpdocker help` lists them", word,
			 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		return TP_EXIT_FAILED;
	}
	tp_http_global_init();
	/* A command looks at argv from its own name on. */
	code = c->run(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv, &err);
	if (code < 0) {
		tp_error("%s", err.msg);
		if (err.kind == TP_ERR_USAGE && isatty(STDERR_FILENO))
			tp_info("`tpdocker %s --help` shows how it is used", c->name);
		code = TP_EXIT_FAILED;
	}
	return code;
}
