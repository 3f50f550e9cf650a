/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/credential.h"
#include "kube/rfc3339.h"

#define V1 "client.authentication.k8s.io/v1"

static char dir[] = "/tmp/tp-credential-XXXXXX";
static struct tp_err err;

static char *put(const char *name, const char *text, mode_t mode)
{
	char *path = tp_asprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
	return path;
}

static int parse(const char *text, char **token, char **cert, char **key, long long *expires)
{
	memset(&err, 0, sizeof(err));
	return tp_credential_parse(text, strlen(text), V1, token, cert, key, expires, &err);
}

static void refused(const char *text, const char *words)
{
	char *t, *c, *k;
	long long e;

	assert_int_equal(parse(text, &t, &c, &k, &e), -1);
	assert_contains(err.msg, words);
	assert_null(t);
	assert_null(c);
	assert_null(k);
	assert_null(strstr(err.msg, "s3cret"));
}

#define ANSWER(status) \
	"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":" status "}"

static void test_parse(void **state)
{
	char *t, *c, *k;
	long long e;

	(void)state;
	assert_ok(
		parse(ANSWER("{\"token\":\"s3cret\",\"expirationTimestamp\":\"2024-02-29T12:00:00Z\"}"),
		      &t, &c, &k, &e),
		&err);
	assert_string_equal(t, "s3cret");
	assert_null(c);
	assert_int_equal(e, 1709208000);
	free(t);
	assert_ok(parse(ANSWER("{\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\"}"), &t, &c,
			&k, &e),
		  &err);
	assert_null(t);
	assert_string_equal(c, "C");
	assert_string_equal(k, "K");
	assert_int_equal(e, 0);
	free(c);
	free(k);
	refused("", "its answer");
	refused("s3cret", "its answer");
	refused("[]", "no ExecCredential");
	refused("{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\"}",
		"v1beta1");
	refused(ANSWER("null"), "no status");
	refused(ANSWER("{}"), "neither");
	refused(ANSWER("{\"token\":\"\"}"), "neither");
	refused(ANSWER("{\"token\":5}"), "neither");
	refused(ANSWER("{\"token\":\"s3cret\\r\\nX: y\"}"), "control");
	refused(ANSWER("{\"clientCertificateData\":\"C\"}"), "without a key");
	refused(ANSWER("{\"token\":\"s3cret\",\"expirationTimestamp\":\"tomorrow\"}"), "RFC 3339");
}

static void test_time(void **state)
{
	static const struct {
		const char *s;
		long long t;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-07-09T10:20:30Z", 1783592430 },
		{ "2026-07-09T12:20:30+02:00", 1783592430 },
		{ "2026-07-09t05:50:30.123456789-04:30", 1783592430 },
	};
	static const char *const bad[] = {
		"",
		"2026-07-09",
		"2026-07-09T10:20:30",
		"2026-13-09T10:20:30Z",
		"2026-07-09T24:20:30Z",
		"2026-07-09T10:20:30.Z",
		"2026-07-09T10:20:30Zx",
		"2026-07-09T10:20:30+0200",
		"26-07-09T10:20:30Z",
		"1783592430",
	};
	long long t;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++) {
		assert_int_equal(tp_kube_time_parse(good[i].s, &t), 0);
		assert_int_equal(t, good[i].t);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_int_equal(tp_kube_time_parse(bad[i], &t), -1);
}

static char *one_header(struct tp_kubeconfig *kc)
{
	struct tp_credential *c = tp_credential_new(kc);
	struct tp_strv h = { 0 };
	char *s = NULL;

	memset(&err, 0, sizeof(err));
	if (tp_credential_headers(c, &h, NULL, &err) == 0)
		s = tp_strdup(h.n ? h.v[0] : "");
	tp_strv_free(&h);
	tp_credential_free(c);
	return s;
}

static void test_static(void **state)
{
	tp_autofree char *file = put("tok", "x", 0600);
	tp_autofree char *empty = put("empty", "\n", 0600);
	struct tp_kubeconfig kc = { .source = (char *)"src" };
	tp_autofree char *a = NULL, *b = NULL, *c = NULL, *d = NULL;

	(void)state;
	a = one_header(&kc);
	assert_string_equal(a, "");
	kc.username = (char *)"me";
	kc.password = (char *)"pw:x";
	b = one_header(&kc);
	assert_string_equal(b, "Authorization: Basic bWU6cHc6eA==");
	kc.token = (char *)"t0k";
	c = one_header(&kc);
	assert_string_equal(c, "Authorization: Bearer t0k");
	tp_autofree char *lead = put("tok", "from-file\n\n", 0600);
	kc.token_file = file;
	d = one_header(&kc);
	assert_string_equal(d, "Authorization: Bearer from-file");
	kc.token = NULL;
	kc.token_file = empty;
	assert_null(one_header(&kc));
	assert_contains(err.msg, "no token in it");
	kc.token_file = (char *)"/nowhere/token";
	assert_null(one_header(&kc));
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	kc.token_file = NULL;
	kc.token = (char *)"a\nb";
	assert_null(one_header(&kc));
	assert_contains(err.msg, "control characters");
	(void)lead;
}

