/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fake_server.h"
#include "http/http.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static struct tp_http_client *client_of(const char *path)
{
	struct tp_http_config cfg = { .url = "http://localhost/pre/", .unix_socket = path };
	struct tp_err err;
	struct tp_http_client *c = tp_http_client_new(&cfg, &err);

	assert_non_null(c);
	return c;
}

static int get(struct tp_http_client *c, struct tp_http_response *r, struct tp_err *err)
{
	struct tp_http_request req = { .method = "GET", .path = "/x", .timeout_ms = 5000 };

	return tp_http_do(c, &req, r, NULL, err);
}

static void parses_heads(void **state)
{
	static const char good[] =
		"HTTP/1.1 101 Switching\r\nA-b:  c \r\nUpgrade: TCP\r\nE:\r\n\r\nrest";
	static const char *const bad[] = {
		"HTTP/2.0 200 OK\r\n\r\n",	   "HTTQ",
		"HTTP/1.1 20 OK\r\n\r\n",	   "HTTP/1.1 2000\r\n\r\n",
		"HTTP/1.1 099 x\r\n\r\n",	   "HTTP/1.1  200\r\n\r\n",
		"HTTP/1.1 200\r\nno\r\n\r\n",	   "HTTP/1.1 200\r\n: x\r\n\r\n",
		"HTTP/1.1 200\r\na b: x\r\n\r\n",  "HTTP/1.1 200\r\nA: x\r\n folded: y\r\n\r\n",
		"HTTP/1.1 200\r\nA: x\ry\r\n\r\n", "\r\n\r\n",
	};
	struct tp_strv h = { 0 };
	int status = 0;

	(void)state;
	for (size_t n = 0; n < sizeof(good) - 5; n++)
		assert_int_equal(tp_http_parse_head(good, n, &status, &h), 0);
	assert_int_equal(h.n, 0);
	assert_int_equal(tp_http_parse_head(good, sizeof(good) - 1, &status, &h), sizeof(good) - 5);
	assert_int_equal(status, 101);
	assert_int_equal(h.n, 3);
	assert_string_equal(h.v[0], "a-b: c");
	assert_string_equal(h.v[1], "upgrade: TCP");
	assert_string_equal(h.v[2], "e: ");
	tp_strv_free(&h);
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		if (tp_http_parse_head(bad[i], strlen(bad[i]), &status, &h) != -1)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(tp_http_parse_head("HTTP/1.0 200\n\n", 14, &status, NULL), 14);
	tp_strv_free(&h);
}

static void escapes(void **state)
{
	char *s = tp_http_escape("aZ09-._~ /?&=%\xc3\xa9");

	(void)state;
	assert_string_equal(s, "aZ09-._~%20%2F%3F%26%3D%25%C3%A9");
	free(s);
}

static void reuses_connections(void **state)
{
	static const struct fake_answer a[] = { { .text = OK } };
	struct fake_server f;
	struct tp_http_response r;
	struct tp_err err;

	(void)state;
	fake_start(&f, a);
	struct tp_http_client *c = client_of(f.path);
	for (int i = 0; i < 3; i++) {
		assert_ok(get(c, &r, &err), &err);
		assert_int_equal(r.status, 200);
		assert_string_equal(r.body.data, "hi");
		tp_http_response_free(&r);
	}
	struct tp_http_request post = {
		.method = "POST", .path = "/p", .body = "{}", .body_len = 2
	};
	assert_ok(tp_http_do(c, &post, &r, NULL, &err), &err);
	tp_http_response_free(&r);
	tp_http_client_free(c);
	assert_int_equal(f.accepted, 1);
	assert_contains(f.requests.data, "GET /pre/x HTTP/1.1\r\n");
	assert_contains(f.requests.data, "Host: localhost\r\n");
	assert_contains(f.requests.data, "POST /pre/p HTTP/1.1\r\n");
	assert_contains(f.requests.data, "Content-Type: application/json\r\n");
	assert_null(strstr(f.requests.data, "Expect"));
	fake_stop(&f);
}

static int count_line(void *arg, char *line, size_t n)
{
	struct tp_strv *got = arg;

	assert_int_equal(strlen(line), n);
	tp_strv_add(got, line);
	return strcmp(line, "stop") == 0;
}

