/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/json.h"
#include "fake_api.h"
#include "kube/workload.h"

static struct tp_err err;

static void split(const char *spec, const char *k, const char *n, const char *c)
{
	char *kind, *name, *container;

	memset(&err, 0, sizeof(err));
	assert_ok(tp_workload_split(spec, &kind, &name, &container, &err), &err);
	k ? assert_string_equal(kind, k) : assert_null(kind);
	assert_string_equal(name, n);
	c ? assert_string_equal(container, c) : assert_null(container);
	free(kind);
	free(name);
	free(container);
}

static void test_split(void **state)
{
	static const char *const bad[] = {
		"",	   "/",	   "a/",   "/a",  "a:",		 ":a",	   "A",	  "a_b",
		"-a",	   "a-",   "a..b", "a.",  ".a",		 "a/b/c",  "a b", "a/b:c:d",
		"a/b:C.d", "a.-b", "k$/b", "a\n", "deploy/../x", "a/b:c/d"
	};
	char *k, *n, *c;
	char longest[300];

	(void)state;
	split("web", NULL, "web", NULL);
	split("web:app", NULL, "web", "app");
	split("sts/db", "sts", "db", NULL);
	split("Rollouts.argoproj.io/a.b-c:x-1", "Rollouts.argoproj.io", "a.b-c", "x-1");
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		if (tp_workload_split(bad[i], &k, &n, &c, &err) != -1)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_null(n);
	}
	memset(longest, 'a', sizeof(longest));
	longest[254] = 0;
	assert_int_equal(tp_workload_split(longest, &k, &n, &c, &err), -1);
}

static int check(const char *text, const char *kind, const char *container)
{
	TP_AUTO_JSON *w = tp_json_parse(text, strlen(text), &err);
	struct tp_workload_ref r = { .kind = (char *)kind,
				     .name = (char *)"web",
				     .container = (char *)container };

	assert_non_null(w);
	memset(&err, 0, sizeof(err));
	return tp_workload_check(w, &r, &err);
}

#define W(meta, replicas)                                                                        \
	"{\"metadata\":{\"name\":\"web\",\"resourceVersion\":\"7\"" meta "},\"spec\":{" replicas \
	"\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}}}"
#define SWAPPED(session)                                                                 \
	",\"labels\":{\"x\":\"y\",\"tpdocker.dev/swap\":\"" session                      \
	"\",\"tpdocker.dev/swap-by\":\"eve_at_box\",\"tpdocker.dev/swap-since\":"        \
	"\"1700000000\",\"tpdocker.dev/swap-replicas\":\"3\",\"tpdocker.dev/swap-pod\":" \
	"\"agent\"}"
#define REPLICAS(text) \
	",\"labels\":{\"tpdocker.dev/swap\":\"s\",\"tpdocker.dev/swap-replicas\":\"" text "\"}"

static void refused(const char *text, const char *kind, const char *container, enum tp_err_kind k,
		    const char *words)
{
	assert_int_equal(check(text, kind, container), -1);
	assert_int_equal(err.kind, k);
	assert_contains(err.msg, words);
}

