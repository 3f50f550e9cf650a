/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of an environment, letter by letter. That the real readers take them: tests/env-command.bats. */
#include "tp_test.h"

#include "base/json.h"
#include "base/mem.h"
#include "session/envformat.h"

static void print(enum tp_env_format f, const char *const *env, struct tp_env_text *t)
{
	struct tp_err err = { 0 };

	assert_ok(tp_env_format_print(f, env, t, &err), &err);
}

static const char *text_of(const struct tp_env_text *t)
{
	return t->text.data ? t->text.data : "";
}

static void test_values(void **state)
{
	static const struct {
		const char *kv, *shell, *compose, *docker;
	} cases[] = {
		{ "A=plain-1.2/3:4@5%6+7,8", "A=plain-1.2/3:4@5%6+7,8", "A=plain-1.2/3:4@5%6+7,8",
		  "A=plain-1.2/3:4@5%6+7,8" },
		{ "A=", "A=", "A=", "A=" },
		{ "A=a=b", "A='a=b'", "A='a=b'", "A=a=b" },
		{ "A=two words", "A='two words'", "A='two words'", "A=two words" },
		{ "A= both ends ", "A=' both ends '", "A=' both ends '", "A= both ends " },
		{ "A=~/x", "A='~/x'", "A='~/x'", "A=~/x" },
		{ "A=#x", "A='#x'", "A='#x'", "A=#x" },
		{ "A=$x ${y}", "A='$x ${y}'", "A='$x ${y}'", "A=$x ${y}" },
		{ "A=it's", "A='it'\\''s'", "A='it\\'s'", "A=it's" },
		{ "A='", "A=''\\'''", "A='\\''", "A='" },
		{ "A=say \"x\"", "A='say \"x\"'", "A='say \"x\"'", "A=say \"x\"" },
		{ "A=C:\\dir\\new", "A='C:\\dir\\new'", "A='C:\\dir\\new'", "A=C:\\dir\\new" },
		/* backslashes that would take a quote along */
		{ "A=end\\", "A='end\\'", "A=\"end\\\\\"", "A=end\\" },
		{ "A=end\\\\", "A='end\\\\'", "A='end\\\\'", "A=end\\\\" },
		{ "A=\\'", "A='\\'\\'''", "A=\"\\\\'\"", "A=\\'" },
		{ "A=\\\\'", "A='\\\\'\\'''", "A='\\\\\\''", "A=\\\\'" },
		{ "A=\\'$\"", "A='\\'\\''$\"'", "A=\"\\\\'\\$\\\"\"", "A=\\'$\"" },
		{ "A=1\n\n2\n", "A='1\n\n2\n'", "A='1\n\n2\n'", "A" },
		{ "A=cr\r", "A='cr\r'", "A='cr\r'", "A" },
		{ "A=\t\x01\x7f", "A='\t\x01\x7f'", "A='\t\x01\x7f'", "A=\t\x01\x7f" },
		{ "A=gr\xc3\xbcn", "A='gr\xc3\xbcn'", "A='gr\xc3\xbcn'", "A=gr\xc3\xbcn" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		const char *env[] = { cases[i].kv, NULL };
		const char *want[] = { [TP_ENV_PLAIN] = cases[i].shell,
				       [TP_ENV_COMPOSE] = cases[i].compose,
				       [TP_ENV_DOCKER] = cases[i].docker };
		static const enum tp_env_format formats[] = { TP_ENV_PLAIN, TP_ENV_COMPOSE,
							      TP_ENV_DOCKER };
		struct tp_env_text t;
		tp_autofree char *exported = tp_asprintf("export %s\n", cases[i].shell);

		for (size_t k = 0; k < TP_ARRAY_SIZE(formats); k++) {
			tp_autofree char *line = tp_asprintf("%s\n", want[formats[k]]);

			print(formats[k], env, &t);
			assert_string_equal(text_of(&t), line);
			assert_int_equal(t.bad_names.n + t.reserved.n + t.bad_values.n, 0);
			assert_int_equal(t.bare.n,
					 formats[k] == TP_ENV_DOCKER && !strchr(line, '='));
			tp_env_text_free(&t);
		}
		print(TP_ENV_SHELL, env, &t);
		assert_string_equal(text_of(&t), exported);
		tp_env_text_free(&t);
	}
}

static void test_json(void **state)
{
	static const char *const env[] = { "A=1",	"B=",	     "C=\"q\"\\\n\t\x01",
					   "my.name=x", "D=bad\xff", "E=gr\xc3\xbcn",
					   NULL };
	struct tp_err err = { 0 };
	struct tp_env_text t;

	(void)state;
	print(TP_ENV_JSON, env, &t);
	TP_AUTO_JSON *j = tp_json_parse(t.text.data, t.text.len, &err);
	assert_non_null(j);
	assert_int_equal(tp_json_len(j), 5);
	assert_string_equal(tp_json_str(tp_json_get(j, "B")), "");
	assert_string_equal(tp_json_str(tp_json_get(j, "C")), "\"q\"\\\n\t\x01");
	assert_string_equal(tp_json_str(tp_json_get(j, "my.name")), "x");
	assert_string_equal(tp_json_str(tp_json_get(j, "E")), "gr\xc3\xbcn");
	assert_int_equal(t.bad_values.n, 1);
	assert_string_equal(t.bad_values.v[0], "D");
	assert_int_equal(t.text.data[t.text.len - 1], '\n');
	tp_env_text_free(&t);
}

/* Of names and values that a format does not have, each is named once and none is written. */
static void test_left_out(void **state)
{
	static const char *const env[] = { "OK=1",     "a.b=2",	   "a-b=3",	"1a=4",
					   "a/b=5",    "#x=6",	   "B=\xff",	"UID=7",
					   "OPTIND=x", "a.c=1\n2", "PPID=1\n2", NULL };
	static const struct {
		enum tp_env_format f;
		const char *text, *names, *reserved, *values, *bare;
	} cases[] = {
		{ TP_ENV_PLAIN, "B='\xff'\nOK=1\n", "#x 1a a-b a.b a.c a/b ", "OPTIND PPID UID ",
		  "", "" },
		{ TP_ENV_SHELL, "export B='\xff'\nexport OK=1\n", "#x 1a a-b a.b a.c a/b ",
		  "OPTIND PPID UID ", "", "" },
		{ TP_ENV_COMPOSE,
		  "1a=4\nOK=1\nOPTIND=x\nPPID='1\n2'\nUID=7\na-b=3\na.b=2\na.c='1\n2'\n", "#x a/b ",
		  "", "B ", "" },
		{ TP_ENV_DOCKER, "1a=4\nOK=1\nOPTIND=x\nUID=7\na-b=3\na.b=2\na/b=5\n", "#x a.c ",
		  "PPID ", "B ", "" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_env_text t;

		print(cases[i].f, env, &t);
		const struct tp_strv *lists[] = { &t.bad_names, &t.reserved, &t.bad_values,
						  &t.bare };
		const char *want[] = { cases[i].names, cases[i].reserved, cases[i].values,
				       cases[i].bare };
		assert_string_equal(text_of(&t), cases[i].text);
		for (size_t k = 0; k < TP_ARRAY_SIZE(lists); k++) {
			TP_AUTO_BUF b = TP_BUF_INIT(1024);

			for (size_t n = 0; n < lists[k]->n; n++)
				tp_buf_printf(&b, "%s ", lists[k]->v[n]);
			assert_string_equal(b.data ? b.data : "", want[k]);
		}
		tp_env_text_free(&t);
	}
}

/* As a container would get them: what is kept back is not there, of several the last is. */
static void test_given(void **state)
{
	static const char *const env[] = { "HOME=/x", "A=1",  "PATH=/y", "HOSTNAME=z",
					   "A=2",     "AA=3", NULL };
	struct tp_env_text t;

	(void)state;
	print(TP_ENV_PLAIN, env, &t);
	assert_string_equal(text_of(&t), "A=2\nAA=3\n");
	tp_env_text_free(&t);
}

static void test_nothing(void **state)
{
	static const char *const env[] = { NULL };
	struct tp_env_text t;

	(void)state;
	print(TP_ENV_JSON, env, &t);
	assert_string_equal(text_of(&t), "{}\n");
	tp_env_text_free(&t);
	print(TP_ENV_DOCKER, env, &t);
	assert_string_equal(text_of(&t), "");
	tp_env_text_free(&t);
}

static void test_words(void **state)
{
	enum tp_env_format f = TP_ENV_PLAIN;
	struct tp_err err = { 0 };

	(void)state;
	assert_ok(tp_env_format_find("compose", &f, &err), &err);
	assert_int_equal(f, TP_ENV_COMPOSE);
	assert_int_equal(tp_env_format_find("yaml", &f, &err), -1);
	assert_int_equal(err.kind, TP_ERR_USAGE);
	assert_contains(err.msg, "--format yaml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	 cmocka_unit_test(test_json),
		cmocka_unit_test(test_left_out), cmocka_unit_test(test_given),
		cmocka_unit_test(test_nothing),	 cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("environment formats", tests, NULL, NULL);
}
