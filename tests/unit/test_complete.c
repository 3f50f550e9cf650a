/* SPDX-License-Identifier: Apache-2.0 */
/* Where the cursor is, what is told, and in time. */
#include "tp_test.h"

#include <signal.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "complete/answer.h"
#include "complete/bounded.h"
#include "complete/cursor.h"

static const struct tp_opt options[] = {
	{ .name = "swap", .type = TP_OPT_STRING, .complete = "workload" },
	{ .name = "context", .type = TP_OPT_STRING, .complete = "context" },
	{ .name = "kubeconfig", .type = TP_OPT_STRING, .complete = "file" },
	{ .name = "namespace", .type = TP_OPT_STRING, .complete = "namespace" },
	{ .name = "host", .type = TP_OPT_STRING },
	{ .name = "quiet", .type = TP_OPT_FLAG },
	TP_OPT_END,
};
static const struct tp_cmd run = { .name = "run",
				   .options = options,
				   .complete = "image",
				   .options_first = true,
				   .docker_flags = TP_DOCKER_RUN_FLAGS };
static const struct tp_cmd status = { .name = "status", .options = options, .complete = "session" };
static const struct tp_cmd down = { .name = "down", .complete = "session..." };
static const struct tp_cmd secret = { .name = "secret", .hidden = true, .complete = "a|b" };
static const struct tp_cmd *const commands[] = { &run, &status, &down, &secret, NULL };

static struct tp_cursor p;

static int free_cursor(void **state)
{
	(void)state;
	tp_cursor_free(&p);
	return 0;
}

#define FIND(...)                                                          \
	do {                                                               \
		char *words[] = { __VA_ARGS__ };                           \
		tp_cursor_free(&p);                                        \
		tp_cursor_find(&p, commands, TP_ARRAY_SIZE(words), words); \
	} while (0)

#define assert_value(expected_kind, expected_begun, ...)      \
	do {                                                  \
		FIND(__VA_ARGS__);                            \
		assert_int_equal(p.what, TP_CURSOR_VALUE);    \
		assert_non_null(p.kind);                      \
		assert_string_equal(p.kind, expected_kind);   \
		assert_string_equal(p.begun, expected_begun); \
	} while (0)

#define assert_cursor(expected, ...)                \
	do {                                        \
		FIND(__VA_ARGS__);                  \
		assert_int_equal(p.what, expected); \
	} while (0)

#define W(s) (char *)(s)

static void knows_commands(void **state)
{
	(void)state;
	assert_cursor(TP_CURSOR_COMMAND, W(""));
	assert_cursor(TP_CURSOR_COMMAND, W("ru"));
	assert_cursor(TP_CURSOR_NOWHERE, W("nothing"), W(""));
	assert_cursor(TP_CURSOR_NOWHERE, W("secret"), W(""));
}

static void knows_options_and_their_values(void **state)
{
	(void)state;
	assert_cursor(TP_CURSOR_OPTION, W("run"), W("-"));
	assert_cursor(TP_CURSOR_OPTION, W("run"), W("--"));
	assert_cursor(TP_CURSOR_OPTION, W("run"), W("-it"), W("--quiet"), W("--s"));
	assert_string_equal(p.begun, "--s");
	assert_int_equal(p.given.n, 1);
	assert_value("workload", "we", W("run"), W("--swap"), W("we"));
	assert_value("workload", "", W("run"), W("--swap="));
	assert_value("workload", "web:a", W("run"), W("--swap=web:a"));
	assert_value("true|false", "t", W("run"), W("--quiet=t"));
	assert_value("file", "", W("run"), W("--swap"), W("web"), W("--kubeconfig"), W(""));
	/* a value that looks like an option, and like the end of them */
	assert_value("workload", "-", W("run"), W("--swap"), W("-"));
	assert_value("image", "", W("run"), W("--swap"), W("--"), W(""));
	/* known, with a value that nothing is known of */
	FIND(W("run"), W("--host"), W("x"));
	assert_int_equal(p.what, TP_CURSOR_VALUE);
	assert_null(p.kind);
	assert_cursor(TP_CURSOR_NOWHERE, W("run"), W("--unknown="));
}

static void knows_dockers_flags(void **state)
{
	(void)state;
	assert_value("network", "", W("run"), W("--network"), W(""));
	assert_value("always|missing|never", "a", W("run"), W("--pull=a"));
	assert_value("volume", "/h", W("run"), W("-itv"), W("/h"));
	assert_value("image", "d", W("run"), W("-itp"), W("80:80"), W("d"));
	assert_value("image", "d", W("run"), W("-p80:80"), W("-it"), W("-e"), W("A=b"), W("d"));
	assert_value("image", "d", W("run"), W("--rm"), W("--name=x"), W("--"), W("d"));
	assert_value("image", "d", W("run"), W("-t=false"), W("d"));
	assert_cursor(TP_CURSOR_NOWHERE, W("run"), W("-v/h"));
	/* not every command has them */
	assert_value("session", "", W("status"), W("-p"), W(""));
	assert_cursor(TP_CURSOR_NOWHERE, W("status"), W("--network="));
}

static void leaves_the_containers_command_alone(void **state)
{
	(void)state;
	assert_value("image", "", W("run"), W(""));
	assert_cursor(TP_CURSOR_NOWHERE, W("run"), W("img"), W(""));
	assert_cursor(TP_CURSOR_NOWHERE, W("run"), W("img"), W("--"));
	assert_cursor(TP_CURSOR_NOWHERE, W("run"), W("img"), W("ls"), W("--swap"), W(""));
	assert_cursor(TP_CURSOR_NOWHERE, W("run"), W("--"), W("img"), W("-"));
}

