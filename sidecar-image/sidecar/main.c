/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sidecar/sidecar.h"

static const struct {
	const char *name, *what;
	int (*fn)(int argc, char **argv);
} commands[] = {
	{ "run", "own a session's network (PID 1); driven by tpdocker on stdin", sidecar_run },
	{ TP_SIDECAR_RUN_HOST, "the same in the machine's own network namespace", sidecar_run },
	{ "session", "a whole session in this container: `docker run ... session --help`",
	  sidecar_session },
	{ "health", "whether the session is ready", sidecar_health },
	{ "link", "carry one connection to the agent (or the helper: host) on stdin and stdout",
	  sidecar_link },
	{ "dial", "ssh's ProxyCommand", sidecar_dial },
	{ "transport", "sshuttle's ssh command", sidecar_transport },
	{ "redirect", "the native engine: takes connections; stdin is the way to the agent",
	  sidecar_redirect },
	{ "filters", "whether a packet filter can be set here: \"yes\", or why not",
	  sidecar_filters },
	{ "mounts", "mount the pod's files into containers; driven on stdin", sidecar_mounts },
	{ "sftp", "sshfs's ssh command", sidecar_sftp },
};

static void usage(FILE *f)
{
	size_t i;

	fprintf(f,
		"tpdocker-sidecar %s: the local side of tpdocker. It is not run by hand:\n"
		"`tpdocker run -it IMAGE` starts it, and so does `session`.\n\n",
		TP_VERSION);
	for (i = 0; i < TP_ARRAY_SIZE(commands); i++)
		fprintf(f, "  tpdocker-sidecar %-9s  %s\n", commands[i].name, commands[i].what);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 1)
		for (i = 0; i < TP_ARRAY_SIZE(commands); i++)
			if (strcmp(argv[1], commands[i].name) == 0)
				return commands[i].fn(argc - 1, argv + 1);
	if (argc > 1 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
		puts("tpdocker-sidecar " TP_VERSION);
		return 0;
	}
	if (argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)) {
		usage(stdout);
		return 0;
	}
	usage(stderr);
	return 2;
}
