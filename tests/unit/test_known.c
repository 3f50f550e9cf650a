/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of this machine: their names, how they are found and what is told of them. */
#include "tp_test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "session/known.h"
#include "session/outsiders.h"

static char home[] = "/tmp/tp-known-XXXXXX";

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

static void make(struct tp_record *r, const char *name)
{
	struct tp_err err = { 0 };

	*r = TP_RECORD_INIT;
	tp_record_new_id(r->id);
	r->name = tp_strdup(name);
	r->by = tp_strdup("a@b");
	r->pid = getpid();
	r->started = 86400;
	r->namespace = tp_strdup("ns");
	assert_ok(tp_record_create(r, &err), &err);
}

static void test_names(void **state)
{
	static const char *const good[] = { "a", "web", "Web_1.x-y", "0" };
	static const char *const bad[] = {
		"",	"-a",
		".a",	"_a",
		"a/b",	"a b",
		"../x", "a\n",
		"é",	"0123456789012345678901234567890123456789012345678901234567890123"
	};
	struct tp_err err;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++)
		assert_ok(tp_known_name_check(good[i], &err), &err);
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_int_equal(tp_known_name_check(bad[i], &err), -1);
}

static void test_find(void **state)
{
	struct tp_record web, run;
	struct tp_known k;
	struct tp_err err = { 0 };

	(void)state;
	make(&web, "web");
	make(&run, NULL);
	/* The lock of this very process counts: a descriptor of its own is used to look. */
	assert_ok(tp_known_find("web", &k, &err), &err);
	assert_int_equal(k.state, TP_KNOWN_STARTING); /* alive, and no socket yet */
	assert_string_equal(tp_known_name(&k), "web");
	tp_known_free(&k);
	assert_ok(tp_known_find(run.id, &k, &err), &err);
	assert_int_equal(k.state, TP_KNOWN_RUNNING);
	assert_string_equal(tp_known_name(&k), run.id);
	tp_known_free(&k);
	assert_int_equal(tp_known_name_free("web", &err), -1);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	assert_contains(err.msg, "of a@b since 1970-01-02T00:00:00Z");
	assert_ok(tp_known_name_free("other", &err), &err);
	assert_int_equal(tp_known_find("other", &k, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);

	/* Its process is gone. */
	tp_close_p(&web.lock_fd);
	assert_ok(tp_known_find("web", &k, &err), &err);
	assert_int_equal(k.state, TP_KNOWN_DEAD);
	tp_known_free(&k);
	/* Or its guardian has the lock. */
	assert_int_equal(tp_record_lock(&web, false, &err), 1);
	pid_t pid = fork();
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	web.pid = pid;
	assert_ok(tp_record_save(&web, &err), &err);
	assert_ok(tp_known_find("web", &k, &err), &err);
	assert_int_equal(k.state, TP_KNOWN_DEAD);
	tp_known_free(&k);

	tp_record_remove(&web);
	tp_record_remove(&run);
	/* Looking leaves nothing behind. */
	assert_int_equal(tp_known_find("web", &k, &err), -1);
	tp_autofree char *lock = tp_record_path(web.id, "lock", &err);
	assert_int_equal(access(lock, F_OK), -1);
	tp_record_free(&web);
	tp_record_free(&run);
}

static void test_written(void **state)
{
	static const char live[] = "{\"state\":\"ready\",\"link\":\"socket\",\"bytesToCluster\":7}";
	struct tp_known k = { .record = TP_RECORD_INIT, .state = TP_KNOWN_READY };
	struct tp_err err = { 0 };
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *text = NULL;

	(void)state;
	strcpy(k.record.id, "bcd");
	k.record.mode = TP_MODE_SWAP;
	k.record.workload.kind = tp_strdup("StatefulSet");
	k.record.workload.name = tp_strdup("db");
	k.record.name = tp_strdup("mine");
	k.live = tp_json_parse(live, strlen(live), &err);
	tp_jw_object(w, NULL);
	tp_known_write(&k, w);
	tp_jw_end(w);
	text = tp_jw_finish(w, NULL, &err);
	assert_non_null(text);
	TP_AUTO_JSON *j = tp_json_parse(text, strlen(text), &err);
	assert_string_equal(tp_json_str_at(j, "name"), "mine");
	assert_string_equal(tp_json_str_at(j, "workload"), "statefulset/db");
	assert_string_equal(tp_json_str_at(j, "container"), "tpdocker-mine");
	assert_string_equal(tp_json_str_at(j, "kind"), "up");
	assert_string_equal(tp_json_str_at(j, "mode"), "swap");
	assert_int_equal(tp_json_int_at(j, "bytesToCluster", 0), 7);
	tp_known_free(&k);
}

static void test_joined(void **state)
{
	static const char list[] =
		"[{\"Id\":\"1\",\"Names\":[\"/app\"],\"Labels\":{},\"HostConfig\":{\"NetworkMode\":\"container:abc\"}},"
		"{\"Id\":\"2\",\"Names\":[\"/by-name\"],\"HostConfig\":{\"NetworkMode\":\"container:tpdocker-web\"}},"
		"{\"Id\":\"3\",\"Names\":[\"/other\"],\"HostConfig\":{\"NetworkMode\":\"container:abcd\"}},"
		"{\"Id\":\"4\",\"Names\":[\"/mounts\"],\"Labels\":{\"dev.tpdocker.role\":\"mounts\"},"
		"\"HostConfig\":{\"NetworkMode\":\"container:abc\"}},"
		"{\"Id\":\"5\",\"Names\":[\"/ours\"],\"Labels\":{\"dev.tpdocker.role\":\"user\"},"
		"\"HostConfig\":{\"NetworkMode\":\"container:abc\"}},"
		"{\"Id\":\"6\",\"Names\":null,\"HostConfig\":{\"NetworkMode\":\"container:abc\"}},"
		"{\"Id\":\"7\"},{\"HostConfig\":{\"NetworkMode\":7}},null,"
		"{\"Id\":\"8\",\"Names\":[\"/b\"],\"HostConfig\":{\"NetworkMode\":\"bridge\"}}]";
	struct tp_err err = { 0 };
	TP_AUTO_JSON *j = tp_json_parse(list, strlen(list), &err);
	TP_AUTO_STRV names = { 0 };

	(void)state;
	assert_non_null(j);
	tp_known_joined_in(j, "abc", "tpdocker-web", &names);
	assert_int_equal(names.n, 4);
	assert_string_equal(names.v[0], "app");
	assert_string_equal(names.v[1], "by-name");
	assert_string_equal(names.v[2], "ours");
	assert_string_equal(names.v[3], "6");
	tp_strv_free(&names);
	tp_known_joined_in(j, NULL, NULL, &names);
	assert_int_equal(names.n, 0);
	tp_known_joined_in(NULL, "abc", NULL, &names);
	assert_int_equal(names.n, 0);
}

static const char *joined_by_id(const char *mode)
{
	tp_autofree char *text = tp_asprintf("{\"HostConfig\":{\"NetworkMode\":\"%s\"}}", mode);
	struct tp_err err = { 0 };
	TP_AUTO_JSON *j = tp_json_parse(text, strlen(text), &err);
	static char id[128];
	const char *got = tp_outsiders_joined(j);

	assert_non_null(j);
	return got ? strcpy(id, got) : NULL;
}

/* By its name it can be found again, whatever becomes of it. */
static void test_outsiders(void **state)
{
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	(void)state;
	assert_string_equal(joined_by_id("container:" ID), ID);
	assert_null(joined_by_id("container:tpdocker-web"));
	assert_null(joined_by_id("container:" ID "0"));
	assert_null(joined_by_id("bridge"));
	assert_null(joined_by_id(ID));
	assert_null(tp_outsiders_joined(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_find),
		cmocka_unit_test(test_written),	  cmocka_unit_test(test_joined),
		cmocka_unit_test(test_outsiders),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
