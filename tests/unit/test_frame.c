/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/frame.h"

static void test_there_and_back(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 20);
	struct tp_frame f;
	size_t i, whole;

	(void)state;
	assert_int_equal(tp_frame_put(&b, "env", "A=1\nB=\0x", 8), 0);
	whole = b.len;
	assert_int_equal(tp_frame_put(&b, "stop", "", 0), 0);
	assert_int_equal(tp_frame_parse(b.data, b.len, &f), whole);
	assert_string_equal(f.name, "env");
	assert_int_equal(f.len, 8);
	assert_memory_equal(f.data, "A=1\nB=\0x", 8);
	/* whatever is cut off is waited for */
	for (i = 0; i < whole; i++)
		assert_int_equal(tp_frame_parse(b.data, i, &f), 0);
	assert_int_equal(tp_frame_parse(b.data + whole, b.len - whole, &f), b.len - whole);
	assert_string_equal(f.name, "stop");
	assert_int_equal(f.len, 0);
}

static void test_garbage(void **state)
{
	static const char *const bad[] = { " 1\nx\n",
					   "Env 1\nx\n",
					   "env\n",
					   "env \nx\n",
					   "env -1\nx\n",
					   "env 01\nx\n",
					   "env 1x\n",
					   "env 1\nxy",
					   "env 4194305\n",
					   "env 99999999999999999999\n",
					   "\n",
					   "\x80",
					   "abcdefghijklmnopqrstuvwxyz0123456" };
	struct tp_frame f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (tp_frame_parse(bad[i], strlen(bad[i]), &f) != -1)
			fail_msg("taken: %s", bad[i]);
}

static void test_limits(void **state)
{
	TP_AUTO_BUF small = TP_BUF_INIT(10);

	(void)state;
	assert_int_equal(tp_frame_put(&small, "a", "1234", 4), 0);
	/* what does not fit leaves no half frame */
	assert_int_equal(tp_frame_put(&small, "b", "12345678", 8), -1);
	assert_int_equal(small.len, 9);
	assert_int_equal(tp_frame_put(&small, "", "", 0), -1);
	assert_int_equal(tp_frame_put(&small, "A", "", 0), -1);
	assert_int_equal(tp_frame_put(&small, "abcdefghijklmnopqrstuvwxyz0123456", "", 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
