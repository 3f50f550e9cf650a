/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/mem.h"
#include "docker/plugin.h"

static struct tp_plugin p;
static struct tp_err err;

static int free_plugin(void **state)
{
	(void)state;
	tp_plugin_free(&p);
	return 0;
}

/* The words joined by spaces, an empty one as ''. */
static const char *words(void)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 1; i < p.args.n; i++) {
		strcat(text, i > 1 ? " " : "");
		strcat(text, *p.args.v[i] ? p.args.v[i] : "''");
	}
	return text;
}

static int parse_as(const char *cli, char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	tp_plugin_free(&p);
	return tp_plugin_parse(&p, argc, argv, cli, &err);
}

#define DOCKER	   "/usr/libexec/docker/cli-plugins/docker-tpdocker"
#define ARGV(...)  ((char *[]){ __VA_ARGS__, NULL })
#define PARSE(...) parse_as("docker", ARGV((char *)DOCKER, __VA_ARGS__))

#define assert_words(expected, ...)                       \
	do {                                              \
		assert_ok(PARSE(__VA_ARGS__), &err);      \
		assert_true(p.called);                    \
		assert_string_equal(p.name, "tpdocker");  \
		assert_string_equal(words(), expected);   \
		assert_string_equal(p.args.v[0], DOCKER); \
	} while (0)

static void takes_docker_away(void **state)
{
	(void)state;
	assert_words("run -it img -c x", "tpdocker", "run", "-it", "img", "-c", "x");
	assert_words("", "tpdocker");
	assert_words("run ''", "tpdocker", "run", "");
	assert_words("--help", "tpdocker", "--help");
	assert_words("run tpdocker", "tpdocker", "run", "tpdocker");
	assert_words("run img", "--debug", "--", "tpdocker", "run", "img");
}

static void takes_help_and_version(void **state)
{
	(void)state;
	assert_words("help", "help", "tpdocker");
	assert_words("help run", "help", "tpdocker", "run");
	assert_words("help run", "-D", "-H", "unix:///s", "help", "tpdocker", "run");
	assert_words("help", "--help", "tpdocker");
	assert_words("help run", "-h", "tpdocker", "run");
	assert_words("version", "-v", "tpdocker");
	assert_words("version", "--version", "tpdocker", "run", "img");
	assert_words("run img", "--version=false", "--help=false", "tpdocker", "run", "img");
}

static void takes_completion(void **state)
{
	(void)state;
	assert_words("__complete run --n", "__complete", "tpdocker", "run", "--n");
	assert_words("__complete ''", "__complete", "tpdocker", "");
	assert_words("__completeNoDesc run", "__completeNoDesc", "tpdocker", "run");
}

/* Every spelling of docker's options, and each wherever it may stand. */
static void takes_dockers_options(void **state)
{
	const struct tp_docker_globals *g = &p.globals;

	(void)state;
	assert_words("run", "--config", "/c", "--host=tcp://h:1", "--tlscacert=ca", "--tlscert",
		     "ce", "--tlskey=k", "--tls", "--tlsverify", "--log-level", "warn", "tpdocker",
		     "run");
	assert_string_equal(g->config, "/c");
	assert_string_equal(g->host, "tcp://h:1");
	assert_string_equal(g->tls_ca, "ca");
	assert_string_equal(g->tls_cert, "ce");
	assert_string_equal(g->tls_key, "k");
	assert_string_equal(g->log_level, "warn");
	assert_int_equal(g->tls, 1);
	assert_int_equal(g->tls_verify, 1);
	assert_false(g->debug);
	assert_null(g->context);

	assert_words("run", "-DHunix:///x", "tpdocker", "run");
	assert_true(g->debug);
	assert_string_equal(g->host, "unix:///x");
	assert_words("run", "-D=false", "-H=unix:///x", "-ldebug", "tpdocker", "run");
	assert_false(g->debug);
	assert_string_equal(g->host, "unix:///x");
	assert_string_equal(g->log_level, "debug");
	assert_words("run", "-c", "ctx", "-DH", "unix:///y", "tpdocker", "run");
	assert_string_equal(g->context, "ctx");
	assert_string_equal(g->host, "unix:///y");
	assert_words("run", "--tls=false", "--tlsverify=0", "tpdocker", "run");
	assert_int_equal(g->tls, -1);
	assert_int_equal(g->tls_verify, -1);

	/* an option's value that reads like the plugin's name or like help */
	assert_words("run", "-c", "tpdocker", "--config", "help", "tpdocker", "run");
	assert_string_equal(g->context, "tpdocker");
	assert_string_equal(g->config, "help");

	/* behind the name they are ours, whatever they look like */
	assert_words("-c x --host h", "tpdocker", "-c", "x", "--host", "h");
	assert_null(g->context);
	assert_null(g->host);
}

