/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket of a background session: questions, answers, and whatever else may come. Durations. */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/task.h"
#include "session/ctlsock.h"

static char dir[] = "/tmp/tp-ctl-XXXXXX";

struct world {
	struct tp_loop *l;
	struct tp_ctlsock *k;
	char *path;
	size_t environ_bytes;
	int asked_status, asked_environ, asked_down;
	char left[TP_CTL_RUN_MAX]; /* who left last */
	int n_left;
	bool end_at_down;
	const char *why;
	/* the client, in a task */
	const char *question;
	const void *
		raw; /* instead of a question: these bytes, and what comes back is read to its end */
	size_t raw_len;
	struct tp_buf out;
	int rc;
	struct tp_err err;
};

static void on_status(void *arg, struct tp_buf *out)
{
	struct world *w = arg;

	w->asked_status++;
	tp_buf_puts(out, "{\"state\":\"ready\"}");
}

static void on_environ(void *arg, struct tp_buf *out)
{
	struct world *w = arg;

	w->asked_environ++;
	tp_buf_put(out, "A=1\0B=\n\xff", 9);
	for (size_t i = 9; i < w->environ_bytes; i++)
		tp_buf_putc(out, 'x');
}

static void on_down(void *arg)
{
	struct world *w = arg;

	w->asked_down++;
	if (w->end_at_down)
		tp_ctlsock_ended(w->k, w->why);
}

static void on_left(void *arg, const char *run)
{
	struct world *w = arg;

	w->n_left++;
	strcpy(w->left, run);
}

static void listen_at(struct world *w, const char *path)
{
	struct tp_ctl_events ev = { on_status, on_environ, on_down, on_left, w };
	struct tp_err err = { 0 };

	w->k = tp_ctlsock_listen(w->l, path, &ev, &err);
	if (!w->k)
		fail_msg("%s", err.msg);
}

static int set_up(void **state)
{
	struct world *w = tp_calloc(1, sizeof(*w));

	w->l = tp_loop_new();
	w->path = tp_asprintf("%s/x.sock", dir);
	w->out = TP_BUF_INIT(TP_CTL_ANSWER_MAX);
	listen_at(w, w->path);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	tp_ctlsock_free(w->k);
	tp_loop_free(w->l);
	unlink(w->path);
	free(w->path);
	tp_buf_free(&w->out);
	free(w);
	return 0;
}

