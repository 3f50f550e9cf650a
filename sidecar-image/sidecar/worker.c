/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sidecar/sidecar.h"

struct worker {
	pid_t pid;
	int sock;
	struct tp_watch *watch;
	struct tp_timer *timer;
	worker_done_fn *done;
	void *arg;
};

static void finish(struct worker *w, const char *text, size_t n, int fd)
{
	worker_done_fn *done = w->done;
	void *arg = w->arg;

	tp_watch_del(w->watch);
	tp_timer_del(w->timer);
	close(w->sock);
	free(w);
	done(arg, text, n, fd);
}

static void on_message(void *arg, int events)
{
	struct worker *w = arg;
	char text[WORKER_TEXT_MAX];
	int fd;
	ssize_t n = recv_with_fd(w->sock, text, sizeof(text), &fd);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	finish(w, n > 0 ? text : NULL, n > 0 ? (size_t)n : 0, fd);
}

static void on_timeout(void *arg)
{
	struct worker *w = arg;

	w->timer = NULL;
	kill(w->pid, SIGKILL);
	finish(w, NULL, 0, -1);
}

static _Noreturn void child(worker_fn *fn, void *arg, int sock)
{
	static char text[WORKER_TEXT_MAX];
	sigset_t none;
	int fd = -1;
	size_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	n = fn(arg, text, &fd);
	_exit(send_with_fd(sock, text, n, fd) < 0);
}

int worker_start(struct tp_loop *l, worker_fn *fn, worker_done_fn *done, void *arg, int ms,
		 struct tp_err *err)
{
	int pair[2];
	struct worker *w;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return tp_err_errno(err, errno, "socketpair");
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return tp_err_errno(err, errno, "fork");
	}
	if (!pid)
		child(fn, arg, pair[1]);
	close(pair[1]);
	w = tp_calloc(1, sizeof(*w));
	*w = (struct worker){ .pid = pid, .sock = pair[0], .done = done, .arg = arg };
	w->watch = tp_watch_add(l, w->sock, TP_READ, on_message, w);
	w->timer = tp_timer_add(l, ms, on_timeout, w);
	return 0;
}