static void test_check(void **state)
{
	(void)state;
	assert_int_equal(check(W("", ""), "Deployment", NULL), 0);
	assert_int_equal(check(W("", ""), "Deployment", "b"), 0);
	refused(W("", ""), "Deployment", "c", TP_ERR_NOT_FOUND, "There are: a, b");
	refused("{}", "Deployment", NULL, TP_ERR_FAILED, "no pod template");
	refused("{\"spec\":{\"template\":{\"spec\":{\"containers\":{}}}}}", "Foo", NULL,
		TP_ERR_FAILED, "no pod template");
	refused(W(",\"deletionTimestamp\":\"x\"", ""), "Deployment", NULL, TP_ERR_FAILED,
		"being deleted");
	refused(W(",\"ownerReferences\":[{\"kind\":\"Deployment\",\"name\":\"d\",\"controller\":true}]",
		  ""),
		"ReplicaSet", NULL, TP_ERR_FAILED, "Swap Deployment/d");
	assert_int_equal(
		check(W(",\"ownerReferences\":[{\"kind\":\"Db\",\"name\":\"d\",\"controller\":true}]",
			""),
		      "StatefulSet", NULL),
		0);
	refused(W(SWAPPED("s1"), ""), "Deployment", NULL, TP_ERR_CONFLICT,
		"by eve@box, since 2023-11-1");
	assert_contains(err.msg, "tpdocker cleanup deployment/web");
	refused(W(",\"labels\":{\"tpdocker.dev/swap\":\"s\"}", ""), "Deployment", NULL,
		TP_ERR_PROTOCOL, "did not write");
	refused(W(REPLICAS(""), ""), "Deployment", NULL, TP_ERR_PROTOCOL, "did not write");
	refused(W(REPLICAS("-1"), ""), "Deployment", NULL, TP_ERR_PROTOCOL, "did not write");
	refused(W(REPLICAS("3x"), ""), "Deployment", NULL, TP_ERR_PROTOCOL, "did not write");
	refused(W(REPLICAS("4294967296"), ""), "Deployment", NULL, TP_ERR_PROTOCOL,
		"did not write");
	refused(W(REPLICAS("99999999999999999999999"), ""), "Deployment", NULL, TP_ERR_PROTOCOL,
		"did not write");
}

static struct tp_workload_ref web(void)
{
	struct tp_workload_ref r;

	assert_ok(tp_workload_parse(NULL, "web", &r, NULL, &err), &err);
	return r;
}

static void test_swap(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = W("", "\"replicas\":2,") },
		{ .head = "409 Conflict",
		  .data = "{\"kind\":\"Status\",\"message\":\"modified\"}" },
		{ .head = "200 OK", .data = W("", "\"replicas\":5,") },
		{ .head = "200 OK", .data = "{}" },
		{ .head = "200 OK", .data = W(SWAPPED("other"), "\"replicas\":0,") },
	};
	struct tp_swap_record s = {
		.session = (char *)"s1", .by = (char *)"me@\"h\"", .since = 5, .pod = (char *)"p"
	};
	struct tp_workload_ref r = web();
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_workload_swap(f.k, &r, &s, NULL, &err), &err);
	assert_int_equal(s.replicas, 5);
	assert_int_equal(tp_workload_swap(f.k, &r, &s, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	assert_contains(err.msg, "eve@box");
	assert_int_equal(f.seen, 5);
	assert_contains(f.requests[3],
			"PATCH /apis/apps/v1/namespaces/ns/deployments/web HTTP/1.1");
	assert_contains(f.requests[3], "application/merge-patch+json");
	assert_contains(f.requests[3], "Authorization: Bearer s3cret");
	assert_contains(f.requests[3], "\"resourceVersion\":\"7\"");
	assert_contains(f.requests[3], "\"spec\":{\"replicas\":0}");
	assert_contains(f.requests[3], "\"tpdocker.dev/swap-replicas\":\"5\"");
	/* what a label cannot hold is written so that it can */
	assert_contains(f.requests[3], "\"tpdocker.dev/swap-by\":\"me_at_-h\"");
	fake_stop(&f);
	tp_workload_ref_free(&r);
}

static void test_restore(void **state)
{
	const struct fake_reply replies[] = {
		/* conflict, then done */
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "\"replicas\":0,") },
		{ .head = "409 Conflict", .data = "{}" },
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "\"replicas\":0,") },
		{ .head = "200 OK", .data = "{}" },
		/* somebody scaled it */
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "\"replicas\":1,") },
		{ .head = "200 OK", .data = "{}" },
		/* another session's; nobody's; gone */
		{ .head = "200 OK", .data = W(SWAPPED("s2"), "\"replicas\":0,") },
		{ .head = "200 OK", .data = W("", "\"replicas\":0,") },
		{ .head = "404 Not Found", .data = "{}" },
		{ .head = "403 Forbidden", .data = "{\"message\":\"x cannot get y\"}" },
	};
	struct tp_workload_ref r = web();
	struct tp_swap_record s;
	struct fake_api f;
	bool done;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_workload_restore(f.k, &r, "s1", &s, &done, NULL, &err), &err);
	assert_true(done);
	assert_int_equal(s.replicas, 3);
	assert_string_equal(s.pod, "agent");
	tp_swap_record_free(&s);
	assert_contains(f.requests[3], "\"tpdocker.dev/swap\":null");
	assert_contains(f.requests[3], "\"tpdocker.dev/swap-pod\":null");
	assert_contains(f.requests[3], "\"spec\":{\"replicas\":3}");
	assert_ok(tp_workload_restore(f.k, &r, NULL, NULL, &done, NULL, &err), &err);
	assert_true(done);
	assert_null(strstr(f.requests[5], "\"spec\""));
	for (int i = 0; i < 3; i++) {
		assert_ok(tp_workload_restore(f.k, &r, "s1", NULL, &done, NULL, &err), &err);
		assert_false(done);
	}
	assert_int_equal(tp_workload_restore(f.k, &r, "s1", NULL, &done, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "you may not get deployments in namespace \"ns\"");
	fake_stop(&f);
	tp_workload_ref_free(&r);
}

