/* SPDX-License-Identifier: Apache-2.0 */
/* What is captured where that is not all, and what it clashes with. */
#include "tp_test.h"

#include "fake_api.h"
#include "session/clash.h"
#include "session/scope.h"

static void test_options(void **state)
{
	static const char *const bad[] = {
		"", "10.0.0.0/40", ".x", "x..y", "a b", "1.2.3", "x/24"
	};
	struct tp_session_opts o = { 0 };
	struct tp_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		tp_strv_add(&o.also_proxy, bad[i]);
		assert_int_equal(tp_scope_check(&o, true, &err), -1);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		tp_strv_free(&o.also_proxy);
	}
	tp_strv_add(&o.also_proxy, "db.example.com");
	tp_strv_add(&o.also_proxy, "10.5.5.5");
	assert_ok(tp_scope_check(&o, true, &err), &err);
	assert_int_equal(tp_scope_check(&o, false, &err), -1);
	tp_strv_add(&o.pod_cidr, "web");
	assert_int_equal(tp_scope_check(&o, true, &err), -1);
	assert_contains(err.msg, "--pod-cidr web");
	tp_strv_free(&o.also_proxy);
	tp_strv_free(&o.pod_cidr);
}

static void test_given(void **state)
{
	struct tp_session_opts o = { 0 };
	struct tp_scope s = { 0 };
	struct tp_err err = { 0 };
	struct fake_api f;
	tp_autofree char *text = NULL;

	(void)state;
	fake_start(&f, NULL, 0);
	pthread_join(f.thread, NULL);
	tp_strv_add(&o.pod_cidr, "10.244.0.0/16");
	tp_strv_add(&o.pod_cidr, "fd00:10:244::/56");
	tp_strv_add(&o.service_cidr, "127.0.0.0/16");
	tp_strv_add(&o.also_proxy, "db.example.com");
	tp_strv_add(&o.also_proxy, "10.5.5.5");
	assert_ok(tp_scope_find(f.k, &o, &s, NULL, &err), &err);
	assert_true(tp_strv_has(&s.capture, "10.244.0.0/16"));
	assert_true(tp_strv_has(&s.capture, "10.5.5.5"));
	assert_int_equal(s.names.n, 1);
	assert_string_equal(s.names.v[0], "db.example.com");
	assert_int_equal(s.kept.n, 1); /* the API server of this test */
	assert_string_equal(s.kept.v[0], "127.0.0.1");
	text = tp_scope_text(&s, &o);
	assert_string_equal(text, "pods 10.244.0.0/16, fd00:10:244::/56 (given), services "
				  "127.0.0.0/16 (given), also db.example.com, 10.5.5.5; not "
				  "127.0.0.1, which leads to the API server");
	tp_scope_free(&s);
	tp_strv_free(&o.pod_cidr);
	tp_strv_free(&o.service_cidr);
	tp_strv_free(&o.also_proxy);
	shutdown(f.fd, SHUT_RDWR);
	close(f.fd);
	tp_kube_free(f.k);
	tp_kubeconfig_free(&f.kc);
}

static void test_not_found(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK", .data = "{\"items\":[]}" },
		{ .head = "200 OK", .data = "{\"items\":[]}" },
	};
	struct tp_session_opts o = { 0 };
	struct tp_scope s = { 0 };
	struct tp_err err = { 0 };
	struct fake_api f;

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_int_equal(tp_scope_find(f.k, &o, &s, NULL, &err), -1);
	assert_contains(err.msg, "--pod-cidr CIDR");
	tp_scope_free(&s);
	fake_stop(&f);
}

static const char routes[] =
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	"tun0\t00000000\t0101080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
	"tun0\t0000080A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
	"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
static const char networks[] =
	"[{\"Name\":\"bridge\",\"IPAM\":{\"Config\":[{\"Subnet\":\"172.17.0.0/16\"}]}},"
	"{\"Name\":\"lab\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.99.0.0/24\"},{\"Subnet\":"
	"\"fd00:1::/64\"}]}},{\"Name\":\"host\",\"IPAM\":{\"Config\":null}}]";

static void test_clash(void **state)
{
	tp_autofree struct tp_nets *nets = tp_calloc(1, sizeof(*nets));
	struct tp_scope s = { 0 };
	struct tp_strv never = { 0 };
	struct tp_err err = { 0 };
	TP_AUTO_JSON *j = tp_json_parse(networks, strlen(networks), &err);

	(void)state;
	tp_nets_of_engine(j, nets);
	tp_nets_of_routes(routes, nets);
	assert_true(tp_nets_default_route(routes));
	assert_false(tp_nets_default_route(
		"lo\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"));
	assert_int_equal(nets->n, 4); /* docker0's route is its network */
	assert_string_equal(nets->v[3].what, "the route 10.8.0.0/16 by tun0");
	tp_strv_add(&s.capture, "10.244.0.0/16");
	assert_ok(tp_clash_judge(&s, nets, &never, &err), &err);
	tp_strv_add(&s.capture, "10.96.0.0/12");
	tp_strv_add(&s.capture, "10.8.3.0/24"); /* within a route: warned of */
	assert_int_equal(tp_clash_judge(&s, nets, &never, &err), -1);
	assert_int_equal(err.kind, TP_ERR_CONFLICT);
	assert_contains(err.msg, "the docker network lab, 10.99.0.0/24 lies in 10.96.0.0/12");
	assert_contains(err.msg, "--never-proxy 10.99.0.0/24");
	tp_strv_add(&never, "10.99.0.0/16");
	assert_ok(tp_clash_judge(&s, nets, &never, &err), &err);
	tp_strv_add(&s.capture, "10.8.0.0/16");
	assert_int_equal(tp_clash_judge(&s, nets, &never, &err), -1);
	assert_contains(err.msg, "the route 10.8.0.0/16 by tun0");
	tp_strv_free(&never);
	tp_scope_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_clash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
