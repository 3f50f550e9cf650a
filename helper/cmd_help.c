/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd.h"

const struct tp_cmd *const tp_cmds[] = {
	&tp_cmd_run,	  &tp_cmd_up,	    &tp_cmd_down,	   &tp_cmd_ps,
	&tp_cmd_status,	  &tp_cmd_logs,	    &tp_cmd_connect,	   &tp_cmd_disconnect,
	&tp_cmd_session,  &tp_cmd_env,	    &tp_cmd_compose,	   &tp_cmd_devcontainer,
	&tp_cmd_cleanup,  &tp_cmd_version,  &tp_cmd_help,	   &tp_cmd_completion,
	&tp_cmd_guardian, &tp_cmd_complete, &tp_cmd_complete_bare, NULL,
};

const struct tp_cmd *tp_cmd_find(const char *name)
{
	for (const struct tp_cmd *const *p = tp_cmds; *p; p++)
		if (!strcmp((*p)->name, name))
			return *p;
	return NULL;
}

void tp_cmd_usage(const struct tp_cmd *c)
{
	printf("Usage: %s %s%s%s\n\n%s\n", tp_program(), c->name, *c->synopsis ? " " : "",
	       c->synopsis, c->summary);
	for (const char *const *e = c->examples; e && *e; e += 2)
		printf("%s  %s %s\n      %s\n", e == c->examples ? "\nExamples:\n" : "",
		       tp_program(), e[0], e[1]);
	if (c->options) {
		printf("\nOptions:\n");
		tp_opt_print(c->options, stdout);
	}
	if (c->notes)
		printf("\n%s\n", c->notes);
}

static int run_help(int argc, char **argv, struct tp_err *err)
{
	const struct tp_cmd *c;

	if (argc > 1) {
		c = tp_cmd_find(argv[1]);
		if (!c)
			return tp_err_set(err, TP_ERR_USAGE, "there is no command \"%s\"", argv[1]);
		tp_cmd_usage(c);
		return 0;
	}
	printf("Usage: %s COMMAND [OPTIONS]\n\n"
	       "Run a container on this machine as if it ran inside a Kubernetes cluster.\n\n"
	       "Commands:\n",
	       tp_program());
	for (const struct tp_cmd *const *p = tp_cmds; *p; p++)
		if (!(*p)->hidden)
			printf("  %-12s %s\n", (*p)->name, (*p)->summary);
	printf("\n`%s COMMAND --help` tells more; `man tpdocker` tells all.\n", tp_program());
	return 0;
}

const struct tp_cmd tp_cmd_help = {
	.name = "help",
	.synopsis = "[COMMAND]",
	.summary = "Show the commands, or how one is used.",
	.complete = "command",
	.run = run_help,
};