static void test_impersonation(void **state)
{
	struct tp_kubeconfig kc = { .as_user = (char *)"bob", .as_uid = (char *)"9" };
	struct tp_credential *c = tp_credential_new(&kc);
	struct tp_strv h = { 0 };

	(void)state;
	tp_strv_add(&kc.as_groups, "g");
	tp_strv_add(&kc.as_extra, "scopes=a=b");
	assert_ok(tp_credential_headers(c, &h, NULL, &err), &err);
	assert_int_equal(h.n, 4);
	assert_string_equal(h.v[0], "Impersonate-User: bob");
	assert_string_equal(h.v[1], "Impersonate-Uid: 9");
	assert_string_equal(h.v[2], "Impersonate-Group: g");
	assert_string_equal(h.v[3], "Impersonate-Extra-scopes: a=b");
	tp_strv_free(&h);
	tp_strv_add(&kc.as_groups, "x\r\nEvil: y");
	assert_int_equal(tp_credential_headers(c, &h, NULL, &err), -1);
	tp_strv_free(&h);
	tp_strv_free(&kc.as_groups);
	tp_strv_free(&kc.as_extra);
	tp_credential_free(c);
}

/* Counts its runs, checks what it is told, answers what ANSWER holds. */
static const char plugin[] = "#!/bin/sh\n"
			     "cd \"${0%/*}\" && echo x >>runs\n"
			     "printf %s \"$KUBERNETES_EXEC_INFO\" >info\n"
			     "[ \"$A\" = 'b c' ] && [ \"$1\" = get ] || exit 9\n"
			     "cat answer\n";

static void test_plugin(void **state)
{
	tp_autofree char *command = put("plugin", plugin, 0700);
	tp_autofree char *answer = put("answer", ANSWER("{\"token\":\"one\"}"), 0600), *h = NULL;
	struct tp_kubeconfig kc = { .server = (char *)"https://h",
				    .ca_pem = (char *)"CA",
				    .exec = { .command = command,
					      .api_version = (char *)V1,
					      .provide_cluster_info = true,
					      .cluster_config = (char *)"{\"x\":1.50}",
					      .interactive_mode = (char *)"Never" } };
	struct tp_credential *c = tp_credential_new(&kc);
	struct tp_strv hs = { 0 };
	struct tp_buf b = TP_BUF_INIT(4096);
	const char *cert, *key;

	(void)state;
	tp_strv_add(&kc.exec.args, "get");
	tp_strv_add(&kc.exec.env, "A=b c");
	for (int i = 0; i < 3; i++)
		assert_ok(tp_credential_headers(c, &hs, NULL, &err), &err);
	assert_string_equal(hs.v[0], "Authorization: Bearer one");
	tp_autofree char *runs = tp_asprintf("%s/runs", dir), *info = tp_asprintf("%s/info", dir);
	assert_int_equal(tp_read_file(runs, &b), 0);
	assert_int_equal(b.len, 2); /* once */
	tp_buf_reset(&b);
	assert_int_equal(tp_read_file(info, &b), 0);
	TP_AUTO_JSON *doc = tp_json_parse(b.data, b.len, &err);
	assert_string_equal(tp_json_str_at(doc, "spec.cluster.server"), "https://h");
	assert_string_equal(tp_json_str_at(doc, "spec.cluster.certificate-authority-data"), "Q0E=");
	assert_non_null(tp_json_path(doc, "spec.cluster.config.x"));
	assert_false(tp_json_bool_at(doc, "spec.interactive", true));

	/* refused: asked again; expired in a moment: asked each time */
	free(put("answer",
		 ANSWER("{\"token\":\"two\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}"),
		 0600));
	assert_true(tp_credential_refused(c));
	assert_false(tp_credential_refused(c));
	tp_strv_free(&hs);
	assert_ok(tp_credential_headers(c, &hs, NULL, &err), &err);
	assert_string_equal(hs.v[0], "Authorization: Bearer two");
	free(put("answer", ANSWER("{\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\"}"),
		 0600));
	assert_ok(tp_credential_cert(c, &cert, &key, NULL, &err), &err);
	assert_string_equal(cert, "C");
	assert_string_equal(key, "K");
	tp_credential_refused(c);
	tp_strv_free(&kc.exec.args);
	tp_strv_free(&hs);
	assert_int_equal(tp_credential_headers(c, &hs, NULL, &err), -1);
	assert_contains(err.msg, "exit code 9");
	tp_strv_free(&kc.exec.env);
	tp_strv_free(&hs);
	tp_buf_free(&b);
	tp_credential_free(c);
	(void)answer, (void)h;
}

static void test_bad_plugin(void **state)
{
	tp_autofree char *fails =
		put("fails", "#!/bin/sh\necho 'please log in' >&2\nexit 3\n", 0700);
	tp_autofree char *garbage = put("garbage", "#!/bin/sh\necho s3cret garbage\n", 0700);
	struct tp_kubeconfig kc = { .exec = { .api_version = (char *)V1,
					      .install_hint = (char *)"Get it at x.y.",
					      .interactive_mode = (char *)"Never" } };

	(void)state;
	kc.exec.command = fails;
	assert_null(one_header(&kc));
	assert_contains(err.msg, "fails");
	assert_contains(err.msg, "exit code 3");
	assert_contains(err.msg, "please log in");
	kc.exec.command = garbage;
	assert_null(one_header(&kc));
	assert_contains(err.msg, "garbage");
	assert_null(strstr(err.msg, "s3cret"));
	kc.exec.command = (char *)"no-such-plugin-anywhere";
	assert_null(one_header(&kc));
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "no-such-plugin-anywhere");
	assert_contains(err.msg, "Get it at x.y.");
	kc.exec.interactive_mode = (char *)"Always";
	if (!isatty(0)) {
		assert_null(one_header(&kc));
		assert_contains(err.msg, "not a terminal");
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
		cmocka_unit_test(test_parse),  cmocka_unit_test(test_time),
		cmocka_unit_test(test_static), cmocka_unit_test(test_impersonation),
		cmocka_unit_test(test_plugin), cmocka_unit_test(test_bad_plugin),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
