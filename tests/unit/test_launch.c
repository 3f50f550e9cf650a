/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "docker/entrypoint.h"
#include "docker/launch.h"
#include "docker/launch_env.h"

static char dir[64];
static struct tp_docker_endpoint ep;
static struct tp_err err;

/* A docker CLI that writes down what it was given. */
static const char fake[] =
	"#!/bin/sh\n"
	"d=${0%/*}\n"
	"for a; do printf '%s\\n' \"$a\"; done >\"$d/argv\"\n"
	"env >\"$d/env\"\n"
	": >\"$d/file\"\n"
	"for a; do case $a in --env-file=/dev/fd/*) cat \"${a#*=}\" >\"$d/file\";; esac; done\n"
	"case \" $* \" in *' pull '*) echo progress; "
	"[ -e \"$d/fail\" ] && { echo 'Error: manifest unknown' >&2; exit 1; };; esac\n"
	"exit 7\n";

static char *path_of(const char *name)
{
	return tp_asprintf("%s/%s", dir, name);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	tp_autofree char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(tp_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static char *read_text(const char *name)
{
	tp_autofree char *path = path_of(name);
	struct tp_buf b = TP_BUF_INIT(1 << 20);

	assert_int_equal(tp_read_file(path, &b), 0);
	return tp_buf_steal(&b);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tpdocker-launch-XXXXXX");
	assert_non_null(mkdtemp(dir));
	write_file("docker", fake, 0755);
	ep = (struct tp_docker_endpoint){ .cli = path_of("docker") };
	tp_strv_add(&ep.cli_globals, "--context=c");
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "docker", "argv", "env", "file", "fail", "e", "cid" };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(names); i++) {
		tp_autofree char *path = path_of(names[i]);
		unlink(path);
	}
	rmdir(dir);
	tp_docker_endpoint_free(&ep);
	return 0;
}

static void parse(struct tp_run_args *a, int argc, const char *const *argv)
{
	assert_ok(tp_run_args_parse(a, NULL, NULL, argc, (char *const *)(uintptr_t)argv, 0, &err),
		  &err);
}
#define PARSE(a, ...)                                        \
	do {                                                 \
		const char *const words[] = { __VA_ARGS__ }; \
		parse(a, (int)TP_ARRAY_SIZE(words), words);  \
	} while (0)

static void run(const struct tp_launch *l)
{
	TP_AUTO_CHILD child = TP_CHILD_INIT;
	int status;

	assert_ok(tp_launch_start(l, &child, &err), &err);
	assert_int_equal(tp_child_wait(&child, 10000, &status, NULL, &err), 0);
	assert_int_equal(tp_status_code(status), 7);
}

static void sorts_the_environment(void **state)
{
	static char big[40000] = "BIG=", huge[200000] = "HUGE=";
	static const char *const env[] = {
		"A=1",
		"EMPTY=",
		"M=a\nb",
		"HOME=/x",
		"PATH=/y",
		"HOSTNAME=z",
		"R=a\rb",
		"PATH_X=1",
		"http_proxy=http://x",
		"LD_PRELOAD=a\nb",
		"MINE=1",
		"TAB=a\tb",
		"DUP=1",
		"bad name=1",
		"#C=1",
		"L=\xff",
		"U=\xc3\xa9",
		"EQ=a=b",
		"novalue",
		"=x",
		"DUP=2",
		big,
		huge,
		"DOCKER_HOST=x\ny",
		"LC_ALL=C\n",
		NULL,
	};
	struct tp_strv user = { 0 };
	struct tp_launch_env e;

	(void)state;
	memset(big + 4, 'b', sizeof(big) - 5);
	memset(huge + 5, 'h', sizeof(huge) - 6);
	tp_strv_add(&user, "MINE");
	tp_launch_env_split(env, &user, &e);
	assert_string_equal(e.file.data, "A=1\nEMPTY=\nPATH_X=1\nhttp_proxy=http://x\nTAB=a\tb\n"
					 "U=\xc3\xa9\nEQ=a=b\nDUP=2\n");
	static const char *const names[] = { "M", "R", "bad name", "#C", "L", "BIG" };
	assert_int_equal(e.names.n, TP_ARRAY_SIZE(names));
	for (size_t i = 0; i < TP_ARRAY_SIZE(names); i++)
		assert_string_equal(e.names.v[i], names[i]);
	assert_string_equal(e.environ.v[0], "M=a\nb");
	static const char *const out[] = { "LD_PRELOAD", "HUGE", "DOCKER_HOST", "LC_ALL" };
	assert_int_equal(e.left_out.n, TP_ARRAY_SIZE(out));
	for (size_t i = 0; i < TP_ARRAY_SIZE(out); i++)
		assert_string_equal(e.left_out.v[i], out[i]);
	tp_launch_env_free(&e);
	tp_strv_free(&user);
}

