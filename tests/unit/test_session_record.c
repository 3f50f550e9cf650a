/* SPDX-License-Identifier: Apache-2.0 */
/* The session's record: on disk, locked, read again, broken. */
#include "tp_test.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "session/record.h"

static char home[] = "/tmp/tp-record-XXXXXX";

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(home));
	return setenv("XDG_STATE_HOME", home, 1);
}

static int teardown(void **state)
{
	(void)state;
	tp_autofree char *cmd = tp_asprintf("rm -rf %s", home);

	return system(cmd);
}

static void fill(struct tp_record *r)
{
	*r = TP_RECORD_INIT;
	tp_record_new_id(r->id);
	r->mode = TP_MODE_SWAP;
	r->started = 1234567890;
	r->by = tp_strdup("a@b");
	r->context = tp_strdup("ctx");
	r->namespace = tp_strdup("ns");
	r->docker_host = tp_strdup("unix:///x");
	r->docker_tls = -1;
	r->docker_tls_verify = 1;
	r->docker_tls_ca = tp_strdup("/ca");
	r->workload.kind = tp_strdup("Deployment");
	r->workload.group = tp_strdup("apps");
	r->workload.version = tp_strdup("v1");
	r->workload.resource = tp_strdup("deployments");
	r->workload.name = tp_strdup("web");
	r->workload.builtin = true;
	r->pod = tp_strdup("web-tpdocker-x");
	r->service = tp_strdup("svc");
	tp_strv_add(&r->settings, "--expose=80");
}

static void test_id(void **state)
{
	char a[TP_SESSION_ID_MAX], b[TP_SESSION_ID_MAX];

	(void)state;
	for (int i = 0; i < 200; i++) {
		tp_record_new_id(a);
		assert_int_equal(strlen(a), 10);
		assert_true(a[0] >= 'b' && a[0] <= 'z'); /* a StatefulSet's pods end in digits */
	}
	tp_record_new_id(b);
	assert_string_not_equal(a, b);
}

static void test_round_trip(void **state)
{
	struct tp_record r, back;
	struct tp_err err = { 0 };
	struct stat st;

	(void)state;
	fill(&r);
	assert_ok(tp_record_create(&r, &err), &err);
	tp_autofree char *path = tp_record_path(r.id, "json", &err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_ok(tp_record_load(r.id, &back, &err), &err);
	assert_string_equal(back.workload.name, "web");
	assert_true(back.workload.builtin);
	assert_string_equal(back.pod, "web-tpdocker-x");
	assert_string_equal(back.service, "svc");
	assert_int_equal(back.settings.n, 1);
	assert_string_equal(back.settings.v[0], "--expose=80");
	assert_int_equal(back.mode, TP_MODE_SWAP);
	assert_int_equal(back.started, 1234567890);
	assert_null(back.kubeconfig);
	assert_int_equal(back.docker_tls, -1);
	assert_int_equal(back.docker_tls_verify, 1);
	assert_string_equal(back.docker_tls_ca, "/ca");
	assert_null(back.docker_tls_key);
	tp_record_free(&back);

	TP_AUTO_STRV ids = { 0 };
	assert_ok(tp_record_list(&ids, &err), &err);
	assert_int_equal(ids.n, 1);
	assert_string_equal(ids.v[0], r.id);
	tp_record_remove(&r);
	assert_int_not_equal(stat(path, &st), 0);
	assert_int_equal(tp_record_load(r.id, &back, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	tp_record_free(&r);
}

/* The lock tells whether the owner lives: it goes with the process. */
static void test_lock(void **state)
{
	struct tp_record r, other;
	struct tp_err err = { 0 };
	int go[2], status;
	pid_t pid;
	char c;

	(void)state;
	fill(&r);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (!pid) {
		if (tp_record_create(&r, &err) || write(go[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	assert_ok(tp_record_load(r.id, &other, &err), &err);
	assert_int_equal(tp_record_lock(&other, false, &err), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(tp_record_lock(&other, true, &err), 1);
	tp_record_remove(&other);
	tp_record_free(&other);
	tp_record_free(&r);
	close(go[0]);
	close(go[1]);
}

static void test_absolute(void **state)
{
	tp_autofree char *cwd = getcwd(NULL, 0), *want = NULL, *got = NULL;

	(void)state;
	want = tp_asprintf("/a:%s/b/c::%s/d", cwd, cwd);
	got = tp_record_absolute("/a:b/c::d");
	assert_string_equal(got, want);
	assert_null(tp_record_absolute(NULL));
	assert_null(tp_record_absolute(""));
}

static void test_broken(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"version\":2,\"id\":\"x\"}",
		"{\"version\":1}",
		"{\"version\":1,\"id\":\"\"}",
		"{\"version\":1,\"id\":\"../../etc/passwd\"}",
		"{\"version\":1,\"id\":\"0123456789abcdef\"}",
		"{\"version\":1,\"id\":\"x\",\"workload\":{\"name\":\"web\"}}",
		"\xff\xfe",
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		struct tp_record r;
		struct tp_err err = { 0 };

		assert_int_equal(tp_record_parse(bad[i], strlen(bad[i]), &r, &err), -1);
		assert_int_not_equal(err.kind, TP_ERR_NONE);
		tp_record_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id),     cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_lock),   cmocka_unit_test(test_absolute),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests_name("session record", tests, setup, teardown);
}
