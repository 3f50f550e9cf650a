/* SPDX-License-Identifier: Apache-2.0 */
/* The agent pod's spec, for a new agent and for a swap, and its ready line. */
#include "tp_test.h"

#include "base/mem.h"
#include "session/agentpod.h"

static const char workload_text[] =
	"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":2,\"serviceName\":\"dbs\","
	"\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"}}],"
	"\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"},\"annotations\":{\"a\":\"b\"}},"
	"\"spec\":{\"restartPolicy\":\"Always\",\"serviceAccountName\":\"sa\","
	"\"initContainers\":[{\"name\":\"init\",\"image\":\"i\"}],"
	"\"securityContext\":{\"runAsUser\":7},"
	"\"containers\":[{\"name\":\"app\",\"image\":\"real\",\"command\":[\"c\"],\"args\":[\"a\"],"
	"\"livenessProbe\":{},\"readinessProbe\":{},\"startupProbe\":{},\"lifecycle\":{},"
	"\"ports\":[{\"containerPort\":8080}],\"env\":[{\"name\":\"X\",\"value\":\"1\"}],"
	"\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}],\"securityContext\":{\"privileged\":false}},"
	"{\"name\":\"side\",\"image\":\"other\",\"livenessProbe\":{\"x\":1}}],"
	"\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}}}";

static const struct tp_agentpod agent = { .name = "web-tpdocker-abc",
					  .session = "abc",
					  .by = "me@here",
					  .image = "img:1",
					  .authorized_key = "ssh-ed25519 AAAA x" };

static struct tp_json *swap(const char *kind, const char *container, struct tp_err *err)
{
	struct tp_workload_ref ref = { .kind = (char *)kind,
				       .group = (char *)"apps",
				       .version = (char *)"v1",
				       .resource = (char *)"things",
				       .name = (char *)"web",
				       .container = (char *)container };
	TP_AUTO_JSON *w = tp_json_parse(workload_text, strlen(workload_text), err);
	tp_autofree char *chosen = NULL, *text = NULL;

	assert_non_null(w);
	text = tp_agentpod_swap(&agent, &ref, w, &chosen, err);
	if (!text)
		return NULL;
	assert_string_equal(chosen, container ? container : "app");
	return tp_json_parse(text, strlen(text), err);
}

static void test_swap_keeps_and_drops(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *p = swap("Deployment", NULL, &err);
	const struct tp_json *t = tp_json_path(p, "spec.containers[0]");
	static const char *const dropped[] = { "args", "livenessProbe", "readinessProbe",
					       "startupProbe", "lifecycle" };

	(void)state;
	assert_non_null(p);
	assert_string_equal(tp_json_str_at(p, "metadata.labels.app"), "web");
	assert_string_equal(tp_json_str_at(p, "metadata.annotations.a"), "b");
	assert_string_equal(tp_json_str_at(p, "spec.serviceAccountName"), "sa");
	assert_string_equal(tp_json_str_at(p, "spec.initContainers[0].name"), "init");
	assert_int_equal(tp_json_int_at(p, "spec.securityContext.runAsUser", 0), 7);
	assert_string_equal(tp_json_str_at(t, "image"), "img:1");
	assert_string_equal(tp_json_str_at(t, "command[1]"), "run");
	assert_int_equal(tp_json_int_at(t, "ports[0].containerPort", 0), 8080);
	assert_string_equal(tp_json_str_at(t, "env[0].name"), "X");
	assert_string_equal(tp_json_str_at(t, "volumeMounts[0].mountPath"), "/v");
	assert_non_null(tp_json_path(t, "securityContext"));
	for (size_t i = 0; i < TP_ARRAY_SIZE(dropped); i++)
		assert_null(tp_json_get(t, dropped[i]));
	/* the neighbour is left alone */
	assert_string_equal(tp_json_str_at(p, "spec.containers[1].image"), "other");
	assert_non_null(tp_json_path(p, "spec.containers[1].livenessProbe"));
	assert_string_equal(tp_json_str_at(p, "spec.volumes[0].name"), "v");
	assert_null(tp_json_path(p, "metadata.ownerReferences"));
	assert_null(tp_json_path(p, "spec.hostname"));
}

