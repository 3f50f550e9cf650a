/* SPDX-License-Identifier: Apache-2.0 */
/* JSON with comments: what is read, what is refused, and that edits touch
 * nothing but what they are about. */
#include "tp_test.h"

#include "base/mem.h"
#include "devcontainer/jsonc.h"

static struct tp_err err;

#define PATH(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void reads(const char *text, const char *plain)
{
	TP_AUTO_JSON *j = tp_jsonc_json(text, strlen(text), &err);
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *got = NULL;

	if (!j)
		fail_msg("%s: %s", text, err.msg);
	tp_jw_value(w, NULL, j);
	got = tp_jw_finish(w, NULL, NULL);
	assert_string_equal(got, plain);
}

static void refuses_n(const char *text, size_t n, const char *words)
{
	memset(&err, 0, sizeof(err));
	if (tp_jsonc_json(text, n, &err))
		fail_msg("read, but should not be: %s", text);
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	assert_contains(err.msg, words);
}
#define refuses(text, words) refuses_n(text, sizeof(text) - 1, words)

static void reads_what_it_should(void **state)
{
	(void)state;
	reads("{}", "{}");
	reads("\xef\xbb\xbf { } ", "{}");
	reads("// c\n[1, -0.5e+3, /* x */ true, null, \"a\\u00e9\\n\",]",
	      "[1,-0.5e+3,true,null,\"a\xc3\xa9\\n\"]");
	reads("{\"a\": {\"b\": [],}, \"c\"/**/:/* : */\"// no comment /* none */\"}//",
	      "{\"a\":{\"b\":[]},\"c\":\"// no comment /* none */\"}");
	reads("{\"a\":1 // x\r\n,\"b\":2/*\n*/}", "{\"a\":1,\"b\":2}");
	reads("\"/\"", "\"/\"");
	reads("/***/0", "0");
}

static void refuses_what_it_should(void **state)
{
	(void)state;
	refuses("", "line 1: no value");
	refuses("// only", "no value");
	refuses("{\n\"a\": 1\n\"b\": 2}", "line 3: a ',' is missing");
	refuses("{\"a\": 1", "it ends too early");
	refuses("[1", "it ends too early");
	refuses("[1,", "it ends too early");
	refuses("{\"a\"", "':' is missing");
	refuses("{\"a\" 1}", "':' is missing");
	refuses("{a: 1}", "name in quotes");
	refuses("{'a': 1}", "name in quotes");
	refuses("{,}", "name in quotes");
	refuses("[,]", "no value");
	refuses("[1,,]", "no value");
	refuses("{\"a\": \"x\ny\"}", "control character");
	refuses("\"abc", "string without an end");
	refuses("\"abc\\", "escape");
	refuses("\"\\x41\"", "escape");
	refuses("\"\\u12g4\"", "escape");
	refuses("\"\\u12", "escape");
	refuses("/* no end", "comment without an end");
	refuses("/*/", "comment without an end");
	refuses("{} /", "behind the end");
	refuses("{} x", "behind the end");
	refuses("/x", "begins no comment");
	refuses("01", "behind the end");
	refuses("-", "number");
	refuses("1.", "number");
	refuses("1e", "number");
	refuses(".5", "no value");
	refuses("True", "no value");
	refuses("tru", "no value");
	refuses("\"\xff\"", "UTF-8");
	refuses("\"\xed\xa0\x80\"", "UTF-8");
	refuses("1\0 2", "UTF-8");
	refuses("]", "no value");
	refuses("[}", "no value");
}

static void has_limits(void **state)
{
	char deep[2 * TP_JSONC_DEPTH + 3];
	tp_autofree char *longest = tp_malloc(TP_JSONC_MAX + 1);

	(void)state;
	memset(deep, '[', TP_JSONC_DEPTH);
	memset(deep + TP_JSONC_DEPTH, ']', TP_JSONC_DEPTH);
	deep[2 * TP_JSONC_DEPTH] = '\0';
	reads(deep, deep);
	memset(deep, '[', TP_JSONC_DEPTH + 1);
	memset(deep + TP_JSONC_DEPTH + 1, ']', TP_JSONC_DEPTH + 1);
	refuses_n(deep, 2 * TP_JSONC_DEPTH + 2, "nested too deep");
	memset(longest, ' ', TP_JSONC_MAX + 1);
	longest[0] = '1';
	refuses_n(longest, TP_JSONC_MAX + 1, "longer than");
	{
		TP_AUTO_JSON *j = tp_jsonc_json(longest, TP_JSONC_MAX, &err);

		assert_non_null(j);
	}
}

typedef int edit_fn(struct tp_buf *, const char *const *, const char *, struct tp_err *);

static void edits(edit_fn *edit, const char *before, const char *const *path, const char *value,
		  const char *after)
{
	TP_AUTO_BUF b = TP_BUF_INIT(TP_JSONC_MAX);
	int rc;

	tp_buf_puts(&b, before);
	rc = edit(&b, path, value, &err);
	if (rc < 0)
		fail_msg("%s: %s", before, err.msg);
	assert_string_equal(b.data, after);
	assert_int_equal(rc, strcmp(before, after) != 0);
	if (edit == tp_jsonc_wrap)
		return;
	/* the second time it is so already */
	assert_int_equal(edit(&b, path, value, &err), 0);
	assert_string_equal(b.data, after);
}

