/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a name is, where the machine's own names and the cluster's meet. */
#include "tp_test.h"

#include "base/mem.h"
#include "sidecar/hostnames.h"

static struct tp_strv list(const char *const *words)
{
	struct tp_strv l = { 0 };

	for (; *words; words++)
		tp_strv_add(&l, *words);
	return l;
}

static void test_whose(void **state)
{
	static const struct {
		const char *name;
		enum whose want;
	} cases[] = {
		{ "web", NAME_RATHER },
		{ "web.shop", NAME_EITHER },
		{ "web.shop.svc", NAME_RATHER },
		{ "db-0.db.shop", NAME_EITHER },
		{ "db-0.db.shop.svc", NAME_RATHER },
		{ "_http._tcp.web.shop.svc", NAME_RATHER },
		{ "web.shop.svc.corp.local", NAME_CLUSTER },
		{ "kubernetes.default.svc.corp.local", NAME_CLUSTER },
		{ "corp.local", NAME_CLUSTER },
		{ "web.shop.svc.cluster.local", NAME_HOST },
		{ "www.eng.example.org", NAME_HOST },
		/* with the machine's own suffixes behind it */
		{ "web.example.com", NAME_RATHER },
		{ "web.lab.example.com", NAME_RATHER },
		{ "web.shop.svc.lab.example.com", NAME_RATHER },
		{ "a.b.c.d.lab.example.com", NAME_HOST },
		{ "example.com", NAME_EITHER },
		{ "5.0.244.10.in-addr.arpa", NAME_CLUSTER },
		{ "5.0.243.10.in-addr.arpa", NAME_HOST },
		{ "x.ip6.arpa", NAME_HOST },
		{ "in-addr.arpa", NAME_HOST },
		{ "db.prod.some.example.net", NAME_CLUSTER },
		{ "web.shop.svc.corp.local.lab.example.com", NAME_CLUSTER },
		{ "", NAME_HOST },
	};
	struct tp_strv search = list((const char *const[]){ "shop.svc.corp.local", "svc.corp.local",
							    "corp.local", "eu.internal", NULL });
	struct tp_strv suffixes =
		list((const char *const[]){ "example.com", "lab.example.com.", NULL });
	struct tp_strv scope = list((const char *const[]){ "10.244.0.0/24", "10.96.0.0/12", NULL });
	struct tp_strv also = list((const char *const[]){ "DB.prod.some.example.net", NULL });

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++)
		if (hostnames_whose(cases[i].name, &search, &suffixes, &scope, &also) !=
		    cases[i].want)
			fail_msg("%s", cases[i].name);
	tp_strv_free(&search);
	assert_int_equal(hostnames_whose("a.b.c.cluster.local", &search, &suffixes, &scope, &also),
			 NAME_CLUSTER);
	tp_strv_free(&suffixes);
	tp_strv_free(&scope);
	tp_strv_free(&also);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_whose) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
