/* SPDX-License-Identifier: Apache-2.0 */
/* The Service in front of a new agent. */
#include "tp_test.h"

#include "base/json.h"
#include "fake_api.h"
#include "session/service.h"

static struct tp_port ports_v[] = {
	{ TP_PORT_EXPOSE, 8080, 80, NULL },
	{ TP_PORT_FROM_POD, 9000, 9000, NULL },
	{ TP_PORT_EXPOSE, 443, 443, NULL },
	{ TP_PORT_TO_HOST, 5005, 5005, NULL },
};
static const struct tp_ports ports = { ports_v, TP_ARRAY_SIZE(ports_v) };
static const struct tp_service service = { "web", "abc", "me@here", &ports };

static void test_object(void **state)
{
	struct tp_err err = { 0 };
	tp_autofree char *text = tp_service_json(&service, "uid-1", "10.0.0.7", &err);
	TP_AUTO_JSON *s = NULL;
	const struct tp_json *selector;

	(void)state;
	assert_non_null(text);
	s = tp_json_parse(text, strlen(text), &err);
	assert_string_equal(tp_json_str_at(s, "metadata.name"), "web");
	assert_string_equal(tp_json_str_at(s, "metadata.ownerReferences[0].uid"), "uid-1");
	assert_string_equal(tp_json_str_at(s, "metadata.ownerReferences[0].kind"), "Pod");
	assert_string_equal(tp_json_str_at(s, "spec.clusterIP"), "10.0.0.7");
	selector = tp_json_path(s, "spec.selector");
	assert_string_equal(tp_json_str(tp_json_get(selector, "tpdocker.dev/session")), "abc");
	assert_int_equal(tp_json_len(selector), 1);
	assert_int_equal(tp_json_len(tp_json_path(s, "spec.ports")), 2);
	assert_int_equal(tp_json_int_at(s, "spec.ports[0].port", 0), 80);
	assert_int_equal(tp_json_int_at(s, "spec.ports[0].targetPort", 0), 80);
	assert_string_equal(tp_json_str_at(s, "spec.ports[1].name"), "tcp-443");
}

static void test_check(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "201 Created", .data = "{}" },
		{ .head = "409 Conflict",
		  .data = "{\"message\":\"services \\\"web\\\" already exists\"}" },
		{ .head = "403 Forbidden", .data = "{\"message\":\"exceeded quota: few\"}" },
		/* one that cannot try things out: it is looked for instead */
		{ .head = "400 Bad Request",
		  .data = "{\"message\":\"the dry run alpha feature is disabled\"}" },
		{ .head = "200 OK", .data = "{\"metadata\":{\"name\":\"web\"}}" },
		{ .head = "400 Bad Request",
		  .data = "{\"message\":\"the dry run alpha feature is disabled\"}" },
		{ .head = "404 Not Found", .data = "{\"message\":\"not found\"}" },
	};
	struct fake_api f;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_service_check(f.k, &service, NULL, &err), &err);
	assert_contains(f.requests[0], "POST /api/v1/namespaces/ns/services?dryRun=All ");
	assert_int_equal(tp_service_check(f.k, &service, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	assert_contains(err.msg, "--new-deployment web");
	assert_int_equal(tp_service_check(f.k, &service, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "exceeded quota");
	assert_int_equal(tp_service_check(f.k, &service, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	assert_ok(tp_service_check(f.k, &service, NULL, &err), &err);
	fake_stop(&f);
}

#define OURS   "{\"metadata\":{\"uid\":\"u7\",\"labels\":{\"tpdocker.dev/session\":\"abc\"}}}"
#define THEIRS "{\"metadata\":{\"uid\":\"u8\",\"labels\":{\"app\":\"web\"}}}"

static void test_delete(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = OURS },
		{ .head = "200 OK", .data = "{\"status\":\"Success\"}" },
		{ .head = "200 OK", .data = THEIRS },
		{ .head = "404 Not Found", .data = "{}" },
		{ .head = "200 OK", .data = OURS }, /* another one has the name a moment later */
		{ .head = "409 Conflict", .data = "{}" },
		{ .head = "200 OK", .data = OURS },
		{ .head = "403 Forbidden", .data = "{\"message\":\"cannot delete\"}" },
		{ .head = "500 Internal Server Error", .data = "{}" },
	};
	struct fake_api f;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_service_delete(f.k, "web", "abc", NULL, &err), &err);
	assert_contains(f.requests[1], "DELETE /api/v1/namespaces/ns/services/web ");
	assert_contains(f.requests[1], "\"uid\":\"u7\"");
	/* somebody else's is left alone */
	assert_ok(tp_service_delete(f.k, "web", "abc", NULL, &err), &err);
	assert_ok(tp_service_delete(f.k, "web", "abc", NULL, &err), &err);
	assert_int_equal(f.seen, 4);
	assert_ok(tp_service_delete(f.k, "web", "abc", NULL, &err), &err);
	assert_int_equal(tp_service_delete(f.k, "web", "abc", NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_int_equal(tp_service_delete(f.k, "web", "abc", NULL, &err), -1);
	fake_stop(&f);
}

static void test_create(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "201 Created", .data = "{\"spec\":{\"clusterIP\":\"10.0.0.7\"}}" },
		/* for another pod: the old one is removed, its address asked for */
		{ .head = "200 OK", .data = OURS },
		{ .head = "200 OK", .data = OURS },
		{ .head = "200 OK", .data = "{}" },
		{ .head = "201 Created", .data = "{\"spec\":{\"clusterIP\":\"10.0.0.7\"}}" },
		/* it is gone already, and somebody has taken its address */
		{ .head = "404 Not Found", .data = "{}" },
		{ .head = "422 Unprocessable Entity",
		  .data = "{\"message\":\"provided IP is already allocated\"}" },
		{ .head = "201 Created", .data = "{\"spec\":{\"clusterIP\":\"10.0.0.9\"}}" },
		/* it is that pod's already */
		{ .head = "200 OK",
		  .data = "{\"metadata\":{\"ownerReferences\":[{\"kind\":\"Pod\",\"uid\":\"p3\"}]}}" },
		{ .head = "500 Internal Server Error", .data = "{}" },
		{ .head = "409 Conflict", .data = "{}" },
	};
	tp_autofree char *address = NULL, *none = NULL;
	struct fake_api f;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_service_create(f.k, &service, "p1", &address, NULL, &err), &err);
	assert_string_equal(address, "10.0.0.7");
	assert_null(strstr(f.requests[0], "clusterIP"));
	assert_ok(tp_service_renew(f.k, &service, "p2", &address, NULL, &err), &err);
	assert_contains(f.requests[4], "\"clusterIP\":\"10.0.0.7\"");
	assert_contains(f.requests[4], "\"uid\":\"p2\"");
	assert_ok(tp_service_renew(f.k, &service, "p3", &address, NULL, &err), &err);
	assert_string_equal(address, "10.0.0.9");
	assert_ok(tp_service_renew(f.k, &service, "p3", &address, NULL, &err), &err);
	assert_int_equal(tp_service_renew(f.k, &service, "p4", &address, NULL, &err), -1);
	assert_int_equal(tp_service_create(f.k, &service, "p4", &none, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_create),
	};

	return cmocka_run_group_tests_name("session service", tests, NULL, NULL);
}
