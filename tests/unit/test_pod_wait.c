/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/json.h"
#include "fake_api.h"
#include "kube/pod.h"

static struct tp_err err;

#define POD(version, status)                                                                       \
	"{\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"resourceVersion\":\"" version               \
	"\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]},\"status\":{\"phase\":\"Pending\","      \
	"\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"}],\"containerStatuses\":[" \
	"{\"name\":\"c\",\"image\":\"i\",\"state\":{" status "}}]}}"
#define CREATING	    "\"waiting\":{\"reason\":\"ContainerCreating\"}"
#define PULL(message)	    "\"waiting\":{\"reason\":\"ErrImagePull\",\"message\":\"" message "\"}"
#define BACKOFF		    "\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"Back-off\"}"
#define RUNNING		    "\"running\":{}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define EXPIRED		    "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}"
#define NOT_FOUND                                                                             \
	{                                                                                     \
		.head = "404 Not Found", .data = "{\"message\":\"pods \\\"p\\\" not found\"}" \
	}

static int said;
static char last[200];

static void progress(void *arg, const char *text)
{
	(void)arg;
	said++;
	snprintf(last, sizeof(last), "%s", text);
}

static int wait(struct fake_api *f, enum tp_pod_wait what, int ms)
{
	memset(&err, 0, sizeof(err));
	said = 0;
	return tp_pod_wait(f->k, "p", "c", what, ms, progress, NULL, NULL, NULL, &err);
}

static void test_order(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = POD("5", CREATING) },
		{ .head = "200 OK",
		  .data = EVENT("MODIFIED", POD("6", CREATING))
			  EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"8\"}}") },
		{ .head = "200 OK", .data = EVENT("ERROR", EXPIRED) },
		{ .head = "200 OK", .data = POD("20", CREATING) },
		{ .head = "410 Gone", .data = EXPIRED },
		{ .head = "200 OK", .data = POD("30", CREATING) },
		{ .head = "200 OK",
		  .data = EVENT("MODIFIED", POD("31", RUNNING)) "garbage",
		  .hold_ms = 300 },
	};
	struct fake_api f;
	struct tp_json *pod = NULL;
	long long t0;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	t0 = tp_now_ms();
	assert_ok(tp_pod_wait(f.k, "p", "c", TP_POD_CONTAINER_RUNNING, 5000, progress, NULL, &pod,
			      NULL, &err),
		  &err);
	assert_true(tp_now_ms() - t0 < 2000);
	assert_string_equal(tp_json_str_at(pod, "metadata.resourceVersion"), "31");
	tp_json_free(pod);
	assert_contains(f.requests[0], "GET /api/v1/namespaces/ns/pods/p ");
	assert_contains(f.requests[1], "fieldSelector=metadata.name%3Dp");
	assert_contains(f.requests[1], "resourceVersion=5");
	assert_contains(f.requests[2], "resourceVersion=8");
	assert_contains(f.requests[3], "GET /api/v1/namespaces/ns/pods/p ");
	assert_contains(f.requests[6], "resourceVersion=30");
	fake_stop(&f);
}

static void test_pull(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = POD("5", CREATING) },
		{ .head = "200 OK",
		  .data = EVENT("MODIFIED", POD("6", PULL("no such host")))
			  EVENT("MODIFIED", POD("7", BACKOFF)) },
		{ .head = "200 OK", .data = POD("5", PULL("one")) },
		{ .head = "200 OK",
		  .data = EVENT("MODIFIED", POD("6", CREATING))
			  EVENT("MODIFIED", POD("7", PULL("two"))) },
	};
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_int_equal(wait(&f, TP_POD_READY, 5000), -1);
	assert_contains(err.msg, "ImagePullBackOff");
	assert_contains(err.msg, "no such host");
	assert_contains(last, "ErrImagePull");
	assert_int_equal(wait(&f, TP_POD_READY, 5000), -1);
	assert_contains(err.msg, "ErrImagePull: two");
	fake_stop(&f);
}

static void test_gone(void **state)
{
	const struct fake_reply replies[] = {
		NOT_FOUND,
		NOT_FOUND,
		{ .head = "200 OK", .data = POD("5", RUNNING) },
		{ .head = "200 OK", .data = EVENT("DELETED", POD("6", RUNNING)) },
		{ .head = "200 OK", .data = POD("5", CREATING) },
		{ .head = "200 OK", .data = EVENT("DELETED", POD("6", CREATING)) },
	};
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(wait(&f, TP_POD_GONE, 1000), &err);
	assert_int_equal(wait(&f, TP_POD_READY, 1000), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_ok(wait(&f, TP_POD_GONE, 1000), &err);
	assert_int_equal(wait(&f, TP_POD_READY, 1000), -1);
	assert_contains(err.msg, "deleted meanwhile");
	fake_stop(&f);
}

/* A server that talks nonsense must end in an error, not in a busy loop. */
static void test_garbage(void **state)
{
	struct fake_reply replies[FAKE_MAX];
	struct fake_api f;

	(void)state;
	for (size_t i = 0; i < FAKE_MAX; i++)
		replies[i] = (struct fake_reply){ .head = "200 OK",
						  .data = i % 2 ? "<html>\n" : POD("5", CREATING) };
	fake_start(&f, replies, FAKE_MAX);
	assert_int_equal(wait(&f, TP_POD_READY, 1500), -1);
	assert_true(err.kind == TP_ERR_TIMEOUT || err.kind == TP_ERR_PROTOCOL);
	assert_true(f.seen < 26);
	fake_stop(&f);

	/* a watch that ends at once, again and again */
	for (size_t i = 0; i < FAKE_MAX; i++)
		replies[i] = (struct fake_reply){ .head = "200 OK",
						  .data = i ? "" : POD("5", CREATING) };
	fake_start(&f, replies, FAKE_MAX);
	assert_int_equal(wait(&f, TP_POD_READY, 800), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	assert_true(f.seen < 12);
	fake_stop(&f);
}

static void test_cut(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = POD("5", CREATING) },
		{ .data = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"typ" },
		{ .data = "" },
		{ .head = "200 OK", .data = POD("7", CREATING) },
		{ .head = "503 Service Unavailable", .data = "" },
		{ .head = "200 OK", .data = EVENT("MODIFIED", POD("8", RUNNING)) },
		{ .head = "200 OK", .data = POD("9", RUNNING) },
	};
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(wait(&f, TP_POD_CONTAINER_RUNNING, 8000), &err);
	fake_stop(&f);
}

