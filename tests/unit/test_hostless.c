/* SPDX-License-Identifier: Apache-2.0 */
/* A session without an engine: whose name has to be known beforehand. */
#include "tp_test.h"

#include "base/mem.h"
#include "session/hostless.h"

static void test_name_in(void **state)
{
	static const struct {
		const char *url, *name;
	} urls[] = {
		{ "https://api.example.com", "api.example.com" },
		{ "https://api.example.com:6443", "api.example.com" },
		{ "https://api.example.com:6443/path:1/@x", "api.example.com" },
		{ "http://user:pass@proxy:3128", "proxy" },
		{ "http://a@b@proxy", "proxy" },
		{ "https://host?x", "host" },
		{ "https://10.0.0.1:6443", NULL },
		{ "https://[::1]:6443", NULL },
		{ "https://", NULL },
		{ "https://:6443", NULL },
		{ "https:///x", NULL },
		{ "example.com", NULL },
		{ "", NULL },
		{ NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(urls); i++) {
		tp_autofree char *name = tp_hostless_name_in(urls[i].url);

		if (!urls[i].name)
			assert_null(name);
		else
			assert_string_equal(name, urls[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_name_in) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
