/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses as kubelets of 1.20 and 1.30 write them, shortened. */
#include "tp_test.h"

#include "base/json.h"
#include "kube/pod.h"

static struct tp_err err;
static char why[400];

static int judge(const char *text, const char *container, enum tp_pod_wait what)
{
	TP_AUTO_JSON *pod = tp_json_parse(text, strlen(text), &err);

	assert_non_null(pod);
	memset(&err, 0, sizeof(err));
	return tp_pod_judge(pod, container, what, why, sizeof(why), &err);
}

#define POD(restart, status)                                                    \
	"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"restartPolicy\":\"" restart \
	"\",\"initContainers\":[{\"name\":\"i\"}],"                             \
	"\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]},\"status\":{" status "}}"
#define SCHEDULED \
	"\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"}],"
#define WAITING(name, reason, message)                                                            \
	"{\"name\":\"" name "\",\"image\":\"img:1\",\"state\":{\"waiting\":{\"reason\":\"" reason \
	"\",\"message\":\"" message "\"}}}"
#define RUNNING(name) "{\"name\":\"" name "\",\"state\":{\"running\":{\"startedAt\":\"x\"}}}"
#define ENDED(name, code)                                                      \
	"{\"name\":\"" name "\",\"state\":{\"terminated\":{\"exitCode\":" code \
	",\"reason\":\"Error\"}}}"
#define CS(list) "\"containerStatuses\":[" list "]"
#define IS(list) "\"initContainerStatuses\":[" list "]"

static void not_yet(const char *pod, const char *container, enum tp_pod_wait what,
		    const char *words)
{
	assert_int_equal(judge(pod, container, what), 0);
	assert_contains(why, words);
}

static void never(const char *pod, const char *container, enum tp_pod_wait what, const char *words)
{
	assert_int_equal(judge(pod, container, what), -1);
	assert_contains(err.msg, "pod \"p\"");
	assert_contains(err.msg, words);
}

static void test_hopeless(void **state)
{
	(void)state;
	never(POD("Always",
		  SCHEDULED CS(WAITING("a", "ImagePullBackOff", "Back-off pulling image"))),
	      "a", TP_POD_READY, "ImagePullBackOff: Back-off pulling image");
	assert_contains(err.msg, "img:1");
	never(POD("Always", SCHEDULED CS(WAITING("a", "InvalidImageName", "couldn't parse"))), "a",
	      TP_POD_CONTAINER_RUNNING, "couldn't parse");
	never(POD("Always", SCHEDULED CS(WAITING("a", "ErrImageNeverPull", "policy of Never"))),
	      "a", TP_POD_READY, "policy of Never");
	never(POD("Always", SCHEDULED CS(WAITING("a", "CreateContainerConfigError",
						 "secret \\\"s\\\" not found"))),
	      "a", TP_POD_READY, "secret \"s\" not found");
	never(POD("Always", SCHEDULED CS(WAITING("a", "CreateContainerError", "no command"))), "a",
	      TP_POD_READY, "CreateContainerError");
	never(POD("Always",
		  SCHEDULED CS(
			  "{\"name\":\"a\",\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},"
			  "\"lastState\":{\"terminated\":{\"exitCode\":7,\"reason\":\"Error\","
			  "\"message\":\"last words\"}}}")),
	      "a", TP_POD_READY, "CrashLoopBackOff; it ended with exit code 7 (Error): last words");
	never(POD("Always", SCHEDULED IS(WAITING("i", "CrashLoopBackOff", "back-off"))), "a",
	      TP_POD_CONTAINER_RUNNING, "init container \"i\"");
	never(POD("Never", SCHEDULED IS(ENDED("i", "2"))), "a", TP_POD_READY,
	      "the init container \"i\" ended with exit code 2");
	never(POD("Never", SCHEDULED CS(ENDED("a", "0"))), "a", TP_POD_READY,
	      "ended with exit code 0");
	never(POD("Never",
		  "\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"low on disk\""),
	      "a", TP_POD_READY, "Evicted: low on disk");
	never(POD("Never", "\"phase\":\"Succeeded\""), "a", TP_POD_CONTAINER_RUNNING, "Succeeded");
	never("{\"metadata\":{\"name\":\"p\",\"deletionTimestamp\":\"x\"},\"spec\":{},"
	      "\"status\":{\"phase\":\"Running\"}}",
	      NULL, TP_POD_READY, "being deleted");
	never(POD("Always", SCHEDULED ""
				      "\"x\":1"),
	      "nope", TP_POD_READY, "no container \"nope\"");
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
}

static void test_patience(void **state)
{
	(void)state;
	not_yet(POD("Always", "\"phase\":\"Pending\""), "a", TP_POD_READY, "not scheduled");
	not_yet(POD("Always", "\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\","
			      "\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":"
			      "\"0/1 nodes are available: 1 Insufficient cpu.\"}]"),
		"a", TP_POD_READY, "Insufficient cpu");
	not_yet(POD("Always", SCHEDULED CS("{\"name\":\"a\",\"state\":{\"waiting\":{\"reason\":"
					   "\"ContainerCreating\"}}}")),
		"a", TP_POD_READY, "container \"a\": ContainerCreating");
	not_yet(POD("Always", SCHEDULED CS(WAITING("a", "ErrImagePull", "rpc error"))), "a",
		TP_POD_READY, "ErrImagePull: rpc error");
	not_yet(POD("Always", SCHEDULED CS(WAITING("a", "CreateContainerConfigError",
						   "failed to sync configmap cache: timed out"))),
		"a", TP_POD_READY, "failed to sync");
	not_yet(POD("Always", SCHEDULED CS(ENDED("a", "1"))), "a", TP_POD_READY,
		"will be started again");
	not_yet(POD("Always",
		    SCHEDULED IS(ENDED("i", "0")) "," CS(WAITING("a", "PodInitializing", ""))),
		"a", TP_POD_READY, "being started");
	/* another container's trouble is not this one's */
	not_yet(POD("Always", SCHEDULED CS(WAITING("b", "ImagePullBackOff", "x"))), "a",
		TP_POD_CONTAINER_RUNNING, "");
	not_yet(POD("Always",
		    "\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
		    "\"False\",\"message\":\"containers with unready status: [a]\"},"
		    "{\"type\":\"PodScheduled\",\"status\":\"True\"}]," CS(RUNNING("a"))),
		"a", TP_POD_READY, "unready status: [a]");
	not_yet("{}", NULL, TP_POD_READY, "not scheduled");
	not_yet(POD("Always", SCHEDULED CS(RUNNING("a"))), "a", TP_POD_GONE, "still there");
}

static void test_reached(void **state)
{
	(void)state;
	assert_int_equal(
		judge(POD("Always", SCHEDULED CS(RUNNING("a"))), "a", TP_POD_CONTAINER_RUNNING), 1);
	assert_int_equal(judge(POD("Always", SCHEDULED CS(RUNNING("b") "," RUNNING("a"))), NULL,
			       TP_POD_CONTAINER_RUNNING),
			 1);
	assert_int_equal(judge(POD("Always", "\"phase\":\"Running\",\"conditions\":["
					     "{\"type\":\"Ready\",\"status\":\"True\"}]," CS(
						     RUNNING("a") "," RUNNING("b"))),
			       "a", TP_POD_READY),
			 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hopeless),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