#define SEEN(session, when)                             \
	",\"labels\":{\"tpdocker.dev/swap\":\"" session \
	"\",\"tpdocker.dev/swap-replicas\":\"3\",\"tpdocker.dev/swap-seen\":\"" when "\"}"

/* A session whose pod is gone says that it lives; whoever took it for dead before leaves it alone. */
static void test_claim(void **state)
{
	const struct fake_reply replies[] = {
		/* conflict, then done */
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "") },
		{ .head = "409 Conflict", .data = "{}" },
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "") },
		{ .head = "200 OK", .data = "{}" },
		/* only looks */
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "") },
		/* another session's; nobody's; no such workload */
		{ .head = "200 OK", .data = W(SWAPPED("s2"), "") },
		{ .head = "200 OK", .data = W("", "") },
		{ .head = "404 Not Found", .data = "{}" },
		/* judged dead before it was claimed; judged dead and still so */
		{ .head = "200 OK", .data = W(SEEN("s1", "100"), "\"replicas\":0,") },
		{ .head = "200 OK", .data = W(SEEN("s1", "99"), "\"replicas\":0,") },
		{ .head = "200 OK", .data = "{}" },
	};
	struct tp_swap_record dead = { .session = (char *)"s1", .seen = 99 };
	struct tp_workload_ref r = web();
	struct tp_swap_record s;
	struct fake_api f;
	bool done;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_int_equal(tp_workload_claim(f.k, &r, "s1", 1234, &s, NULL, &err), 1);
	assert_contains(f.requests[3], "\"resourceVersion\":\"7\"");
	assert_contains(f.requests[3], "\"tpdocker.dev/swap-seen\":\"1234\"");
	assert_null(strstr(f.requests[3], "\"spec\""));
	assert_int_equal(tp_workload_claim(f.k, &r, "s1", 0, &s, NULL, &err), 1);
	assert_int_equal(tp_workload_claim(f.k, &r, "s1", 1234, &s, NULL, &err), 0);
	assert_string_equal(s.session, "s2");
	assert_string_equal(s.by, "eve@box");
	tp_swap_record_free(&s);
	assert_int_equal(tp_workload_claim(f.k, &r, "s1", 1234, &s, NULL, &err), 0);
	assert_null(s.session);
	assert_int_equal(tp_workload_claim(f.k, &r, "s1", 1234, &s, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_ok(tp_workload_restore_dead(f.k, &r, &dead, &done, NULL, &err), &err);
	assert_false(done);
	assert_ok(tp_workload_restore_dead(f.k, &r, &dead, &done, NULL, &err), &err);
	assert_true(done);
	assert_contains(f.requests[10], "\"tpdocker.dev/swap-seen\":null");
	fake_stop(&f);
	tp_workload_ref_free(&r);
}

static void test_discovery(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK",
		  .data = "{\"resources\":[{\"name\":\"pods\",\"kind\":\"Pod\",\"namespaced\":true}]}" },
		{ .head = "200 OK",
		  .data = "{\"groups\":[{\"name\":\"down.io\",\"preferredVersion\":{\"version\":\"v1\"}},"
			  "{\"name\":\"bad/../x\",\"preferredVersion\":{\"version\":\"v1\"}},"
			  "{\"name\":\"argoproj.io\",\"preferredVersion\":{\"version\":\"v1\"},"
			  "\"versions\":[{\"version\":\"v1\"},{\"version\":\"v1alpha1\"}]}]}" },
		{ .head = "503 Service Unavailable", .data = "error trying to reach service" },
		{ .head = "200 OK",
		  .data = "{\"resources\":[{\"name\":\"rollouts\",\"kind\":\"Rollout\",\"namespaced\":true}]}" },
		{ .head = "200 OK",
		  .data = "{\"resources\":[{\"name\":\"rollouts\",\"kind\":\"Rollout\",\"namespaced\":true,"
			  "\"shortNames\":[\"ro\"]},{\"name\":\"rollouts/scale\",\"kind\":\"Scale\"}]}" },
	};
	struct tp_workload_ref r;
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_workload_parse(f.k, "RO/web:a", &r, NULL, &err), &err);
	assert_string_equal(r.kind, "Rollout");
	assert_string_equal(r.group, "argoproj.io");
	assert_string_equal(r.version, "v1alpha1");
	assert_string_equal(r.resource, "rollouts");
	assert_false(r.builtin);
	fake_stop(&f);
	tp_workload_ref_free(&r);
}

