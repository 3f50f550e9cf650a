/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between fork and exec only async-signal-safe calls are allowed, since other
 * threads may hold locks: everything that needs memory (the program's path,
 * the environment, pipes) is made before.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* What a child's status is when somebody else has reaped it. */
#define UNKNOWN_STATUS (255 << 8)

/* What the child needs, made by the parent. */
struct plan {
	const struct tp_child_opts *o;
	char *path;
	char **env;    /* the strings are not owned */
	int stdio[3];  /* what becomes 0, 1 and 2; -1 = inherit */
	int null;      /* /dev/null, for what is closed or wanted so */
	int report[2]; /* errno of what failed; closes at exec */
	int ours[3];   /* our ends of the pipes */
	int theirs[3]; /* their ends */
	pid_t parent;
};

static void plan_free(struct plan *p)
{
	free(p->path);
	free(p->env);
	tp_close_p(&p->null);
	for (int i = 0; i < 2; i++)
		tp_close_p(&p->report[i]);
	for (int i = 0; i < 3; i++) {
		tp_close_p(&p->ours[i]);
		tp_close_p(&p->theirs[i]);
	}
}

/* Away from 0, 1 and 2, which the child overwrites. */
static int move_up(int *fd)
{
	int high;

	if (*fd > 2)
		return 0;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		return -1;
	close(*fd);
	*fd = high;
	return 0;
}

static int make_pipe(int fds[2], struct tp_err *err)
{
	if (pipe2(fds, O_CLOEXEC)) {
		fds[0] = fds[1] = -1;
		return tp_err_errno(err, errno, "pipe");
	}
	if (move_up(&fds[0]) || move_up(&fds[1]))
		return tp_err_errno(err, errno, "pipe");
	return 0;
}

/* The program's file. A bare name is searched for in PATH, by us: execvp
 * takes memory, and would run what it does not know with a shell. */
static char *find_program(const char *name, struct tp_err *err)
{
	const char *dirs = getenv("PATH"), *end;
	int why = ENOENT;

	if (strchr(name, '/'))
		return tp_strdup(name);
	if (!dirs)
		dirs = "/usr/local/bin:/usr/bin:/bin";
	for (; *name; dirs = end + 1) {
		tp_autofree char *path = NULL;
		struct stat st;

		end = strchrnul(dirs, ':');
		path = tp_asprintf("%.*s/%s", end > dirs ? (int)(end - dirs) : 1,
				   end > dirs ? dirs : ".", name);
		if (!stat(path, &st) && S_ISREG(st.st_mode)) {
			if (!access(path, X_OK))
				return tp_steal(&path);
			why = EACCES;
		}
		if (!*end)
			break;
	}
	if (why == ENOENT)
		tp_err_set(err, TP_ERR_NOT_FOUND, "%s: no such program in PATH", name);
	else
		tp_err_errno(err, why, "%s", name);
	return NULL;
}

static bool same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return !strncmp(a, b, n) && (b[n] == '=' || b[n] == '\0');
}

static char **make_env(const struct tp_child_opts *o)
{
	char *const *base = o->env ? o->env : environ;
	size_t n = 0, n_add = 0, used = 0;
	char **env;

	while (base && base[n])
		n++;
	while (o->env_add && o->env_add[n_add])
		n_add++;
	env = tp_calloc(n + n_add + 1, sizeof(*env));
	for (size_t i = 0; i < n; i++) {
		bool replaced = false;

		for (size_t j = 0; j < n_add && !replaced; j++)
			replaced = same_key(o->env_add[j], base[i]);
		if (!replaced)
			env[used++] = base[i];
	}
	for (size_t j = 0; j < n_add; j++)
		env[used++] = o->env_add[j];
	return env;
}

static int make_plan(struct plan *p, struct tp_err *err)
{
	const struct tp_child_opts *o = p->o;
	enum tp_stdio modes[3] = { o->in, o->out, o->err };

	if (!o->argv || !o->argv[0])
		return tp_err_set(err, TP_ERR_FAILED, "no program to run");
	p->path = find_program(o->argv[0], err);
	if (!p->path)
		return -1;
	p->env = make_env(o);
	p->parent = getpid();
	p->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (p->null < 0 || move_up(&p->null))
		return tp_err_errno(err, errno, "/dev/null");
	if (make_pipe(p->report, err))
		return -1;
	for (int i = 0; i < 3; i++) {
		int fds[2];

		if (i == 0 && o->in_fd > 0) {
			p->stdio[i] = o->in_fd;
		} else if (i == 1 && o->out_fd > 2) {
			p->stdio[i] = o->out_fd;
		} else if (modes[i] == TP_STDIO_NULL) {
			p->stdio[i] = p->null;
		} else if (modes[i] == TP_STDIO_PIPE) {
			if (make_pipe(fds, err)) {
				tp_close_p(&fds[0]);
				tp_close_p(&fds[1]);
				return -1;
			}
			p->ours[i] = fds[i == 0];
			p->theirs[i] = fds[i != 0];
			p->stdio[i] = p->theirs[i];
		}
	}
	return 0;
}

