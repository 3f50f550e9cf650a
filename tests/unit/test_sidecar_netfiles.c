/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include "common/netfiles.h"
#include "sidecar/dnsfwd.h"
#include "sidecar/sidecar.h"
#include "sidecar/upload.h"

#define TEXT(s) (s), sizeof(s) - 1

static void test_resolv_parse(void **state)
{
	struct tp_resolv r;

	(void)state;
	tp_resolv_parse(&r,
			TEXT("# c\nnameserver 10.96.0.10\n nameserver\tfd00::a \nnameserver bad\n"
			     "nameserver 1.1.1.1\nnameserver 2.2.2.2\ndomain x\n"
			     "search a.b c.d\noptions ndots:5 timeout:2 attempts:9 rotate\n"));
	assert_int_equal(r.n_ns, 3);
	assert_string_equal(r.ns[0].text, "10.96.0.10");
	assert_int_equal(r.ns[1].addr.ss_family, AF_INET6);
	assert_int_equal(r.search.n, 2);
	assert_string_equal(r.search.v[1], "c.d");
	assert_int_equal(r.timeout_ms, 2000);
	assert_int_equal(r.attempts, 5);
	assert_true(r.rotate);
	tp_resolv_free(&r);
	tp_resolv_parse(&r, NULL, 0);
	assert_int_equal(r.n_ns, 0);
	assert_int_equal(r.timeout_ms, 5000);
	tp_resolv_parse(&r, TEXT("nameserver 1.2.3.4\0\nnameserver\n\xff\xfe\nnameserver 4.3.2.1"));
	assert_int_equal(r.n_ns, 1);
	assert_string_equal(r.ns[0].text, "4.3.2.1");
	tp_resolv_free(&r);
}

static void test_resolv_edit(void **state)
{
	static const char pod[] = "search a b\nnameserver 10.96.0.10\n; odd \xff\noptions ndots:5";
	struct tp_resolv_change c = { 0 };
	TP_AUTO_BUF out = TP_BUF_INIT(4096);
	TP_AUTO_STRV ns = { 0 };
	TP_AUTO_STRV none = { 0 };

	(void)state;
	assert_int_equal(tp_resolv_edit(TEXT(pod), &c, &out), 0);
	assert_string_equal(out.data,
			    "search a b\nnameserver 10.96.0.10\n; odd \xff\noptions ndots:5\n");
	tp_buf_reset(&out);
	tp_strv_add(&ns, "1.1.1.1");
	tp_strv_add(&none, ".");
	c.ns = &ns;
	c.search = &none;
	assert_int_equal(tp_resolv_edit(TEXT(pod), &c, &out), 0);
	assert_string_equal(out.data, "; odd \xff\noptions ndots:5\nnameserver 1.1.1.1\n");
	out.max = out.len;
	assert_int_equal(tp_resolv_edit(TEXT(pod), &c, &out), -1);
}

static const char own[] = "127.0.0.1\tlocalhost\n172.18.0.2\tweb-1\n";
static const char pod_hosts[] =
	"# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"
	"::1\tlocalhost ip6-localhost\nfe00::0\tip6-localnet\n"
	"10.244.0.7\tweb-1.svc web-1\n\n# Entries added by HostAliases.\n"
	"10.1.2.3\tfoo.local\tbar.local\nbroken line\n1.2.3.4\n9.9.9.9 a\0b\n"
	"fd00::5 six";

