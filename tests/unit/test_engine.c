/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/mem.h"
#include "docker/engine.h"
#include "fake_server.h"

#define BODY(status, json)                                       \
	{                                                        \
		.text = "HTTP/1.1 " status "\r\n", .chunk = json \
	}
#define PLAIN(status)                                                      \
	{                                                                  \
		.text = "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n" \
	}
#define VERSION_141 BODY("200 OK", "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}")
#define ID	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct fake_server f;
static struct tp_docker_endpoint ep;
static struct tp_err err;

static struct tp_engine *start_at(const struct fake_answer *a, int n)
{
	fake_start_at(&f, a, n);
	ep = (struct tp_docker_endpoint){ .host = tp_asprintf("unix://%s", f.path),
					  .socket_path = tp_strdup(f.path) };
	return tp_engine_open(&ep, NULL, &err);
}
#define start(a) start_at(a, (int)TP_ARRAY_SIZE(a))

static void end(struct tp_engine *e)
{
	tp_engine_free(e);
	fake_stop(&f);
	tp_docker_endpoint_free(&ep);
}

static void agrees_on_a_version(void **state)
{
	static const struct {
		const char *json, *want;
	} cases[] = {
		{ "{\"ApiVersion\":\"1.24\",\"MinAPIVersion\":\"1.12\"}", "1.24" },
		{ "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}", "1.41" },
		{ "{\"ApiVersion\":\"1.99\",\"MinAPIVersion\":\"1.44\"}", "1.51" },
		{ "{\"ApiVersion\":\"1.99\",\"MinAPIVersion\":\"1.60\"}", "1.60" },
		{ "{\"ApiVersion\":\"1.30\"}", "1.30" },
		{ "{\"ApiVersion\":\"1.20\"}", NULL },
		{ "{\"ApiVersion\":\"2.0\"}", NULL },
		{ "{\"ApiVersion\":\"1.41x\"}", NULL },
		{ "{\"ApiVersion\":41}", NULL },
		{ "{}", NULL },
		{ "[1", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		tp_autofree char *text =
			tp_asprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
				    strlen(cases[i].json), cases[i].json);
		struct fake_answer a = { .text = text };
		struct tp_engine *e = start_at(&a, 1);

		if ((e != NULL) != (cases[i].want != NULL))
			fail_msg("%s", cases[i].json);
		if (e)
			assert_string_equal(tp_engine_api_version(e), cases[i].want);
		end(e);
	}
}

static void explains_why_not(void **state)
{
	static const struct fake_answer garbage[] = { { .text = "\x15\x03\x01", .hang_up = true } };

	(void)state;
	ep = (struct tp_docker_endpoint){ .host = tp_strdup("unix:///nonexistent/s"),
					  .socket_path = tp_strdup("/nonexistent/s") };
	assert_null(tp_engine_open(&ep, NULL, &err));
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	assert_contains(err.msg, "/nonexistent/s");
	assert_contains(err.msg, "running");
	tp_docker_endpoint_free(&ep);
	assert_null(start(garbage));
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	end(NULL);
}