static int client(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct world *w = arg;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	tp_autoclose int fd = -1;

	if (!w->raw)
		return tp_ctl_ask(w->path, w->question, &w->out, 8000, c, err);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(sa.sun_path, w->path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return tp_err_errno(err, errno, "connect");
	for (size_t i = 0; i < w->raw_len; i++)
		if (send(fd, (const char *)w->raw + i, 1, MSG_NOSIGNAL) != 1)
			break; /* it had enough */
	shutdown(fd, SHUT_WR);
	/* ECONNRESET: it closed with bytes of ours unread. */
	return tp_read_all(fd, &w->out) && errno != ECONNRESET ? -1 : 0;
}

static void client_done(void *arg, int rc, struct tp_err *err)
{
	struct world *w = arg;

	w->rc = rc;
	w->err = *err;
	tp_loop_stop(w->l, 0);
}

static void ask(struct world *w, const char *question)
{
	w->question = question;
	w->raw = NULL;
	tp_buf_reset(&w->out);
	tp_task_start(w->l, client, client_done, w);
	tp_loop_run(w->l);
}

static void say(struct world *w, const void *raw, size_t n)
{
	w->raw = raw;
	w->raw_len = n;
	tp_buf_reset(&w->out);
	tp_task_start(w->l, client, client_done, w);
	tp_loop_run(w->l);
	assert_int_equal(w->rc, 0);
}

static void test_questions(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	ask(w, "status");
	assert_ok(w->rc, &w->err);
	assert_string_equal(w->out.data, "{\"state\":\"ready\"}");
	ask(w, "environ");
	assert_ok(w->rc, &w->err);
	assert_int_equal(w->out.len, 9);
	assert_memory_equal(w->out.data, "A=1\0B=\n\xff", 9);
	w->environ_bytes = 3u << 20; /* more than a socket takes at once */
	ask(w, "environ");
	assert_ok(w->rc, &w->err);
	assert_int_equal(w->out.len, 3u << 20);
	ask(w, "nonsense");
	assert_int_equal(w->rc, -1);
	assert_int_equal(w->asked_down, 0);
}

static void test_down(void **state)
{
	struct world *w = *state;

	w->end_at_down = true;
	ask(w, "down");
	assert_ok(w->rc, &w->err);
	assert_int_equal(w->asked_down, 1);
	/* Nobody listens any more. */
	ask(w, "status");
	assert_int_equal(w->rc, -1);
	assert_int_equal(w->err.kind, TP_ERR_UNREACHABLE);
}

static void test_down_with_a_reason(void **state)
{
	struct world *w = *state;

	w->end_at_down = true;
	w->why = "the cluster does not answer";
	ask(w, "down");
	assert_int_equal(w->rc, -1);
	assert_int_equal(w->err.kind, TP_ERR_FAILED);
	assert_string_equal(w->err.msg, w->why);
}

static void test_join(void **state)
{
	struct world *w = *state;
	struct tp_err err = { 0 };
	struct pollfd p = { .events = POLLIN };
	char answer[16] = "";
	int one = tp_ctl_join(w->path, "one1", &err), two = tp_ctl_join(w->path, "two2", &err);
	int three = tp_ctl_join(w->path, "three3", &err);

	assert_true(one >= 0 && two >= 0 && three >= 0);
	ask(w, "status"); /* all of them were accepted before */
	assert_ok(w->rc, &w->err);
	assert_int_equal(w->n_left, 0);
	/* One ends, as by a kill; the second leaves its container behind. */
	close(one);
	tp_ctl_detach(two);
	close(two);
	ask(w, "status");
	ask(w, "status");
	assert_int_equal(w->n_left, 1);
	assert_string_equal(w->left, "one1");
	/* The third is told of the session's end. */
	p.fd = three;
	assert_int_equal(poll(&p, 1, 0), 0);
	w->end_at_down = true;
	ask(w, "down");
	assert_int_equal(poll(&p, 1, 2000), 1);
	assert_int_equal(read(three, answer, sizeof(answer)), 5);
	assert_string_equal(answer, "ok 0\n");
	close(three);
	assert_int_equal(w->n_left, 1);
	assert_int_equal(tp_ctl_join(w->path, "four", &err), -1);
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
}

/* What the entry gate of a container that joined was told reaches the one who runs it, and nobody else. */
static void test_gate(void **state)
{
	struct world *w = *state;
	struct tp_err err = { 0 };
	int one = tp_ctl_join(w->path, "one1", &err), two = tp_ctl_join(w->path, "two2", &err);
	char *why;

	assert_true(one >= 0 && two >= 0);
	ask(w, "status");
	assert_int_equal(tp_ctl_joined_read(one, &why), 0);
	tp_ctlsock_gate(w->k, "one1", NULL);
	tp_ctlsock_gate(w->k, "two2", "the pod's volume at /x:\ntwo lines");
	tp_ctlsock_gate(w->k, "nobody", NULL);
	assert_int_equal(tp_ctl_joined_read(one, &why), 1);
	assert_null(why);
	assert_int_equal(tp_ctl_joined_read(two, &why), 2);
	assert_string_equal(why, "the pod's volume at /x: two lines");
	free(why);
	assert_int_equal(tp_ctl_joined_read(two, &why), 0);
	/* the answer may follow at once */
	tp_ctlsock_gate(w->k, "one1", NULL);
	w->end_at_down = true;
	ask(w, "down");
	assert_int_equal(tp_ctl_joined_read(one, &why), 1);
	assert_int_equal(tp_ctl_joined_read(one, &why), -1);
	close(one);
	close(two);
}

static void test_who_joins(void **state)
{
	static const char *const bad[] = { "join",     "join ",	       "join A",
					   "join a b", "join  a",      "Join a",
					   "join a\n", "join a/b",     "join 0123456789012345",
					   "joina",    "join \xc3\xa9" };
	char run[TP_CTL_RUN_MAX];

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		assert_int_equal(tp_ctl_question(bad[i], strlen(bad[i]), run), TP_ASK_NONE);
		assert_string_equal(run, "");
	}
	assert_int_equal(tp_ctl_question("join a\0b", 8, run), TP_ASK_NONE);
	assert_int_equal(tp_ctl_question("join 012345678901234", 20, run), TP_ASK_JOIN);
	assert_string_equal(run, "012345678901234");
	assert_int_equal(tp_ctl_question("status", 6, run), TP_ASK_STATUS);
	assert_string_equal(run, "");
}

