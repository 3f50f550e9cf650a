/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being a plugin of the docker CLI. Installed as docker-NAME in one of docker's
 * plugin folders, the program is called by `docker NAME ...`: with docker's whole
 * command line, docker's own options before NAME, and
 *
 *   DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND   the docker that was typed: the one to run
 *   DOCKER_CLI_PLUGIN_SOCKET                 (since 25) an abstract unix socket; docker
 *                                            closes it when it is asked to end
 *
 * The same file called otherwise, by whatever name, is the ordinary program.
 */
#ifndef TP_DOCKER_PLUGIN_H
#define TP_DOCKER_PLUGIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/log.h"
#include "docker/endpoint.h"

#define TP_PLUGIN_CLI "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"

/* The one argument with which docker asks what a plugin is. */
#define TP_PLUGIN_METADATA "docker-cli-plugin-metadata"

struct tp_plugin {
	bool called;			  /* docker calls us */
	char *name;			  /* NAME, when it does: "tpdocker" */
	struct tp_docker_globals globals; /* docker's options; strings of argv's */
	/* What there is to do, in the words of the program called by its own name:
	 * "docker --context x tpdocker run img" is {argv[0], "run", "img"}. */
	struct tp_strv args;
};

/* Takes a command line apart. CLI: the first of the variables above, NULL if it
 * is not set. 0, or -1 ERR (USAGE) for what only docker's options can be and
 * is wrong. Nothing is looked at but the arguments. */
int tp_plugin_parse(struct tp_plugin *p, int argc, char *const *argv, const char *cli,
		    struct tp_err *err);
void tp_plugin_free(struct tp_plugin *p);

/* The answer to TP_PLUGIN_METADATA, on stdout. */
void tp_plugin_print_metadata(void);

/* From now on docker's options are what every engine is looked for with, texts
 * say "docker NAME", and the log level is docker's unless an option of ours
 * says otherwise. P must live as long as the process. */
void tp_plugin_use(const struct tp_plugin *p);

/* docker's options; all unset if docker does not call us. */
const struct tp_docker_globals *tp_plugin_globals(void);
/* What docker's --debug and --log-level ask for. */
enum tp_log_level tp_plugin_log_level(void);

/* Signals for docker do not reach us when there is no terminal; so this process
 * gets a SIGTERM from itself (getpid() is the sender) when docker closes its
 * socket, or, with a docker that has none, when docker has ended. */
void tp_plugin_follow(void);
/* In a child that lives on without docker. */
void tp_plugin_unfollow(void);

#endif
