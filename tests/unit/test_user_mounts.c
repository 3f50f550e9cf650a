/* SPDX-License-Identifier: Apache-2.0 */
/* Where a container has mounts by its user's own wish; --volumes and --volumes-root. */
#include "tp_test.h"

#include "base/mem.h"
#include "docker/user_mounts.h"
#include "session/volumes.h"

static void test_clean(void **state)
{
	static const char *const cases[][2] = {
		{ "/a/b", "/a/b" }, { "/a//b/", "/a/b" }, { "//", "/" },
		{ "/", "/" },	    { "/./a/./", "/a" },  { "/a/../b", "/a/../b" },
		{ "a/b", "/a/b" },  { "/.a", "/.a" },	  { "", "/" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		tp_autofree char *got = tp_path_clean(cases[i][0]);

		assert_string_equal(got, cases[i][1]);
	}
}

static char *targets(int argc, const char *const *argv)
{
	struct tp_buf b = TP_BUF_INIT(4096);
	TP_AUTO_STRV out = { 0 };
	struct tp_run_args a;
	struct tp_err err;

	assert_ok(tp_run_args_parse(&a, NULL, NULL, argc, (char *const *)(uintptr_t)argv, 0, &err),
		  &err);
	tp_user_mounts(&a, &out);
	for (size_t i = 0; i < out.n; i++)
		tp_buf_printf(&b, "%s%s", i ? "|" : "", out.v[i]);
	tp_run_args_free(&a);
	return tp_buf_steal(&b);
}
#define TARGETS(want, ...)                                                         \
	do {                                                                       \
		const char *const words[] = { __VA_ARGS__, "img" };                \
		tp_autofree char *got = targets((int)TP_ARRAY_SIZE(words), words); \
		assert_string_equal(got, want);                                    \
	} while (0)

static void test_targets(void **state)
{
	(void)state;
	TARGETS("", "-it");
	TARGETS("/b", "-v", "/a:/b");
	TARGETS("/b", "--volume=name:/b/:ro,z");
	TARGETS("/anon", "-v/anon");
	TARGETS("/b|/c", "-v", "./x:/b", "--volume", "y:/c:ro");
	TARGETS("/t|/u", "--tmpfs", "/t", "--tmpfs=/u:size=1m,mode=700");
	TARGETS("/m", "--mount", "type=bind,source=/a,target=/m");
	TARGETS("/m|/n|/o", "--mount", "type=tmpfs,destination=/m/", "--mount=dst=/n,type=volume",
		"--mount", "TARGET=/o");
	TARGETS("/with, comma", "--mount", "type=volume,\"target=/with, comma\",source=x");
	TARGETS("/q\"q", "--mount", "\"dst=/q\"\"q\"");
	/* what docker refuses is nobody's mount */
	TARGETS("", "-v", "a:relative", "--mount", "type=bind,src=/x", "--mount", "target");
}

static void test_image_volumes(void **state)
{
	static const char text[] =
		"{\"Config\":{\"Volumes\":{\"/data\":{},\"/var/own/\":{},\"/c\":{}}}}";
	const char *const words[] = { "-v", "x:/data/", "--tmpfs=/c", "img" };
	TP_AUTO_STRV out = { 0 };
	TP_AUTO_STRV none = { 0 };
	struct tp_run_args a;
	struct tp_err err;
	TP_AUTO_JSON *image = tp_json_parse(text, strlen(text), &err);
	TP_AUTO_JSON *plain = tp_json_parse("{\"Config\":{\"Volumes\":null}}", 27, &err);

	(void)state;
	assert_ok(tp_run_args_parse(&a, NULL, NULL, 4, (char *const *)(uintptr_t)words, 0, &err),
		  &err);
	assert_ok(tp_image_volumes(&a, image, NULL, &out, NULL, &err), &err);
	assert_int_equal(out.n, 1);
	assert_string_equal(out.v[0], "/var/own");
	assert_ok(tp_image_volumes(&a, plain, NULL, &none, NULL, &err), &err);
	assert_int_equal(none.n, 0);
	tp_run_args_free(&a);
}

static void test_root(void **state)
{
	static const char *const good[] = { "/tpdocker/root",  "/mnt/pod", "/r/",
					    "/tpdocker/roots", "/a..b",	   "/...",
					    "/devices" };
	static const char *const bad[] = { "",
					   "x",
					   "/",
					   "//",
					   "/proc",
					   "/proc/1/root",
					   "/sys/x",
					   "/dev/",
					   "/a/..",
					   "/../x",
					   "/tpdocker",
					   "/tpdocker/bin",
					   "/tpdocker/bin/x",
					   "/tpdocker/./bin",
					   "/a\nb" };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good) + TP_ARRAY_SIZE(bad); i++) {
		bool ok = i < TP_ARRAY_SIZE(good);
		const char *root = ok ? good[i] : bad[i - TP_ARRAY_SIZE(good)];
		struct tp_err err = { 0 };
		int rc = tp_volumes_check(NULL, root, NULL, &err);

		if (ok) {
			assert_ok(rc, &err);
			continue;
		}
		if (!rc)
			fail_msg("\"%s\" is taken", root);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_contains(err.msg, "--volumes-root");
	}
}

static void test_kind(void **state)
{
	struct tp_err err = { 0 };

	(void)state;
	assert_ok(tp_volumes_check("sshfs", NULL, NULL, &err), &err);
	assert_ok(tp_volumes_check("off", NULL, NULL, &err), &err);
	assert_int_equal(tp_volumes_check("nfs", NULL, NULL, &err), -1);
	assert_int_equal(tp_volumes_check("", NULL, NULL, &err), -1);
	assert_int_equal(tp_volumes_wanted(NULL), TP_VOLUMES_SSHFS);
	assert_int_equal(tp_volumes_wanted("sshfs"), TP_VOLUMES_SSHFS);
	assert_int_equal(tp_volumes_wanted("off"), TP_VOLUMES_OFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),	      cmocka_unit_test(test_targets),
		cmocka_unit_test(test_image_volumes), cmocka_unit_test(test_root),
		cmocka_unit_test(test_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