static void test_swap_other_container(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *p = swap("Deployment", "side", &err);

	(void)state;
	assert_string_equal(tp_json_str_at(p, "spec.containers[0].image"), "real");
	assert_string_equal(tp_json_str_at(p, "spec.containers[1].image"), "img:1");
	assert_null(swap("Deployment", "nope", &err));
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
}

static void test_swap_stateful(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *p = swap("StatefulSet", NULL, &err);

	(void)state;
	assert_string_equal(tp_json_str_at(p, "spec.hostname"), "web-0");
	assert_string_equal(tp_json_str_at(p, "spec.subdomain"), "dbs");
	assert_string_equal(tp_json_str_at(p, "spec.volumes[1].persistentVolumeClaim.claimName"),
			    "data-web-0");
	assert_string_equal(tp_agentpod_hostname(p), "web-0");
}

/* Adopted, it would be deleted at once. */
static void test_swap_replicaset_is_owned(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *p = swap("ReplicaSet", NULL, &err);

	(void)state;
	assert_true(tp_json_bool_at(p, "metadata.ownerReferences[0].controller", false));
}

/* ---------------------------------------------- a look at the environment */

static const char env_template[] =
	"{\"metadata\":{\"labels\":{\"app\":\"web\"},\"annotations\":{\"a\":\"b\"}},"
	"\"spec\":{\"serviceAccountName\":\"sa\",\"securityContext\":{\"runAsUser\":7},\"enableServiceLinks\":false,"
	"\"imagePullSecrets\":[{\"name\":\"p\"}],\"hostNetwork\":true,\"nodeSelector\":{\"n\":\"1\"},"
	"\"tolerations\":[{\"key\":\"t\"}],\"affinity\":{\"nodeAffinity\":{\"x\":1},\"podAntiAffinity\":{\"y\":1}},"
	"\"priorityClassName\":\"high\",\"hostname\":\"h\",\"restartPolicy\":\"Always\","
	"\"initContainers\":[{\"name\":\"init\",\"image\":\"i\"}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
	"\"containers\":[{\"name\":\"app\",\"image\":\"real\",\"args\":[\"a\"],\"readinessProbe\":{},"
	"\"ports\":[{\"containerPort\":80,\"hostPort\":80}],\"envFrom\":[{\"configMapRef\":{\"name\":\"c\"}}],"
	"\"env\":[{\"name\":\"X\",\"value\":\"1\"}%s],\"resources\":{\"limits\":{\"memory\":\"9Gi\"}},"
	"\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}],\"securityContext\":{\"privileged\":false}},"
	"{\"name\":\"side\",\"image\":\"other\"}]}}";

/* ENV: further elements of the container's env, each behind a comma. */
static struct tp_json *look(const char *kind, const char *env, struct tp_err *err)
{
	struct tp_workload_ref ref = { .kind = (char *)kind,
				       .group = (char *)"apps",
				       .version = (char *)"v1",
				       .resource = (char *)"things",
				       .name = (char *)"web" };
	char tmpl[4096];
	tp_autofree char *text = NULL, *chosen = NULL, *body = NULL;

	snprintf(tmpl, sizeof(tmpl), env_template, env);
	text = tp_asprintf("{\"spec\":{\"template\":%s}}", tmpl);
	TP_AUTO_JSON *w = tp_json_parse(text, strlen(text), err);
	assert_non_null(w);
	body = tp_agentpod_env(&agent, &ref, w, &chosen, err);
	if (!body)
		return NULL;
	assert_string_equal(chosen, "app");
	return tp_json_parse(body, strlen(body), err);
}

