/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the link inside the container, where no socket can be shared:
 * the helper runs this through docker exec and owns its stdin and stdout. With
 * "host" behind it, it carries what goes to the helper's machine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/relay.h"
#include "base/stream.h"
#include "sidecar/sidecar.h"

static void on_end(void *arg, const char *reason)
{
	if (reason)
		tp_error("link: %s", reason);
	tp_loop_stop(arg, reason != NULL);
}

int sidecar_link(int argc, char **argv)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = DIR_LOCAL };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd = -1;
	struct tp_loop *loop;
	char word[8];

	const char *which = argc > 1 && strcmp(argv[1], "host") == 0 ? "host" : "link";

	if (sock < 0 || connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    send_with_fd(sock, which, 4, -1) < 0 ||
	    recv_with_fd(sock, word, sizeof(word), &fd) <= 0 || fd < 0) {
		tp_error("link: nobody waits for one");
		return 1;
	}
	close(sock);
	loop = tp_loop_new();
	tp_relay_start(loop, tp_stream_from_fds(STDIN_FILENO, STDOUT_FILENO), tp_stream_from_fd(fd),
		       0, on_end, loop);
	return tp_loop_run(loop);
}