static void gives_lines(void **state)
{
	static const struct fake_answer a[] = {
		{ .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			  "4\r\na\nb\r\r\n6\r\n\n\nlast\r\n0\r\n\r\n" },
		{ .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			  "9\r\none\nstop\n\r\n" },
		{ .text = "HTTP/1.1 404 no\r\nContent-Length: 4\r\n\r\na\nb\n" },
	};
	struct tp_strv got = { 0 };
	struct tp_http_request req = { .method = "GET",
				       .path = "/w",
				       .line = count_line,
				       .line_arg = &got,
				       .timeout_ms = -1 };
	struct fake_server f;
	struct tp_http_response r;
	struct tp_err err;

	(void)state;
	fake_start(&f, a);
	struct tp_http_client *c = client_of(f.path);
	assert_ok(tp_http_do(c, &req, &r, NULL, &err), &err);
	tp_http_response_free(&r);
	assert_int_equal(got.n, 4);
	assert_string_equal(got.v[0], "a");
	assert_string_equal(got.v[1], "b");
	assert_string_equal(got.v[2], "");
	assert_string_equal(got.v[3], "last");
	tp_strv_free(&got);
	assert_ok(tp_http_do(c, &req, &r, NULL, &err), &err);
	assert_int_equal(r.status, 200);
	tp_http_response_free(&r);
	assert_int_equal(got.n, 2);
	tp_strv_free(&got);
	assert_ok(tp_http_do(c, &req, &r, NULL, &err), &err);
	assert_int_equal(got.n, 0);
	assert_string_equal(r.body.data, "a\nb\n");
	tp_http_response_free(&r);
	tp_http_client_free(c);
	fake_stop(&f);
}