static void test_env_is_alone_and_unready(void **state)
{
	static const char *const gone[] = { "initContainers", "priorityClassName", "hostname" };
	static const char *const gone_too[] = { "ports", "args", "readinessProbe" };
	struct tp_err err = { 0 };
	TP_AUTO_JSON *p = look("Deployment", "", &err);
	const struct tp_json *spec = tp_json_get(p, "spec");
	const struct tp_json *ctr = tp_json_path(spec, "containers[0]");

	(void)state;
	assert_non_null(p);
	assert_true(tp_json_bool_at(p, "metadata.ownerReferences[0].controller", false));
	assert_int_equal(tp_json_len(tp_json_get(spec, "readinessGates")), 1);
	assert_string_equal(tp_json_str_at(spec, "restartPolicy"), "Never");
	assert_false(tp_json_bool_at(spec, "automountServiceAccountToken", true));
	assert_int_equal(tp_json_len(tp_json_get(spec, "containers")), 1);
	assert_int_equal(tp_json_len(tp_json_get(spec, "volumes")), 1);
	assert_string_equal(tp_json_str_at(ctr, "volumeMounts[0].mountPath"), "/run/tpdocker");
	assert_int_equal(tp_json_len(tp_json_get(ctr, "volumeMounts")), 1);
	for (size_t i = 0; i < TP_ARRAY_SIZE(gone); i++)
		assert_null(tp_json_get(spec, gone[i]));
	for (size_t i = 0; i < TP_ARRAY_SIZE(gone_too); i++)
		assert_null(tp_json_get(ctr, gone_too[i]));
	assert_null(tp_json_path(spec, "affinity.podAntiAffinity"));
}

static void test_env_keeps_what_matters(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *p = look("Deployment", "", &err);
	const struct tp_json *spec = tp_json_get(p, "spec");
	const struct tp_json *ctr = tp_json_path(spec, "containers[0]");

	(void)state;
	assert_string_equal(tp_json_str_at(p, "metadata.labels.app"), "web");
	assert_string_equal(tp_json_str_at(p, "metadata.annotations.a"), "b");
	assert_string_equal(tp_json_str_at(spec, "serviceAccountName"), "sa");
	assert_int_equal(tp_json_int_at(spec, "securityContext.runAsUser", 0), 7);
	assert_false(tp_json_bool_at(spec, "enableServiceLinks", true));
	assert_true(tp_json_bool_at(spec, "hostNetwork", false));
	assert_string_equal(tp_json_str_at(spec, "imagePullSecrets[0].name"), "p");
	assert_string_equal(tp_json_str_at(spec, "tolerations[0].key"), "t");
	assert_int_equal(tp_json_int_at(spec, "affinity.nodeAffinity.x", 0), 1);
	assert_string_equal(tp_json_str_at(ctr, "image"), "img:1");
	assert_string_equal(tp_json_str_at(ctr, "env[0].name"), "X");
	assert_string_equal(tp_json_str_at(ctr, "envFrom[0].configMapRef.name"), "c");
	assert_non_null(tp_json_get(ctr, "securityContext"));
	/* small, as nothing asks for the real ones */
	assert_string_equal(tp_json_str_at(ctr, "resources.requests.memory"), "48Mi");
	assert_null(tp_json_path(ctr, "resources.limits"));
}

#define RESOURCE(more)                                                                              \
	",{\"name\":\"M\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.memory\"" more \
	"}}}"

static void test_env_resources(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *own = look("Deployment", RESOURCE(""), &err);
	TP_AUTO_JSON *named = look("Deployment", RESOURCE(",\"containerName\":\"app\""), &err);

	(void)state;
	assert_string_equal(tp_json_str_at(own, "spec.containers[0].resources.limits.memory"),
			    "9Gi");
	assert_string_equal(tp_json_str_at(named, "spec.containers[0].resources.limits.memory"),
			    "9Gi");
	assert_null(look("Deployment", RESOURCE(",\"containerName\":\"side\""), &err));
	assert_contains(err.msg, "variable M of container \"app\"");
	assert_contains(err.msg, "\"side\"");
}

/* The label that only a StatefulSet's own pods have is there for who asks for it, and else is not:
 * there are Services that select by it. */
