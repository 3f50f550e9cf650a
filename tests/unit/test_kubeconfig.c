/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/base64.h"
#include "kube/kubeconfig.h"

static char dir[] = "/tmp/tp-kubeconfig-XXXXXX";
static struct tp_err err;
static struct tp_kubeconfig kc;

static char *put(const char *name, const char *text)
{
	char *path = tp_asprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

#define HEAD(user)                                                     \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"           \
	"clusters: [{name: k, cluster: {server: 'https://h:6443'}}]\n" \
	"contexts: [{name: c, context: {cluster: k, user: u}}]\n"      \
	"users:\n- name: u\n  user: " user "\n"

static int parse(const char *text)
{
	memset(&err, 0, sizeof(err));
	return tp_kubeconfig_parse(text, strlen(text), dir, NULL, &kc, &err);
}

static void refused(const char *text, enum tp_err_kind kind, const char *words)
{
	assert_int_equal(parse(text), -1);
	assert_int_equal(err.kind, kind);
	assert_contains(err.msg, words);
	assert_null(kc.server);
}

static void test_plain(void **state)
{
	(void)state;
	assert_ok(parse(HEAD("{token: abc}")), &err);
	assert_string_equal(kc.context, "c");
	assert_string_equal(kc.server, "https://h:6443");
	assert_string_equal(kc.namespace, "default");
	assert_string_equal(kc.token, "abc");
	assert_false(kc.insecure);
	tp_kubeconfig_free(&kc);
}

static void test_json(void **state)
{
	(void)state;
	assert_ok(
		parse("{\n\t\"current-context\": \"c\",\n\t\"clusters\": [{\"name\": \"k\", \"cluster\": "
		      "{\"server\": \"https:\\/\\/h\", \"insecure-skip-tls-verify\": true}}],\n"
		      "\t\"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": \"k\", "
		      "\"namespace\": \"n\"}}]\n}"),
		&err);
	assert_string_equal(kc.server, "https://h");
	assert_string_equal(kc.namespace, "n");
	assert_null(kc.user_name);
	assert_true(kc.insecure);
	tp_kubeconfig_free(&kc);
}

static void test_everything(void **state)
{
	(void)state;
	tp_autofree char *ca = put("ca.pem", "FILE CA\n");
	tp_autofree char *cert = put("cert.pem", "CERT\n");
	tp_autofree char *key = put("key.pem", "KEY\n");

	assert_ok(parse("current-context: c\n"
			"clusters:\n- name: k\n  cluster:\n    server: https://h:6443/prefix\n"
			"    certificate-authority: nowhere.pem\n"
			"    certificate-authority-data: |\n      REFUQSBD\n      QQ==\n"
			"    tls-server-name: other\n    proxy-url: socks5://p:1080\n"
			"    extensions:\n    - name: client.authentication.k8s.io/exec\n"
			"      extension: {a: 1, b: [true, 1.50, ~, '7', text], c: {}}\n"
			"contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: n}\n"
			"users:\n- name: u\n  user:\n"
			"    client-certificate: cert.pem\n    client-key: key.pem\n"
			"    tokenFile: tok\n    token: t\n    username: me\n    password: '123'\n"
			"    as: root\n    as-uid: '7'\n    as-groups: [g1, g2]\n"
			"    as-user-extra: {scopes: [a, b], 'x=/y': [c]}\n"
			"    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
			"      command: ./plugin\n      args: [get, token]\n"
			"      env: [{name: A, value: b=c}, {name: E}]\n"
			"      installHint: Install it.\n      provideClusterInfo: true\n"
			"      interactiveMode: Never\n"),
		  &err);
	assert_string_equal(kc.ca_pem, "DATA CA");
	assert_string_equal(kc.cert_pem, "CERT\n");
	assert_string_equal(kc.key_pem, "KEY\n");
	assert_string_equal(kc.tls_server_name, "other");
	assert_string_equal(kc.proxy_url, "socks5://p:1080");
	tp_autofree char *tok = tp_asprintf("%s/tok", dir);
	assert_string_equal(kc.token_file, tok);
	/* a certificate that is in the file itself is no file beside it */
	assert_int_equal(kc.files.n, 3);
	assert_string_equal(kc.files.v[0], cert);
	assert_string_equal(kc.files.v[1], key);
	assert_string_equal(kc.files.v[2], tok);
	assert_string_equal(kc.token, "t");
	assert_string_equal(kc.username, "me");
	assert_string_equal(kc.password, "123");
	assert_string_equal(kc.as_user, "root");
	assert_string_equal(kc.as_uid, "7");
	assert_int_equal(kc.as_groups.n, 2);
	assert_int_equal(kc.as_extra.n, 3);
	assert_string_equal(kc.as_extra.v[0], "scopes=a");
	assert_string_equal(kc.as_extra.v[2], "x%3D%2Fy=c");
	tp_autofree char *plugin = tp_asprintf("%s/./plugin", dir);
	assert_string_equal(kc.exec.command, plugin);
	assert_int_equal(kc.exec.args.n, 2);
	assert_string_equal(kc.exec.env.v[0], "A=b=c");
	assert_string_equal(kc.exec.env.v[1], "E=");
	assert_true(kc.exec.provide_cluster_info);
	assert_string_equal(kc.exec.install_hint, "Install it.");
	assert_string_equal(kc.exec.cluster_config,
			    "{\"a\":1,\"b\":[true,1.50,null,\"7\",\"text\"],\"c\":{}}");
	tp_kubeconfig_free(&kc);
	(void)ca, (void)cert, (void)key;
}

static void test_bad(void **state)
{
	(void)state;
	refused("a: [\n", TP_ERR_PROTOCOL, "kubeconfig: line 2");
	refused("a: b\n c: d\n", TP_ERR_PROTOCOL, "line 2");
	refused("\tx", TP_ERR_PROTOCOL, "kubeconfig: line 1");
	refused("a: \x01\n", TP_ERR_PROTOCOL, "kubeconfig: byte 3");
	refused("- a\n", TP_ERR_PROTOCOL, "not a kubeconfig");
	refused("plain", TP_ERR_PROTOCOL, "not a kubeconfig");
	refused("", TP_ERR_NOT_FOUND, "no current-context");
	refused("clusters: {}\n", TP_ERR_PROTOCOL, "clusters is not a list");
	refused("clusters: [{cluster: {}}]\n", TP_ERR_PROTOCOL, "a cluster without a name");
	refused("users: [{name: a}, {name: a}]\n", TP_ERR_PROTOCOL, "\"a\" is there twice");
	refused("a: \"x\\0y\"\n", TP_ERR_PROTOCOL, "NUL");
	refused("current-context: nope\ncontexts: [{name: a}, {name: b}]\n", TP_ERR_NOT_FOUND,
		"There are: a, b");
	refused("contexts: [{name: a}, {name: b}]\n", TP_ERR_NOT_FOUND, "--context: a, b");
	refused("current-context: a\ncontexts: [{name: a}]\n", TP_ERR_NOT_FOUND,
		"names no cluster");
	refused("current-context: a\ncontexts: [{name: a, context: {cluster: x}}]\n",
		TP_ERR_NOT_FOUND, "no cluster \"x\"");
	refused("current-context: a\ncontexts: [{name: a, context: {cluster: x, user: y}}]\n"
		"clusters: [{name: x, cluster: {server: https://h}}]\n",
		TP_ERR_NOT_FOUND, "no user \"y\"");
}

static void refused_server(const char *server, const char *words)
{
	tp_autofree char *text =
		tp_asprintf("current-context: a\ncontexts: [{name: a, context: {cluster: x}}]\n"
			    "clusters: [{name: x, cluster: {%s}}]\n",
			    server);

	refused(text, TP_ERR_PROTOCOL, words);
}

static void test_bad_cluster(void **state)
{
	(void)state;
	refused_server("", "has no server");
	refused_server("server: 10.0.0.1:6443", "is not an https://");
	refused_server("server: ftp://h", "is not an https://");
	refused_server("server: 'https://'", "is not an https://");
	refused_server("server: 'https://:6443'", "is not an https://");
	refused_server("server: \"https://h\\r\\nX: y\"", "is not an https://");
	refused_server("server: {}", "server is not a string");
	refused_server("server: https://h, proxy-url: h:3128", "proxy-url");
	refused_server("server: https://h, insecure-skip-tls-verify: maybe",
		       "neither true nor false");
	refused_server("server: https://h, certificate-authority-data: '%%%'", "is not base64");
	refused_server(
		"server: https://h, insecure-skip-tls-verify: yes, certificate-authority-data: QQ==",
		"both");
}

static void test_bad_user(void **state)
{
	(void)state;
	refused(HEAD("{auth-provider: {name: gcp}}"), TP_ERR_FAILED, "auth-provider \"gcp\"");
	refused(HEAD("{client-certificate-data: QQ==}"), TP_ERR_PROTOCOL, "without a client key");
	refused(HEAD("{client-key-data: QQ==}"), TP_ERR_PROTOCOL, "without a client certificate");
	refused(HEAD("{client-certificate: gone.pem}"), TP_ERR_NOT_FOUND, "gone.pem");
	refused(HEAD("{client-certificate: /dev/zero}"), TP_ERR_FAILED, "not a regular file");
	refused(HEAD("{as-groups: [g]}"), TP_ERR_PROTOCOL, "without as");
	refused(HEAD("{exec: {apiVersion: client.authentication.k8s.io/v1}}"), TP_ERR_PROTOCOL,
		"has no command");
	refused(HEAD("{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: p}}"),
		TP_ERR_PROTOCOL, "v1alpha1\" is not supported");
	refused(HEAD("{exec: {command: p}}"), TP_ERR_PROTOCOL, "has no apiVersion");
	refused(HEAD("{exec: {apiVersion: client.authentication.k8s.io/v1, command: p, "
		     "interactiveMode: Perhaps}}"),
		TP_ERR_PROTOCOL, "interactiveMode");
}

static void test_bombs(void **state)
{
	struct tp_buf b = TP_BUF_INIT(1u << 20);

	(void)state;
	refused("a: &a [*a]\n", TP_ERR_PROTOCOL, "contains itself");
	tp_buf_puts(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++)
		tp_buf_printf(&b, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i,
			      i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	refused(b.data, TP_ERR_PROTOCOL, "too large");
	tp_buf_reset(&b);
	for (int i = 0; i < 900; i++)
		tp_buf_putc(&b, '[');
	for (int i = 0; i < 900; i++)
		tp_buf_putc(&b, ']');
	refused(b.data, TP_ERR_PROTOCOL, "kubeconfig");
	tp_buf_free(&b);
}

static void test_merge(void **state)
{
	(void)state;
	tp_autofree char *one = put("one", "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
					   "users: [{name: u, user: {token: first}}]\n");
	tp_autofree char *two = put("two", "current-context: c\n"
					   "clusters: [{name: k, cluster: {server: https://two}}]\n"
					   "users: [{name: u, user: {token: second, as: x}}]\n");
	tp_autofree char *list = tp_asprintf(":%s/none:%s:%s:%s", dir, one, two, one);
	struct tp_strv names = { 0 };

	setenv("KUBECONFIG", list, 1);
	assert_ok(tp_kubeconfig_load(NULL, NULL, "ns", &kc, &err), &err);
	assert_string_equal(kc.token, "first");
	assert_null(kc.as_user);
	assert_string_equal(kc.server, "https://two");
	assert_string_equal(kc.namespace, "ns");
	assert_contains(kc.source, two);
	tp_kubeconfig_free(&kc);
	assert_ok(tp_kubeconfig_contexts(NULL, &names, &err), &err);
	assert_int_equal(names.n, 1);
	tp_strv_free(&names);
	assert_int_equal(tp_kubeconfig_load(two, NULL, NULL, &kc, &err), -1);
	assert_int_equal(tp_kubeconfig_load("/nowhere/config", NULL, NULL, &kc, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "/nowhere/config");
	assert_int_equal(tp_kubeconfig_load(NULL, "zzz", NULL, &kc, &err), -1);
	assert_contains(err.msg, "no context \"zzz\"");
	assert_contains(err.msg, "There are: c");
	unsetenv("KUBECONFIG");
}

static void test_incluster(void **state)
{
	(void)state;
	tp_autofree char *token = put("token", "tok\n");
	tp_autofree char *ca = put("ca.crt", "CA\n"), *ns = put("namespace", "prod\n");

	setenv("HOME", dir, 1);
	setenv("KUBECONFIG", "/nowhere/at/all", 1);
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(tp_kubeconfig_load(NULL, NULL, NULL, &kc, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "/nowhere/at/all");
	unsetenv("KUBECONFIG");
	assert_int_equal(tp_kubeconfig_load(NULL, NULL, NULL, &kc, &err), -1);
	assert_contains(err.msg, "--kubeconfig");

	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	setenv("TPDOCKER_SERVICEACCOUNT_DIR", dir, 1);
	assert_ok(tp_kubeconfig_load(NULL, NULL, NULL, &kc, &err), &err);
	assert_string_equal(kc.server, "https://[fd00::1]:443");
	assert_string_equal(kc.namespace, "prod");
	assert_string_equal(kc.ca_pem, "CA\n");
	assert_string_equal(kc.token_file, token);
	assert_string_equal(kc.context, "in-cluster");
	tp_kubeconfig_free(&kc);
	setenv("KUBERNETES_SERVICE_PORT", "443/x", 1);
	assert_int_equal(tp_kubeconfig_load(NULL, NULL, NULL, &kc, &err), -1);
	unsetenv("KUBERNETES_SERVICE_HOST");
}

static void test_base64(void **state)
{
	static const char *const bad[] = { "A",	    "AA",	"AAA",	"A===",	 "AA=A", "=AAA",
					   "AA==A", "AA==AAAA", "A*==", "AAAA=", "AA=",	 " AAA" };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_null(tp_base64_decode(bad[i], NULL));
	for (size_t n = 0; n < 300; n++) {
		unsigned char data[300];
		size_t got;

		for (size_t i = 0; i < n; i++)
			data[i] = (unsigned char)(i * 7 + n);
		tp_autofree char *e = tp_base64_encode(data, n);
		tp_autofree char *d = tp_base64_decode(e, &got);
		assert_non_null(d);
		assert_int_equal(got, n);
		assert_memory_equal(d, data, n);
	}
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	tp_autofree char *cmd = tp_asprintf("rm -rf %s", dir);

	(void)state;
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	    cmocka_unit_test(test_json),
		cmocka_unit_test(test_everything),  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bad_cluster), cmocka_unit_test(test_bad_user),
		cmocka_unit_test(test_bombs),	    cmocka_unit_test(test_merge),
		cmocka_unit_test(test_incluster),   cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