static void takes_empty_values_as_docker_does(void **state)
{
	const struct tp_docker_globals *g = &p.globals;

	(void)state;
	assert_words("", "-H", "", "--context=", "--config", "", "tpdocker");
	assert_string_equal(g->host, "unix://"); /* the default one, whatever DOCKER_HOST says */
	assert_null(g->context);
	assert_null(g->config);
}

static void refuses_what_docker_would(void **state)
{
	static const struct {
		const char *words[6];
		const char *says;
	} cases[] = {
		{ { "-H", "a", "-H", "b", "tpdocker" }, "--host" },
		{ { "--tls=maybe", "tpdocker" }, "--tls" },
		{ { "-D=x", "tpdocker" }, "--debug" },
		{ { "--log-level=loud", "tpdocker" }, "loud" },
		{ { "--context" }, "--context" },
		{ { "-H" }, "--host" },
		{ { "--not-yet", "tpdocker" }, "--not-yet" },
		{ { "-Dq", "tpdocker" }, "-Dq" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		char *argv[8] = { (char *)DOCKER };

		memcpy(argv + 1, cases[i].words, sizeof(cases[i].words));
		if (parse_as("docker", argv) != -1)
			fail_msg("taken: %s", cases[i].words[0]);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_contains(err.msg, cases[i].says);
	}
}

#define assert_ordinary(cli, expected, ...)                        \
	do {                                                       \
		assert_ok(parse_as(cli, ARGV(__VA_ARGS__)), &err); \
		assert_false(p.called);                            \
		assert_null(p.name);                               \
		assert_null(p.globals.host);                       \
		assert_string_equal(words(), expected);            \
	} while (0)

static void is_the_ordinary_program_otherwise(void **state)
{
	(void)state;
	assert_ordinary(NULL, "tpdocker run", (char *)"docker-tpdocker", "tpdocker", "run");
	assert_ordinary("", "tpdocker run", (char *)"docker-tpdocker", "tpdocker", "run");
	assert_ordinary("docker", "tpdocker run", (char *)"/usr/bin/tpdocker", "tpdocker", "run");
	assert_ordinary("docker", "-H x run", (char *)"tpdocker", "-H", "x", "run");
	/* Compose, itself a plugin, calls a provider by the plugin's file */
	assert_ordinary("docker", "compose --project-name=p up web", (char *)DOCKER, "compose",
			"--project-name=p", "up", "web");
	assert_ordinary("docker", "help run", (char *)DOCKER, "help", "run");
	assert_ordinary("docker", "-H x run", (char *)DOCKER, "-H", "x", "run");
	assert_ordinary("docker", "--version", (char *)DOCKER, "--version");
	assert_ordinary("docker", "__complete run", (char *)DOCKER, "__complete", "run");
	assert_ordinary("docker", "", (char *)DOCKER);
}

static void goes_by_the_name_of_its_file(void **state)
{
	(void)state;
	assert_ok(parse_as("docker", ARGV((char *)"/x/docker-tp", "tp", "run", "tpdocker")), &err);
	assert_true(p.called);
	assert_string_equal(p.name, "tp");
	assert_string_equal(words(), "run tpdocker");
}

/* The last one: it changes the process. */
static void is_used_everywhere(void **state)
{
	static struct tp_plugin q;
	char *argv[] = { (char *)DOCKER,      (char *)"-D",	  (char *)"-H",
			 (char *)"unix:///s", (char *)"tpdocker", NULL };
	char *quiet[] = { (char *)DOCKER, (char *)"-lerror", (char *)"tpdocker", NULL };

	(void)state;
	assert_string_equal(tp_program(), "tpdocker");
	assert_null(tp_plugin_globals()->host);
	assert_int_equal(tp_plugin_log_level(), TP_LOG_NORMAL);
	assert_ok(tp_plugin_parse(&q, 5, argv, "docker", &err), &err);
	tp_plugin_use(&q);
	assert_string_equal(tp_program(), "docker tpdocker");
	assert_string_equal(tp_plugin_globals()->host, "unix:///s");
	assert_int_equal(tp_plugin_log_level(), TP_LOG_VERBOSE);
	tp_plugin_free(&q);
	assert_ok(tp_plugin_parse(&q, 3, quiet, "docker", &err), &err);
	assert_int_equal(tp_plugin_log_level(), TP_LOG_QUIET);
	tp_plugin_free(&q);
}

#define EACH(f) cmocka_unit_test_teardown(f, free_plugin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(takes_docker_away),
		EACH(takes_help_and_version),
		EACH(takes_completion),
		EACH(takes_dockers_options),
		EACH(takes_empty_values_as_docker_does),
		EACH(refuses_what_docker_would),
		EACH(is_the_ordinary_program_otherwise),
		EACH(goes_by_the_name_of_its_file),
		EACH(is_used_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