/* -------- in the child: async-signal-safe calls only, and no return */

static void child_fail(const struct plan *p) __attribute__((noreturn));

static void child_fail(const struct plan *p)
{
	int why = errno;
	ssize_t ignored = write(p->report[1], &why, sizeof(why));

	(void)ignored;
	_exit(127);
}

static void mark_all_cloexec(void)
{
	struct rlimit limit;
	int max = 1024;

	if (!syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC))
		return;
	/* Linux before 5.11, or a seccomp filter of that time */
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		max = limit.rlim_cur > 65536 ? 65536 : (int)limit.rlim_cur;
	for (int fd = 3; fd < max; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0)
			fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	}
}

static void run_child(struct plan *p) __attribute__((noreturn));

static void run_child(struct plan *p)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL); /* some cannot be set: never mind */

	if (p->o->new_session && setsid() < 0)
		child_fail(p);
	if (p->o->die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL))
			child_fail(p);
		if (getppid() != p->parent)
			_exit(127); /* it died before we asked */
	}

	/* in_fd may be 1 or 2, which are about to change */
	if (p->stdio[0] == 1 || p->stdio[0] == 2) {
		p->stdio[0] = fcntl(p->stdio[0], F_DUPFD_CLOEXEC, 3);
		if (p->stdio[0] < 0)
			child_fail(p);
	}
	for (int i = 0; i < 3; i++) {
		if (p->stdio[i] < 0) {
			int flags = fcntl(i, F_GETFD);

			if (flags >= 0) {
				fcntl(i, F_SETFD, flags & ~FD_CLOEXEC);
				continue;
			}
			p->stdio[i] = p->null; /* a closed one would be taken by some file */
		}
		if (dup2(p->stdio[i], i) < 0)
			child_fail(p);
	}
	mark_all_cloexec();
	for (size_t i = 0; i < p->o->n_keep_fds; i++) {
		int fd = p->o->keep_fds[i];
		int flags = fd > 2 ? fcntl(fd, F_GETFD) : 0;

		if (flags < 0 || (fd > 2 && fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC)))
			child_fail(p);
	}

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(p->path, p->o->argv, p->env);
	child_fail(p);
}

/* -------- in the parent again */

static int reap_blocking(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return UNKNOWN_STATUS;
	}
	return status;
}

int tp_child_start(struct tp_child *c, const struct tp_child_opts *o, struct tp_err *err)
{
	tp_autoclean(plan_free) struct plan p = {
		.o = o,
		.stdio = { -1, -1, -1 },
		.null = -1,
		.report = { -1, -1 },
		.ours = { -1, -1, -1 },
		.theirs = { -1, -1, -1 },
	};
	sigset_t all, old;
	int why = 0, fork_errno;
	ssize_t n;
	pid_t pid;

	*c = TP_CHILD_INIT;
	if (make_plan(&p, err))
		return -1;

	/* no handler of ours may run in the child */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		run_child(&p);
	fork_errno = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return tp_err_errno(err, fork_errno, "%s: fork", o->argv[0]);

	tp_close_p(&p.report[1]);
	do
		n = read(p.report[0], &why, sizeof(why));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(why)) {
		reap_blocking(pid);
		return tp_err_errno(err, why, "cannot run %s", o->argv[0]);
	}

	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (c->pidfd < 0) {
		why = errno;
		kill(pid, SIGKILL);
		reap_blocking(pid);
		return tp_err_errno(err, why, "%s: pidfd_open", o->argv[0]);
	}
	c->pid = pid;
	c->in = tp_steal_fd(&p.ours[0]);
	c->out = tp_steal_fd(&p.ours[1]);
	c->err = tp_steal_fd(&p.ours[2]);
	return 0;
}

int tp_child_reap(struct tp_child *c, int *status)
{
	int s = UNKNOWN_STATUS;
	pid_t got;

	if (c->pid > 0) {
		do
			got = waitpid(c->pid, &s, WNOHANG);
		while (got < 0 && errno == EINTR);
		if (got == 0)
			return 1;
		if (got < 0)
			s = UNKNOWN_STATUS; /* reaped by somebody else */
	}
	c->pid = 0; /* the pidfd stays open: a loop may still watch it */
	if (status)
		*status = s;
	return 0;
}

int tp_child_wait(struct tp_child *c, int ms, int *status, struct tp_cancel *cancel,
		  struct tp_err *err)
{
	int rc;

	if (c->pid <= 0)
		return tp_err_set(err, TP_ERR_FAILED, "no such child process");
	rc = tp_cancel_poll(cancel, c->pidfd, POLLIN, ms, err);
	if (rc < 0)
		return -1;
	return rc == 0 ? 1 : tp_child_reap(c, status);
}

