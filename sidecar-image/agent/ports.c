/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether ports of the pod can be listened on. They are bound and let go
 * again, without listening: nobody can connect meanwhile, and what listens
 * already shows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/mem.h"

/* "0.0.0.0:80" */
static int parse(const char *text, struct sockaddr_in *sin)
{
	const char *colon = strrchr(text, ':');
	tp_autofree char *ip = colon ? tp_strndup(text, (size_t)(colon - text)) : NULL;
	char *end;
	long port;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return -1;
	port = strtol(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535)
		return -1;
	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, ip, &sin->sin_addr) == 1 ? 0 : -1;
}

/* The same option as sshd's listeners have: what only waits for its last
 * packets is in nobody's way. */
static const char *try(const struct sockaddr_in *sin)
{
	tp_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (const struct sockaddr *)sin, sizeof(*sin)) == 0)
		return "ok";
	if (errno == EACCES || errno == EPERM)
		return "denied";
	return errno == EADDRINUSE ? "taken" : strerror(errno);
}

int tp_agent_ports(char *const *wanted, struct tp_buf *out)
{
	for (; *wanted; wanted++) {
		struct sockaddr_in sin;

		if (parse(*wanted, &sin) < 0 ||
		    tp_buf_printf(out, "%s %s\n", *wanted, try(&sin)) < 0)
			return -1;
	}
	return 0;
}
