/* SPDX-License-Identifier: Apache-2.0 */
/* child processes, and the log, which is looked at from a child's view */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/mem.h"

#define SH(script) ((char *const[]){ (char *)"sh", (char *)"-c", (char *)(script), NULL })

/* Runs the script and returns what it wrote. */
static char *output_of(const struct tp_child_opts *opts, const char *script, int *code)
{
	struct tp_child_opts o = *opts;
	TP_AUTO_BUF out = TP_BUF_INIT(65536);
	struct tp_err err = { 0 };
	int status = 0;

	o.argv = SH(script);
	assert_ok(tp_child_run(&o, NULL, 0, &out, NULL, 10000, &status, NULL, &err), &err);
	if (code)
		*code = tp_status_code(status);
	return tp_buf_steal(&out);
}

static void runs_to_the_end(void **state)
{
	struct tp_child_opts o = { .argv = SH("cat; echo wrong >&2; exit 3") };
	TP_AUTO_BUF out = TP_BUF_INIT(1000), text = TP_BUF_INIT(1000);
	struct tp_err err = { 0 };
	int status;

	(void)state;
	assert_ok(tp_child_run(&o, "hello", 5, &out, &text, 10000, &status, NULL, &err), &err);
	assert_int_equal(tp_status_code(status), 3);
	assert_string_equal(out.data, "hello");
	assert_string_equal(text.data, "wrong\n");
}

static void moves_more_than_pipes_hold(void **state)
{
	struct tp_child_opts o = { .argv = SH("cat") };
	TP_AUTO_BUF out = TP_BUF_INIT(1 << 20);
	size_t n = 1 << 20;
	tp_autofree char *input = tp_malloc(n);
	struct tp_err err = { 0 };
	int status;

	(void)state;
	for (size_t i = 0; i < n; i++)
		input[i] = (char)(i * 7 >> 3);
	assert_ok(tp_child_run(&o, input, n, &out, NULL, 10000, &status, NULL, &err), &err);
	assert_int_equal(out.len, n);
	assert_memory_equal(out.data, input, n);
}

static void a_child_need_not_read(void **state)
{
	struct tp_child_opts o = { .argv = SH("exit 0") };
	size_t n = 1 << 20;
	tp_autofree char *input = tp_calloc(1, n);
	struct tp_err err = { 0 };
	int status;

	(void)state;
	assert_ok(tp_child_run(&o, input, n, NULL, NULL, 10000, &status, NULL, &err), &err);
	assert_int_equal(tp_status_code(status), 0);
}

static void output_is_bounded(void **state)
{
	struct tp_child_opts o = { .argv = SH("printf 0123456789"), .err = TP_STDIO_NULL };
	struct tp_child_opts e = {
		.argv = SH("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); "
			   "done >&2")
	};
	TP_AUTO_BUF exact = TP_BUF_INIT(10), less = TP_BUF_INIT(9), end = TP_BUF_INIT(20);
	struct tp_err err = { 0 };
	int status;

	(void)state;
	assert_ok(tp_child_run(&o, NULL, 0, &exact, NULL, 10000, &status, NULL, &err), &err);
	assert_string_equal(exact.data, "0123456789");
	assert_int_equal(tp_child_run(&o, NULL, 0, &less, NULL, 10000, &status, NULL, &err), -1);
	assert_contains(err.msg, "more than 9 bytes");
	/* of stderr the end is kept */
	assert_ok(tp_child_run(&e, NULL, 0, NULL, &end, 10000, &status, NULL, &err), &err);
	assert_int_equal(end.len, 20);
	assert_contains(end.data, "\nline 2999\n");
}