static void test_env_stateful(void **state)
{
	static const char label[] = "statefulset.kubernetes.io/pod-name";
	static const char asks[] = ",{\"name\":\"P\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":"
				   "\"metadata.labels['statefulset.kubernetes.io/pod-name']\"}}}";
	struct tp_err err = { 0 };
	TP_AUTO_JSON *no = look("StatefulSet", "", &err);
	TP_AUTO_JSON *yes = look("StatefulSet", asks, &err);

	(void)state;
	assert_null(tp_json_get(tp_json_path(no, "metadata.labels"), label));
	assert_string_equal(tp_json_str(tp_json_get(tp_json_path(yes, "metadata.labels"), label)),
			    "web-0");
}

static void test_new_is_restricted(void **state)
{
	struct tp_err err = { 0 };
	tp_autofree char *text = tp_agentpod_new(&agent, &err);
	TP_AUTO_JSON *p = tp_json_parse(text, strlen(text), &err);
	const struct tp_json *sc = tp_json_path(p, "spec.containers[0].securityContext");

	(void)state;
	assert_true(tp_json_bool_at(p, "spec.securityContext.runAsNonRoot", false));
	assert_string_equal(tp_json_str_at(p, "spec.securityContext.seccompProfile.type"),
			    "RuntimeDefault");
	assert_false(tp_json_bool_at(sc, "allowPrivilegeEscalation", true));
	assert_string_equal(tp_json_str_at(sc, "capabilities.drop[0]"), "ALL");
	assert_string_equal(tp_agentpod_hostname(p), "web-tpdocker-abc");
}

/* How the pod says that ports below 1024 are anybody's. */
static void test_low_ports(void **state)
{
	static const char sysctls[] =
		"{\"spec\":{\"template\":{\"spec\":{\"securityContext\":{\"runAsUser\":7,\"sysctls\":["
		"{\"name\":\"kernel.shm_rmid_forced\",\"value\":\"1\"},"
		"{\"name\":\"net.ipv4.ip_unprivileged_port_start\",\"value\":\"443\"}]},"
		"\"containers\":[{\"name\":\"app\"}]}}}}";
	static const char host[] = "{\"spec\":{\"template\":{\"spec\":{\"hostNetwork\":true,"
				   "\"containers\":[{\"name\":\"app\"}]}}}}";
	struct tp_workload_ref ref = { .kind = (char *)"Deployment", .name = (char *)"web" };
	struct tp_agentpod low = agent;
	struct tp_err err = { 0 };
	TP_AUTO_JSON *w = tp_json_parse(sysctls, sizeof(sysctls) - 1, &err);
	TP_AUTO_JSON *h = tp_json_parse(host, sizeof(host) - 1, &err);
	tp_autofree char *c1 = NULL, *c2 = NULL, *swapped = NULL, *hosted = NULL, *new = NULL;
	const struct tp_json *sc;

	(void)state;
	low.low_ports = true;
	swapped = tp_agentpod_swap(&low, &ref, w, &c1, &err);
	TP_AUTO_JSON *p = tp_json_parse(swapped, strlen(swapped), &err);
	sc = tp_json_path(p, "spec.securityContext");
	assert_int_equal(tp_json_int_at(sc, "runAsUser", 0), 7);
	assert_int_equal(tp_json_len(tp_json_get(sc, "sysctls")), 2);
	assert_string_equal(tp_json_str_at(sc, "sysctls[0].name"), "kernel.shm_rmid_forced");
	assert_string_equal(tp_json_str_at(sc, "sysctls[1].name"),
			    "net.ipv4.ip_unprivileged_port_start");
	assert_string_equal(tp_json_str_at(sc, "sysctls[1].value"), "0");

	hosted = tp_agentpod_swap(&low, &ref, h, &c2, &err);
	TP_AUTO_JSON *q = tp_json_parse(hosted, strlen(hosted), &err);
	assert_null(tp_json_path(q, "spec.securityContext"));

	new = tp_agentpod_new(&low, &err);
	TP_AUTO_JSON *n = tp_json_parse(new, strlen(new), &err);
	assert_string_equal(tp_json_str_at(n, "spec.securityContext.sysctls[0].value"), "0");
	assert_true(tp_json_bool_at(n, "spec.securityContext.runAsNonRoot", false));
}

