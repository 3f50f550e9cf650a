/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/json.h"
#include "base/mem.h"

static struct tp_json *parse(const char *text)
{
	struct tp_err err = { 0 };
	struct tp_json *v = tp_json_parse(text, strlen(text), &err);

	if (!v)
		fail_msg("%s", err.msg);
	return v;
}

static void refused(const char *text, size_t n)
{
	/* exactly that long, so that ASan sees a read past it */
	char *copy = malloc(n ? n : 1);
	struct tp_err err = { 0 };
	struct tp_json *v;

	memcpy(copy, text, n);
	v = tp_json_parse(copy, n, &err);
	free(copy);
	if (v)
		fail_msg("accepted: %.*s", (int)n, text);
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	assert_true(strlen(err.msg) > 0);
}

static void reads_a_tree(void **state)
{
	TP_AUTO_JSON *v =
		parse(" {\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\"},"
		      "{\"name\":\"b\",\"ports\":[8080,-1]}]}}},\"on\":true,\"off\":false,"
		      "\"nil\":null,\"a.b\":1.50,\"empty\":[],\"none\":{},\"\":\"\"}\n");
	const struct tp_json *containers = tp_json_path(v, "spec.template.spec.containers");
	int64_t number;

	(void)state;
	assert_int_equal(tp_json_type(v), TP_JSON_OBJECT);
	assert_int_equal(tp_json_len(v), 8);
	assert_string_equal(tp_json_key(v, 0), "spec");
	assert_string_equal(tp_json_key(v, 7), "");
	assert_null(tp_json_key(v, 8));
	assert_null(tp_json_at(v, 8));
	assert_int_equal(tp_json_len(containers), 2);
	assert_null(tp_json_key(containers, 0));
	assert_string_equal(tp_json_str_at(tp_json_at(containers, 1), "name"), "b");
	assert_string_equal(tp_json_str_at(v, "spec.template.spec.containers[0].name"), "a");
	assert_int_equal(tp_json_int_at(v, "spec.template.spec.containers[1].ports[1]", 7), -1);
	assert_int_equal(tp_json_int_at(v, "spec.template.spec.containers[1].ports[2]", 7), 7);
	assert_int_equal(tp_json_int_at(v, "on", 7), 7);
	assert_true(tp_json_bool_at(v, "on", false));
	assert_false(tp_json_bool_at(v, "off", true));
	assert_true(tp_json_bool_at(v, "nil", true));
	assert_int_equal(tp_json_type(tp_json_get(v, "nil")), TP_JSON_NULL);
	assert_int_equal(tp_json_type(tp_json_get(v, "a.b")), TP_JSON_REAL);
	assert_null(tp_json_path(v, "a.b"));
	assert_int_equal(tp_json_int(tp_json_get(v, "a.b"), &number), -1);
	assert_int_equal(tp_json_len(tp_json_get(v, "empty")), 0);
	assert_int_equal(tp_json_type(tp_json_get(v, "none")), TP_JSON_OBJECT);
	assert_string_equal(tp_json_str(tp_json_get(v, "")), "");
	assert_ptr_equal(tp_json_path(v, ""), v);
}

static void nothing_stays_nothing(void **state)
{
	int64_t number = 5;

	(void)state;
	assert_null(tp_json_get(NULL, "a"));
	assert_null(tp_json_path(NULL, "a.b"));
	assert_null(tp_json_str(NULL));
	assert_null(tp_json_str_at(NULL, "a"));
	assert_null(tp_json_at(NULL, 0));
	assert_null(tp_json_key(NULL, 0));
	assert_int_equal(tp_json_len(NULL), 0);
	assert_int_equal(tp_json_type(NULL), TP_JSON_NULL);
	assert_int_equal(tp_json_int(NULL, &number), -1);
	assert_int_equal(number, 5);
	tp_json_free(NULL);
}

static void broken_paths_find_nothing(void **state)
{
	static const char *const paths[] = {
		".",
		"a.",
		".a",
		"a..b",
		"a[",
		"a[]",
		"a[0",
		"a[x]",
		"a[-1]",
		"a[0]b",
		"a[9]",
		"a.[0]",
		"a[99999999999999999999]",
		"[0]",
		"a[0][0]",
		"x[0].y",
	};
	TP_AUTO_JSON *v = parse("{\"a\":[{\"b\":1}]}");

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(paths); i++) {
		if (tp_json_path(v, paths[i]))
			fail_msg("found: %s", paths[i]);
	}
	assert_int_equal(tp_json_int_at(v, "a[0].b", 0), 1);
}