static void fails_in_words(void **state)
{
	static const struct fake_answer a[] = {
		{ .text = "SSH-2.0-OpenSSH\r\n\r\n", .hang_up = true },
		{ .text = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", .hang_up = true },
		{ .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		  .hang_up = true },
		{ .text = "", .hang_up = true },
		{ .silent = true },
	};
	static const int kinds[] = { TP_ERR_PROTOCOL, TP_ERR_UNREACHABLE, TP_ERR_UNREACHABLE,
				     TP_ERR_UNREACHABLE, TP_ERR_TIMEOUT };
	struct tp_http_request slow = { .method = "GET", .path = "/", .timeout_ms = 100 };
	struct fake_server f;
	struct tp_http_response r;
	struct tp_err err;

	(void)state;
	fake_start(&f, a);
	struct tp_http_client *c = client_of(f.path);
	for (int i = 0; i < 5; i++) {
		int rc = i == 4 ? tp_http_do(c, &slow, &r, NULL, &err) : get(c, &r, &err);

		assert_int_equal(rc, -1);
		if ((int)err.kind != kinds[i])
			fail_msg("%d: kind %d: %s", i, (int)err.kind, err.msg);
		assert_contains(err.msg, f.path);
	}
	tp_http_client_free(c);
	fake_stop(&f);

	c = client_of("/nonexistent/socket");
	assert_int_equal(get(c, &r, &err), -1);
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	assert_contains(err.msg, "/nonexistent/socket");
	tp_http_client_free(c);
}

static void *trigger(void *arg)
{
	usleep(50000);
	tp_cancel_trigger(arg);
	return NULL;
}

static void cancels_at_once(void **state)
{
	static const struct fake_answer a[] = { { .silent = true } };
	struct tp_http_request req = { .method = "GET", .path = "/", .timeout_ms = -1 };
	struct tp_cancel *cancel = tp_cancel_new();
	struct fake_server f;
	struct tp_http_response r;
	struct tp_err err;
	pthread_t t;

	(void)state;
	fake_start(&f, a);
	struct tp_http_client *c = client_of(f.path);
	long long from = tp_now_ms();
	pthread_create(&t, NULL, trigger, cancel);
	assert_int_equal(tp_http_do(c, &req, &r, cancel, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	assert_true(tp_now_ms() - from < 700);
	pthread_join(t, NULL);
	assert_int_equal(tp_http_do(c, &req, &r, cancel, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	tp_http_client_free(c);
	fake_stop(&f);
	tp_cancel_free(cancel);
}

static int token;

static int add_auth(void *arg, struct tp_strv *h, struct tp_cancel *c, struct tp_err *err)
{
	(void)arg;
	(void)c;
	(void)err;
	tp_strv_addf(h, "Authorization: Bearer t%d", token);
	return 0;
}

static bool refused(void *arg)
{
	(void)arg;
	return token++ == 0;
}

#define NO "HTTP/1.1 401 no\r\nContent-Length: 3\r\n\r\nbad"
static void asks_again_after_401(void **state)
{
	static const struct fake_answer a[] = {
		{ .text = NO },
		{ .text = OK },
		{ .text = NO, .hang_up = true },
		{ .text = "HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n", .echo = true },
		{ .text = NO },
	};
	struct fake_server f;
	struct tp_http_response r;
	struct tp_err err;
	struct tp_http_request req = { .method = "GET", .path = "/" };

	(void)state;
	fake_start(&f, a);
	struct tp_http_config cfg = {
		.url = "http://h", .unix_socket = f.path, .auth = add_auth, .auth_refused = refused
	};
	struct tp_http_client *c = tp_http_client_new(&cfg, &err);
	token = 0;
	assert_ok(get(c, &r, &err), &err);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body.data, "hi");
	tp_http_response_free(&r);
	assert_contains(f.requests.data, "Bearer t0");
	assert_contains(f.requests.data, "Bearer t1");
	tp_http_client_free(c); /* its idle connection keeps the server busy */
	c = tp_http_client_new(&cfg, &err);
	token = 0;
	int status;
	struct tp_stream *s = tp_http_upgrade(c, &req, false, NULL, &status, NULL, NULL, &err);
	assert_non_null(s);
	tp_stream_close(s);
	assert_int_equal(get(c, &r, &err), 0); /* refused says no: the 401 is the answer */
	assert_int_equal(r.status, 401);
	tp_http_response_free(&r);
	tp_http_client_free(c);
	fake_stop(&f);
}

static void reaches_long_socket_paths(void **state)
{
	static const struct fake_answer a[] = { { .text = OK } };
	char dir[256], path[300];
	struct fake_server f;
	struct tp_http_response r;
	struct tp_err err;

	(void)state;
	fake_start(&f, a);
	snprintf(dir, sizeof(dir), "%s/%0150d", f.dir, 0);
	snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(symlink(f.path, path), 0);
	struct tp_http_client *c = client_of(path);
	assert_ok(get(c, &r, &err), &err);
	tp_http_response_free(&r);
	tp_http_client_free(c);
	unlink(path);
	rmdir(dir);
	fake_stop(&f);
}

static int dials;
static int dial(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)c;
	if (!arg) {
		close(fd);
		return tp_err_set(err, TP_ERR_FORBIDDEN, "ssh says no");
	}
	dials++;
	strcpy(un.sun_path, arg);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void dials_itself(void **state)
{
	static const struct fake_answer a[] = { { .text = OK } };
	struct fake_server f;
	struct tp_http_response r;
	struct tp_err err;

	(void)state;
	fake_start(&f, a);
	struct tp_http_config cfg = { .url = "http://nowhere.invalid",
				      .dial = dial,
				      .dial_arg = f.path };
	struct tp_http_client *c = tp_http_client_new(&cfg, &err);
	for (int i = 0; i < 2; i++) {
		assert_ok(get(c, &r, &err), &err);
		tp_http_response_free(&r);
	}
	assert_int_equal(dials, 1);
	tp_http_client_free(c);
	cfg.dial_arg = NULL;
	c = tp_http_client_new(&cfg, &err);
	assert_int_equal(get(c, &r, &err), -1);
	assert_string_equal(err.msg, "ssh says no");
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	tp_http_client_free(c);
	fake_stop(&f);
}

static void upgrades(void **state)
{
	static const struct fake_answer a[] = {
		{ .text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nearly",
		  .echo = true },
	};
	static const char *const headers[] = { "Connection: Upgrade", "Upgrade: tcp", NULL };
	struct tp_http_request req = {
		.method = "POST", .path = "/up", .body = "{}", .body_len = 2, .headers = headers
	};
	struct tp_strv got = { 0 };
	struct fake_server f;
	struct tp_err err;
	char buf[64];
	int status;

	(void)state;
	fake_start(&f, a);
	struct tp_http_client *c = client_of(f.path);
	struct tp_stream *s = tp_http_upgrade(c, &req, false, &got, &status, NULL, NULL, &err);
	assert_non_null(s);
	assert_int_equal(status, 101);
	assert_string_equal(got.v[0], "upgrade: tcp");
	assert_true(s->can_half_close);
	assert_int_equal(tp_stream_read_wait(s, buf, 3, 1000, NULL, &err), 3);
	assert_memory_equal(buf, "ear", 3);
	assert_true(tp_stream_pending(s));
	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), 1000, NULL, &err), 2);
	assert_false(tp_stream_pending(s));
	assert_ok(tp_stream_write_all(s, "ping", 4, 1000, NULL, &err), &err);
	assert_int_equal(tp_stream_shutdown(s), 0);
	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), 1000, NULL, &err), 4);
	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), 1000, NULL, &err), 0);
	tp_stream_close(s);
	tp_strv_free(&got);
	tp_http_client_free(c);
	assert_contains(f.requests.data, "POST /pre/up HTTP/1.1\r\n");
	assert_contains(f.requests.data, "Content-Length: 2\r\n");
	fake_stop(&f);
}