static void test_hosts(void **state)
{
	TP_AUTO_BUF out = TP_BUF_INIT(8192);
	TP_AUTO_BUF again = TP_BUF_INIT(8192);
	TP_AUTO_STRV add = { 0 };

	(void)state;
	tp_strv_add(&add, "db:10.0.0.9");
	tp_strv_add(&add, "no-address:xyz");
	assert_int_equal(tp_hosts_merge(TEXT(own), TEXT(pod_hosts), "web-1", &add, &out), 0);
	assert_string_equal(out.data,
			    "127.0.0.1\tlocalhost\n172.18.0.2\tweb-1\n"
			    "# tpdocker: the lines below are the session's\n"
			    "10.0.0.9\tdb\n10.1.2.3\tfoo.local\tbar.local\nfd00::5 six\n");
	/* its own result gives the same again */
	assert_int_equal(tp_hosts_merge(out.data, out.len, TEXT(pod_hosts), "web-1", &add, &again),
			 0);
	assert_string_equal(again.data, out.data);
	again.max = again.len;
	assert_int_equal(tp_hosts_merge(TEXT(own), TEXT(pod_hosts), "web-1", NULL, &again), -1);
}

static void test_add_host(void **state)
{
	(void)state;
	assert_true(tp_add_host_ok("a:1.2.3.4"));
	assert_true(tp_add_host_ok("a.b:fd00::1"));
	assert_false(tp_add_host_ok("a:host-gateway"));
	assert_false(tp_add_host_ok(":1.2.3.4"));
	assert_false(tp_add_host_ok("a b:1.2.3.4"));
	assert_false(tp_add_host_ok("a\nb:1.2.3.4"));
	assert_false(tp_add_host_ok("a"));
}

static void test_cidr(void **state)
{
	struct subnet n;

	(void)state;
	assert_int_equal(cidr_parse("10.1.2.3/8", &n), 0);
	assert_int_equal(n.addr, 0x0a000000);
	assert_int_equal(cidr_parse("0.0.0.0/0", &n), 0);
	assert_int_equal(n.mask, 0);
	assert_int_equal(cidr_parse("1.2.3.4", &n), 0);
	assert_int_equal(n.mask, 0xffffffff);
	assert_int_equal(cidr_parse("1.2.3.4/33", &n), -1);
	assert_int_equal(cidr_parse("1.2.3.4/", &n), -1);
	assert_int_equal(cidr_parse("1.2.3.4/8 accept; drop", &n), -1);
	assert_int_equal(cidr_parse("1.2.3", &n), -1);
}

static void test_container_names(void **state)
{
	TP_AUTO_STRV search = { 0 };

	(void)state;
	tp_strv_add(&search, "default.svc.cluster.local");
	tp_strv_add(&search, "cluster.local");
	assert_true(dnsfwd_may_be_container("db", &search));
	assert_true(dnsfwd_may_be_container("db.proj_default", &search));
	assert_false(dnsfwd_may_be_container("db.default.svc.cluster.local", &search));
	assert_false(dnsfwd_may_be_container("example.com", &search));
	assert_false(dnsfwd_may_be_container("www.example.com", &search));
	assert_false(dnsfwd_may_be_container("", &search));
}

static void test_upload(void **state)
{
	static const char up[] = "ABCDE"
				 "sshuttle\n3\nxyz"
				 "sshuttle.a\n0\n"
				 "\n";
	size_t i;

	(void)state;
	assert_int_equal(tp_upload_assembler("exec(compile(sys.stdin.read(1704), \"a\"))"), 1704);
	assert_int_equal(tp_upload_assembler("exec"), -1);
	assert_int_equal(tp_upload_assembler("sys.stdin.read(x)"), -1);
	for (i = 0; i < sizeof(up) - 1; i++)
		assert_int_equal(tp_upload_complete(up, i, 5), 0);
	assert_int_equal(tp_upload_complete(TEXT(up), 5), 1);
	assert_int_equal(tp_upload_complete(TEXT("ABCDEname\nx\n"), 5), -1);
	assert_int_equal(tp_upload_complete(TEXT("ABCDE\nmore"), 5), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolv_parse), cmocka_unit_test(test_resolv_edit),
		cmocka_unit_test(test_hosts),	     cmocka_unit_test(test_add_host),
		cmocka_unit_test(test_cidr),	     cmocka_unit_test(test_container_names),
		cmocka_unit_test(test_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