static void test_timeout(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = POD("5", CREATING) },
		{ .head = "200 OK", .data = "\n", .hold_ms = 700 },
		{ .head = "200 OK",
		  .data = "{\"items\":[{\"type\":\"Warning\",\"reason\":\"FailedMount\",\"message\":\"no volume\","
			  "\"lastTimestamp\":\"2\"},{\"type\":\"Normal\",\"reason\":\"Old\",\"lastTimestamp\":\"1\"}]}" },
	};
	struct fake_api f;
	long long t0 = tp_now_ms();

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_int_equal(wait(&f, TP_POD_READY, 400), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	assert_contains(err.msg, "not ready after 0.4 s: container \"c\": ContainerCreating");
	assert_contains(err.msg, "Warning FailedMount: no volume");
	assert_true(tp_now_ms() - t0 < 3000);
	fake_stop(&f);
}

static void *trigger(void *arg)
{
	usleep(100000);
	tp_cancel_trigger(arg);
	return NULL;
}

static void test_cancel(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = POD("5", CREATING) },
		{ .head = "200 OK", .data = "\n", .hold_ms = 1000 },
	};
	struct tp_cancel *c = tp_cancel_new();
	struct fake_api f;
	pthread_t t;
	long long t0 = tp_now_ms();

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	pthread_create(&t, NULL, trigger, c);
	assert_int_equal(tp_pod_wait(f.k, "p", "c", TP_POD_READY, 10000, NULL, NULL, NULL, c, &err),
			 -1);
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	assert_true(tp_now_ms() - t0 < 800);
	pthread_join(t, NULL);
	fake_stop(&f);
	tp_cancel_free(c);
}

static char lines[200];

static int on_line(void *arg, char *line, size_t n)
{
	(void)arg;
	(void)n;
	strcat(strcat(lines, line), "|");
	return strstr(line, "key") != NULL;
}

static void test_log(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = POD("5", CREATING) },
		{ .head = "200 OK", .data = EVENT("MODIFIED", POD("6", RUNNING)) },
		{ .head = "400 Bad Request", .data = "{\"message\":\"waiting to start\"}" },
		{ .head = "200 OK", .data = POD("6", RUNNING) },
		{ .head = "200 OK", .data = "one\r\nthe key\nmore\n", .hold_ms = 500 },
		{ .head = "200 OK", .data = "x\ny\n" },
		{ .head = "200 OK", .data = POD("6", RUNNING) },
		{ .head = "200 OK", .data = "nothing\n", .hold_ms = 600 },
	};
	struct tp_buf b = TP_BUF_INIT(3);
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_pod_log_follow(f.k, "p", "c", on_line, NULL, 3000, NULL, &err), &err);
	assert_string_equal(lines, "one|the key|");
	assert_contains(f.requests[4],
			"GET /api/v1/namespaces/ns/pods/p/log?follow=true&container=c ");
	assert_ok(tp_pod_log_tail(f.k, "p", "c", 9, &b, NULL, &err), &err);
	assert_string_equal(b.data, "x\ny");
	assert_contains(f.requests[5], "tailLines=9");
	tp_buf_free(&b);
	assert_int_equal(tp_pod_log_follow(f.k, "p", "c", on_line, NULL, 300, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	fake_stop(&f);
}

static void test_delete(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = "{}" },
		NOT_FOUND,
		{ .head = "409 Conflict", .data = "{}" },
		{ .head = "403 Forbidden", .data = "{}" },
	};
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_pod_delete(f.k, "p", "uid-1", 0, NULL, &err), &err);
	assert_contains(f.requests[0], "\"preconditions\":{\"uid\":\"uid-1\"}");
	assert_contains(f.requests[0], "\"gracePeriodSeconds\":0");
	assert_ok(tp_pod_delete(f.k, "p", NULL, -1, NULL, &err), &err);
	assert_null(strstr(f.requests[1], "gracePeriodSeconds"));
	assert_ok(tp_pod_delete(f.k, "p", "old", -1, NULL, &err), &err);
	assert_int_equal(tp_pod_delete(f.k, "p", NULL, -1, NULL, &err), -1);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),  cmocka_unit_test(test_pull),
		cmocka_unit_test(test_gone),   cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_cut),    cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_cancel), cmocka_unit_test(test_log),
		cmocka_unit_test(test_delete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