/* Unless it is needed, nothing is said of it. */
static void test_no_low_ports(void **state)
{
	struct tp_err err = { 0 };
	TP_AUTO_JSON *p = swap("Deployment", NULL, &err);
	tp_autofree char *new = tp_agentpod_new(&agent, &err);

	(void)state;
	assert_null(tp_json_path(p, "spec.securityContext.sysctls"));
	assert_null(strstr(new, "sysctls"));
}

static void test_declared_ports(void **state)
{
	struct tp_port v[] = { { TP_PORT_EXPOSE, 8080, 80, NULL },
			       { TP_PORT_FROM_POD, 9000, 9000, NULL },
			       { TP_PORT_EXPOSE, 443, 443, NULL } };
	struct tp_ports ports = { v, TP_ARRAY_SIZE(v) };
	struct tp_agentpod a = agent;
	struct tp_err err = { 0 };

	(void)state;
	a.ports = &ports;
	tp_autofree char *text = tp_agentpod_new(&a, &err);
	TP_AUTO_JSON *p = tp_json_parse(text, strlen(text), &err);
	assert_int_equal(tp_json_len(tp_json_path(p, "spec.containers[0].ports")), 2);
	assert_int_equal(tp_json_int_at(p, "spec.containers[0].ports[0].containerPort", 0), 80);
	assert_int_equal(tp_json_int_at(p, "spec.containers[0].ports[1].containerPort", 0), 443);
}

static void test_name(void **state)
{
	char longest[254];
	tp_autofree char *a = tp_agentpod_name("web", "abc"), *b = NULL;

	(void)state;
	assert_string_equal(a, "web-tpdocker-abc");
	memset(longest, 'x', 253);
	longest[253] = '\0';
	longest[45] = '-';
	b = tp_agentpod_name(longest, "k234567890");
	assert_true(strlen(b) <= 63);
	assert_contains(b, "x-tpdocker-k234567890");
}

static void test_ready_line(void **state)
{
	static const char good[] =
		"tpdocker-agent ready 1 port=40123 user=tp probe=10.0.0.1:5 token=ab hostkey=ssh-ed25519 AAAA\r\n";
	static const char *const bad[] = {
		"tpdocker-agent ready 1 ",
		"tpdocker-agent ready 1 port=0 user=a probe=b token=c hostkey=ssh-ed25519 A",
		"tpdocker-agent ready 1 port=70000 user=a probe=b token=c hostkey=ssh-ed25519 A",
		"tpdocker-agent ready 1 port=1x user=a probe=b token=c hostkey=ssh-ed25519 A",
		"tpdocker-agent ready 1 port=1 user=a probe=b token=c hostkey=ssh-rsa A",
		"tpdocker-agent ready 1 port=1 user= probe=b token=c hostkey=ssh-ed25519 A",
	};
	struct tp_agent_ready r;
	struct tp_err err = { 0 };

	(void)state;
	assert_int_equal(tp_agent_ready_parse(good, &r, &err), 1);
	assert_int_equal(r.port, 40123);
	assert_string_equal(r.hostkey, "ssh-ed25519 AAAA");
	assert_string_equal(r.probe, "10.0.0.1:5");
	tp_agent_ready_free(&r);
	assert_int_equal(tp_agent_ready_parse("hello", &r, &err), 0);
	assert_int_equal(tp_agent_ready_parse("tpdocker-agent ready 2 port=1", &r, &err), 0);
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_int_equal(tp_agent_ready_parse(bad[i], &r, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_swap_keeps_and_drops),
		cmocka_unit_test(test_swap_other_container),
		cmocka_unit_test(test_swap_stateful),
		cmocka_unit_test(test_swap_replicaset_is_owned),
		cmocka_unit_test(test_env_is_alone_and_unready),
		cmocka_unit_test(test_env_keeps_what_matters),
		cmocka_unit_test(test_env_resources),
		cmocka_unit_test(test_env_stateful),
		cmocka_unit_test(test_new_is_restricted),
		cmocka_unit_test(test_low_ports),
		cmocka_unit_test(test_no_low_ports),
		cmocka_unit_test(test_declared_ports),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_ready_line),
	};

	return cmocka_run_group_tests_name("session agentpod", tests, NULL, NULL);
}