void tp_child_signal(struct tp_child *c, int sig)
{
	if (c->pid > 0) /* not reaped yet, so the number is still its own */
		kill(c->pid, sig);
}

void tp_child_free(struct tp_child *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		reap_blocking(c->pid);
	}
	c->pid = 0;
	tp_close_p(&c->pidfd);
	tp_close_p(&c->in);
	tp_close_p(&c->out);
	tp_close_p(&c->err);
}

int tp_status_code(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return 255;
}

/* -------- tp_child_run */

enum { COLLECT_MORE, COLLECT_END, COLLECT_FULL };

static void set_nonblocking(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Puts what *FD has into B; COLLECT_FULL when B is full, unless KEEP_END:
 * then the front gives way. Closes *FD at its end. */
static int collect(int *fd, struct tp_buf *b, bool keep_end)
{
	char chunk[16384];
	const char *p = chunk;
	ssize_t n = read(*fd, chunk, sizeof(chunk));
	size_t len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return COLLECT_MORE;
	if (n <= 0) {
		tp_close_p(fd);
		return COLLECT_END;
	}
	len = (size_t)n;
	if (!b)
		return COLLECT_MORE;
	if (keep_end) {
		if (len > b->max) {
			p += len - b->max;
			len = b->max;
		}
		if (len > b->max - b->len)
			tp_buf_consume(b, len - (b->max - b->len));
	}
	n = tp_buf_put(b, p, len);
	tp_wipe(chunk, sizeof(chunk));
	return n ? COLLECT_FULL : COLLECT_MORE;
}

/* Sends what is left of the input; closes *FD when all is sent or nobody
 * reads any more, which is the child's right. */
static void feed(int *fd, const char **p, size_t *n)
{
	ssize_t done = *n ? write(*fd, *p, *n) : 0;

	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (done > 0) {
		*p += done;
		*n -= (size_t)done;
	}
	if (done < 0 || !*n)
		tp_close_p(fd);
}

int tp_child_run(const struct tp_child_opts *o, const void *input, size_t n, struct tp_buf *out,
		 struct tp_buf *errtext, int ms, int *status, struct tp_cancel *cancel,
		 struct tp_err *err)
{
	long long end = ms < 0 ? -1 : tp_now_ms() + ms;
	struct tp_child_opts opts = *o;
	TP_AUTO_CHILD c = TP_CHILD_INIT;
	const char *name = o->argv[0], *from = input;
	struct sigaction old;
	bool ended = false;
	int code = 0;

	/* a child that reads less than we send must not kill us */
	if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);

	if (input) {
		opts.in = TP_STDIO_PIPE;
		opts.in_fd = 0;
	} else if (opts.in == TP_STDIO_PIPE) {
		opts.in = TP_STDIO_NULL;
	}
	if (out)
		opts.out = TP_STDIO_PIPE;
	if (errtext)
		opts.err = TP_STDIO_PIPE;
	if (tp_child_start(&c, &opts, err))
		return -1;
	set_nonblocking(c.in);
	set_nonblocking(c.out);
	set_nonblocking(c.err);

	while (!ended || c.out >= 0 || c.err >= 0) {
		struct pollfd p[] = {
			{ .fd = c.in, .events = POLLOUT },
			{ .fd = c.out, .events = POLLIN },
			{ .fd = c.err, .events = POLLIN },
			{ .fd = ended ? -1 : c.pidfd, .events = POLLIN },
			{ .fd = tp_cancel_fd(cancel), .events = POLLIN },
		};
		long long left = end < 0 ? -1 : end - tp_now_ms();

		if (end >= 0 && left < 0)
			left = 0;
		if (ended)
			left = 0; /* what it wrote is there; a grandchild may keep the pipes open */
		if (poll(p, TP_ARRAY_SIZE(p), (int)left) < 0) {
			if (errno == EINTR)
				continue;
			return tp_err_errno(err, errno, "%s: poll", name);
		}
		if (p[4].revents)
			return tp_err_set(err, TP_ERR_CANCELLED, "%s: cancelled", name);
		if (p[0].revents)
			feed(&c.in, &from, &n);
		if (p[1].revents && collect(&c.out, out, false) == COLLECT_FULL)
			return tp_err_set(err, TP_ERR_FAILED, "%s: wrote more than %zu bytes", name,
					  out->max);
		if (p[2].revents)
			collect(&c.err, errtext, true);
		if (ended && ((!p[1].revents && !p[2].revents) || (end >= 0 && tp_now_ms() >= end)))
			break;
		if (p[3].revents && tp_child_reap(&c, &code) == 0) {
			ended = true;
			tp_close_p(&c.in);
		}
		if (!ended && end >= 0 && tp_now_ms() >= end)
			return tp_err_set(err, TP_ERR_TIMEOUT, "%s: not done after %d.%03d seconds",
					  name, ms / 1000, ms % 1000);
	}
	if (status)
		*status = code;
	return 0;
}