static void refuses_bad_upgrades(void **state)
{
	static char huge[70000];
	static const struct fake_answer a[] = {
		{ .text = "HTTP/1.1 404 x\r\nContent-Length: 4\r\n\r\ngone", .hang_up = true },
		{ .text = "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
		  .hang_up = true },
		{ .text = "HTTP/1.1 101 trunc\r\nUp", .hang_up = true },
		{ .text = "garbage\n\n", .hang_up = true },
		{ .text = huge, .len = sizeof(huge), .hang_up = true },
		{ .text = "HTTP/1.1 200 x\r\n\r\n", .hang_up = true },
		{ .text = "HTTP/1.1 200 x\r\n\r\nraw", .hang_up = true },
	};
	static const int kinds[] = { TP_ERR_NOT_FOUND, TP_ERR_FAILED,	TP_ERR_UNREACHABLE,
				     TP_ERR_PROTOCOL,  TP_ERR_PROTOCOL, TP_ERR_FAILED };
	struct tp_http_request req = { .method = "GET", .path = "/" };
	struct fake_server f;
	struct tp_err err;
	char buf[8];
	int status;

	(void)state;
	memset(huge, 'a', sizeof(huge));
	memcpy(huge, "HTTP/1.1 101 x\r\nA: ", 19);
	fake_start(&f, a);
	struct tp_http_client *c = client_of(f.path);
	for (int i = 0; i < 6; i++) {
		struct tp_buf body = TP_BUF_INIT(1000);

		assert_null(tp_http_upgrade(c, &req, false, NULL, &status, &body, NULL, &err));
		if ((int)err.kind != kinds[i])
			fail_msg("%d: kind %d: %s", i, (int)err.kind, err.msg);
		if (i == 0)
			assert_string_equal(body.data, "gone");
		if (i == 1)
			assert_string_equal(body.data, "abcde");
		tp_buf_free(&body);
	}
	struct tp_stream *s = tp_http_upgrade(c, &req, true, NULL, &status, NULL, NULL, &err);
	assert_non_null(s);
	assert_int_equal(tp_stream_read_wait(s, buf, sizeof(buf), 1000, NULL, &err), 3);
	tp_stream_close(s);
	tp_http_client_free(c);
	fake_stop(&f);
}

static void refuses_bad_addresses(void **state)
{
	static const char *const bad[] = { "ftp://x", "localhost", "http://", "https://u:p@h",
					   "http://a b" };
	struct tp_err err;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		struct tp_http_config cfg = { .url = bad[i] };

		assert_null(tp_http_client_new(&cfg, &err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_heads),		cmocka_unit_test(escapes),
		cmocka_unit_test(reuses_connections),	cmocka_unit_test(gives_lines),
		cmocka_unit_test(fails_in_words),	cmocka_unit_test(cancels_at_once),
		cmocka_unit_test(asks_again_after_401), cmocka_unit_test(reaches_long_socket_paths),
		cmocka_unit_test(dials_itself),		cmocka_unit_test(upgrades),
		cmocka_unit_test(refuses_bad_upgrades), cmocka_unit_test(refuses_bad_addresses),
	};

	tp_http_global_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
