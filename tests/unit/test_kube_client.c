/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/json.h"
#include "fake_api.h"
#include "kube/client_internal.h"
#include "kube/pod.h"

static struct tp_err err;

static void target(const char *method, const char *path, const char *verb, const char *group,
		   const char *resource)
{
	struct tp_kube_target t;

	tp_kube_target(path, &t);
	assert_string_equal(t.group, group);
	assert_string_equal(t.resource, resource);
	assert_string_equal(tp_kube_verb(method, path, &t), verb);
}

static void test_target(void **state)
{
	(void)state;
	target("GET", "/api/v1/namespaces/n/pods", "list", "", "pods");
	target("GET", "/api/v1/namespaces/n/pods?watch=1&x=/y", "watch", "", "pods");
	target("GET", "/api/v1/namespaces/n/pods/p/log?follow=true", "get", "", "pods/log");
	target("POST", "/api/v1/namespaces/n/pods", "create", "", "pods");
	target("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale", "patch", "apps",
	       "deployments/scale");
	target("DELETE", "/api/v1/namespaces/n/pods/p", "delete", "", "pods");
	target("GET", "/api/v1/namespaces/n", "get", "", "namespaces");
	target("GET", "/version", "get", "", "");
	target("GET", "", "get", "", "");
}

static void ask(struct fake_api *f)
{
	memset(&err, 0, sizeof(err));
	assert_null(tp_pod_get(f->k, "p", NULL, &err));
	assert_null(strstr(err.msg, "s3cret"));
}

static void test_errors(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "403 Forbidden",
		  .data = "{\"kind\":\"Status\",\"message\":\"pods is forbidden: User \\\"u\\\" cannot get resource\"}" },
		{ .head = "403 Forbidden",
		  .data = "{\"message\":\"pods \\\"p\\\" is forbidden: violates PodSecurity\"}" },
		{ .head = "404 Not Found", .data = "{\"message\":\"pods \\\"p\\\" not found\"}" },
		{ .head = "409 Conflict", .data = "{\"message\":\"exists\"}" },
		{ .head = "401 Unauthorized", .data = "{\"message\":\"Unauthorized\"}" },
		{ .head = "502 Bad Gateway", .data = "<html>\r\n<body>nginx</body>" },
		{ .head = "500 Internal Server Error", .data = "  plain \x1b[31mwords\nmore" },
		{ .head = "500 Internal Server Error", .data = "" },
		{ .head = "200 OK", .data = "{\"cut" },
		{ .head = "200 OK", .data = "" },
		{ .data = "SSH-2.0-OpenSSH\r\n" },
		{ .data = "" },
		{ .data = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":" },
	};
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	ask(&f);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "you may not get pods in namespace \"ns\"");
	assert_contains(err.msg, "verb \"get\" on \"pods\"");
	ask(&f);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "violates PodSecurity");
	assert_null(strstr(err.msg, "you may not"));
	ask(&f);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	ask(&f);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	ask(&f);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "user \"me\" of context \"ctx\"");
	assert_contains(err.msg, "/some/kubeconfig");
	ask(&f);
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	assert_contains(err.msg, "HTTP status 502");
	ask(&f);
	assert_contains(err.msg, "plain ?[31mwords (HTTP status 500)");
	ask(&f);
	assert_contains(err.msg, "HTTP status 500");
	for (int i = 0; i < 2; i++) {
		ask(&f);
		assert_int_equal(err.kind, TP_ERR_PROTOCOL);
		assert_contains(err.msg, "pod \"p\"");
	}
	for (int i = 0; i < 3; i++) {
		ask(&f);
		assert_true(err.kind == TP_ERR_PROTOCOL || err.kind == TP_ERR_UNREACHABLE);
		assert_contains(err.msg, "cannot get pod \"p\"");
	}
	fake_stop(&f);
}

static void test_check(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = "{\"gitVersion\":\"v1.20\"}" },
		{ .head = "201 Created", .data = "{\"status\":{\"allowed\":true}}" },
		{ .head = "403 Forbidden", .data = "{}" },
		{ .head = "401 Unauthorized", .data = "{}" },
		{ .head = "200 OK", .data = "<html>hello" },
		{ .head = "201 Created", .data = "{\"status\":{\"allowed\":false}}" },
		{ .head = "201 Created", .data = "{}" },
	};
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_kube_check(f.k, NULL, &err), &err);
	assert_int_equal(tp_kube_check(f.k, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "token");
	assert_int_equal(tp_kube_check(f.k, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	assert_contains(err.msg, "context \"ctx\", server http://127.0.0.1:");
	assert_int_equal(tp_kube_can(f.k, "get", "", "pods", "log", NULL, NULL, &err), 0);
	assert_contains(f.requests[5], "\"subresource\":\"log\"");
	assert_int_equal(tp_kube_can(f.k, "get", "", "pods", NULL, "x", NULL, &err), -1);
	shutdown(f.fd, SHUT_RDWR);
	close(f.fd);
	f.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(tp_kube_check(f.k, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	assert_contains(err.msg, "refused");
	assert_contains(err.msg, "/some/kubeconfig");
	fake_stop(&f);
}

static void test_upgrade(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "403 Forbidden",
		  .data = "{\"message\":\"User cannot get resource pods/portforward\"}" },
		{ .head = "200 OK", .data = "{}" },
		{ .data = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			  "Sec-WebSocket-Accept: wrong\r\n\r\n" },
		{ .data = "junk\r\n\r\n" },
	};
	const char *const argv[] = { "sh", "-c", "a b&c", NULL };
	struct fake_api f;
	int code;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_null(tp_pod_port_forward(f.k, "p", 22, NULL, &err));
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "you may not get pods/portforward");
	assert_contains(f.requests[0], "GET /api/v1/namespaces/ns/pods/p/portforward?ports=22 ");
	assert_contains(f.requests[0], "Sec-WebSocket-Protocol: v4.channel.k8s.io");
	assert_contains(f.requests[0], "Bearer s3cret");
	for (int i = 0; i < 2; i++) {
		assert_null(tp_pod_port_forward(f.k, "p", 22, NULL, &err));
		assert_contains(err.msg, "port-forward to pod \"p\"");
	}
	assert_int_equal(
		tp_pod_exec(f.k, "p", "c", argv, NULL, 0, NULL, NULL, &code, 1000, NULL, &err), -1);
	assert_contains(f.requests[3], "command=sh&command=-c&command=a%20b%26c");
	assert_null(strstr(f.requests[3], "stdin"));
	fake_stop(&f);
}

/* The kernel would wait a quarter of an hour for a server that is gone without a word. */
static void test_silence_is_bounded(void **state)
{
	const struct fake_reply replies[] = {
		{ .data = "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", .hold_ms = 200 },
	};
	static const char *const headers[] = { "Connection: Upgrade", "Upgrade: x", NULL };
	struct tp_http_request req = { .method = "GET", .path = "/", .headers = headers };
	unsigned ms = 0;
	int on = 0, idle = 0, status;
	socklen_t len = sizeof(int);
	struct tp_stream *s;
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	s = tp_http_upgrade(tp_kube_http(f.k), &req, false, NULL, &status, NULL, NULL, &err);
	assert_non_null(s);
	assert_int_equal(getsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &len), 0);
	assert_in_range(ms, 5000, 20000);
	assert_int_equal(getsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
	assert_int_equal(on, 1);
	assert_int_equal(getsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len), 0);
	assert_in_range(idle, 1, 10);
	tp_stream_close(s);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_silence_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
