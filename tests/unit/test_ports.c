/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "base/mem.h"
#include "docker/flags.h"

static void takes_what_docker_takes(void **state)
{
	static const struct {
		const char *spec;
		int n;
		struct tp_port_binding first;
	} good[] = {
		{ "80", 1, { "tcp", "", 0, 0, 80 } },
		{ "80/udp", 1, { "udp", "", 0, 0, 80 } },
		{ "80/SCTP", 1, { "sctp", "", 0, 0, 80 } },
		{ "80/", 1, { "tcp", "", 0, 0, 80 } },
		{ "8080:80", 1, { "tcp", "", 8080, 8080, 80 } },
		{ ":80", 1, { "tcp", "", 0, 0, 80 } },
		{ "127.0.0.1::80", 1, { "tcp", "127.0.0.1", 0, 0, 80 } },
		{ "127.0.0.1:8080:80", 1, { "tcp", "127.0.0.1", 8080, 8080, 80 } },
		{ "[::1]:8080:80/tcp", 1, { "tcp", "::1", 8080, 8080, 80 } },
		{ "::1:8080:80", 1, { "tcp", "::1", 8080, 8080, 80 } },
		{ "8080-8082:80-82", 3, { "tcp", "", 8080, 8080, 80 } },
		{ "80-82", 3, { "tcp", "", 0, 0, 80 } },
		{ "8080-8090:80", 1, { "tcp", "", 8080, 8090, 80 } },
		{ "0:80", 1, { "tcp", "", 0, 0, 80 } },
		{ "1-65535", 65535, { "tcp", "", 0, 0, 1 } },
		{ "published=8080,target=80", 1, { "tcp", "", 8080, 8080, 80 } },
		{ "target=53,protocol=udp", 1, { "udp", "", 0, 0, 53 } },
	};
	static struct tp_port_binding b[65536];
	struct tp_err err;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++) {
		int n = tp_port_parse(good[i].spec, b, 65536, &err);

		if (n != good[i].n)
			fail_msg("%s: %d %s", good[i].spec, n, n < 0 ? err.msg : "");
		assert_string_equal(b->proto, good[i].first.proto);
		assert_string_equal(b->host_ip, good[i].first.host_ip);
		assert_int_equal(b->host_port, good[i].first.host_port);
		assert_int_equal(b->host_port_end, good[i].first.host_port_end);
		assert_int_equal(b->ctr_port, good[i].first.ctr_port);
	}
	assert_int_equal(tp_port_parse("8080-8082:80-82", b, 3, &err), 3);
	assert_int_equal(b[2].host_port, 8082);
	assert_int_equal(b[2].host_port_end, 8082);
	assert_int_equal(b[2].ctr_port, 82);
	assert_int_equal(tp_port_parse("80-82", b, 3, &err), 3);
	assert_int_equal(b[2].host_port, 0);
	assert_int_equal(b[2].ctr_port, 82);
}

static void refuses_the_rest(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"a",
		"80/x",
		"65536",
		"0",
		"-1",
		"82-80",
		"80-82:80-81",
		"8080:",
		"1.2.3:80:80",
		"x:80:80",
		"[::1:80:80",
		"1:2:3:80:80",
		"80 ",
		"+80",
		"80-",
		"8a:80",
		"70000:80",
		"published=80",
		"=80",
		"target",
		"a=",
		"[1.2.3.4]:80:80",
		"99999999999999999999",
		"80/tcp/udp",
		"8-4:80",
		"[]:80:80",
		"[:80:80",
	};
	struct tp_err err;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		struct tp_port_binding b[8];

		if (tp_port_parse(bad[i], b, 8, &err) >= 0)
			fail_msg("taken: \"%s\"", bad[i]);
		assert_int_equal(err.kind, TP_ERR_USAGE);
	}
	assert_int_equal(tp_port_parse("1-9", NULL, 8, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_docker_takes),
		cmocka_unit_test(refuses_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
