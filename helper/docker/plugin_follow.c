/* SPDX-License-Identifier: Apache-2.0 */
/* When docker is asked to end, or is gone. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "docker/plugin.h"

#define SOCKET_ENV "DOCKER_CLI_PLUGIN_SOCKET"
#define STACK	   (256u << 10)

static int followed = -1; /* docker's socket, or docker itself (a pidfd) */

/* "@name" is abstract, anything else a path. */
static int dial(const char *address)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(address);
	tp_autoclose int fd = -1;

	if (!n || n >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, address, n + 1);
	if (address[0] == '@')
		a.sun_path[0] = '\0'; /* the name is as long as it is: no NUL behind it */
	else
		n++;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)))
		return -1;
	return tp_steal_fd(&fd);
}

static void *wait_for_end(void *arg)
{
	const int fd = followed;
	const bool is_socket = arg != NULL;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		char c;

		if (poll(&p, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return NULL;
		}
		/* docker writes nothing; should it once, that is not the end. */
		if (is_socket && read(fd, &c, 1) > 0)
			continue;
		kill(getpid(), SIGTERM);
		return NULL;
	}
}

void tp_plugin_follow(void)
{
	const char *address = getenv(SOCKET_ENV);
	bool is_socket = false;
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	if (address)
		followed = dial(address);
	is_socket = followed >= 0;
	/* It is for us alone: not for the docker that we run. */
	unsetenv(SOCKET_ENV);
	if (!is_socket)
		followed = (int)syscall(SYS_pidfd_open, getppid(), 0); /* close-on-exec */
	if (followed < 0)
		return;
	/* Signals are for the thread that knows what to do with them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	if (pthread_create(&thread, &attr, wait_for_end, is_socket ? &followed : NULL))
		tp_close_p(&followed);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void tp_plugin_unfollow(void)
{
	tp_close_p(&followed); /* fork took no thread along */
}