static void integers_fit_or_not(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", -1, 0 },
		{ "-9223372036854775809", -1, 0 },
		{ "123456789012345678901234567890", -1, 0 },
		{ "1.0", -1, 0 },
		{ "1e3", -1, 0 },
		{ "\"1\"", -1, 0 },
		{ "true", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		TP_AUTO_JSON *v = parse(cases[i].text);
		int64_t number = 42;

		assert_int_equal(tp_json_int(v, &number), cases[i].rc);
		assert_true(number == (cases[i].rc ? 42 : cases[i].value));
	}
}

static void the_last_duplicate_counts(void **state)
{
	TP_AUTO_JSON *v = parse("{\"a\":1,\"b\":2,\"a\":3}");

	(void)state;
	assert_int_equal(tp_json_int_at(v, "a", 0), 3);
	assert_int_equal(tp_json_len(v), 3);
}

static void strings_are_decoded(void **state)
{
	TP_AUTO_JSON *v = parse("[\"\\u00e9\\n\\\"\\\\\\/\\ud83d\\ude00\", \"\xc3\xa9\", \"\"]");

	(void)state;
	assert_string_equal(tp_json_str(tp_json_at(v, 0)), "\xc3\xa9\n\"\\/\xf0\x9f\x98\x80");
	assert_string_equal(tp_json_str(tp_json_at(v, 1)), "\xc3\xa9");
	assert_string_equal(tp_json_str(tp_json_at(v, 2)), "");
}

static void garbage_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"[",
		"}",
		"[1",
		"[1,]",
		"{\"a\":}",
		"{\"a\"}",
		"{a:1}",
		"{\"a\":1,}",
		"{} {}",
		"{}\n{}",
		"1 2",
		"{}x",
		"nul",
		"tru",
		"TRUE",
		"01",
		"-",
		"1.",
		".5",
		"+1",
		"1e",
		"0x1",
		"NaN",
		"Infinity",
		"\"abc",
		"\"\\x\"",
		"\"\\u12\"",
		"'a'",
		"\"a\nb\"",
		"\"\\u0000\"",
		"\"a\\u0000b\"",
		"{\"\\u0000\":1}",
		"\"\xff\"",
		"\"\xc3\"",
		"\"\xc0\x80\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"{\"\xff\":1}",
		"\"\\udc00\"",
		"/* c */ 1",
		"1 // c",
		"\xef\xbb\xbf{}",
		"\xff",
		",",
		"[,]",
		"[1 2]",
		"\"a\" \"b\"",
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		refused(bad[i], strlen(bad[i]));
	refused("\0", 1);
	refused("{}\0", 3);
	refused("\"a\0b\"", 5);
}

static void the_error_quotes_nothing(void **state)
{
	static const char text[] = "{\"token\": \"s3cr3t\", s3cr3t";
	struct tp_err err = { 0 };

	(void)state;
	assert_null(tp_json_parse(text, strlen(text), &err));
	assert_null(strstr(err.msg, "s3cr3t"));
	assert_null(tp_json_parse(text, strlen(text), NULL));
}

static void every_prefix_is_refused(void **state)
{
	static const char text[] =
		"{\"a\":[1,-2.5e+3,true,false,null,\"x\\u00e9\\ud83d\\ude00\"],\"b\":{}}";

	(void)state;
	for (size_t n = 0; n < strlen(text); n++)
		refused(text, n);
	tp_json_free(parse(text));
}

static char *nested(size_t depth)
{
	char *text = malloc(2 * depth + 1);

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = '\0';
	return text;
}

static void depth_has_a_limit(void **state)
{
	tp_autofree char *most = nested(256), *more = nested(257), *far = nested(1000000);
	struct tp_err err = { 0 };
	TP_AUTO_JSON *v = parse(most);
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *out = NULL;

	(void)state;
	tp_jw_array(w, NULL);
	tp_jw_value(w, NULL, v);
	tp_jw_end(w);
	out = tp_jw_finish(w, NULL, &err);
	assert_int_equal(strlen(out), 514);
	refused(more, strlen(more));
	refused(far, strlen(far));
	refused(far, 1000000);
	assert_null(tp_json_parse(more, strlen(more), &err));
	assert_contains(err.msg, "deep");
}