static void test_generic(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = W("", "") },
		{ .head = "200 OK", .data = "{\"spec\":{\"replicas\":4}}" },
		{ .head = "200 OK", .data = "{}" },
		{ .head = "200 OK", .data = "{}" },
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "") },
		{ .head = "200 OK", .data = "{\"spec\":{\"replicas\":0}}" },
		{ .head = "200 OK", .data = "{}" },
		{ .head = "200 OK", .data = W(SWAPPED("s1"), "") },
		{ .head = "200 OK", .data = "{}" },
	};
	struct tp_workload_ref r = { .kind = (char *)"Rollout",
				     .group = (char *)"g.io",
				     .version = (char *)"v1",
				     .resource = (char *)"rollouts",
				     .name = (char *)"web" };
	struct tp_swap_record s = { .session = (char *)"s1" };
	struct fake_api f;
	bool done;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_workload_swap(f.k, &r, &s, NULL, &err), &err);
	assert_int_equal(s.replicas, 4);
	assert_null(strstr(f.requests[2], "\"spec\":"));
	assert_contains(f.requests[3], "PATCH /apis/g.io/v1/namespaces/ns/rollouts/web/scale ");
	assert_contains(f.requests[3], "{\"spec\":{\"replicas\":0}}");
	assert_ok(tp_workload_restore(f.k, &r, "s1", NULL, &done, NULL, &err), &err);
	assert_true(done);
	assert_contains(f.requests[6], "{\"spec\":{\"replicas\":3}}");
	assert_contains(f.requests[8], "\"tpdocker.dev/swap\":null");
	fake_stop(&f);
}

static void test_get(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "404 Not Found",
		  .data = "{\"message\":\"deployments.apps \\\"web\\\" not found\"}" },
		{ .head = "200 OK",
		  .data = "{\"items\":[{\"metadata\":{\"name\":\"x\"}},{\"metadata\":{\"name\":\"y\"}}]}" },
		{ .head = "404 Not Found", .data = "{}" },
		{ .head = "403 Forbidden", .data = "{}" },
	};
	struct tp_workload_ref r = web();
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_null(tp_workload_get(f.k, &r, NULL, &err));
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "no Deployment \"web\" in namespace \"ns\"");
	assert_contains(err.msg, "There are: x, y");
	assert_null(tp_workload_get(f.k, &r, NULL, &err));
	assert_null(strstr(err.msg, "There are"));
	fake_stop(&f);
	tp_workload_ref_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),	  cmocka_unit_test(test_check),
		cmocka_unit_test(test_swap),	  cmocka_unit_test(test_restore),
		cmocka_unit_test(test_discovery), cmocka_unit_test(test_generic),
		cmocka_unit_test(test_get),	  cmocka_unit_test(test_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
