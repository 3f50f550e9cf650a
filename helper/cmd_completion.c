/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell completion, made from the command table: the words of each command
 * and its options cannot drift from what is parsed.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd.h"

static void print_words(const struct tp_cmd *c)
{
	TP_OPT_FOREACH(o, c->options)
	printf(" --%s", o->name);
}

static void print_bash(void)
{
	printf("# bash completion of tpdocker; `tpdocker completion bash` wrote it\n"
	       "_tpdocker() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords='");
	for (const struct tp_cmd *const *p = tp_cmds; *p; p++)
		if (!(*p)->hidden)
			printf("%s ", (*p)->name);
	printf("'\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n");
	for (const struct tp_cmd *const *p = tp_cmds; *p; p++) {
		if ((*p)->hidden || !(*p)->options)
			continue;
		printf("\t\t%s) words='", (*p)->name);
		print_words(*p);
		printf("' ;;\n");
	}
	printf("\t\thelp) words='");
	for (const struct tp_cmd *const *p = tp_cmds; *p; p++)
		if (!(*p)->hidden)
			printf("%s ", (*p)->name);
	printf("' ;;\n\t\tcompletion) words='bash zsh fish' ;;\n\t\tesac\n\tfi\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "}\ncomplete -o default -F _tpdocker tpdocker\n");
}

static void print_fish_text(const char *s)
{
	for (; *s; s++)
		printf(*s == '\'' || *s == '\\' ? "\\%c" : "%c", *s);
}

static void print_fish(void)
{
	printf("# fish completion of tpdocker; `tpdocker completion fish` wrote it\n");
	for (const struct tp_cmd *const *p = tp_cmds; *p; p++) {
		if ((*p)->hidden)
			continue;
		printf("complete -c tpdocker -n __fish_use_subcommand -f -a %s -d '", (*p)->name);
		print_fish_text((*p)->summary);
		printf("'\n");
		TP_OPT_FOREACH(o, (*p)->options)
		{
			printf("complete -c tpdocker -n '__fish_seen_subcommand_from %s' -l %s%s -d '",
			       (*p)->name, o->name, o->type == TP_OPT_FLAG ? "" : " -r");
			print_fish_text(o->help);
			printf("'\n");
		}
	}
}

static int run_completion(int argc, char **argv, struct tp_err *err)
{
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		tp_cmd_usage(&tp_cmd_completion);
	} else if (argc == 2 && !strcmp(argv[1], "bash")) {
		print_bash();
	} else if (argc == 2 && !strcmp(argv[1], "zsh")) {
		printf("#compdef tpdocker\nautoload -U +X bashcompinit && bashcompinit\n");
		print_bash();
	} else if (argc == 2 && !strcmp(argv[1], "fish")) {
		print_fish();
	} else {
		return tp_err_set(err, TP_ERR_USAGE,
				  "which shell? `%s completion bash`, zsh or fish", tp_program());
	}
	return 0;
}

static const char *const examples[] = {
	"completion bash > /etc/bash_completion.d/tpdocker",
	"for all users of this machine",
	NULL,
};

const struct tp_cmd tp_cmd_completion = {
	.name = "completion",
	.synopsis = "bash|zsh|fish",
	.summary = "Print the completion script for a shell.",
	.examples = examples,
	.run = run_completion,
};
