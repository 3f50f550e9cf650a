/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"

static const struct {
	const char *name, *usage, *what;
	int (*fn)(int argc, char **argv);
} commands[] = {
	{ "run", "", "stand in for the pod's container (PID 1)", tp_agent_run },
	{ "describe", "[PORT...]", "print environment, name, mounts, and whether ports are free",
	  tp_agent_describe },
	{ "dns", "[SERVER...]", "carry DNS messages to the pod's nameservers", tp_agent_dns },
	{ "tunnel", "", "serve sshuttle's connections", tp_agent_tunnel },
	{ "engine", "", "serve the native engine's connections", tp_agent_engine },
	{ "socks", "", "serve SOCKS 5 on the pod's loopback", tp_agent_socks },
	{ "authorize", "KEY", "let a session in", tp_agent_authorize },
	{ "revoke", "KEY", "take that back", tp_agent_revoke },
};

static void usage(FILE *f)
{
	size_t i;

	fprintf(f, "tpdocker-agent %s: the pod's side of tpdocker, started by it\n\n", TP_VERSION);
	for (i = 0; i < TP_ARRAY_SIZE(commands); i++)
		fprintf(f, "  tpdocker-agent %-9s %-11s  %s\n", commands[i].name, commands[i].usage,
			commands[i].what);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 1)
		for (i = 0; i < TP_ARRAY_SIZE(commands); i++)
			if (strcmp(argv[1], commands[i].name) == 0)
				return commands[i].fn(argc - 1, argv + 1);
	if (argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)) {
		usage(stdout);
		return 0;
	}
	if (argc > 1 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0)) {
		puts("tpdocker-agent " TP_VERSION);
		return 0;
	}
	usage(stderr);
	return 2;
}
