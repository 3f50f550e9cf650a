/* SPDX-License-Identifier: Apache-2.0 */
/* A stream as a socket: bytes both ways, and every end of it. */
#include "tp_test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bridge.h"
#include "base/mem.h"

struct ends {
	struct tp_bridge *bridge;
	int near; /* what a library would have */
	int far;  /* the other side of the stream */
};

static struct ends make(struct tp_cancel *c)
{
	struct tp_err err = { 0 };
	struct ends e;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	e.far = pair[1];
	e.bridge = tp_bridge_start(tp_stream_from_fd(pair[0]), c, &e.near, &err);
	assert_non_null(e.bridge);
	return e;
}

static void done(struct ends *e)
{
	tp_bridge_free(e->bridge);
	close(e->near);
	close(e->far);
}

static void test_bytes(void **state)
{
	struct ends e = make(NULL);
	char buf[8];

	(void)state;
	assert_int_equal(write(e.near, "ping", 4), 4);
	assert_int_equal(read(e.far, buf, sizeof(buf)), 4);
	assert_int_equal(write(e.far, "pong!", 5), 5);
	assert_int_equal(read(e.near, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "pong!", 5);
	assert_false(tp_bridge_end(e.bridge, NULL));
	done(&e);
}

/* What came before the end is still there to be read. */
static void test_stream_ends(void **state)
{
	struct ends e = make(NULL);
	struct tp_err err = { 0 };
	char buf[8];

	(void)state;
	assert_int_equal(write(e.far, "last", 4), 4);
	close(e.far);
	assert_int_equal(read(e.near, buf, sizeof(buf)), 4);
	assert_int_equal(read(e.near, buf, sizeof(buf)), 0);
	assert_true(tp_bridge_end(e.bridge, &err));
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	e.far = -1;
	done(&e);
}

static void *trigger(void *arg)
{
	tp_cancel_trigger(arg);
	return NULL;
}

static void test_cancel_wakes_a_reader(void **state)
{
	struct tp_cancel *c = tp_cancel_new();
	struct ends e = make(c);
	struct tp_err err = { 0 };
	pthread_t t;
	char buf[8];

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, trigger, c), 0);
	assert_int_equal(read(e.near, buf, sizeof(buf)), 0);
	assert_true(tp_bridge_end(e.bridge, &err));
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	pthread_join(t, NULL);
	done(&e);
	tp_cancel_free(c);
}

static void test_cancelled_before(void **state)
{
	struct tp_cancel *c = tp_cancel_new();
	struct ends e;
	char buf[8];

	(void)state;
	tp_cancel_trigger(c);
	e = make(c);
	assert_int_equal(read(e.near, buf, sizeof(buf)), 0);
	done(&e);
	tp_cancel_free(c);
}

static void test_bounds(void **state)
{
	static const struct {
		int total, idle;
		const char *says;
	} cases[] = { { 1000, 0, "longer than 1 s" }, { 0, 1000, "no answer for 1 s" } };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct ends e = make(NULL);
		struct tp_err err = { 0 };
		long long begun = tp_now_ms();
		char buf[8];

		tp_bridge_bound(e.bridge, cases[i].total, cases[i].idle);
		assert_int_equal(read(e.near, buf, sizeof(buf)), 0);
		assert_in_range(tp_now_ms() - begun, 900, 5000);
		assert_true(tp_bridge_end(e.bridge, &err));
		assert_int_equal(err.kind, TP_ERR_TIMEOUT);
		assert_contains(err.msg, cases[i].says);
		done(&e);
	}
}

/* Silence is only too long without interruption. */
static void test_idle_starts_anew(void **state)
{
	struct ends e = make(NULL);
	long long begun = tp_now_ms();
	char buf[8];

	(void)state;
	tp_bridge_bound(e.bridge, 0, 600);
	for (int i = 0; i < 4; i++) {
		tp_cancel_poll(NULL, -1, 0, 300, NULL);
		assert_int_equal(write(e.far, "x", 1), 1);
		assert_int_equal(read(e.near, buf, sizeof(buf)), 1);
	}
	assert_true(tp_now_ms() - begun > 1100);
	assert_false(tp_bridge_end(e.bridge, NULL));
	done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_stream_ends),
		cmocka_unit_test(test_cancel_wakes_a_reader),
		cmocka_unit_test(test_cancelled_before),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_idle_starts_anew),
	};

	return cmocka_run_group_tests_name("bridge", tests, NULL, NULL);
}
