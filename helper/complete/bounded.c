/* SPDX-License-Identifier: Apache-2.0 */
#include "complete/bounded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"

/* A program that renews credentials may want to ask for a password, on the
 * terminal or in a window, or to open a browser: nobody has asked for that. */
static void be_alone(void)
{
	static const char *const windows[] = { "DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS",
					       "SUDO_ASKPASS", "GIT_ASKPASS" };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < TP_ARRAY_SIZE(windows); i++)
		unsetenv(windows[i]);
	setenv("SSH_ASKPASS_REQUIRE", "never", 1);
	setenv("BROWSER", "false", 1);
	if (null < 0)
		_exit(1);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
}

/* 0 at the end of FD, -1 when time is over or there is too much. */
static int collect(int fd, long long until, struct tp_buf *b)
{
	for (;;) {
		long long left = until - tp_now_ms();
		char p[4096];
		ssize_t n;

		if (left <= 0 || tp_cancel_poll(NULL, fd, POLLIN, (int)left, NULL) != 1)
			return -1;
		n = read(fd, p, sizeof(p));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		if (tp_buf_put(b, p, (size_t)n))
			return -1;
	}
}

int tp_bounded(void (*fn)(void *arg, int out), void *arg, long long until, struct tp_buf *b)
{
	tp_autoclose int in = -1;
	int pipe_fds[2], status = -1, rc = -1;
	siginfo_t info;
	pid_t pid;

	if (tp_now_ms() >= until || pipe2(pipe_fds, O_CLOEXEC))
		return -1;
	in = pipe_fds[0];
	pid = fork();
	if (!pid) {
		be_alone();
		fn(arg, pipe_fds[1]);
		_exit(0);
	}
	close(pipe_fds[1]);
	if (pid < 0)
		return -1;
	if (!collect(in, until, b))
		rc = 0;
	/* It has a process group of its own, or is about to have one. */
	if (rc && kill(-pid, SIGKILL))
		kill(pid, SIGKILL);
	/* As long as it is not reaped, that number is nobody else's. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) && errno == EINTR)
		;
	kill(-pid, SIGKILL); /* whom it started */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc || status)
		tp_buf_reset(b);
	return rc || status ? -1 : 0;
}
