/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and watches of all objects of a kind, against an API server that says what it is told to; and objects as lines. */
#include "tp_test.h"

#include "base/json.h"
#include "fake_api.h"
#include "kube/listwatch.h"
#include "session/nameobject.h"

#define OBJECT(name, version)                                                                      \
	"{\"metadata\":{\"namespace\":\"ns\",\"name\":\"" name "\",\"resourceVersion\":\"" version \
	"\"}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define LIST(items, version, more)                                                \
	"{\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" more \
	"\"},\"items\":[" items "]}"
#define EXPIRED "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}"

struct seen {
	struct tp_buf text;
	struct tp_cancel *c;
	const char *last; /* cancel when it is put */
};

static void note(struct seen *s, const char *what, const struct tp_json *o)
{
	const char *name = tp_json_str_at(o, "metadata.name");

	tp_buf_printf(&s->text, "%s%s ", what, name ? name : "");
	if (name && !strcmp(name, s->last))
		tp_cancel_trigger(s->c);
}
static void on_begin(void *arg)
{
	note(arg, "begin", NULL);
}
static void on_put(void *arg, const struct tp_json *o)
{
	note(arg, "+", o);
}
static void on_gone(void *arg, const struct tp_json *o)
{
	note(arg, "-", o);
}
static void on_end(void *arg)
{
	note(arg, "end", NULL);
}

static const char *follow(struct fake_api *f, const char *last, struct tp_err *err)
{
	static struct seen s;
	struct tp_listwatch_events ev = { on_begin, on_put, on_gone, on_end, &s };

	tp_buf_free(&s.text);
	s = (struct seen){ .text = TP_BUF_INIT(4096), .c = tp_cancel_new(), .last = last };
	assert_int_equal(tp_kube_listwatch(f->k, "/api/v1/services", &ev, s.c, err), -1);
	tp_cancel_free(s.c);
	return s.text.data ? s.text.data : "";
}

static void test_order(void **state)
{
	const struct fake_reply replies[] = {
		/* two pages, and a watch that brings all kinds of events and ends */
		{ .head = "200 OK", .data = LIST(OBJECT("a", "1"), "5", "next page") },
		{ .head = "200 OK", .data = LIST(OBJECT("b", "2"), "6", "") },
		{ .head = "200 OK",
		  .data = EVENT("ADDED", OBJECT("c", "7")) EVENT("MODIFIED", OBJECT("a", "8"))
			  EVENT("DELETED", OBJECT("b", "9")) EVENT(
				  "BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"12\"}}") },
		/* from the bookmark on; garbage ends it, and nothing is lost */
		{ .head = "200 OK", .data = EVENT("ADDED", OBJECT("d", "13")) "garbage\n" },
		{ .head = "200 OK", .data = EVENT("ERROR", "{\"kind\":\"Status\",\"code\":500}") },
		{ .head = "503 Service Unavailable", .data = "{}" },
		/* expired, as an event and as an answer: all of it again */
		{ .head = "200 OK", .data = EVENT("ERROR", EXPIRED) },
		{ .head = "200 OK", .data = LIST(OBJECT("c", "20"), "21", "") },
		{ .head = "410 Gone", .data = EXPIRED },
		{ .head = "500 Internal Server Error", .data = "{}" },
		{ .head = "200 OK", .data = LIST(OBJECT("c", "30"), "31", "") },
		{ .head = "200 OK", .data = EVENT("ADDED", OBJECT("last", "32")), .hold_ms = 300 },
	};
	struct tp_err err = { 0 };
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_string_equal(follow(&f, "last", &err),
			    "begin +a +b end +c +a -b +d begin +c end begin begin +c end +last ");
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	assert_contains(f.requests[1], "continue=next%20page");
	assert_contains(f.requests[2], "resourceVersion=6 ");
	assert_contains(f.requests[2], "allowWatchBookmarks=true");
	assert_contains(f.requests[3], "resourceVersion=12 ");
	assert_contains(f.requests[4], "resourceVersion=13 ");
	assert_contains(f.requests[7], "limit=");
	assert_contains(f.requests[11], "resourceVersion=31 ");
	fake_stop(&f);
}

static void test_refused(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "403 Forbidden", .data = "{\"message\":\"no\"}" },
		{ .head = "404 Not Found", .data = "{\"message\":\"no\"}" },
	};
	struct tp_err err = { 0 };
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	follow(&f, "", &err);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	follow(&f, "", &err);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	fake_stop(&f);
}

static const char *line_of(char kind, const char *json)
{
	static struct tp_buf b;
	struct tp_err err = { 0 };
	TP_AUTO_JSON *o = tp_json_parse(json, strlen(json), &err);

	assert_non_null(o);
	tp_buf_free(&b);
	b = TP_BUF_INIT(4096);
	tp_nameobject_put(&b, kind, o);
	return b.data ? b.data : "";
}

#define META "\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\"}"

static void test_objects(void **state)
{
	(void)state;
	assert_string_equal(
		line_of('S',
			"{" META
			",\"spec\":{\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\",\"FD00:0::7\"],"
			"\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]}}"),
		"S shop web 10.0.0.1,fd00::7 http:tcp:80,:udp:53\n");
	assert_string_equal(line_of('S', "{" META ",\"spec\":{\"clusterIP\":\"10.0.0.1\"}}"),
			    "S shop web 10.0.0.1 -\n");
	assert_string_equal(
		line_of('S',
			"{" META ",\"spec\":{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}}"),
		"S shop web - -\n");
	assert_string_equal(
		line_of('S',
			"{" META ",\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}}"),
		"S shop web = -\n");
	assert_string_equal(
		line_of('L',
			"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-1\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},"
			"\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":["
			"{\"addresses\":[\"10.1.0.1\"],\"conditions\":{\"ready\":true},\"hostname\":\"web-0\"},"
			"{\"addresses\":[\"10.1.0.2\"],\"conditions\":{\"ready\":false}},{\"addresses\":[\"10.1.0.3\",\"not one\"]}]}"),
		"L shop web-1 web http:tcp:8080 10.1.0.1/web-0,10.1.0.3\n");
	/* of no Service's */
	assert_string_equal(line_of('L', "{" META "}"), "-L shop web\n");
	assert_string_equal(line_of('P',
				    "{" META
				    ",\"status\":{\"phase\":\"Running\",\"podIP\":\"10.1.0.1\"}}"),
			    "P shop web 10.1.0.1\n");
	assert_string_equal(
		line_of('P', "{" META ",\"status\":{\"phase\":\"Failed\",\"podIP\":\"10.1.0.1\"}}"),
		"-P shop web\n");
	assert_string_equal(line_of('P', "{" META ",\"status\":{\"phase\":\"Pending\"}}"),
			    "-P shop web\n");
	/* what could not stand in a line is left out */
	assert_string_equal(line_of('S', "{\"metadata\":{\"namespace\":\"a b\",\"name\":\"x\"}}"),
			    "");
	assert_string_equal(line_of('S', "{\"metadata\":{\"namespace\":\"a\",\"name\":\"x\\ny\"}}"),
			    "");
	assert_string_equal(
		line_of('S',
			"{" META
			",\"spec\":{\"ports\":[{\"name\":\"a,b\",\"port\":1},{\"port\":70000},{\"name\":7,\"port\":2}]}}"),
		"S shop web - :tcp:2\n");
	assert_string_equal(line_of('S', "[]"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
