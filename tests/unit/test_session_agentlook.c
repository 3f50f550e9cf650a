/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent's pod object says of the agent. */
#include "tp_test.h"

#include "base/mem.h"
#include "session/agentlook.h"

#define META(extra) \
	"\"metadata\":{\"uid\":\"u1\",\"labels\":{\"tpdocker.dev/session\":\"s1\"}" extra "}"
#define SPEC(restart)                                                  \
	"\"spec\":{\"restartPolicy\":\"" restart "\",\"containers\":[" \
	"{\"name\":\"side\",\"command\":[\"/bin/side\"]},"             \
	"{\"name\":\"app\",\"command\":[\"/usr/lib/tpdocker/tpdocker-agent\",\"run\"]}]}"
#define STATUS(phase, state)                                                             \
	"\"status\":{\"phase\":\"" phase "\",\"containerStatuses\":["                    \
	"{\"name\":\"side\",\"containerID\":\"docker://0\",\"state\":{\"running\":{}}}," \
	"{\"name\":\"app\",\"containerID\":\"docker://1\",\"state\":" state "}]}"
#define POD(a, b, c) "{" a "," b "," c "}"

static const struct {
	const char *pod;
	enum tp_agent_state state;
	const char *why;
} cases[] = {
	{ POD(META(""), SPEC("OnFailure"), STATUS("Running", "{\"running\":{}}")), TP_AGENT_RUNNING,
	  "" },
	{ POD(META(""), SPEC("OnFailure"), "\"status\":{\"phase\":\"Pending\"}"), TP_AGENT_STARTING,
	  "" },
	{ POD(META(""), SPEC("OnFailure"), "\"status\":{}"), TP_AGENT_STARTING, "" },
	/* killed: the kubelet starts it again */
	{ POD(META(""), SPEC("OnFailure"),
	      STATUS("Running", "{\"terminated\":{\"exitCode\":137}}")),
	  TP_AGENT_STARTING, "" },
	{ POD(META(""), SPEC("OnFailure"),
	      STATUS("Running", "{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}")),
	  TP_AGENT_STARTING, "" },
	/* its time-to-live was over; others in the pod live on */
	{ POD(META(""), SPEC("OnFailure"), STATUS("Running", "{\"terminated\":{\"exitCode\":0}}")),
	  TP_AGENT_LEFT, "has ended" },
	{ POD(META(""), SPEC("Never"), STATUS("Running", "{\"terminated\":{\"exitCode\":1}}")),
	  TP_AGENT_LEFT, "has ended" },
	{ POD(META(""), SPEC("Always"), STATUS("Running", "{\"terminated\":{\"exitCode\":0}}")),
	  TP_AGENT_STARTING, "" },
	{ POD(META(""), SPEC("OnFailure"),
	      STATUS("Succeeded", "{\"terminated\":{\"exitCode\":0}}")),
	  TP_AGENT_ENDED, "has ended" },
	{ POD(META(""), SPEC("OnFailure"),
	      "\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"low on memory\"}"),
	  TP_AGENT_ENDED, "was evicted: low on memory" },
	{ POD(META(""), SPEC("OnFailure"),
	      "\"status\":{\"phase\":\"Failed\",\"reason\":\"NodeShutdown\"}"),
	  TP_AGENT_ENDED, "has ended: NodeShutdown" },
	{ POD(META(",\"deletionTimestamp\":\"x\""), SPEC("OnFailure"),
	      STATUS("Running", "{\"running\":{}}")),
	  TP_AGENT_ENDING, "was deleted" },
	/* ended and being deleted: nothing of it runs, whoever deleted it */
	{ POD(META(",\"deletionTimestamp\":\"x\""), SPEC("OnFailure"),
	      "\"status\":{\"phase\":\"Failed\"}"),
	  TP_AGENT_ENDED, "has ended" },
	{ "{\"metadata\":{\"uid\":\"u2\",\"labels\":{\"tpdocker.dev/session\":\"s2\"}}}",
	  TP_AGENT_FOREIGN, "is somebody else's now" },
	{ "{\"metadata\":{\"uid\":\"u2\"}}", TP_AGENT_FOREIGN, "is somebody else's now" },
};

static void test_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_err err = { 0 };
		TP_AUTO_JSON *pod = tp_json_parse(cases[i].pod, strlen(cases[i].pod), &err);
		char why[400] = "x";

		assert_non_null(pod);
		assert_int_equal(tp_agentlook(pod, "app", "s1", why, sizeof(why)), cases[i].state);
		assert_string_equal(why, cases[i].why);
		/* somebody else does not know the container's name, and knows it by its command */
		if (cases[i].state != TP_AGENT_FOREIGN)
			assert_int_equal(tp_agentlook(pod, NULL, NULL, NULL, 0), cases[i].state);
		else
			assert_int_equal(tp_agentlook(pod, NULL, NULL, NULL, 0), TP_AGENT_STARTING);
	}
	assert_int_equal(tp_agentlook(NULL, "app", "s1", NULL, 0), TP_AGENT_GONE);
}

static char *instance(const char *text, const char *container)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *pod = tp_json_parse(text, strlen(text), &err);

	assert_non_null(pod);
	return tp_agentlook_instance(pod, container);
}

static void test_instance(void **state)
{
	tp_autofree char *one = instance(
		POD(META(""), SPEC("OnFailure"), STATUS("Running", "{\"running\":{}}")), "app");
	tp_autofree char *two = instance(
		POD(META(""), SPEC("OnFailure"), STATUS("Running", "{\"running\":{}}")), NULL);

	(void)state;
	assert_string_equal(one, "u1/docker://1");
	assert_string_equal(two, "u1/docker://1");
	/* what has ended, or has no status yet, is no instance */
	assert_null(instance(POD(META(""), SPEC("OnFailure"),
				 STATUS("Running", "{\"terminated\":{\"exitCode\":1}}")),
			     "app"));
	assert_null(instance(POD(META(""), SPEC("OnFailure"), "\"status\":{}"), "app"));
	assert_null(tp_agentlook_instance(NULL, "app"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_instance),
	};

	return cmocka_run_group_tests_name("the agent's state", tests, NULL, NULL);
}