static void knows_arguments(void **state)
{
	(void)state;
	assert_value("session", "w", W("status"), W("w"));
	assert_cursor(TP_CURSOR_NOWHERE, W("status"), W("web"), W(""));
	assert_value("context", "", W("status"), W("web"), W("--context"), W(""));
	assert_cursor(TP_CURSOR_OPTION, W("status"), W("web"), W("--"));
	assert_value("session", "", W("down"), W("a"), W("b"), W(""));
}

static void remembers_where_it_goes(void **state)
{
	(void)state;
	FIND(W("run"), W("--context=c"), W("--namespace"), W("n"), W("--context"), W("d"),
	     W("--swap"), W(""));
	assert_string_equal(p.context, "d");
	assert_string_equal(p.namespace, "n");
	assert_null(p.docker_host);
	FIND(W("run"), W("--swap"), W(""), W("img"), W("--context"), W("x"), W(""));
	assert_null(p.context); /* the container's */
}

static void takes_quotes_off(void **state)
{
	(void)state;
	setenv("HOME", "/home/me", 1);
	FIND(W("run"), W("--kubeconfig"), W("~/k'u b'e\"\\\"\"\\ x"), W("--swap"), W("\"we"));
	assert_string_equal(p.kubeconfig, "/home/me/ku be\" x");
	assert_string_equal(p.begun, "we");
	FIND(W("run"), W("--kubeconfig=~/k"), W("\\"));
	assert_string_equal(p.kubeconfig, "~/k"); /* as the shell has it */
	assert_string_equal(p.begun, "\\");
}

static void tells_what_fits(void **state)
{
	struct tp_answer a = TP_ANSWER_INIT("we"), b = TP_ANSWER_INIT("");
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	tp_answer_add(&a, "web", "a note");
	tp_answer_add(&a, "api", "no");
	tp_answer_add(&a, "web", "twice");
	tp_answer_add(&a, "web\nx", NULL);
	tp_answer_add(&a, "we\x1b[31m", NULL);
	tp_answer_add(&a, "we\xff", NULL);
	tp_answer_add(&a, "west", "bad\tnote");
	tp_answer_add(&a, NULL, NULL);
	tp_answer_add_choices(&a, "weak|strong|we");
	tp_answer_print_values(&a, true, f);
	tp_answer_print_directive(&a, f);
	fflush(f);
	assert_string_equal(text, "web\ta note\nwest\nweak\nwe\n:4\n");
	*strstr(text, ":4") = '\0';
	tp_answer_read_values(&b, text);
	assert_int_equal(b.values.n, 4);
	assert_string_equal(b.notes.v[0], "a note");
	tp_answer_free(&a);
	tp_answer_free(&b);
	fclose(f);
	free(text);
}

static void answer(void *arg, int out)
{
	if (tp_write_all(out, arg, strlen(arg)))
		_exit(1);
}

static void half(void *arg, int out)
{
	answer(arg, out);
	pause();
}

static void die(void *arg, int out)
{
	answer(arg, out);
	_exit(1);
}

/* Starts another, which would write to a pipe of ours as long as it lives. */
static void start_other(void *arg, int out)
{
	int *alive = arg;

	if (!fork()) {
		close(out);
		pause();
	}
	close(alive[0]);
	answer((char *)"x\n", out);
}

static void asks_in_time_or_not_at_all(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(100);
	tp_autofree char *much = tp_calloc(1, 5000);
	long long begun;
	int alive[2];
	char c;

	(void)state;
	assert_int_equal(tp_bounded(answer, (char *)"a\nb\n", tp_now_ms() + 5000, &b), 0);
	assert_string_equal(b.data, "a\nb\n");
	tp_buf_reset(&b);

	begun = tp_now_ms();
	assert_int_equal(tp_bounded(half, (char *)"a\n", begun + 150, &b), -1);
	assert_int_equal(b.len, 0);
	assert_in_range(tp_now_ms() - begun, 100, 2000);
	assert_int_equal(tp_bounded(answer, (char *)"a\n", tp_now_ms() - 1, &b), -1);
	assert_int_equal(tp_bounded(die, (char *)"a\n", tp_now_ms() + 5000, &b), -1);
	assert_int_equal(b.len, 0);
	memset(much, 'x', 4999);
	assert_int_equal(tp_bounded(answer, much, tp_now_ms() + 5000, &b), -1);

	assert_int_equal(pipe(alive), 0);
	assert_int_equal(tp_bounded(start_other, alive, tp_now_ms() + 5000, &b), 0);
	close(alive[1]);
	assert_int_equal(read(alive[0], &c, 1), 0); /* nobody holds the other end any more */
	close(alive[0]);
}

static void asks_without_a_person(void *arg, int out)
{
	char c;
	bool alone = getsid(0) == getpid() && read(0, &c, 1) == 0 && !getenv("DISPLAY") &&
		     !strcmp(getenv("SSH_ASKPASS_REQUIRE"), "never");

	(void)arg;
	answer((char *)(alone ? "alone" : "not alone"), out);
}

static void nobody_is_asked_in_person(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(100);

	(void)state;
	setenv("DISPLAY", ":0", 1);
	assert_int_equal(tp_bounded(asks_without_a_person, NULL, tp_now_ms() + 5000, &b), 0);
	assert_string_equal(b.data, "alone");
}

#define EACH(f) cmocka_unit_test_teardown(f, free_cursor)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(knows_commands),
		EACH(knows_options_and_their_values),
		EACH(knows_dockers_flags),
		EACH(leaves_the_containers_command_alone),
		EACH(knows_arguments),
		EACH(remembers_where_it_goes),
		EACH(takes_quotes_off),
		EACH(tells_what_fits),
		EACH(asks_in_time_or_not_at_all),
		EACH(nobody_is_asked_in_person),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
