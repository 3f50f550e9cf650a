/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/tunnel.h"
#include "base/mem.h"

#define TEXT(s) (s), sizeof(s) - 1

static const char mountinfo[] =
	"1 0 0:1 / / rw - overlay overlay rw\n"
	"2 1 0:2 / /proc rw - proc proc rw\n"
	"3 2 0:3 / /proc/kcore rw - tmpfs tmpfs rw\n"
	"4 1 0:4 / /dev rw - tmpfs tmpfs rw\n"
	"5 4 0:5 / /dev/shm rw - tmpfs shm rw\n"
	"6 1 8:1 /var/lib/kubelet/pods/U/etc-hosts /etc/hosts rw - ext4 /dev/sda rw\n"
	"7 1 8:1 /var/lib/kubelet/pods/U/containers/c/abc /tmp/log rw - ext4 /dev/sda rw\n"
	"8 1 0:8 / /var/run/secrets/kubernetes.io/serviceaccount ro - tmpfs tmpfs rw\n"
	"9 1 8:1 /var/lib/kubelet/pods/U/volumes/kubernetes.io~configmap/c /etc/with\\040space ro - ext4 /dev/sda rw\n"
	"10 1 0:9 / /run/tpdocker rw - tmpfs tmpfs rw\n"
	"11 1 0:9 / /run/tpdocker2 rw shared:1 master:2 - tmpfs tmpfs rw\n"
	"12 1 0:9 / /odd\\012name rw - tmpfs tmpfs rw\n"
	"garbage\n13 - x\n";

static void test_mounts(void **state)
{
	TP_AUTO_BUF out = TP_BUF_INIT(4096);
	TP_AUTO_BUF ro = TP_BUF_INIT(4096);

	(void)state;
	assert_int_equal(tp_agent_mounts(TEXT(mountinfo), "/run/tpdocker", &out, &ro), 0);
	assert_string_equal(ro.data,
			    "/var/run/secrets/kubernetes.io/serviceaccount\n/etc/with space\n");
	assert_string_equal(out.data,
			    "/var/run/secrets/kubernetes.io/serviceaccount\n/etc/with space\n"
			    "/run/tpdocker2\n");
}

static void test_env(void **state)
{
	(void)state;
	assert_true(tp_agent_env_is_pods("A="));
	assert_true(tp_agent_env_is_pods("LD_PRELOAD=x"));
	assert_false(tp_agent_env_is_pods("TPDOCKER_TTL=3"));
	assert_false(tp_agent_env_is_pods("broken"));
}

static void test_keys(void **state)
{
	(void)state;
	assert_true(tp_agent_key_ok("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA comment"));
	assert_true(tp_agent_key_ok("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"));
	assert_false(tp_agent_key_ok("ssh-ed25519 AAAA"));
	assert_false(tp_agent_key_ok("command=\"x\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"));
	assert_false(tp_agent_key_ok(
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA x\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"));
	assert_false(tp_agent_key_ok(""));
}

static void test_tunnel_frames(void **state)
{
	struct tp_tunnel_frame f;
	size_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_equal(tp_tunnel_parse("SS\0\7\x42\6\0\2xy", i, &f), 0);
	assert_int_equal(tp_tunnel_parse("SS\0\7\x42\6\0\2xyz", 11, &f), 10);
	assert_int_equal(f.channel, 7);
	assert_int_equal(f.cmd, 0x4206);
	assert_memory_equal(f.data, "xy", 2);
	assert_int_equal(tp_tunnel_parse("X", 1, &f), -1);
	assert_int_equal(tp_tunnel_parse("SX", 2, &f), -1);
}

static void test_tunnel_target(void **state)
{
	struct sockaddr_storage to;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
	socklen_t len;

	(void)state;
	assert_int_equal(tp_tunnel_target(TEXT("2,10.1.2.3,80"), &to, &len), 0);
	assert_int_equal(ntohs(v4->sin_port), 80);
	assert_int_equal(tp_tunnel_target(TEXT("10,fd00::1,65535"), &to, &len), 0);
	assert_int_equal(to.ss_family, AF_INET6);
	assert_int_equal(tp_tunnel_target(TEXT("2,10.1.2.3,65536"), &to, &len), -1);
	assert_int_equal(tp_tunnel_target(TEXT("2,10.1.2.3,-1"), &to, &len), -1);
	assert_int_equal(tp_tunnel_target(TEXT("2,10.1.2.3"), &to, &len), -1);
	assert_int_equal(tp_tunnel_target(TEXT("2,name,80"), &to, &len), -1);
	assert_int_equal(tp_tunnel_target(TEXT("2,10.1.2.3\0,80"), &to, &len), -1);
	assert_int_equal(tp_tunnel_target(TEXT(""), &to, &len), -1);
}

static void test_ports(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_ANY) } };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	TP_AUTO_BUF out = TP_BUF_INIT(4096);
	tp_autofree char *port = NULL, *want = NULL;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	port = tp_asprintf("127.0.0.1:%u", ntohs(sa.sin_port));
	char *wanted[] = { port, NULL };

	/* whoever listens on all addresses has the loopback too */
	assert_int_equal(tp_agent_ports(wanted, &out), 0);
	want = tp_asprintf("%s taken\n", port);
	assert_string_equal(out.data, want);
	close(fd);
	tp_buf_reset(&out);
	assert_int_equal(tp_agent_ports(wanted, &out), 0);
	assert_contains(out.data, " ok\n");
}

static void test_ports_that_are_none(void **state)
{
	static const char *const bad[] = { "80",
					   "0.0.0.0",
					   "0.0.0.0:",
					   "0.0.0.0:0",
					   "x:80",
					   "0.0.0.0:8x",
					   "0.0.0.0:65536",
					   "::1:80",
					   ":80",
					   "0.0.0.0:-1",
					   "" };
	TP_AUTO_BUF out = TP_BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		char *wanted[] = { (char *)bad[i], NULL };

		assert_int_equal(tp_agent_ports(wanted, &out), -1);
	}
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_tunnel_frames),
		cmocka_unit_test(test_tunnel_target),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_ports_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
