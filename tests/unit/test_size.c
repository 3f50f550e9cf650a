/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/mem.h"
#include "base/size.h"

static void test_parse(void **state)
{
	static const struct {
		const char *s;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "12b", 12 },
		{ "64m", 64u << 20 },
		{ "64M", 64u << 20 },
		{ "64mb", 64u << 20 },
		{ "64MiB", 64u << 20 },
		{ "3k", 3072 },
		{ "2g", 2ull << 30 },
		{ "5T", 5ull << 40 },
		{ "1023tib", 1023ull << 40 },
		{ "576460752303423487", 576460752303423487ull },
	};
	static const char *const bad[] = { "",	      "m",    "-1",   "+1",  " 1",
					   "1 ",      "1.5g", "1x",   "1bb", "1bib",
					   "1mm",     "1mi",  "0x10", "1e3", "99999999999999999999",
					   "9000000t" };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++) {
		uint64_t n = 77;

		if (tp_size_parse(good[i].s, &n) || n != good[i].bytes)
			fail_msg("%s: %llu", good[i].s, (unsigned long long)n);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		uint64_t n;

		if (!tp_size_parse(bad[i], &n))
			fail_msg("%s is taken", bad[i]);
	}
}

static void test_print(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 bytes" },
		{ 1, "1 byte" },
		{ 1023, "1023 bytes" },
		{ 1024, "1 KiB" },
		{ 1536, "1.5 KiB" },
		{ (1u << 20) - 1, "1023 KiB" },
		{ 64u << 20, "64 MiB" },
		{ (64u << 20) + 1, "64 MiB" },
		{ 1288490188, "1.1 GiB" },
		{ 5ull << 40, "5 TiB" },
		{ UINT64_MAX, "16777215 TiB" },
	};
	char text[TP_SIZE_TEXT];

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++)
		assert_string_equal(tp_size_print(cases[i].bytes, text), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests_name("sizes", tests, NULL, NULL);
}
