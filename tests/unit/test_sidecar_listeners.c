/* SPDX-License-Identifier: Apache-2.0 */
/* Who listens, and where a connection to them has to go. */
#include "tp_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "sidecar/listeners.h"

static const char *where(const char *addr, bool v6only)
{
	static struct listener l;
	unsigned char raw[16];
	bool v6 = strchr(addr, ':') != NULL;

	l = (struct listener){ .port = 80 };
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, addr, raw), 1);
	listeners_note(&l, 1, v6, raw, v6only, 80);
	assert_true(l.rank > 0);
	return l.host;
}

static void test_addresses(void **state)
{
	(void)state;
	assert_string_equal(where("0.0.0.0", false), "127.0.0.1");
	assert_string_equal(where("127.0.0.1", false), "127.0.0.1");
	assert_string_equal(where("127.3.2.1", false), "127.3.2.1");
	assert_string_equal(where("172.17.0.2", false), "172.17.0.2");
	assert_string_equal(where("::", false), "127.0.0.1");
	assert_string_equal(where("::", true), "::1");
	assert_string_equal(where("::1", true), "::1");
	assert_string_equal(where("fd00::2", true), "fd00::2");
	assert_string_equal(where("::ffff:127.0.0.1", false), "127.0.0.1");
	assert_string_equal(where("::ffff:10.1.2.3", false), "10.1.2.3");
}

/* Whatever the order in which they are met, the best is taken. */
static void test_the_best_wins(void **state)
{
	static const char *const order[][3] = { { "fd00::2", "::1", "127.0.0.1" },
						{ "127.0.0.1", "::1", "fd00::2" },
						{ "::1", "10.0.0.1", "0.0.0.0" } };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(order); i++) {
		struct listener l[2] = { { .port = 80 }, { .port = 81 } };

		for (size_t j = 0; j < 3; j++) {
			bool v6 = strchr(order[i][j], ':') != NULL;
			unsigned char raw[16];

			inet_pton(v6 ? AF_INET6 : AF_INET, order[i][j], raw);
			listeners_note(l, 2, v6, raw, true, 80);
		}
		assert_string_equal(l[0].host, "127.0.0.1");
		assert_int_equal(l[1].rank, 0);
	}
}

static void test_proc(void **state)
{
	static const char tcp[] =
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
		"   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0\n"
		"   2: 0100007F:0051 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1\n"
		"garbage\n"
		"   3: 01:0052 00000000:0000 0A\n"
		"   4: 00000000:0000 00000000:0000 0A\n"
		"   5: 0100007F:0053 00000000:0000 0A";
	static const char tcp6[] =
		"  sl  local_address                         remote_address                        st\n"
		"   0: 00000000000000000000000001000000:0054 00000000000000000000000000000000:0000 0A 0\n"
		"   1: 0000000000000000FFFF00000100007F:0055 00000000000000000000000000000000:0000 0A 0\n";
	struct listener l[] = { { .port = 8080 }, { .port = 80 }, { .port = 81 }, { .port = 82 },
				{ .port = 83 },	  { .port = 84 }, { .port = 85 } };

	(void)state;
	if (htonl(1) == 1)
		skip(); /* the text above is a little-endian machine's */
	listeners_read_proc(l, TP_ARRAY_SIZE(l), false, tcp);
	listeners_read_proc(l, TP_ARRAY_SIZE(l), true, tcp6);
	assert_string_equal(l[0].host, "127.0.0.1");
	assert_string_equal(l[1].host, "127.0.0.1");
	assert_int_equal(l[2].rank, 0); /* established, not listening */
	assert_int_equal(l[3].rank, 0);
	assert_string_equal(l[4].host, "127.0.0.1");
	assert_string_equal(l[5].host, "::1");
	assert_string_equal(l[6].host, "127.0.0.1");
}

/* The kernel, asked in earnest. */
static void test_this_machine(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(0x7f000002) } };
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0), fd6 = socket(AF_INET6, SOCK_STREAM, 0);
	struct listener l[2] = { 0 };

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	l[0].port = ntohs(sa.sin_port);
	/* bound, and not listening */
	assert_int_equal(listeners_find(l, 1), 0);
	assert_int_equal(l[0].rank, 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(listeners_find(l, 1), 0);
	assert_string_equal(l[0].host, "127.0.0.2");
	len = sizeof(sa6);
	if (fd6 >= 0 && bind(fd6, (struct sockaddr *)&sa6, sizeof(sa6)) == 0 &&
	    listen(fd6, 1) == 0 && getsockname(fd6, (struct sockaddr *)&sa6, &len) == 0) {
		l[1].port = ntohs(sa6.sin6_port);
		assert_int_equal(listeners_find(l, 2), 0);
		assert_string_equal(l[1].host, "::1");
	}
	close(fd);
	assert_int_equal(listeners_find(l, 1), 0);
	assert_int_equal(l[0].rank, 0);
	assert_string_equal(l[0].host, "");
	if (fd6 >= 0)
		close(fd6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_the_best_wins),
		cmocka_unit_test(test_proc),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests_name("sidecar listeners", tests, NULL, NULL);
}
