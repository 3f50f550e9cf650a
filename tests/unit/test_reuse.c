/* SPDX-License-Identifier: Apache-2.0 */
/* What a session was asked to be, and what differs from it. */
#include "tp_test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "session/reuse.h"

static void settings(struct tp_strv *out, int argc, const char *const *argv)
{
	struct tp_session_opts o = { 0 };
	struct tp_run_args a;
	struct tp_session s = { .opts = &o, .args = &a };
	struct tp_err err = { 0 };

	assert_int_equal(tp_run_flags_parse(&a, tp_session_opt_table, &o, argc, (char *const *)argv,
					    0, &err),
			 argc);
	s.kc.context = (char *)"ctx";
	s.kc.namespace = (char *)"ns";
	s.kc.server = (char *)"https://k";
	s.ep.host = (char *)"unix:///d";
	tp_reuse_settings(&s, out);
	tp_run_args_free(&a);
	tp_session_opts_free(&o);
}

#define SETTINGS(out, ...)                                                      \
	settings(out, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), \
		 (const char *[]){ __VA_ARGS__ })

static void test_order_and_spelling(void **state)
{
	TP_AUTO_STRV a = { 0 }, b = { 0 };

	(void)state;
	SETTINGS(&a, "--swap-deployment", "web", "-p", "80:80", "-p81:81", "--volumes=off",
		 "--context=ctx", "--verbose");
	SETTINGS(&b, "--volumes", "off", "--publish=80:80", "--namespace", "ns", "-p", "81:81",
		 "--swap-deployment=deployment/web", "--kubeconfig=/k");
	assert_null(tp_reuse_difference(&a, &b));
	assert_true(tp_strv_has(&a, "--swap-deployment=deployment/web"));
	assert_true(tp_strv_has(&a, "--publish=81:81"));
	assert_true(tp_strv_has(&a, "--namespace=ns"));
	assert_true(tp_strv_has(&a, "the cluster at https://k"));
}

static void differs(const struct tp_strv *has, const struct tp_strv *wants, const char *text)
{
	tp_autofree char *got = tp_reuse_difference(has, wants);

	assert_non_null(got);
	assert_string_equal(got, text);
}

static void test_differences(void **state)
{
	TP_AUTO_STRV a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, none = { 0 };

	(void)state;
	SETTINGS(&a, "--swap-deployment=web", "-p80:80", "--expose=1", "--expose=2");
	SETTINGS(&b, "--swap-deployment=api", "-p80:80", "--expose=1", "--expose=2");
	SETTINGS(&c, "--swap-deployment=web", "-p80:80", "--expose=2", "--expose=1");
	SETTINGS(&d, "--swap-deployment=web", "-p80:80", "-p80:80", "--expose=1", "--expose=2");
	differs(&a, &b,
		"started with --swap-deployment=deployment/web, and without "
		"--swap-deployment=deployment/api");
	differs(&a, &c, "started with the same in another order");
	differs(&a, &d, "started with one of these more or less often");
	tp_strv_add(&none, "--x=y");
	differs(&(struct tp_strv){ 0 }, &none, "started without --x=y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_spelling),
		cmocka_unit_test(test_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
