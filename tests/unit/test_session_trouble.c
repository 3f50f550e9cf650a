/* SPDX-License-Identifier: Apache-2.0 */
/* What passes and what does not, while a session is kept up. */
#include "tp_test.h"

#include "base/mem.h"
#include "session/trouble.h"

static const struct {
	enum tp_err_kind kind;
	const char *msg;
	bool final, final_if_renewable;
} cases[] = {
	{ TP_ERR_UNREACHABLE, "cannot connect to 10.0.0.1:6443: Connection refused", false, false },
	{ TP_ERR_TIMEOUT, "10.0.0.1:6443 does not answer in time", false, false },
	{ TP_ERR_PROTOCOL, "10.0.0.1:6443 does not answer in HTTP", false, false },
	{ TP_ERR_NOT_FOUND, "cannot get pod \"x\": pods \"x\" not found", false, false },
	{ TP_ERR_CONFLICT, "cannot create pods: pods \"x\" already exists", false, false },
	{ TP_ERR_FAILED, "cannot create pods: Internal error: failed calling webhook \"w\"", false,
	  false },
	{ TP_ERR_FAILED, "pod \"x\", container \"y\": ImagePullBackOff: no", false, false },
	/* rights */
	{ TP_ERR_FORBIDDEN, "you may not create pods in namespace \"n\": User cannot create", true,
	  true },
	/* admission */
	{ TP_ERR_FORBIDDEN, "the cluster does not let us create pods in namespace \"n\": violates",
	  true, true },
	{ TP_ERR_FORBIDDEN,
	  "the cluster does not let us create pods in namespace \"n\": exceeded quota: q", false,
	  false },
	{ TP_ERR_FAILED, "cannot create pods: admission webhook \"w\" denied the request: no", true,
	  true },
	{ TP_ERR_FAILED, "cannot create pods: Pod \"x\" is invalid: spec.x: Forbidden", true,
	  true },
	/* logged out */
	{ TP_ERR_FORBIDDEN, "the API server x does not accept who we are (user \"u\"): no", true,
	  false },
	{ TP_ERR_FORBIDDEN, "the credential plugin aws failed", true, false },
};

static void test_final(void **state)
{
	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_err err = { 0 };

		tp_err_set(&err, cases[i].kind, "%s", cases[i].msg);
		if (tp_trouble_is_final(&err, false) != cases[i].final ||
		    tp_trouble_is_final(&err, true) != cases[i].final_if_renewable)
			fail_msg("%s", cases[i].msg);
	}
}

/* An API server that has just started says "forbidden" to everybody. */
static void test_patience(void **state)
{
	struct tp_trouble t = { 0 };
	struct tp_err no = { 0 }, away = { 0 };
	const long long ms = TP_TROUBLE_FINAL_MS;

	(void)state;
	tp_err_set(&no, TP_ERR_FORBIDDEN, "you may not");
	tp_err_set(&away, TP_ERR_UNREACHABLE, "cannot connect");
	assert_false(tp_trouble_note(&t, &no, false, 1000));
	assert_false(tp_trouble_note(&t, &no, false, 1000 + ms - 1));
	assert_true(tp_trouble_note(&t, &no, false, 1000 + ms));
	/* something else in between begins it anew, and so does success */
	assert_false(tp_trouble_note(&t, &away, false, 2000 + ms));
	assert_false(tp_trouble_note(&t, &no, false, 3000 + ms));
	assert_false(tp_trouble_note(&t, &no, false, 3000 + 2 * ms - 1));
	tp_trouble_over(&t);
	assert_false(tp_trouble_note(&t, &no, false, 3000 + 2 * ms));
	assert_true(tp_trouble_note(&t, &no, false, 3000 + 3 * ms));
	/* what passes never ends it */
	tp_trouble_over(&t);
	for (long long now = 0; now < 100 * ms; now += ms)
		assert_false(tp_trouble_note(&t, &away, false, now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_final),
		cmocka_unit_test(test_patience),
	};

	return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