static void sets_members(void **state)
{
	(void)state;
	edits(tp_jsonc_set, "", PATH("a"), "1", "{\n\t\"a\": 1\n}\n");
	edits(tp_jsonc_set, "{}", PATH("a"), "1", "{\n\t\"a\": 1\n}");
	edits(tp_jsonc_set, "{ /* c */ }", PATH("a"), "1", "{ /* c */\n\t\"a\": 1\n}");
	edits(tp_jsonc_set, "{ // c\n}", PATH("a"), "1", "{ // c\n\t\"a\": 1\n}");
	edits(tp_jsonc_set, "{\n  // c\n}", PATH("a"), "1", "{\n  // c\n\t\"a\": 1\n}");
	edits(tp_jsonc_set, "{\"a\": 1}", PATH("b"), "[true]", "{\"a\": 1, \"b\": [true]}");
	edits(tp_jsonc_set, "{\"a\": 1,}", PATH("b"), "2", "{\"a\": 1, \"b\": 2,}");
	edits(tp_jsonc_set, "{\n  \"a\": 1\n}\n", PATH("b"), "2",
	      "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
	edits(tp_jsonc_set, "{\n  \"a\": 1, // why\n  // end\n}", PATH("b"), "2",
	      "{\n  \"a\": 1, // why\n  \"b\": 2,\n  // end\n}");
	edits(tp_jsonc_set, "{\n  \"a\": 1 /* x */ // why\n  // end\n}", PATH("b"), "2",
	      "{\n  \"a\": 1, /* x */ // why\n  \"b\": 2\n  // end\n}");
	edits(tp_jsonc_set, "{\n  \"a\": 1 /* x\n */\n}", PATH("b"), "2",
	      "{\n  \"a\": 1,\n  \"b\": 2 /* x\n */\n}");
	edits(tp_jsonc_set, "{\r\n    \"a\": 1\r\n}", PATH("b", "c"), "\"d\"",
	      "{\r\n    \"a\": 1,\r\n    \"b\": { \"c\": \"d\" }\r\n}");
	edits(tp_jsonc_set, "{ \"a\": /* keep */ 1 /* this */ }", PATH("a"), "{\"x\":1,\"y\":[]}",
	      "{ \"a\": /* keep */ {\n\t\"x\": 1,\n\t\"y\": []\n} /* this */ }");
	edits(tp_jsonc_set, "{\"a\": 1, \"a\": 2}", PATH("a"), "3", "{\"a\": 1, \"a\": 3}");
	edits(tp_jsonc_set, "{\"\\u0061\": 1}", PATH("a"), "2", "{\"\\u0061\": 2}");
	edits(tp_jsonc_set, "{\"a\": {\"x\": [1, 2],} }", PATH("a"), "{\"x\":[1,2]}",
	      "{\"a\": {\"x\": [1, 2],} }");
	edits(tp_jsonc_set, "\xef\xbb\xbf{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}", PATH("a", "c"), "2",
	      "\xef\xbb\xbf{\n\t\"a\": {\n\t\t\"b\": 1,\n\t\t\"c\": 2\n\t}\n}");
	edits(tp_jsonc_set, "{\n  \"a\": {}\n}", PATH("a", "b"), "1",
	      "{\n  \"a\": {\n    \"b\": 1\n  }\n}");
}

static void adds_to_lists(void **state)
{
	(void)state;
	edits(tp_jsonc_add, "{}", PATH("l"), "\"x\"", "{\n\t\"l\": [\"x\"]\n}");
	edits(tp_jsonc_add, "{\"l\": []}", PATH("l"), "1", "{\"l\": [\n\t1\n]}");
	edits(tp_jsonc_add, "{\"l\": [ 1 ]}", PATH("l"), "2", "{\"l\": [ 1, 2 ]}");
	edits(tp_jsonc_add, "{\"l\": [\n  1, // one\n]}", PATH("l"), "2",
	      "{\"l\": [\n  1, // one\n  2,\n]}");
	edits(tp_jsonc_add, "{\"l\": [\"a\", \"b\"]}", PATH("l"), "\"a\"",
	      "{\"l\": [\"a\", \"b\"]}");
	edits(tp_jsonc_add, "{\"m\": {\"l\": [{\"a\": 1}]}}", PATH("m", "l"), "{\"a\":1}",
	      "{\"m\": {\"l\": [{\"a\": 1}]}}");
}

static void wraps(void **state)
{
	(void)state;
	edits(tp_jsonc_wrap, "{\n  \"c\": [\"a\", // b\n    \"d\"],\n}", PATH("c"), "project",
	      "{\n  \"c\": {\n    \"project\": [\"a\", // b\n    \"d\"]\n  },\n}");
}

static void edits_what_it_cannot(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(TP_JSONC_MAX);

	(void)state;
	tp_buf_puts(&b, "{\"a\": 1}");
	assert_int_equal(tp_jsonc_set(&b, PATH("a", "b"), "1", &err), -1);
	assert_contains(err.msg, "no object");
	assert_int_equal(tp_jsonc_add(&b, PATH("a"), "1", &err), -1);
	assert_contains(err.msg, "no list");
	assert_int_equal(tp_jsonc_wrap(&b, PATH("x"), "y", &err), -1);
	assert_string_equal(b.data, "{\"a\": 1}");
	tp_buf_reset(&b);
	tp_buf_puts(&b, "[");
	assert_int_equal(tp_jsonc_set(&b, PATH("a"), "1", &err), -1);
	assert_contains(err.msg, "line 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_should), cmocka_unit_test(refuses_what_it_should),
		cmocka_unit_test(has_limits),		cmocka_unit_test(sets_members),
		cmocka_unit_test(adds_to_lists),	cmocka_unit_test(wraps),
		cmocka_unit_test(edits_what_it_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
