/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of a session without an engine: the helper is in this image as well, and is our child. What a PID 1 is for is done
 * here, so that the helper is the same program everywhere: signals are passed on, and whatever ends is reaped.
 *
 * When the helper ends, so does the container. If it was killed, its guardian still has the workload to restore, and
 * the container lives until nothing runs in it any more.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/mem.h"
#include "sidecar/sidecar.h"

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

/* -1, or the helper's status. *LEFT: whether anything runs still. */
static int reap(pid_t helper, bool *left)
{
	int status, its = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == helper)
			its = status;
	*left = pid == 0;
	return its;
}

static int watch_over(struct tp_child *helper)
{
	pid_t pid = helper->pid;
	bool killed = false, left;
	int status, code = 0;
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < TP_ARRAY_SIZE(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	for (;;) {
		if (sigwaitinfo(&set, &si) < 0)
			continue;
		if (si.si_signo != SIGCHLD) {
			/* Of a terminal's own it has got one already. */
			if (!killed && si.si_code != SI_KERNEL)
				kill(pid, si.si_signo);
			continue;
		}
		status = reap(pid, &left);
		if (status >= 0) {
			code = tp_status_code(status);
			killed = WIFSIGNALED(status);
			if (!killed)
				return code;
			tp_error("the session's process was killed (signal %d); what it has made "
				 "is undone",
				 WTERMSIG(status));
		}
		if (killed && !left)
			return code;
	}
}

int sidecar_session(int argc, char **argv)
{
	char **words = tp_calloc((size_t)argc + 2, sizeof(*words));
	struct tp_child_opts o = { .argv = words };
	struct tp_child helper;
	struct tp_err err;
	sigset_t set;

	words[0] = (char *)TP_HELPER_PROGRAM;
	for (int i = 0; i < argc; i++)
		words[i + 1] = argv[i];
	/* The kernel gives PID 1 none that it has not asked for. */
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (tp_child_start(&helper, &o, &err)) {
		tp_error("%s", err.msg);
		return 125;
	}
	return watch_over(&helper);
}