static void large_documents(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(SIZE_MAX);
	TP_AUTO_JSON *v = NULL;
	struct tp_err err = { 0 };

	(void)state;
	tp_buf_puts(&b, "[");
	for (int i = 0; i < 20000; i++)
		tp_buf_printf(&b, "%s{\"name\":\"pod-%d\"}", i ? "," : "", i);
	tp_buf_puts(&b, ",\"");
	for (int i = 0; i < 300000; i++)
		tp_buf_putc(&b, 'y');
	tp_buf_puts(&b, "\"]");
	v = tp_json_parse(b.data, b.len, &err);
	assert_non_null(v);
	assert_int_equal(tp_json_len(v), 20001);
	assert_string_equal(tp_json_str_at(v, "[19999].name"), "pod-19999");
	assert_int_equal(strlen(tp_json_str(tp_json_at(v, 20000))), 300000);
}

static void writes_in_order(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *out = NULL;
	size_t len;

	(void)state;
	tp_jw_object(w, NULL);
	tp_jw_str(w, "s", "a\"\\/\b\f\n\r\t\v\x01\x7f\xc3\xa9");
	tp_jw_str(w, "nothing", NULL);
	tp_jw_int(w, "min", INT64_MIN);
	tp_jw_bool(w, "yes", true);
	tp_jw_array(w, "list");
	tp_jw_object(w, NULL);
	tp_jw_end(w);
	tp_jw_array(w, NULL);
	tp_jw_end(w);
	tp_jw_bool(w, NULL, false);
	tp_jw_null(w, NULL);
	tp_jw_end(w);
	tp_jw_object(w, "k\"");
	tp_jw_int(w, "", 1);
	tp_jw_end(w);
	tp_jw_end(w);
	out = tp_jw_finish(w, &len, &err);
	assert_string_equal(
		out,
		"{\"s\":\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\\u0001\x7f\xc3\xa9\",\"nothing\":null,"
		"\"min\":-9223372036854775808,\"yes\":true,\"list\":[{},[],false,null],"
		"\"k\\\"\":{\"\":1}}");
	assert_int_equal(len, strlen(out));
	tp_json_free(parse(out));
}

static void copies_to_the_letter(void **state)
{
	static const char text[] =
		"{\"a\":1.50,\"b\":1E+2,\"c\":123456789012345678901234567890,\"d\":-0,"
		"\"e\":[true,null,{\"f\":\"\\u0001\"}],\"a\":0.1}";
	struct tp_err err = { 0 };
	TP_AUTO_JSON *v = parse(text);
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *out = NULL;

	(void)state;
	tp_jw_array(w, NULL);
	tp_jw_value(w, NULL, v);
	tp_jw_value(w, NULL, NULL);
	tp_jw_end(w);
	out = tp_jw_finish(w, NULL, &err);
	assert_int_equal(strlen(out), strlen(text) + strlen("[,null]"));
	assert_memory_equal(out + 1, text, strlen(text));
}

static void refuses_to_write_broken_text(void **state)
{
	static const char *const bad[] = { "\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80" };
	struct tp_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		TP_AUTO_JW *w = tp_jw_new(), *k = tp_jw_new();

		tp_jw_str(w, NULL, bad[i]);
		assert_null(tp_jw_finish(w, NULL, &err));
		assert_int_equal(err.kind, TP_ERR_FAILED);
		tp_jw_object(k, NULL);
		tp_jw_null(k, bad[i]);
		tp_jw_end(k);
		assert_null(tp_jw_finish(k, NULL, &err));
	}
}

static void may_be_left_unfinished(void **state)
{
	TP_AUTO_JW *w = tp_jw_new();

	(void)state;
	tp_jw_object(w, NULL);
	tp_jw_array(w, "a");
	tp_jw_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_tree),
		cmocka_unit_test(nothing_stays_nothing),
		cmocka_unit_test(broken_paths_find_nothing),
		cmocka_unit_test(integers_fit_or_not),
		cmocka_unit_test(the_last_duplicate_counts),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(the_error_quotes_nothing),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(large_documents),
		cmocka_unit_test(writes_in_order),
		cmocka_unit_test(copies_to_the_letter),
		cmocka_unit_test(refuses_to_write_broken_text),
		cmocka_unit_test(may_be_left_unfinished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