static void time_is_bounded(void **state)
{
	struct tp_child_opts o = { .argv = SH("exec sleep 60") };
	struct tp_cancel *cancel = tp_cancel_new();
	long long start = tp_now_ms();
	struct tp_err err = { 0 };
	int status;

	(void)state;
	assert_int_equal(tp_child_run(&o, NULL, 0, NULL, NULL, 20, &status, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	tp_cancel_trigger(cancel);
	assert_int_equal(tp_child_run(&o, NULL, 0, NULL, NULL, -1, &status, cancel, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	assert_true(tp_now_ms() - start < 5000);
	tp_cancel_free(cancel);
}

static void a_grandchild_does_not_hold_us_up(void **state)
{
	struct tp_child_opts o = { .argv = SH("sleep 5 & echo $!") };
	TP_AUTO_BUF out = TP_BUF_INIT(1000);
	long long start = tp_now_ms();
	struct tp_err err = { 0 };
	int status, pid;

	(void)state;
	assert_ok(tp_child_run(&o, NULL, 0, &out, NULL, 10000, &status, NULL, &err), &err);
	assert_true(tp_now_ms() - start < 4000);
	pid = atoi(out.data);
	assert_true(pid > 1);
	kill(pid, SIGKILL);
}

static void what_cannot_run_is_an_error(void **state)
{
	char path[] = "/tmp/tp-test-XXXXXX";
	int fd = mkstemp(path);
	struct tp_child c = TP_CHILD_INIT;
	struct tp_child_opts o = { 0 };
	struct tp_err err = { 0 };

	(void)state;
	close(fd);
	o.argv = (char *const[]){ (char *)"tp-no-such-program", NULL };
	assert_int_equal(tp_child_start(&c, &o, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "tp-no-such-program");
	o.argv = (char *const[]){ (char *)"/no/such/program", NULL };
	assert_int_equal(tp_child_start(&c, &o, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	o.argv = (char *const[]){ path, NULL }; /* not executable, for root either */
	assert_int_equal(tp_child_start(&c, &o, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	o.argv = (char *const[]){ (char *)"", NULL };
	assert_int_equal(tp_child_start(&c, &o, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	chmod(path, 0700); /* empty: ENOEXEC, and no shell tries it */
	o.argv = (char *const[]){ path, NULL };
	assert_int_equal(tp_child_start(&c, &o, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FAILED);
	unlink(path);
	assert_int_equal(c.pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing left behind */
	assert_int_equal(errno, ECHILD);
	tp_child_free(&c);
}

static void the_environment(void **state)
{
	char *const add[] = { (char *)"TP_A=new", (char *)"TP_C=c=d", NULL };
	char *const whole[] = { (char *)"TP_A=whole", (char *)"TP_AB=stays", NULL };
	struct tp_child_opts o = { .env_add = add };
	tp_autofree char *ours = NULL, *both = NULL, *none = NULL;

	(void)state;
	setenv("TP_A", "old", 1);
	setenv("TP_B", "b", 1);
	ours = output_of(&o, "echo $TP_A,$TP_B,$TP_C; env | grep -c ^TP_A=", NULL);
	assert_string_equal(ours, "new,b,c=d\n1\n");
	o.env = whole;
	both = output_of(&o, "echo $TP_A,$TP_AB,$TP_B,$TP_C", NULL);
	assert_string_equal(both, "new,stays,,c=d\n");
	o.env_add = NULL;
	none = output_of(&o, "echo $TP_A,$TP_B,$TP_C", NULL);
	assert_string_equal(none, "whole,,\n");
}

static void only_given_descriptors(void **state)
{
	int stray = open("/dev/null", O_RDONLY); /* not close-on-exec */
	int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct tp_child_opts o = { .keep_fds = &kept, .n_keep_fds = 1 };
	tp_autofree char *script = tp_asprintf("[ -e /proc/self/fd/%d ] && echo stray; "
					       "[ -e /proc/self/fd/%d ] && echo kept",
					       stray, kept);
	tp_autofree char *out = output_of(&o, script, NULL);
	int gone = 987654;

	(void)state;
	assert_string_equal(out, "kept\n");
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC); /* ours is as before */
	close(stray);
	close(kept);

	{
		struct tp_child c = TP_CHILD_INIT;
		struct tp_err err = { 0 };

		o.argv = SH("true");
		o.keep_fds = &gone;
		assert_int_equal(tp_child_start(&c, &o, &err), -1);
	}
}

static void stdin_from_a_descriptor(void **state)
{
	int fds[2];
	struct tp_child_opts o = { 0 };
	tp_autofree char *out = NULL;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "given", 5), 5);
	close(fds[1]);
	o.in_fd = fds[0];
	out = output_of(&o, "cat", NULL);
	assert_string_equal(out, "given");
	assert_true(fcntl(fds[0], F_GETFD) >= 0);
	close(fds[0]);
}

/* stdio is as it should be although ours is closed or swapped */
static void odd_stdio_of_our_own(void **state)
{
	int saved[3], status;
	struct tp_child_opts o = {
		.argv = SH("cat; echo out; echo err >&2; "
			   "for f in 0 1 2; do [ -e /proc/self/fd/$f ] && echo $f; done"),
		.in = TP_STDIO_INHERIT
	};
	TP_AUTO_BUF out = TP_BUF_INIT(1000), text = TP_BUF_INIT(1000);
	struct tp_err err = { 0 };
	int rc;

	(void)state;
	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 3; i++)
		close(i);
	rc = tp_child_run(&o, NULL, 0, &out, &text, 10000, &status, NULL, &err);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	assert_ok(rc, &err);
	assert_string_equal(out.data, "out\n0\n1\n2\n");
	assert_string_equal(text.data, "err\n");
}

static void handler(int sig)
{
	(void)sig;
}

static void signals_are_as_at_birth(void **state)
{
	struct tp_child_opts o = { 0 };
	tp_autofree char *out = NULL;
	sigset_t set, old;
	int code;

	(void)state;
	signal(SIGUSR1, handler);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	out = output_of(&o,
			"sed -n 's/^Sig\\(Blk\\|Ign\\):.*\\(.......\\)$/\\1 \\2/p' "
			"/proc/self/status; kill -TERM $$",
			&code);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR1, SIG_DFL);
	assert_string_equal(out, "Blk 0000000\nIgn 0000000\n");
	assert_int_equal(code, 128 + SIGTERM);
}

static void owned_like_memory(void **state)
{
	struct tp_child_opts o = { .argv = SH("trap '' TERM INT HUP; echo; exec sleep 60"),
				   .out = TP_STDIO_PIPE,
				   .new_session = true,
				   .die_with_parent = true };
	struct tp_err err = { 0 };
	pid_t pid;
	char c;

	(void)state;
	{
		TP_AUTO_CHILD child = TP_CHILD_INIT;
		int status;

		assert_ok(tp_child_start(&child, &o, &err), &err);
		pid = child.pid;
		assert_int_equal(read(child.out, &c, 1), 1);
		assert_int_equal(getsid(pid), pid);
		assert_int_equal(child.in, -1);
		assert_int_equal(child.err, -1);
		assert_int_equal(tp_child_reap(&child, &status), 1);
		assert_int_equal(tp_child_wait(&child, 1, &status, NULL, &err), 1);
	}
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void waits_and_reaps(void **state)
{
	struct tp_child_opts o = { .argv = SH("read x; exit 9"), .in = TP_STDIO_PIPE };
	struct tp_child c = TP_CHILD_INIT;
	struct tp_err err = { 0 };
	struct pollfd p;
	int status = 0;

	(void)state;
	assert_ok(tp_child_start(&c, &o, &err), &err);
	p = (struct pollfd){ .fd = c.pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(write(c.in, "x\n", 2), 2);
	assert_int_equal(tp_child_wait(&c, -1, &status, NULL, &err), 0);
	assert_int_equal(tp_status_code(status), 9);
	assert_int_equal(c.pid, 0);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(tp_child_wait(&c, -1, &status, NULL, &err), -1);
	tp_child_signal(&c, SIGKILL); /* nobody is hit */
	tp_child_free(&c);
	assert_int_equal(c.pidfd, -1);
	tp_child_free(&c);

	o.argv = SH("exec sleep 60");
	assert_ok(tp_child_start(&c, &o, &err), &err);
	tp_child_signal(&c, SIGTERM);
	assert_int_equal(tp_child_wait(&c, 5000, &status, NULL, &err), 0);
	assert_int_equal(tp_status_code(status), 143);
	tp_child_free(&c);
}

/* -------- the log */

static void logged(int fds[2], const char *expected)
{
	char text[4096];
	ssize_t n = read(fds[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, expected);
}

static void levels_of_the_log(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	tp_log_set_fd(fds[1]);
	assert_int_equal(tp_log_get_level(), TP_LOG_NORMAL);
	tp_verbose("details");
	logged(fds, "");
	tp_info("up %d\n", 1);
	logged(fds, "tpdocker: up 1\n");
	tp_error("one\n  two\n\nthree\033[m\r");
	logged(fds, "tpdocker: one\ntpdocker:   two\ntpdocker: \ntpdocker: three?[m?\n");
	tp_log_set_level(TP_LOG_QUIET);
	tp_info("no");
	tp_verbose("no");
	tp_warn("careful");
	logged(fds, "tpdocker: warning: careful\n");
	tp_log_set_level(TP_LOG_VERBOSE);
	errno = ENOSPC;
	tp_verbose("%m");
	assert_int_equal(errno, ENOSPC);
	logged(fds, "tpdocker: No space left on device\n");
	tp_log_set_level(TP_LOG_NORMAL);
	tp_log_set_fd(STDERR_FILENO);
	close(fds[0]);
	close(fds[1]);
}

static void log_on_a_terminal(void **state)
{
	struct termios mode;
	int fds[2];

	(void)state;
	assert_int_equal(openpty(&fds[0], &fds[1], NULL, NULL, NULL), 0);
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	tp_log_set_fd(fds[1]);
	tp_error("bad");
	logged(fds, "\033[1;31mtpdocker: \033[0mbad\r\n");
	setenv("NO_COLOR", "1", 1);
	tp_error("bad");
	logged(fds, "tpdocker: bad\r\n"); /* by the terminal */
	tcgetattr(fds[1], &mode);
	cfmakeraw(&mode);
	tcsetattr(fds[1], TCSANOW, &mode);
	tp_info("a\nb");
	logged(fds, "tpdocker: a\r\ntpdocker: b\r\n"); /* by us */
	tp_log_set_fd(STDERR_FILENO);
	unsetenv("NO_COLOR");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_to_the_end),
		cmocka_unit_test(moves_more_than_pipes_hold),
		cmocka_unit_test(a_child_need_not_read),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(time_is_bounded),
		cmocka_unit_test(a_grandchild_does_not_hold_us_up),
		cmocka_unit_test(what_cannot_run_is_an_error),
		cmocka_unit_test(the_environment),
		cmocka_unit_test(only_given_descriptors),
		cmocka_unit_test(stdin_from_a_descriptor),
		cmocka_unit_test(odd_stdio_of_our_own),
		cmocka_unit_test(signals_are_as_at_birth),
		cmocka_unit_test(owned_like_memory),
		cmocka_unit_test(waits_and_reaps),
		cmocka_unit_test(levels_of_the_log),
		cmocka_unit_test(log_on_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