static void makes_containers(void **state)
{
	static const struct fake_answer a[] = {
		VERSION_141,
		BODY("201 Created", "{\"Id\":\"" ID "\",\"Warnings\":[\"w\"]}"),
		BODY("404 no", "{\"message\":\"No such image\"}"),
		BODY("409 no", "{\"message\":\"in use\"}"),
		BODY("201 Created", "{\"Id\":\"../x\"}"),
		BODY("500 no", "words"),
	};
	struct tp_engine *e = start(a);
	char id[65];

	(void)state;
	assert_non_null(e);
	assert_ok(tp_engine_create(e, "a b", "{}", id, NULL, &err), &err);
	assert_string_equal(id, ID);
	assert_contains(f.requests.data, "POST /v1.41/containers/create?name=a%20b ");
	assert_int_equal(tp_engine_create(e, NULL, "{}", id, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "No such image");
	assert_int_equal(tp_engine_create(e, NULL, "{}", id, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	assert_int_equal(tp_engine_create(e, NULL, "{}", id, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	assert_int_equal(tp_engine_create(e, NULL, "{}", id, NULL, &err), -1);
	assert_contains(err.msg, "words");
	end(e);
}

static void ends_containers(void **state)
{
	static const struct fake_answer a[] = {
		VERSION_141,
		PLAIN("204 x"),
		PLAIN("304 x"), /* start */
		PLAIN("204 x"),
		PLAIN("404 x"),
		PLAIN("409 x"), /* kill */
		PLAIN("204 x"),
		PLAIN("304 x"),
		PLAIN("404 x"), /* stop */
		PLAIN("204 x"),
		PLAIN("404 x"), /* remove */
		BODY("409 no",
		     "{\"message\":\"removal of container x is already in progress.....\"}"),
		BODY("200 OK", "{\"StatusCode\":0}"),
		BODY("200 OK", "{\"StatusCode\":3}"), /* wait */
		BODY("404 no", "{\"message\":\"no\"}"),
		BODY("200 OK", "{\"StatusCode\":1.5}"),
	};
	struct tp_engine *e = start(a);
	int code;

	(void)state;
	assert_non_null(e);
	for (int i = 0; i < 2; i++)
		assert_ok(tp_engine_start(e, "x", NULL, &err), &err);
	for (int i = 0; i < 3; i++)
		assert_ok(tp_engine_kill(e, "x", "TERM", NULL, &err), &err);
	for (int i = 0; i < 3; i++)
		assert_ok(tp_engine_stop(e, "x", 5, NULL, &err), &err);
	for (int i = 0; i < 3; i++)
		assert_ok(tp_engine_remove(e, "x", NULL, &err), &err);
	assert_contains(f.requests.data, "condition=removed");
	assert_ok(tp_engine_wait(e, "x", &code, NULL, &err), &err);
	assert_int_equal(code, 3);
	assert_int_equal(tp_engine_wait(e, "x", &code, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_int_equal(tp_engine_wait(e, "x", &code, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	end(e);
}

static void lists(void **state)
{
	static const struct fake_answer a[] = { VERSION_141, BODY("200 OK", "[]"),
						BODY("200 OK", "[]") };
	struct tp_engine *e = start(a);

	(void)state;
	tp_json_free(tp_engine_list(e, "k=\"v", NULL, &err));
	assert_contains(f.requests.data, "filters=%7B%22label%22%3A%5B%22k%3D%5C%22v%22%5D%7D");
	tp_json_free(tp_engine_image(e, "reg:5000/a/b:1", NULL, &err));
	assert_contains(f.requests.data, "GET /v1.41/images/reg:5000/a/b:1/json ");
	end(e);
}

static char errors[100];
static void take_stderr(void *arg, const char *p, size_t n)
{
	(void)arg;
	strncat(errors, p, n);
}

static void attaches(void **state)
{
	static const char frames[] =
		"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
		"\1\0\0\0\0\0\0\2hi\2\0\0\0\0\0\0\3err";
	static const char *const argv[] = { "a", "b c", NULL };
	static const struct fake_answer first = {
		.text = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 21\r\n\r\n"
			"{\"ApiVersion\":\"1.41\"}",
		.hang_up = true,
	};
	static const struct fake_answer second[] = {
		{ .text = frames, .len = sizeof(frames) - 1, .hang_up = true },
		{ .text = "HTTP/1.1 404 x\r\nContent-Length: 15\r\n\r\n{\"message\":\"n\"}",
		  .hang_up = true },
		{ .text = "HTTP/1.1 101 x\r\n\r\nnot frames", .hang_up = true },
	};
	struct tp_engine *e;
	char buf[10], id[65] = "";

	(void)state;
	/* The server has one connection at a time, so each answer ends its own. */
	for (int i = 0; i < 3; i++) {
		struct fake_answer one[] = { first, second[i] };

		e = start(one);
		assert_non_null(e);
		errors[0] = '\0';
		struct tp_stream *s = tp_engine_attach(e, "x", take_stderr, NULL, NULL, &err);
		if (i == 1) {
			assert_null(s);
			assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
		} else if (i == 2) {
			assert_non_null(s);
			assert_int_equal(tp_stream_read_wait(s, buf, 10, 1000, NULL, &err), -1);
			assert_contains(tp_stream_reason(s), "broken stream");
		} else {
			assert_non_null(s);
			assert_int_equal(tp_stream_read_wait(s, buf, 10, 1000, NULL, &err), 2);
			assert_int_equal(tp_stream_read_wait(s, buf, 10, 1000, NULL, &err), 0);
			assert_string_equal(errors, "err");
		}
		tp_stream_close(s);
		end(e);
	}

	const struct fake_answer exec[] = {
		first,
		{ .text = "HTTP/1.1 201 x\r\nConnection: close\r\nContent-Length: 73\r\n\r\n"
			  "{\"Id\":\"" ID "\"}",
		  .hang_up = true },
		second[0],
	};
	e = start(exec);
	assert_non_null(e);
	struct tp_stream *s = tp_engine_exec(e, "x", argv, NULL, NULL, id, NULL, &err);
	if (!s)
		fail_msg("%s", err.msg);
	assert_string_equal(id, ID);
	assert_contains(f.requests.data, "\"Cmd\":[\"a\",\"b c\"]");
	assert_contains(f.requests.data, "POST /v1.41/exec/" ID "/start ");
	tp_stream_close(s);
	end(e);
}

/* ------------------------------------------------------ files in containers */

#define STAT(json64)                                                                          \
	{                                                                                     \
		.text = "HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: " json64 "\r\n\r\n" \
	}

static void looks_at_paths(void **state)
{
	static const struct fake_answer answers[] = {
		VERSION_141,
		/* {"name":"etc","size":4096,"mode":2147484141,"linkTarget":""} */
		STAT("eyJuYW1lIjoiZXRjIiwic2l6ZSI6NDA5NiwibW9kZSI6MjE0NzQ4NDE0MSwibGlua1RhcmdldCI6IiJ9"),
		/* {"name":"run","size":4,"mode":134218239,"linkTarget":"/run"} */
		STAT("eyJuYW1lIjoicnVuIiwic2l6ZSI6NCwibW9kZSI6MTM0MjE4MjM5LCJsaW5rVGFyZ2V0IjoiL3J1biJ9"),
		/* {"name":"f","size":4,"mode":420,"linkTarget":""} */
		STAT("eyJuYW1lIjoiZiIsInNpemUiOjQsIm1vZGUiOjQyMCwibGlua1RhcmdldCI6IiJ9"),
		{ .text = "HTTP/1.1 404 Not Found\r\n\r\n" },
		STAT("!!!"),
		STAT("e30="), /* {} */
		{ .text = "HTTP/1.1 200 OK\r\nOther: x\r\n\r\n" },
	};
	struct tp_engine *e = start(answers);
	struct tp_engine_file file;

	(void)state;
	assert_ok(tp_engine_file(e, ID, "/etc/a b", &file, NULL, &err), &err);
	assert_true(file.folder);
	assert_false(file.link);
	assert_null(file.target);
	tp_engine_file_free(&file);
	assert_ok(tp_engine_file(e, ID, "/var/run", &file, NULL, &err), &err);
	assert_true(file.link);
	assert_false(file.folder);
	assert_string_equal(file.target, "/run");
	tp_engine_file_free(&file);
	assert_ok(tp_engine_file(e, ID, "/f", &file, NULL, &err), &err);
	assert_false(file.link || file.folder);
	tp_engine_file_free(&file);
	assert_int_equal(tp_engine_file(e, ID, "/x", &file, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tp_engine_file(e, ID, "/x", &file, NULL, &err), -1);
		assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	}
	assert_contains(f.requests.data,
			"HEAD /v1.41/containers/" ID "/archive?path=%2Fetc%2Fa%20b HTTP/1.1");
	end(e);
}

/* Three pieces, then the end or a failure. */
static ssize_t pieces(void *arg, void *p, size_t n)
{
	int *left = arg;

	if (*left == 0 || *left == -1)
		return *left;
	assert_true(n >= 4);
	memcpy(p, "tar!", 4);
	if (!--*left)
		*left = 0;
	return 4;
}

static ssize_t fails(void *arg, void *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
	return -1;
}

static void unpacks_a_stream(void **state)
{
	static const struct fake_answer answers[] = {
		VERSION_141,
		PLAIN("200 OK"),
		{ .text = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n",
		  .chunk = "{\"message\":\"container rootfs is marked read-only\"}",
		  .hang_up = true },
		PLAIN("200 OK"),
	};
	struct tp_engine *e = start(answers);
	int left = 3;

	(void)state;
	assert_ok(tp_engine_unpack(e, ID, "/run", pieces, &left, NULL, &err), &err);
	left = 3;
	assert_int_equal(tp_engine_unpack(e, ID, "/run", pieces, &left, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, "marked read-only");
	assert_int_equal(tp_engine_unpack(e, ID, "/run", fails, NULL, NULL, &err), -1);
	assert_contains(err.msg, "nothing to send");
	assert_contains(f.requests.data, "PUT /v1.41/containers/" ID
					 "/archive?path=%2Frun&noOverwriteDirNonDir=1 HTTP/1.1");
	assert_contains(f.requests.data, "4\r\ntar!\r\n4\r\ntar!\r\n4\r\ntar!\r\n0\r\n");
	end(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_on_a_version),
		cmocka_unit_test(explains_why_not),
		cmocka_unit_test(makes_containers),
		cmocka_unit_test(ends_containers),
		cmocka_unit_test(lists),
		cmocka_unit_test(attaches),
		cmocka_unit_test(looks_at_paths),
		cmocka_unit_test(unpacks_a_stream),
	};

	tp_http_global_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
