/* SPDX-License-Identifier: Apache-2.0 */
/* Where paths are in a container whose image has links. */
#include "tp_test.h"

#include "base/mem.h"
#include "docker/inside.h"

static const struct {
	const char *path;
	char kind; /* d, f, l */
	const char *target;
} files[] = {
	{ "/run", 'd', NULL },
	{ "/var", 'd', NULL },
	{ "/var/run", 'l', "/run" },
	{ "/run/secrets", 'd', NULL },
	{ "/etc", 'd', NULL },
	{ "/etc/hosts", 'f', NULL },
	{ "/etc/conf", 'l', "/gone/conf" },
	{ "/etc/app.conf", 'l', "/etc/hosts" },
	{ "/loop", 'l', "/loop" },
	{ "/odd", 'l', NULL },
	{ "/toroot", 'l', "/" },
	{ "/a", 'l', "/var/run" },
};

static int looks;

static int look(void *arg, const char *path, struct tp_engine_file *f, struct tp_err *err)
{
	(void)arg;
	looks++;
	if (!strcmp(path, "/broken"))
		return tp_err_set(err, TP_ERR_UNREACHABLE, "no engine");
	for (size_t i = 0; i < TP_ARRAY_SIZE(files); i++) {
		if (strcmp(files[i].path, path))
			continue;
		*f = (struct tp_engine_file){ .folder = files[i].kind == 'd',
					      .link = files[i].kind == 'l',
					      .target = tp_strdup(files[i].target) };
		return 0;
	}
	return tp_err_set(err, TP_ERR_NOT_FOUND, "no %s", path);
}

static void test_finds(void **state)
{
	static const struct {
		const char *path, *folder, *name;
		bool exists, is_folder;
	} cases[] = {
		{ "/run", "/", "run", true, true },
		{ "/new", "/", "new", false, false },
		{ "/new/er/est", "/", "new/er/est", false, false },
		{ "/etc/hosts", "/etc", "hosts", true, false },
		{ "/etc/x/y", "/etc", "x/y", false, false },
		{ "/var/run", "/", "run", true, true },
		{ "/var/run/secrets", "/run", "secrets", true, true },
		{ "/var/run/secrets/k/s", "/run/secrets", "k/s", false, false },
		{ "/a/b", "/run", "b", false, false },
		{ "/etc/conf/x", "/", "gone/conf/x", false, false },
		{ "/etc/conf", "/", "gone/conf", false, false },
		{ "/etc/app.conf", "/etc", "hosts", true, false },
		{ "/toroot/run/z", "/run", "z", false, false },
	};
	struct tp_inside in = { .look = look };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_err err = { 0 };
		struct tp_place p;
		tp_autofree char *path =
			tp_asprintf("%s/%s", strcmp(cases[i].folder, "/") ? cases[i].folder : "",
				    cases[i].name);

		assert_ok(tp_inside_find(&in, cases[i].path, &p, &err), &err);
		assert_string_equal(p.folder, cases[i].folder);
		assert_string_equal(p.name, cases[i].name);
		assert_string_equal(p.path, path);
		assert_int_equal(p.exists, cases[i].exists);
		assert_int_equal(p.is_folder, cases[i].is_folder);
		tp_place_free(&p);
	}
	/* nothing is looked at twice */
	looks = 0;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_err err = { 0 };
		struct tp_place p;

		assert_ok(tp_inside_find(&in, cases[i].path, &p, &err), &err);
		tp_place_free(&p);
	}
	assert_int_equal(looks, 0);
	tp_inside_free(&in);
}

static void test_refuses(void **state)
{
	static const struct {
		const char *path, *says;
	} cases[] = {
		{ "/", "no place" },	      { "relative", "no place" },
		{ "", "no place" },	      { "/etc/hosts/x", "/etc/hosts is a file" },
		{ "/loop/x", "/loop leads" }, { "/odd", "/odd leads" },
		{ "/toroot", "root" },	      { "/broken/x", "no engine" },
	};
	struct tp_inside in = { .look = look };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_err err = { 0 };
		struct tp_place p;

		assert_int_equal(tp_inside_find(&in, cases[i].path, &p, &err), -1);
		assert_contains(err.msg, cases[i].says);
	}
	tp_inside_free(&in);
}

static void test_is_in(void **state)
{
	(void)state;
	assert_true(tp_path_is_in("/a", "/a"));
	assert_true(tp_path_is_in("/a/b", "/a"));
	assert_true(tp_path_is_in("/a", "/"));
	assert_false(tp_path_is_in("/ab", "/a"));
	assert_false(tp_path_is_in("/", "/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_is_in),
	};

	return cmocka_run_group_tests_name("inside a container", tests, NULL, NULL);
}
