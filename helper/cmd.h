/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: one file and one struct each; main() looks the word up. Usage
 * text, completion and the man page's synopsis come from here.
 */
#ifndef TP_CMD_H
#define TP_CMD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/opt.h"

#define TP_EXIT_FAILED 125 /* tpdocker itself failed, as docker run has it */

enum tp_cmd_docker {
	TP_NO_DOCKER_FLAGS = 0,
	TP_DOCKER_RUN_FLAGS,
	TP_DOCKER_NETWORK_FLAGS, /* those of the network namespace */
};

struct tp_cmd {
	const char *name;
	const char *synopsis;	      /* behind the name: "[OPTIONS] IMAGE [COMMAND...]" */
	const char *summary;	      /* one line */
	const char *const *examples;  /* "command line", "what it does", ..., NULL */
	const struct tp_opt *options; /* NULL: none */
	const char *notes;	      /* behind the options in the usage text; or NULL */
	bool hidden;
	/* For completion (complete/cursor.h). What completes the first argument, as in struct
	 * tp_opt; with "..." behind it each of them; NULL: nothing. */
	const char *complete;
	bool options_first;		 /* none is taken behind the first argument */
	enum tp_cmd_docker docker_flags; /* which of docker run's may stand among the options */
	/* argv[0] is the command's name. Returns the exit code; with -1 ERR was filled
	 * and main() prints it and exits with TP_EXIT_FAILED. */
	int (*run)(int argc, char **argv, struct tp_err *err);
};

extern const struct tp_cmd tp_cmd_run, tp_cmd_up, tp_cmd_down, tp_cmd_ps, tp_cmd_status,
	tp_cmd_logs, tp_cmd_session, tp_cmd_env, tp_cmd_connect, tp_cmd_disconnect, tp_cmd_compose,
	tp_cmd_devcontainer, tp_cmd_cleanup, tp_cmd_version, tp_cmd_help, tp_cmd_completion,
	tp_cmd_guardian, tp_cmd_complete, tp_cmd_complete_bare;
extern const struct tp_cmd *const tp_cmds[]; /* ends with NULL */

const struct tp_cmd *tp_cmd_find(const char *name);
/* The usage text of one command on stdout. */
void tp_cmd_usage(const struct tp_cmd *c);

#endif