static void hands_everything_over(void **state)
{
	static const char *const env[] = {
		"SECRET=s3cr3t", "MULTI=s3cr3t\ntwo", "USERS=pod", "FILED=pod",
		"BARE=pod",	 "COMMENT=pod",	      NULL
	};
	static const char *const labels[] = { "tpdocker=1", NULL };
	struct tp_run_args a;
	tp_autofree char *e = path_of("e");

	(void)state;
	write_file("e", "\xef\xbb\xbf  FILED=x\r\n#COMMENT=1\n\nBARE\n", 0600);
	PARSE(&a, "-it", "-eUSERS=mine", "--env-file", e, "img", "cmd", "-x");
	struct tp_launch l = {
		.ep = &ep, .args = &a, .netns_container = "abc", .env = env, .labels = labels
	};
	run(&l);
	tp_autofree char *argv = read_text("argv"), *file = read_text("file"),
			 *environment = read_text("env");
	tp_autofree char *tail = tp_asprintf("--env=MULTI\n--interactive\n--tty\n"
					     "--env=USERS=mine\n--env-file=%s\n--\nimg\ncmd\n-x\n",
					     e);
	const char *head = "--context=c\nrun\n--network=container:abc\n--label=tpdocker=1\n--rm\n"
			   "--env-file=/dev/fd/";
	assert_memory_equal(argv, head, strlen(head));
	assert_contains(argv, tail);
	assert_null(strstr(argv, "s3cr3t"));
	assert_string_equal(file, "SECRET=s3cr3t\nCOMMENT=pod\n");
	assert_contains(environment, "MULTI=s3cr3t\ntwo\n");
	assert_null(strstr(environment, "SECRET="));
	tp_run_args_free(&a);
}

/* ---------------------------------------------------------- entrypoints */

/* Words with a '|' between them, as a list. */
static void split_words(const char *text, struct tp_strv *out)
{
	while (*text) {
		size_t n = strcspn(text, "|");

		tp_strv_take(out, tp_strndup(text, n));
		text += n + (text[n] == '|');
	}
}

static char *joined(const struct tp_strv *l)
{
	struct tp_buf b = TP_BUF_INIT(4096);

	for (size_t i = 0; i < l->n; i++)
		tp_buf_printf(&b, "%s%s", i ? "|" : "", l->v[i]);
	return tp_buf_steal(&b);
}

static void merges_entrypoints(void **state)
{
	static const struct {
		const char *flags, *words; /* the user's */
		const char *image;	   /* Config */
		const char *runs;	   /* NULL: refused */
	} cases[] = {
		/* as `docker create` and `docker inspect` show them (engine 20.10, CLI 28.2) */
		{ "", "", "{\"Entrypoint\":null,\"Cmd\":[\"bash\"]}", "bash" },
		{ "", "", "{\"Entrypoint\":[\"/e\",\"-x\"],\"Cmd\":[\"a\",\"b\"]}", "/e|-x|a|b" },
		{ "", "", "{\"Entrypoint\":[\"/e\"],\"Cmd\":null}", "/e" },
		{ "", "c|d", "{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\"]}", "/e|c|d" },
		{ "", "c|d", "{\"Entrypoint\":null,\"Cmd\":[\"a\"]}", "c|d" },
		{ "--entrypoint=/u", "", "{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\"]}", "/u" },
		{ "--entrypoint=/u", "c", "{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\"]}", "/u|c" },
		{ "--entrypoint=/u|--entrypoint=/v", "", "{\"Cmd\":[\"a\"]}", "/v" },
		{ "--entrypoint|a b c", "", "{\"Cmd\":[\"a\"]}", "a b c" },
		{ "--entrypoint=", "c", "{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\"]}", "c" },
		{ "--entrypoint=", "", "{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\"]}", NULL },
		{ "", "", "{\"Entrypoint\":[\"\"],\"Cmd\":[\"a\"]}", "a" },
		{ "", "", "{\"Entrypoint\":null,\"Cmd\":null}", NULL },
		{ "", "", "{}", NULL },
		{ "", "c", "{}", "c" },
		{ "", "-c", "{\"Entrypoint\":[\"sh\"]}", "sh|-c" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		TP_AUTO_STRV argv = { 0 };
		TP_AUTO_STRV runs = { 0 };
		tp_autofree char *text = tp_asprintf("{\"Config\":%s}", cases[i].image);
		TP_AUTO_JSON *image = tp_json_parse(text, strlen(text), &err);
		struct tp_run_args a;
		int rc;

		assert_non_null(image);
		split_words(cases[i].flags, &argv);
		tp_strv_add(&argv, "img");
		split_words(cases[i].words, &argv);
		parse(&a, (int)argv.n, (const char *const *)argv.v);
		rc = tp_entrypoint(&a, image, &runs, &err);
		if (cases[i].runs) {
			tp_autofree char *got = joined(&runs);

			assert_ok(rc, &err);
			assert_string_equal(got, cases[i].runs);
		} else {
			assert_int_equal(rc, -1);
			assert_int_equal(err.kind, TP_ERR_USAGE);
			assert_contains(err.msg, "no command");
		}
		tp_run_args_free(&a);
	}
}

/* The gate stands where docker looks for the entrypoint; the user's own flag is not handed on. */
static void puts_the_gate_in_front(void **state)
{
	struct tp_run_args a;
	TP_AUTO_STRV command = { 0 };

	(void)state;
	PARSE(&a, "--entrypoint=/u", "-v", "x:/y", "--entrypoint", "/v", "img", "c", "--d");
	split_words("/v|c|--d", &command);
	struct tp_launch_gate gate = { "vol", "sock/tag", &command };
	struct tp_launch l = { .ep = &ep, .args = &a, .gate = &gate };
	run(&l);
	tp_autofree char *argv = read_text("argv");
	assert_string_equal(
		argv,
		"--context=c\nrun\n--rm\n"
		"--mount=type=volume,source=vol,target=/tpdocker/bin,readonly\n"
		"--entrypoint=/tpdocker/bin/gate\n--volume=x:/y\n--\nimg\nsock/tag\n/v\nc\n--d\n");
	tp_run_args_free(&a);
}

static void respects_rm(void **state)
{
	static const struct {
		const char *flag;
		bool rm;
	} cases[] = { { "--rm", true },
		      { "--rm=false", false },
		      { "--restart=always", false },
		      { "--init", true } };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_run_args a;

		PARSE(&a, cases[i].flag, "img");
		struct tp_launch l = { .ep = &ep, .args = &a };
		run(&l);
		tp_autofree char *argv = read_text("argv");
		const char *at = strstr(argv, "--rm\n");
		assert_true((at != NULL) == cases[i].rm);
		if (at)
			assert_null(strstr(at + 1, "--rm\n"));
		assert_null(strstr(argv, "/dev/fd"));
		tp_run_args_free(&a);
	}
}

