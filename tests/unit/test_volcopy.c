/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of copying volumes: who the agent is, and which mounts of a container are its user's. */
#include "tp_test.h"

#include "base/mem.h"
#include "session/volcopy_internal.h"

static void test_ids(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint32_t uid;
		size_t n;
		uint32_t first, last;
	} cases[] = {
		{ "Name:\tsshd\nUid:\t1000\t1000\t1000\t1000\nGid:\t5\t5\t5\t5\nGroups:\t7 2000 \nX:\t1\n",
		  0, 1000, 3, 5, 2000 },
		{ "Name:\tx\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t \n", 0, 0, 1, 0, 0 },
		{ "Name:\tx\nUid:\t4294967294\t0\nGid:\t9", 0, 4294967294u, 1, 9, 9 },
		/* a process may call itself anything, but not over lines */
		{ "Name:\tUid: 5\nUid:\t1\nGid:\t2\n", 0, 1, 1, 2, 2 },
		{ "", -1, 0, 0, 0, 0 },
		{ "\nUid:\t\nGid:\t1\n", -1, 0, 0, 0, 0 },
		{ "\nUid:\t1\n", -1, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_volcopy v = { 0 };
		struct tp_err err = { 0 };

		assert_int_equal(tp_volcopy_take_ids(&v, cases[i].text, &err), cases[i].rc);
		if (!cases[i].rc) {
			assert_int_equal(v.uid, cases[i].uid);
			assert_int_equal(v.n_gids, cases[i].n);
			assert_int_equal(v.gids[0], cases[i].first);
			assert_int_equal(v.gids[v.n_gids - 1], cases[i].last);
		}
		free(v.gids);
	}
}

static void test_own_mounts(void **state)
{
	static const char text[] = "{\"Mounts\":[{\"Type\":\"bind\",\"Destination\":\"/src\"},"
				   "{\"Type\":\"volume\",\"Destination\":\"/data\"},"
				   "{\"Type\":\"volume\",\"Destination\":\"/cache\"},"
				   "{\"Type\":\"volume\",\"Destination\":\"/tpdocker/bin\"},"
				   "{\"Type\":\"tmpfs\",\"Destination\":\"/t\"},{\"odd\":1}],"
				   "\"HostConfig\":{\"Tmpfs\":{\"/run\":\"size=1m\"}}}";
	struct tp_err err = { 0 };
	TP_AUTO_JSON *in = tp_json_parse(text, strlen(text), &err);
	TP_AUTO_STRV images = { 0 }, own = { 0 };

	(void)state;
	tp_strv_add(&images, "/cache");
	tp_volcopy_own_mounts(in, &images, &own);
	assert_int_equal(own.n, 4);
	assert_string_equal(own.v[0], "/src");
	assert_string_equal(own.v[1], "/data");
	assert_string_equal(own.v[2], "/t");
	assert_string_equal(own.v[3], "/run");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_own_mounts),
	};

	return cmocka_run_group_tests_name("copying volumes", tests, NULL, NULL);
}
