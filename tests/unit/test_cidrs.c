/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges, and those of a cluster. */
#include "tp_test.h"

#include "base/cidr.h"
#include "fake_api.h"
#include "kube/cidrs.h"

static struct tp_cidr cidr(const char *text)
{
	struct tp_cidr c;

	assert_int_equal(tp_cidr_parse(text, &c), 0);
	return c;
}

static void assert_text(const struct tp_cidr *c, const char *want)
{
	char text[TP_CIDR_TEXT];

	assert_string_equal(tp_cidr_text(c, text), want);
}

static void test_parse(void **state)
{
	static const char *const bad[] = {
		"",	      "10.0.0.0/", "10.0.0.0/33",  "10.0.0/8",	   "10.0.0.0/-1",
		"fd00::/129", "web",	   "10.0.0.0/8/8", "10.0.0.0/08x", "1.2.3.4/0000"
	};
	struct tp_cidr c;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_int_equal(tp_cidr_parse(bad[i], &c), -1);
	c = cidr("10.97.3.4/12");
	assert_text(&c, "10.96.0.0/12");
	c = cidr("10.97.3.4");
	assert_text(&c, "10.97.3.4");
	c = cidr("0.0.0.0/0");
	assert_text(&c, "0.0.0.0/0");
	c = cidr("fd00:10:244:ffff::7/60");
	assert_text(&c, "fd00:10:244:fff0::/60");
}

static void test_sets(void **state)
{
	struct tp_cidr a = cidr("10.96.0.0/12"), b = cidr("10.97.0.0/16"), d = cidr("10.244.1.3"),
		       e = cidr("10.244.7.9"), six = cidr("fd00::/8"), c;

	(void)state;
	assert_true(tp_cidr_has(&a, &b));
	assert_true(tp_cidr_has(&a, &a));
	assert_false(tp_cidr_has(&b, &a));
	assert_true(tp_cidr_overlap(&b, &a));
	assert_false(tp_cidr_overlap(&a, &d));
	assert_false(tp_cidr_overlap(&a, &six));
	c = tp_cidr_cover(&d, &e);
	assert_text(&c, "10.244.0.0/21");
	c = tp_cidr_widen(&d, 24);
	assert_text(&c, "10.244.1.0/24");
	c = tp_cidr_widen(&a, 24);
	assert_text(&c, "10.96.0.0/12");
}

static void test_merge(void **state)
{
	struct tp_cidr v[] = { cidr("10.244.3.0/24"), cidr("fd00::/64"),     cidr("10.244.0.0/24"),
			       cidr("10.244.1.0/24"), cidr("10.244.2.0/24"), cidr("10.244.2.7"),
			       cidr("10.244.5.0/24") };

	(void)state;
	assert_int_equal(tp_cidr_merge(v, TP_ARRAY_SIZE(v)), 3);
	assert_text(&v[0], "10.244.0.0/22");
	assert_text(&v[1], "10.244.5.0/24");
	assert_text(&v[2], "fd00::/64");
	assert_int_equal(tp_cidr_merge(v, 0), 0);
}

#define NO(what) "{\"message\":\"" what " is forbidden\",\"reason\":\"Forbidden\"}"

static const char *all_of(const struct tp_cidrs *l)
{
	static char text[1024];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < l->n; i++) {
		char one[TP_CIDR_TEXT];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %s", i ? ", " : "",
				       tp_cidr_text(&l->v[i].net, one), l->v[i].from);
	}
	return text;
}

static void test_nodes(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "200 OK",
		  .data = "{\"items\":[{\"spec\":{\"podCIDR\":\"10.244.0.0/24\",\"podCIDRs\":["
			  "\"10.244.0.0/24\",\"fd00:10:244::/64\"]}},"
			  "{\"spec\":{\"podCIDR\":\"10.244.1.0/24\"}},{\"spec\":{}}]}" },
		{ .head = "200 OK",
		  .data = "{\"items\":[{\"status\":{\"podIP\":\"10.244.1.9\"}},"
			  "{\"spec\":{\"hostNetwork\":true},\"status\":{\"podIP\":\"192.168.7.7\"}},"
			  "{\"status\":{\"podIP\":\"172.30.4.9\"}}]}" },
	};
	struct fake_api f;
	struct tp_cidrs l;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_kube_pod_cidrs(f.k, &l, NULL, &err), &err);
	assert_string_equal(all_of(&l), "10.244.0.0/23 nodes, fd00:10:244::/64 nodes, "
					"172.30.4.0/24 pods' addresses");
	fake_stop(&f);
}

