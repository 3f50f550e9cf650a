/* SPDX-License-Identifier: Apache-2.0 */
/* The entry gate, the program itself, and the listener that it comes to. */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/mem.h"
#include "sidecar/gates.h"
#include "sidecar/sidecar.h"

static char program[PATH_MAX + 16], dir[64], name[64];
static struct tp_err err;

static struct tp_loop *loop;
static struct gates *gates;
static unsigned int seen, left;
static char last_tag[80];
static const char *answer; /* given at once; NULL: "go" */
static bool keep_waiting;

static void on_arrived(void *arg, unsigned int id, const char *tag, int ns)
{
	struct stat st;

	(void)arg;
	assert_int_equal(fstat(ns, &st), 0);
	snprintf(last_tag, sizeof(last_tag), "%s", tag);
	seen = id;
	if (!keep_waiting)
		gates_answer(gates, id, answer);
	else
		tp_loop_stop(loop, 1);
}

static void on_left(void *arg, unsigned int id)
{
	(void)arg;
	left = id;
	tp_loop_stop(loop, 2);
}

static const struct gates_events events = { on_arrived, on_left, NULL };

static int setup(void **state)
{
	ssize_t n = readlink("/proc/self/exe", program, PATH_MAX);

	(void)state;
	assert_true(n > 0);
	program[n] = '\0';
	strcpy(strstr(program, "/tests/unit/"), "/gate");
	strcpy(dir, "/tmp/tpdocker-gate-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(name, sizeof(name), "tpdocker-test-%ld", (long)getpid());
	loop = tp_loop_new();
	gates = gates_listen_outside(NULL, loop, name, &events, &err);
	assert_non_null(gates);
	return 0;
}

static int teardown(void **state)
{
	tp_autofree char *rm = tp_asprintf("rm -rf %s", dir);

	(void)state;
	gates_free(gates);
	tp_loop_free(loop);
	return system(rm);
}

static int fresh(void **state)
{
	(void)state;
	seen = left = 0;
	last_tag[0] = '\0';
	answer = NULL;
	keep_waiting = false;
	return 0;
}

static void on_end(void *arg, int ready)
{
	(void)arg;
	(void)ready;
	tp_loop_stop(loop, 0);
}

/* Runs the gate until it, or what it became, has ended: the exit code. What
 * it wrote goes into OUT (stdout) and COMPLAINT (stderr). ENV: NULL is ours. */
static char out[8192], complaint[8192];

static void read_pipe(int fd, char *to, size_t size)
{
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, to + have, size - 1 - have)) > 0)
		have += (size_t)n;
	to[have] = '\0';
}

static int run_env(char *const *env, const char *const *argv)
{
	TP_AUTO_CHILD child = TP_CHILD_INIT;
	struct tp_child_opts o = { .argv = (char *const *)(uintptr_t)argv,
				   .env = env,
				   .in = TP_STDIO_NULL,
				   .out = TP_STDIO_PIPE,
				   .err = TP_STDIO_PIPE };
	struct tp_watch *w;
	int status;

	assert_ok(tp_child_start(&child, &o, &err), &err);
	w = tp_watch_add(loop, child.pidfd, TP_READ, on_end, NULL);
	assert_int_equal(tp_loop_run(loop), 0);
	tp_watch_del(w);
	assert_int_equal(tp_child_wait(&child, 5000, &status, NULL, &err), 0);
	read_pipe(child.out, out, sizeof(out));
	read_pipe(child.err, complaint, sizeof(complaint));
	return tp_status_code(status);
}
#define GATE(env, ...)                                                      \
	({                                                                  \
		const char *const words[] = { program, __VA_ARGS__, NULL }; \
		run_env(env, words);                                        \
	})