static void refuses_early(void **state)
{
	struct tp_run_args a;
	int null = open("/dev/null", O_RDONLY), in = dup(0);
	tp_autofree char *cid = path_of("cid");

	(void)state;
	dup2(null, 0);
	PARSE(&a, "-it", "img");
	assert_int_equal(tp_launch_check(&ep, &a, &err), -1);
	assert_contains(err.msg, "not a terminal");
	tp_run_args_free(&a);
	PARSE(&a, "-t", "-a", "stdin", "img");
	assert_int_equal(tp_launch_check(&ep, &a, &err), -1);
	tp_run_args_free(&a);
	PARSE(&a, "-dit", "img");
	assert_ok(tp_launch_check(&ep, &a, &err), &err);
	tp_run_args_free(&a);
	PARSE(&a, "-t", "img");
	assert_ok(tp_launch_check(&ep, &a, &err), &err);
	tp_run_args_free(&a);
	PARSE(&a, "--env-file=/nonexistent", "img");
	assert_int_equal(tp_launch_check(&ep, &a, &err), -1);
	assert_contains(err.msg, "/nonexistent");
	tp_run_args_free(&a);
	write_file("cid", "", 0600);
	PARSE(&a, "--cidfile", cid, "img");
	assert_int_equal(tp_launch_check(&ep, &a, &err), -1);
	assert_contains(err.msg, "cid");
	tp_run_args_free(&a);
	PARSE(&a, "img");
	struct tp_docker_endpoint none = { .cli = (char[]){ "no-such-docker" } };
	assert_int_equal(tp_launch_check(&none, &a, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	none.cli = (char[]){ "sh" };
	assert_ok(tp_launch_check(&none, &a, &err), &err);
	tp_run_args_free(&a);
	dup2(in, 0);
	close(in);
	close(null);
}

static void pulls(void **state)
{
	struct tp_run_args a;

	(void)state;
	write_file("fail", "", 0600);
	PARSE(&a, "--platform=linux/arm64", "-q", "img");
	assert_ok(tp_launch_pull(&ep, &a, true, NULL, &err), &err);
	assert_int_equal(tp_launch_pull(&ep, &a, false, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_string_equal(err.msg, "pulling img: Error: manifest unknown");
	tp_autofree char *argv = read_text("argv");
	assert_string_equal(argv, "--context=c\npull\n--quiet\n--platform=linux/arm64\n--\nimg\n");
	tp_run_args_free(&a);
	PARSE(&a, "--pull=always", "img");
	assert_int_equal(tp_launch_pull(&ep, &a, true, NULL, &err), -1);
	tp_run_args_free(&a);
	PARSE(&a, "--pull=never", "img");
	assert_ok(tp_launch_pull(&ep, &a, true, NULL, &err), &err);
	assert_int_equal(tp_launch_pull(&ep, &a, false, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	tp_run_args_free(&a);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_the_environment),
		EACH(hands_everything_over),
		cmocka_unit_test(merges_entrypoints),
		EACH(puts_the_gate_in_front),
		EACH(respects_rm),
		EACH(refuses_early),
		EACH(pulls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