static void test_pods(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "403 Forbidden", .data = NO("nodes") },
		{ .head = "403 Forbidden", .data = NO("pods") },
		{ .head = "200 OK",
		  .data = "{\"items\":[{\"status\":{\"podIP\":\"10.244.1.9\"}},"
			  "{\"status\":{\"podIPs\":[{\"ip\":\"10.244.6.1\"},{\"ip\":\"fd00::5\"}]}},"
			  "{\"status\":{}},{\"status\":{\"podIP\":\"10.9.1.1\"}}]}" },
		{ .head = "403 Forbidden", .data = NO("nodes") },
		{ .head = "403 Forbidden", .data = NO("pods") },
		{ .head = "403 Forbidden", .data = NO("pods") },
	};
	struct fake_api f;
	struct tp_cidrs l;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_kube_pod_cidrs(f.k, &l, NULL, &err), &err);
	assert_contains(f.requests[2], "GET /api/v1/namespaces/ns/pods?");
	assert_string_equal(all_of(&l), "10.9.1.0/24 pods' addresses, 10.244.0.0/21 pods' "
					"addresses, fd00::/64 pods' addresses");
	assert_int_equal(tp_kube_pod_cidrs(f.k, &l, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "the cluster's pods");
	fake_stop(&f);
}

static void test_service_objects(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "404 Not Found", .data = "{\"message\":\"no such\"}" },
		{ .head = "200 OK",
		  .data = "{\"items\":[{\"spec\":{\"cidrs\":[\"10.96.0.0/16\",\"fd00:96::/108\"]}},"
			  "{\"spec\":{\"cidrs\":[\"10.97.0.0/24\"]}}]}" },
	};
	struct fake_api f;
	struct tp_cidrs l;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_kube_service_cidrs(f.k, &l, NULL, &err), &err);
	assert_contains(f.requests[1], "/networking.k8s.io/v1beta1/servicecidrs");
	assert_string_equal(all_of(&l), "10.96.0.0/16 ServiceCIDR, 10.97.0.0/24 ServiceCIDR, "
					"fd00:96::/108 ServiceCIDR");
	fake_stop(&f);
}

#define REFUSED                                                                                  \
	"{\"message\":\"Service \\\"x\\\" is invalid: spec.clusterIPs: Invalid value: []string"  \
	"{\\\"192.0.2.1\\\"}: failed to allocate IP 192.0.2.1: provided IP is not in the valid " \
	"range. The range of valid IPs is 10.96.0.0/12\"}"

static void test_service_refusal(void **state)
{
	const struct fake_reply replies[] = {
		{ .head = "403 Forbidden", .data = NO("servicecidrs") },
		{ .head = "422 Unprocessable Entity", .data = REFUSED },
		{ .head = "403 Forbidden", .data = NO("servicecidrs") },
		{ .head = "403 Forbidden", .data = NO("services") },
		{ .head = "200 OK",
		  .data = "{\"items\":[{\"spec\":{\"clusterIP\":\"10.96.0.1\"}},"
			  "{\"spec\":{\"clusterIP\":\"None\"}},{\"spec\":{}},"
			  "{\"spec\":{\"clusterIPs\":[\"10.101.7.7\",\"fd00:96::1:2\"]}}]}" },
		{ .head = "403 Forbidden", .data = NO("servicecidrs") },
		{ .head = "403 Forbidden", .data = NO("services") },
		{ .head = "403 Forbidden", .data = NO("services") },
		{ .head = "403 Forbidden", .data = NO("services") },
	};
	struct fake_api f;
	struct tp_cidrs l;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, replies, TP_ARRAY_SIZE(replies));
	assert_ok(tp_kube_service_cidrs(f.k, &l, NULL, &err), &err);
	assert_contains(f.requests[1], "POST /api/v1/namespaces/ns/services?dryRun=All ");
	assert_string_equal(all_of(&l), "10.96.0.0/12 the API server's refusal");
	assert_ok(tp_kube_service_cidrs(f.k, &l, NULL, &err), &err);
	assert_string_equal(
		all_of(&l),
		"10.96.0.0/13 Services' addresses, fd00:96::1:0/112 Services' addresses");
	assert_int_equal(tp_kube_service_cidrs(f.k, &l, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	fake_stop(&f);
}

static void test_away(void **state)
{
	struct fake_api f;
	struct tp_cidrs l;
	struct tp_err err = { 0 };

	(void)state;
	fake_start(&f, NULL, 0);
	pthread_join(f.thread, NULL);
	shutdown(f.fd, SHUT_RDWR);
	close(f.fd);
	assert_int_equal(tp_kube_pod_cidrs(f.k, &l, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	assert_int_equal(tp_kube_service_cidrs(f.k, &l, NULL, &err), -1);
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	tp_kube_free(f.k);
	tp_kubeconfig_free(&f.kc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_service_objects),
		cmocka_unit_test(test_service_refusal),
		cmocka_unit_test(test_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