static char *file(const char *leaf, const char *text, mode_t mode)
{
	char *path = tp_asprintf("%s/%s", dir, leaf);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(tp_write_all(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

static void becomes_the_program(void **state)
{
	(void)state;
	assert_int_equal(
		GATE(NULL, name, "/bin/sh", "-c", "echo \"$0|$1|$2\"; exit 7", "a b", "", "-x"), 7);
	assert_string_equal(out, "a b||-x\n");
	assert_string_equal(complaint, "");
	assert_true(seen > 0);
	assert_string_equal(last_tag, "");
}

static void tells_its_tag(void **state)
{
	tp_autofree char *address = tp_asprintf("%s/web.1_x-2", name);

	(void)state;
	assert_int_equal(GATE(NULL, address, "true"), 0);
	assert_string_equal(last_tag, "web.1_x-2");
}

/* Nothing of the gate is in what it became: descriptors, signals, environment. */
static void leaves_nothing(void **state)
{
	static char *const env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"A=b c\nd", NULL };

	(void)state;
	assert_int_equal(GATE(env, name, "sh", "-c",
			      "ls /proc/$$/fd; cat /proc/self/status; "
			      "tr '\\0' '|' </proc/self/environ"),
			 0);
	assert_int_equal(strncmp(out, "0\n1\n2\nName:", 11), 0);
	assert_contains(out, "SigBlk:\t0000000000000000\n");
	assert_contains(out, "SigCgt:\t0000000000000000\n");
	assert_contains(out, "|A=b c\nd|");
}

#define POD(text) assert_ok(gates_set_env(gates, text, sizeof(text) - 1, &err), &err)

static void has_the_pods_environment(void **state)
{
	static char *const env[] = {
		(char *)"PATH=/usr/bin:/bin",  (char *)"HOME=/image",
		(char *)"MINE=mine",	       (char *)"IMAGE=image",
		(char *)"MI=not MINE",	       (char *)TP_GATE_VAR_OWN "=OTHER,MINE",
		(char *)TP_GATE_VAR "=unused", NULL
	};

	(void)state;
	POD("PATH=/pod\0HOME=/pod\0HOSTNAME=pod\0MINE=pod\0IMAGE=pod\0PEM=a\nb=\n\0EMPTY=\0"
	    "QUOTES='\"$x\\\0OTHER=pod\0no value\0");
	memset(out, 0, sizeof(out));
	assert_int_equal(GATE(env, name, "env", "-0"), 0);
	for (size_t i = 0; i < sizeof(out) - 1 && (out[i] || out[i + 1]); i++)
		if (!out[i])
			out[i] = '|';
	assert_string_equal(out, "PATH=/usr/bin:/bin|HOME=/image|MINE=mine|MI=not MINE|IMAGE=pod|"
				 "PEM=a\nb=\n|EMPTY=|QUOTES='\"$x\\");
	assert_string_equal(complaint, "");
}

static void an_empty_environment_is_one(void **state)
{
	static char *const env[] = { (char *)"A=b", NULL };

	(void)state;
	POD("");
	assert_int_equal(GATE(env, name, "/usr/bin/env"), 0);
	assert_string_equal(out, "A=b\n");
}

/* What the session itself launches has its environment from there. */
static void a_second_socket_is_for_others(void **state)
{
	tp_autofree char *own_name = tp_asprintf("%s-own", name);
	struct gates *own = gates_listen(loop, own_name, &events, &err), *outer = gates;
	tp_autofree char *other_name = tp_asprintf("%s-other", name);

	(void)state;
	assert_non_null(own);
	gates = own;
	assert_ok(gates_set_env(own, "A=pod", 6, &err), &err);
	assert_int_equal(GATE(NULL, own_name, "sh", "-c", "echo $A"), 0);
	assert_string_equal(out, "\n");
	assert_int_equal(GATE(NULL, own_name, "--env", "true"), 125);
	assert_ptr_equal(gates_listen_outside(own, loop, other_name, &events, &err), own);
	assert_int_equal(GATE(NULL, other_name, "sh", "-c", "echo $A"), 0);
	assert_string_equal(out, "pod\n");
	assert_int_equal(GATE(NULL, own_name, "sh", "-c", "echo $A"), 0);
	assert_string_equal(out, "\n");
	assert_null(gates_listen_outside(own, loop, "x", &events, &err));
	gates_free(own);
	gates = outer;
}

static void refuses_an_environment_without_end(void **state)
{
	(void)state;
	assert_int_equal(gates_set_env(gates, "A=b", 3, &err), -1);
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
}

/* As large as the kernel takes a variable, and more of them than fit a message. */
static void takes_a_large_environment(void **state)
{
	const size_t one = 100000, all = 12 * (one + 3) + 1;
	tp_autofree char *text = tp_malloc(all);
	size_t n = 0;

	(void)state;
	for (char c = 'A'; c < 'M'; c++) {
		text[n++] = c;
		text[n++] = '=';
		memset(text + n, 'x', one);
		n += one;
		text[n++] = '\0';
	}
	assert_ok(gates_set_env(gates, text, n, &err), &err);
	assert_int_equal(GATE(NULL, name, "sh", "-c", "echo ${#A} ${#L}"), 0);
	assert_string_equal(out, "100000 100000\n");
}

static void others_may_ask(void **state)
{
	tp_autofree char *address = tp_asprintf(TP_GATE_VAR "=%s/web", name);
	char *const env[] = { (char *)"PATH=/usr/bin:/bin", address,
			      (char *)TP_GATE_VAR_OWN "=MINE", NULL };
	char *const none[] = { (char *)"PATH=/usr/bin:/bin", NULL };

	(void)state;
	POD("A=it's\n$(x) `y`\0MINE=pod\0b.c=no shell's\0"
	    "9=no\0E=\0Q=''\0");
	assert_int_equal(GATE(env, "-", "--env", "printenv", "A"), 0);
	assert_string_equal(out, "it's\n$(x) `y`\n");
	assert_int_equal(seen, 0);
	assert_int_equal(GATE(env, "-", "--export"), 0);
	assert_string_equal(out,
			    "export A='it'\\''s\n$(x) `y`'\nexport E=''\nexport Q=''\\'''\\'''\n");
	assert_int_equal(GATE(none, "-", "--env", "true"), 125);
	assert_contains(complaint, "not started with an entry gate");
	assert_int_equal(GATE(env, "-", "--env"), 125);
}

/* The sidecar's own: those that ask are answered without the helper. */
static void the_sidecar_gives_what_it_was_told(void **state)
{
	static struct sidecar s;
	tp_autofree char *own = tp_asprintf("%s-hold", name);

	(void)state;
	s.loop = loop;
	assert_int_equal(hold_env(&s, "", 0, &err), -1);
	assert_ok(hold_listen(&s, own, true, &err), &err);
	assert_int_equal(GATE(NULL, own, "--env", "true"), 125);
	assert_contains(complaint, "no environment to give");
	assert_int_equal(hold_env(&s, "A=b", 3, &err), -1);
	assert_ok(hold_env(&s, "A=b c\0", 6, &err), &err);
	assert_int_equal(GATE(NULL, own, "--export"), 0);
	assert_string_equal(out, "export A='b c'\n");
	assert_ok(hold_env(&s, "", 0, &err), &err);
	assert_int_equal(GATE(NULL, own, "--export"), 0);
	assert_string_equal(out, "");
	gates_free(s.gates);
}

static void ends_with_the_reason(void **state)
{
	(void)state;
	answer = "the pod's volume at /data: no such folder";
	assert_int_equal(GATE(NULL, name, "true"), 125);
	assert_string_equal(complaint, "tpdocker: the pod's volume at /data: no such folder\n");
}

static void without_a_listener(void **state)
{
	(void)state;
	assert_int_equal(GATE(NULL, "tpdocker-test-nobody", "true"), 125);
	assert_contains(complaint, "the session that this container belongs to is over");
	assert_int_equal(GATE(NULL, "", "true"), 125);
	assert_int_equal(GATE(NULL, "/x", "true"), 125);
	assert_int_equal(GATE(NULL, name), 125);
}

static void searches_as_the_runtime_does(void **state)
{
	tp_autofree char *one = tp_asprintf("%s/one", dir), *two = tp_asprintf("%s/two", dir);
	tp_autofree char *path = tp_asprintf("PATH=%s/none:%s:%s:/usr/bin:/bin", dir, one, two);
	tp_autofree char *rel = tp_asprintf("PATH=:%s", two);
	char *env[] = { path, NULL }, *none[] = { (char *)"X=y", NULL };

	(void)state;
	mkdir(one, 0755);
	mkdir(two, 0755);
	free(file("one/plain", "no program", 0644)); /* passed over */
	free(file("two/plain", "#!/bin/sh\necho two\n", 0755));
	free(file("one/broken", "#!/no/such/interpreter\n", 0755));
	free(file("two/binary", "no format that the kernel knows", 0755));
	tp_autofree char *sub = tp_asprintf("%s/one/folder", dir);
	mkdir(sub, 0755);
	assert_int_equal(GATE(env, name, "plain"), 0);
	assert_string_equal(out, "two\n");
	assert_int_equal(GATE(env, name, "absent"), 127);
	assert_string_equal(complaint, "tpdocker: absent: no such program in PATH\n");
	assert_int_equal(GATE(env, name, "folder"), 127);
	assert_int_equal(GATE(env, name, "broken"), 127);
	assert_int_equal(GATE(env, name, "binary"), 126);
	assert_contains(complaint, "Exec format error");
	assert_int_equal(GATE(none, name, "true"), 127);
	tp_autofree char *folder = tp_asprintf("%s/", one);
	assert_int_equal(GATE(env, name, folder), 126);
	assert_int_equal(GATE(env, name, "/no/such/thing"), 127);
	tp_autofree char *not_x = tp_asprintf("%s/plain", one);
	assert_int_equal(GATE(env, name, not_x), 126);
	assert_contains(complaint, "Permission denied");
	env[0] = rel;
	assert_int_equal(GATE(env, name, "plain"), 0);
}

/* While it waits it can be ended, by whatever signal the container is stopped with. */
static void is_mortal(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 };

	(void)state;
	keep_waiting = true;
	for (size_t i = 0; i < TP_ARRAY_SIZE(signals); i++) {
		TP_AUTO_CHILD child = TP_CHILD_INIT;
		char *const argv[] = { program, name, (char *)"true", NULL };
		struct tp_child_opts o = { .argv = argv };
		int status;

		assert_ok(tp_child_start(&child, &o, &err), &err);
		assert_int_equal(tp_loop_run(loop), 1);
		tp_child_signal(&child, signals[i]);
		assert_int_equal(tp_loop_run(loop), 2);
		assert_int_equal(left, seen);
		assert_int_equal(tp_child_wait(&child, 5000, &status, NULL, &err), 0);
		assert_int_equal(tp_status_code(status), 128 + signals[i]);
		gates_answer(gates, seen, NULL); /* too late: nothing happens */
	}
}

/* A listener that goes away ends those that wait. */
static void listener_ends(void **state)
{
	TP_AUTO_CHILD child = TP_CHILD_INIT;
	char *const argv[] = { program, name, (char *)"true", NULL };
	struct tp_child_opts o = { .argv = argv, .err = TP_STDIO_PIPE };
	int status;

	(void)state;
	keep_waiting = true;
	assert_ok(tp_child_start(&child, &o, &err), &err);
	assert_int_equal(tp_loop_run(loop), 1);
	gates_free(gates);
	assert_int_equal(tp_child_wait(&child, 5000, &status, NULL, &err), 0);
	assert_int_equal(tp_status_code(status), 125);
	read_pipe(child.err, complaint, sizeof(complaint));
	assert_contains(complaint, "the session ended before");
	gates = gates_listen(loop, name, &events, &err);
	assert_non_null(gates);
}

/* ------------------------------------------------------------ the listener */

static void parses_messages(void **state)
{
	static const struct {
		const char *text;
		const char *tag; /* NULL: refused */
	} cases[] = {
		{ "tpdocker-gate 1 ", "" },
		{ "tpdocker-gate 1 web", "web" },
		{ "tpdocker-gate 1", NULL },
		{ "tpdocker-gate 2 ", NULL },
		{ "", NULL },
		{ "tpdocker-gate 1 a b", NULL },
		{ "tpdocker-gate 1 a\n", NULL },
		{ "tpdocker-gate 1 "
		  "0123456789012345678901234567890123456789012345678901234567890123",
		  "0123456789012345678901234567890123456789012345678901234567890123" },
		{ "tpdocker-gate 1 "
		  "01234567890123456789012345678901234567890123456789012345678901234",
		  NULL },
	};
	char tag[TP_GATE_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		int rc = gate_message_parse(cases[i].text, strlen(cases[i].text), tag);

		assert_int_equal(rc, cases[i].tag ? 0 : -1);
		if (cases[i].tag)
			assert_string_equal(tag, cases[i].tag);
	}
	assert_int_equal(gate_message_parse("tpdocker-gate 1 a\0b", 19, tag), -1);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Whether the listener hangs up on who sends TEXT with FD. */
static bool hung_up(const char *text, int fd)
{
	int sock = abstract_connect(name, &err);
	struct tp_watch *w;
	char byte;
	ssize_t n;

	assert_true(sock >= 0);
	assert_int_equal(send_with_fd(sock, text, strlen(text), fd), 0);
	w = tp_watch_add(loop, sock, TP_READ, on_end, NULL);
	assert_int_equal(tp_loop_run(loop), 0);
	tp_watch_del(w);
	n = recv(sock, &byte, 1, MSG_DONTWAIT);
	close(sock);
	return n == 0;
}

static void refuses_others(void **state)
{
	int null = open("/dev/null", O_RDONLY), net = open("/proc/self/ns/net", O_RDONLY);
	int before = open_fds();

	(void)state;
	assert_true(hung_up("tpdocker-gate 1 ", -1));
	assert_true(hung_up("tpdocker-gate 1 ", null));
	assert_true(hung_up("tpdocker-gate 1 ", net));
	assert_true(hung_up("hello", -1));
	assert_int_equal(seen, 0);
	assert_int_equal(open_fds(), before);
	close(null);
	close(net);
}

/* A mount namespace that a user made without any right to. */
static void refuses_a_namespace_of_ones_own(void **state)
{
	int p[2], ns;
	char path[64];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(1);
		if (write(p[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	close(p[1]);
	if (read(p[0], path, 1) != 1) {
		waitpid(pid, NULL, 0);
		print_message("user namespaces cannot be made here\n");
		skip();
	}
	close(p[0]);
	snprintf(path, sizeof(path), "/proc/%ld/ns/mnt", (long)pid);
	ns = open(path, O_RDONLY);
	assert_true(ns >= 0);
	assert_true(hung_up("tpdocker-gate 1 ", ns));
	assert_int_equal(seen, 0);
	close(ns);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Two descriptors in one message: neither is taken, neither stays open. */
static void takes_one_descriptor(void **state)
{
	int pair[2], fds[2] = { STDIN_FILENO, STDERR_FILENO }, got, before;
	char buf[CMSG_SPACE(sizeof(fds))] = { 0 }, byte = 'x';
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	before = open_fds();
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	assert_int_equal(sendmsg(pair[0], &m, 0), 1);
	assert_int_equal(recv_with_fd(pair[1], &byte, 1, &got), 1);
	assert_int_equal(got, -1);
	assert_int_equal(open_fds(), before);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(becomes_the_program, fresh),
		cmocka_unit_test_setup(tells_its_tag, fresh),
		cmocka_unit_test_setup(leaves_nothing, fresh),
		cmocka_unit_test_setup(has_the_pods_environment, fresh),
		cmocka_unit_test_setup(an_empty_environment_is_one, fresh),
		cmocka_unit_test_setup(a_second_socket_is_for_others, fresh),
		cmocka_unit_test_setup(refuses_an_environment_without_end, fresh),
		cmocka_unit_test_setup(takes_a_large_environment, fresh),
		cmocka_unit_test_setup(others_may_ask, fresh),
		cmocka_unit_test_setup(the_sidecar_gives_what_it_was_told, fresh),
		cmocka_unit_test_setup(ends_with_the_reason, fresh),
		cmocka_unit_test_setup(without_a_listener, fresh),
		cmocka_unit_test_setup(searches_as_the_runtime_does, fresh),
		cmocka_unit_test_setup(is_mortal, fresh),
		cmocka_unit_test_setup(listener_ends, fresh),
		cmocka_unit_test(parses_messages),
		cmocka_unit_test_setup(refuses_others, fresh),
		cmocka_unit_test_setup(refuses_a_namespace_of_ones_own, fresh),
		cmocka_unit_test(takes_one_descriptor),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