static void test_broken_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} broken[] = {
		{ "", 0 },	     { "\n", 1 },
		{ "status", 6 },     { "status \n", 8 },
		{ "STATUS\n", 7 },   { "status\r\n", 8 },
		{ "stat\0us\n", 8 }, { "status\0\n", 8 },
		{ "\0\0\0\0", 4 },   { "down", 4 },
		{ "downdown\n", 9 }, { "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "join \n", 6 },    { "join a b\n", 9 },
		{ "environ", 7 },    { "environ\0PATH\n", 13 },
	};
	struct world *w = *state;
	char many[4096];
	unsigned seed = 1;

	for (size_t i = 0; i < TP_ARRAY_SIZE(broken); i++) {
		say(w, broken[i].bytes, broken[i].n);
		assert_int_equal(w->out.len, 0);
	}
	memset(many, 'a', sizeof(many));
	say(w, many, sizeof(many));
	assert_int_equal(w->out.len, 0);
	for (int round = 0; round < 200; round++) {
		size_t n = 1 + (size_t)round % 64;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			many[i] = (char)(seed >> 16);
		}
		say(w, many, n);
		assert_int_equal(w->out.len, 0);
	}
	assert_int_equal(w->asked_status + w->asked_environ + w->asked_down, 0);
	/* It is none the worse for it. */
	ask(w, "status");
	assert_ok(w->rc, &w->err);
}

/* Those who connect and say nothing keep nobody out for longer than their time. */
static void test_silent_crowd(void **state)
{
	struct world *w = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fds[64];

	strcpy(sa.sun_path, w->path);
	for (size_t i = 0; i < TP_ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (struct sockaddr *)&sa,
			       sizeof(sa)); /* the last ones find no room */
	}
	for (int tries = 0; tries < 20; tries++) {
		ask(w, "status");
		if (!w->rc)
			break;
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(fds); i++)
		close(fds[i]);
	ask(w, "status");
	assert_ok(w->rc, &w->err);
}

static void test_long_path(void **state)
{
	struct world *w = *state;
	tp_autofree char *deep = tp_asprintf("%s/%0120d", dir, 7);

	assert_int_equal(mkdir(deep, 0700), 0);
	tp_ctlsock_free(w->k);
	unlink(w->path);
	free(w->path);
	w->path = tp_asprintf("%s/bcdfghjkmn.sock", deep);
	listen_at(w, w->path);
	assert_int_equal(access(w->path, F_OK), 0);
	ask(w, "status");
	assert_ok(w->rc, &w->err);
	unlink(w->path);
	rmdir(deep);
}

static void test_answer_head(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} heads[] = {
		{ "", 0 },
		{ "ok", 0 },
		{ "ok 12", 0 },
		{ "\n", -1 },
		{ "ok\n", -1 },
		{ "ok x\n", -1 },
		{ "ok -1\n", -1 },
		{ "ok 1 2\n", -1 },
		{ "ok 99999999999999999999\n", -1 },
		{ "no 1\n", -1 },
		{ "ok 9999999\n", -1 },
		{ "a line of more than thirty-two bytes", -1 },
	};
	size_t len, head;
	bool ok;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(heads); i++)
		assert_int_equal(tp_ctl_answer_head(heads[i].text, strlen(heads[i].text), &ok, &len,
						    &head),
				 heads[i].rc);
	assert_int_equal(tp_ctl_answer_head("error 5\nhello", 13, &ok, &len, &head), 1);
	assert_false(ok);
	assert_int_equal(len, 5);
	assert_int_equal(head, 8);
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		long long ms;
	} good[] = { { "1s", 1000 },	   { "90s", 90000 },	  { "10m", 600000 },
		     { "1h30m", 5400000 }, { "30d", 2592000000 }, { "1d2h3m4s", 93784000 },
		     { "0h5s", 5000 } };
	static const char *const bad[] = { "",		 "0",	"0s",
					   "10",	 "s",	"1s2m",
					   "1m1m",	 "-1s", "1.5h",
					   "1 m",	 "1h ", "31d",
					   "1w",	 "1S",	"99999999999999999999s",
					   "29d9999999h" };
	long long ms;
	char text[64];

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++) {
		assert_int_equal(tp_duration_parse(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		if (!tp_duration_parse(bad[i], &ms))
			fail_msg("\"%s\" is taken for %lld ms", bad[i], ms);
	tp_duration_print(-5, text, sizeof(text));
	assert_string_equal(text, "0 s");
	tp_duration_print(59, text, sizeof(text));
	assert_string_equal(text, "59 s");
	tp_duration_print(125, text, sizeof(text));
	assert_string_equal(text, "2 m 5 s");
	tp_duration_print(90061, text, sizeof(text));
	assert_string_equal(text, "1 d 1 h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_questions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_down_with_a_reason, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_broken_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silent_crowd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_join, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gate, set_up, tear_down),
		cmocka_unit_test(test_who_joins),
		cmocka_unit_test(test_answer_head),
		cmocka_unit_test(test_duration),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
