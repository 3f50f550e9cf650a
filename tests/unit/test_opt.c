/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/mem.h"
#include "base/opt.h"

struct options {
	bool quiet, verbose;
	char *name;
	struct tp_strv also;
};

static const struct tp_opt table[] = {
	{ "quiet", TP_OPT_FLAG, NULL, "say nothing but errors", offsetof(struct options, quiet),
	  NULL, NULL },
	{ "verbose", TP_OPT_FLAG, NULL, "say more", offsetof(struct options, verbose), NULL, NULL },
	{ "name", TP_OPT_STRING, "NAME[:CONTAINER]",
	  "the workload that is replaced by this container, or the pod that stands in for it while it runs",
	  offsetof(struct options, name), "workload", NULL },
	{ "also-proxy", TP_OPT_LIST, "CIDR|HOST|A-VERY-LONG-PLACEHOLDER", "more of it",
	  offsetof(struct options, also), NULL, NULL },
	TP_OPT_END,
};

/* A command of its own option, and all of those. */
static const struct tp_opt longer[] = {
	{ .name = "extra",
	  .type = TP_OPT_STRING,
	  .arg = "X",
	  .help = "one more",
	  .offset = offsetof(struct options, name) },
	TP_OPT_MORE(table),
};

static void options_free(struct options *o)
{
	free(o->name);
	tp_strv_free(&o->also);
}

#define ARGS(...)                                                 \
	char *argv[] = { (char *)"tpdocker", __VA_ARGS__, NULL }; \
	int argc = (int)TP_ARRAY_SIZE(argv) - 1;                  \
	tp_autoclean(options_free) struct options o = { 0 };      \
	struct tp_err err = { 0 }

static void takes_all_kinds(void **state)
{
	ARGS("--quiet", "--name", "first", "--also-proxy=a", "--name=second=2", "--also-proxy",
	     "-b", "--verbose=true", "--verbose=0", "image", "--quiet=false");

	(void)state;
	assert_int_equal(tp_opt_parse(table, &o, argc, argv, 1, &err), 10);
	assert_true(o.quiet);
	assert_false(o.verbose);
	assert_string_equal(o.name, "second=2");
	assert_int_equal(o.also.n, 2);
	assert_string_equal(o.also.v[1], "-b");
}

static void goes_on_in_another_table(void **state)
{
	ARGS("--extra", "x", "--verbose", "--also-proxy=a");
	size_t n = 0;

	(void)state;
	assert_int_equal(tp_opt_parse(longer, &o, argc, argv, 1, &err), 5);
	assert_string_equal(o.name, "x");
	assert_true(o.verbose);
	assert_int_equal(o.also.n, 1);
	TP_OPT_FOREACH(row, longer)
	n++;
	assert_int_equal(n, 5);
	TP_OPT_FOREACH(row, NULL)
	n++;
	assert_int_equal(n, 5);
	argv[1] = (char *)"--verbos";
	assert_int_equal(tp_opt_parse(longer, &o, argc, argv, 1, &err), -1);
	assert_contains(err.msg, "--verbose");
}

static void stops_where_it_should(void **state)
{
	{
		ARGS("--quiet", "--", "--name");
		assert_int_equal(tp_opt_parse(table, &o, argc, argv, 1, &err), 3);
	}
	{
		ARGS("-", "--name");
		assert_int_equal(tp_opt_parse(table, &o, argc, argv, 1, &err), 1);
	}
	{
		ARGS("--name=");
		assert_int_equal(tp_opt_parse(table, &o, argc, argv, 1, &err), 2);
		assert_string_equal(o.name, "");
	}
	{
		ARGS("");
		assert_int_equal(tp_opt_parse(table, &o, argc, argv, 1, &err), 1);
	}
	(void)state;
}

static void refuses_with_a_reason(void **state)
{
	static const struct {
		const char *word, *says;
	} cases[] = {
		{ "--name", "--name needs a value: --name NAME[:CONTAINER]" },
		{ "--quiet=maybe", "--quiet takes true or false" },
		{ "--quiet=", "--quiet takes true or false" },
		{ "--quite", "Did you mean --quiet?" },
		{ "--also-prxy=10.0.0.0/8", "Did you mean --also-proxy?" },
		{ "--nmae", "Did you mean --name?" },
		{ "-name", "Did you mean --name?" },
		{ "--something-else", "unknown option: --something-else" },
		{ "-x", "unknown option: -x" },
		{ "--=x", "unknown option: --" },
		{ "---", "unknown option: ---" },
		{ "--\xff\033[m", "unknown option: --??[m" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		ARGS((char *)(uintptr_t)cases[i].word);

		assert_int_equal(tp_opt_parse(table, &o, argc, argv, 1, &err), -1);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_contains(err.msg, cases[i].says);
	}
}

static void leaves_others_alone(void **state)
{
	ARGS("--rm", "--name", "x", "image");
	int i = 1;

	(void)state;
	assert_int_equal(tp_opt_take(table, &o, argc, argv, &i, &err), 0);
	assert_int_equal(i, 1);
	i = 2;
	assert_int_equal(tp_opt_take(table, &o, argc, argv, &i, &err), 1);
	assert_int_equal(i, 3);
	i = 4;
	assert_int_equal(tp_opt_take(table, &o, argc, argv, &i, &err), 0);
	i = argc;
	assert_int_equal(tp_opt_take(table, &o, argc, argv, &i, &err), 0);
	assert_null(tp_opt_find(table, "nam", 3));
	assert_null(tp_opt_find(table, "name2", 5));
	assert_non_null(tp_opt_find(table, "name2", 4));
}

static void finds_the_nearest(void **state)
{
	static const char *const names[] = { "run", "up", "down", "cleanup", "status", "version" };
	const size_t n = TP_ARRAY_SIZE(names);
	char longest[300];

	(void)state;
	assert_string_equal(tp_nearest("rnu", names, n), "run");
	assert_string_equal(tp_nearest("stauts", names, n), "status");
	assert_string_equal(tp_nearest("versio", names, n), "version");
	assert_string_equal(tp_nearest("clean-up", names, n), "cleanup");
	assert_null(tp_nearest("frobnicate", names, n));
	assert_null(tp_nearest("", names, n));
	assert_null(tp_nearest("x", names, n));
	assert_null(tp_nearest("zz", names, n));
	assert_null(tp_nearest("run", names, 0));
	memset(longest, 'r', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(tp_nearest(longest, names, n));
}

static void prints_in_79_columns(void **state)
{
	tp_autofree char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	tp_opt_print(table, f);
	fclose(f);
	assert_contains(text, "  --quiet                       say nothing but errors\n");
	assert_contains(text, "  --name NAME[:CONTAINER]       the workload that");
	assert_contains(text, "  --also-proxy CIDR|HOST|A-VERY-LONG-PLACEHOLDER\n"
			      "                                more of it\n");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(strlen(line) <= 79);
		assert_int_not_equal(line[strlen(line) - 1], ' ');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_all_kinds),	 cmocka_unit_test(goes_on_in_another_table),
		cmocka_unit_test(stops_where_it_should), cmocka_unit_test(refuses_with_a_reason),
		cmocka_unit_test(leaves_others_alone),	 cmocka_unit_test(finds_the_nearest),
		cmocka_unit_test(prints_in_79_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
