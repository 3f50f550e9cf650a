/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sshuttle takes for ssh. sshuttle uploads its server's Python source,
 * waits for that to greet, and only then sets its rules: all of it would
 * stand between the agent and the user's container. Our agent has a server
 * of its own (agent/tunnel.c), so the upload is thrown away here and the
 * greeting given at once; sshuttle is at work before there is a link. The
 * descriptor that it talks to goes to the supervisor, which joins it to the
 * agent without a process in between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "sidecar/sidecar.h"
#include "sidecar/upload.h"

/* '\0\0SSHUTTLE0001', then CMD_ROUTES without any: that starts the firewall */
static const char greeting[] = "\0\0SSHUTTLE0001"
			       "SS\0\0\x42\x07\0\0";

int sidecar_transport(int argc, char **argv)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = DIR_LOCAL };
	TP_AUTO_BUF b = TP_BUF_INIT(8u << 20);
	long assembler = tp_upload_assembler(argc > 1 ? argv[argc - 1] : "");
	int sock, rc;
	char byte;

	if (assembler < 0) {
		fprintf(stderr, "tpdocker: this is not the sshuttle that was expected\n");
		return 1;
	}
	while ((rc = tp_upload_complete(b.data, b.len, (size_t)assembler)) == 0) {
		char *room = tp_buf_reserve(&b, 65536);
		ssize_t n = room ? read(STDIN_FILENO, room, 65536) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		tp_buf_added(&b, (size_t)n);
	}
	if (rc <= 0) {
		fprintf(stderr, "tpdocker: sshuttle's upload is not what was expected\n");
		return 1;
	}
	tp_buf_free(&b);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (tp_write_all(STDOUT_FILENO, greeting, sizeof(greeting) - 1) < 0 || sock < 0 ||
	    connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    send_with_fd(sock, "tunnel", 6, STDIN_FILENO) < 0) {
		fprintf(stderr, "tpdocker: transport: %s\n", strerror(errno));
		return 1;
	}
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	/* sshuttle ends when its ssh does: that is when the tunnel is over */
	while (recv(sock, &byte, 1, 0) < 0 && errno == EINTR)
		;
	return 0;
}
