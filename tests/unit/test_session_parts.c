/* SPDX-License-Identifier: Apache-2.0 */
/* Options, rights, the agent's description, the sidecar's create body. */
#include "tp_test.h"

#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/environ.h"
#include "session/options.h"
#include "session/record.h"
#include "session/rights.h"
#include "session/session.h"
#include "session/sidecar.h"

/* ---------------------------------------------------------------- options */

static void test_options(void **state)
{
	static const struct {
		struct tp_session_opts o;
		const char *says; /* NULL: fine */
	} cases[] = {
		{ { .swap_deployment = (char *)"web" }, NULL },
		{ { .swap_deployment = (char *)"sts/db:pg" }, NULL },
		{ { .swap_deployment = (char *)"web", .new_deployment = (char *)"x" }, "exclude" },
		{ { .swap_deployment = (char *)"web", .deployment = (char *)"x" }, "exclude" },
		{ { .swap_deployment = (char *)"We_b" }, "--swap-deployment" },
		{ { .new_deployment = (char *)"Bad" }, "--new-deployment Bad" },
		{ { .new_deployment = (char *)"-x" }, "--new-deployment -x" },
		{ { .namespace = (char *)"a/b" }, "--namespace" },
		{ { .verbose = true, .quiet = true }, "exclude" },
		{ { .port_forward = (char *)"carrier-pigeon" }, "native, kubectl and oc" },
		{ { .port_forward = (char *)"oc" }, NULL },
		{ { .volumes = (char *)"copy" }, NULL },
		{ { .volumes = (char *)"copy", .volumes_limit = (char *)"1g" }, NULL },
		{ { .volumes = (char *)"nfs" }, "sshfs, copy and off" },
		{ { .volumes = (char *)"copy", .volumes_limit = (char *)"0" }, "not a size" },
		{ { .volumes = (char *)"copy", .volumes_limit = (char *)"64q" }, "not a size" },
		{ { .volumes_limit = (char *)"1g" }, "for --volumes copy" },
		{ { .volumes = (char *)"off", .volumes_limit = (char *)"1g" },
		  "for --volumes copy" },
		{ { .on_disconnect = (char *)"exit" }, NULL },
		{ { .on_disconnect = (char *)"reconnect" }, NULL },
		{ { .on_disconnect = (char *)"panic" }, "reconnect and exit" },
		{ { .deployment = (char *)"a", .serviceaccount = (char *)"b" }, "service account" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_err err = { 0 };
		int rc = tp_session_opts_check(&cases[i].o, &err);

		if (!cases[i].says) {
			assert_ok(rc, &err);
			continue;
		}
		assert_int_equal(rc, -1);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_contains(err.msg, cases[i].says);
	}
}

static void test_cidrs(void **state)
{
	static const char *const good[] = { "10.0.0.0/8", "1.2.3.4",	 "1.2.3.4/32", "0.0.0.0/0",
					    "::/0",	  "2001:db8::1", "fd00::/128" };
	static const char *const bad[] = { "",	       "10.0.0.0/33", "10.0.0/8",   "x",
					   "1.2.3.4/", "1.2.3.4/-1",  "1.2.3.4/8x", "fd00::/129",
					   "::/",      "1.2.3.4/ 8" };

	(void)state;
	for (int never = 0; never < 2; never++) {
		for (size_t i = 0; i < TP_ARRAY_SIZE(good) + TP_ARRAY_SIZE(bad); i++) {
			bool ok = i < TP_ARRAY_SIZE(good);
			struct tp_session_opts o = { 0 };
			struct tp_err err = { 0 };

			tp_strv_add(never ? &o.never_proxy : &o.also_proxy,
				    ok ? good[i] : bad[i - TP_ARRAY_SIZE(good)]);
			assert_int_equal(tp_session_opts_check(&o, &err), ok ? 0 : -1);
			tp_session_opts_free(&o);
		}
	}
}

static void test_port_options(void **state)
{
	struct tp_session_opts o = { .new_deployment = (char *)"9lives" };
	struct tp_err err = { 0 };

	(void)state;
	assert_ok(tp_session_opts_check(&o, &err), &err);
	/* a Service's name is stricter than a pod's */
	tp_strv_add(&o.expose, "8080");
	assert_int_equal(tp_session_opts_check(&o, &err), -1);
	assert_contains(err.msg, "begins with a letter");
	o.new_deployment = (char *)"web";
	assert_ok(tp_session_opts_check(&o, &err), &err);
	tp_strv_add(&o.to_host, "8080");
	assert_int_equal(tp_session_opts_check(&o, &err), -1);
	assert_contains(err.msg, "--container-to-host 8080");
	o.new_deployment = NULL;
	tp_session_opts_free(&o);
}

/* What the agent found out, of ports that were asked for and of declared ones. */
static void test_ports_judged(void **state)
{
	static const struct {
		const char *line;
		const char *says; /* NULL: fine */
	} cases[] = {
		{ "0.0.0.0:80 ok", NULL },
		{ "0.0.0.0:80 denied", "--expose 8080:80: the agent may not listen on port 80" },
		{ "0.0.0.0:80 taken", "--expose 8080:80: port 80 of the pod is taken" },
		{ "0.0.0.0:80 Too many open files", "port 80 of the pod: Too many open files" },
		{ "127.0.0.1:9000 taken", "--from-pod 9000" },
		{ "0.0.0.0:7007 taken", NULL }, /* declared: a warning */
		{ "127.0.0.1:80 taken", NULL }, /* nobody asked about it */
		{ "0.0.0.0:5005 denied", NULL },
		{ "nonsense", "cannot be read" },
		{ "0.0.0.0:80", "cannot be read" },
	};
	struct tp_port v[] = { { TP_PORT_EXPOSE, 8080, 80, (char *)"--expose 8080:80" },
			       { TP_PORT_FROM_POD, 9000, 9000, (char *)"--from-pod 9000" },
			       { TP_PORT_TO_HOST, 5005, 5005, (char *)"--container-to-host 5005" },
			       { TP_PORT_EXPOSE, 7007, 7007, NULL } };

	(void)state;
	tp_log_set_fd(-1);
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_session s = { .ports = { v, TP_ARRAY_SIZE(v) } };
		struct tp_err err = { 0 };
		int rc;

		tp_strv_add(&s.remote.ports, cases[i].line);
		rc = tp_session_ports_judge(&s, &err);
		if (!cases[i].says) {
			assert_ok(rc, &err);
		} else {
			assert_int_equal(rc, -1);
			assert_contains(err.msg, cases[i].says);
		}
		tp_strv_free(&s.remote.ports);
	}
	tp_log_set_fd(2);
}

/* ----------------------------------------------------------------- rights */

static void test_rights(void **state)
{
	static const char text[] =
		"{\"resourceRules\":["
		"{\"verbs\":[\"get\",\"watch\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\"]},"
		"{\"verbs\":[\"*\"],\"apiGroups\":[\"apps\"],\"resources\":[\"deployments\"],\"resourceNames\":[\"web\"]},"
		"{\"verbs\":[\"create\"],\"apiGroups\":[\"*\"],\"resources\":[\"*/portforward\"]}]}";
	struct tp_err err = { 0 };
	TP_AUTO_JSON *s = tp_json_parse(text, strlen(text), &err);
	const struct tp_right pods = { .group = "", .resource = "pods" };
	const struct tp_right log = { .group = "", .resource = "pods", .subresource = "log" };
	const struct tp_right fwd = { .group = "",
				      .resource = "pods",
				      .subresource = "portforward" };
	const struct tp_right web = { .group = "apps", .resource = "deployments", .name = "web" };
	const struct tp_right api = { .group = "apps", .resource = "deployments", .name = "api" };

	(void)state;
	assert_true(tp_rights_allow(s, &pods, "get"));
	assert_false(tp_rights_allow(s, &pods, "delete"));
	assert_false(tp_rights_allow(s, &log, "get"));
	assert_true(tp_rights_allow(s, &fwd, "create"));
	assert_true(tp_rights_allow(s, &web, "patch"));
	assert_false(tp_rights_allow(s, &api, "patch"));
	assert_false(tp_rights_allow(NULL, &pods, "get"));
}

/* ------------------------------------------------------------ description */

static void test_description(void **state)
{
	static const char env[] = "A=1\0B=\0C=x=y\n$z\"'\\\0";
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 16);
	struct tp_remote r;
	struct tp_err err = { 0 };

	(void)state;
	tp_frame_put(&b, "env", env, sizeof(env) - 1);
	tp_frame_put(&b, "hostname", "pod-1\n", 6);
	tp_frame_put(&b, "mounts", "/a\n/b c\n", 8);
	tp_frame_put(&b, "ports", "0.0.0.0:80 denied\n127.0.0.1:9 ok\n", 33);
	tp_frame_put(&b, "future", "?", 1);
	assert_ok(tp_remote_parse(b.data, b.len, &r, &err), &err);
	assert_int_equal(r.env.n, 3);
	assert_string_equal(r.env.v[1], "B=");
	assert_string_equal(r.env.v[2], "C=x=y\n$z\"'\\");
	assert_string_equal(r.hostname, "pod-1");
	assert_int_equal(r.ports.n, 2);
	assert_string_equal(r.ports.v[0], "0.0.0.0:80 denied");
	tp_remote_add_telepresence(&r, "app", "pod-1", "container", "/r");
	assert_true(tp_strv_has(&r.env, "TELEPRESENCE_MOUNTS=/a:/b c"));
	assert_true(tp_strv_has(&r.env, "TELEPRESENCE_CONTAINER=app"));
	tp_remote_free(&r);
	/* cut anywhere, it is refused or parsed, never read past */
	for (size_t n = 0; n < b.len; n++) {
		tp_autofree char *cut = tp_malloc(n + 1);

		memcpy(cut, b.data, n);
		if (!tp_remote_parse(cut, n, &r, &err))
			tp_remote_free(&r);
	}
}

static void test_description_garbage(void **state)
{
	static const char *const env[] = { "A", "=x", "A=1" /* no NUL behind it */ };
	struct tp_remote r;
	struct tp_err err = { 0 };

	(void)state;
	assert_int_equal(tp_remote_parse("", 0, &r, &err), -1);
	assert_int_equal(tp_remote_parse("garbage", 7, &r, &err), -1);
	for (size_t i = 0; i < TP_ARRAY_SIZE(env); i++) {
		TP_AUTO_BUF b = TP_BUF_INIT(1024);

		tp_frame_put(&b, "env", env[i], strlen(env[i]));
		assert_int_equal(tp_remote_parse(b.data, b.len, &r, &err), -1);
	}
}

/* ---------------------------------------------------------------- sidecar */

static struct tp_json *body(const struct tp_run_args *a, const char *api, bool socket,
			    struct tp_err *err)
{
	struct tp_sidecar_spec s = { .session = "id",
				     .by = "me@here",
				     .image = "img",
				     .hostname = "pod",
				     .args = a,
				     .link_socket = "/run/x",
				     .api_version = api };
	tp_autofree char *text = tp_sidecar_body(&s, socket, err);

	return text ? tp_json_parse(text, strlen(text), err) : NULL;
}

static void test_sidecar_body(void **state)
{
	struct tp_run_args a = { .mac_address = (char *)"02:00:00:00:00:01" };
	struct tp_err err = { 0 };

	(void)state;
	tp_strv_add(&a.publish, "127.0.0.1:8080:80");
	tp_strv_add(&a.publish, "80");
	tp_strv_add(&a.publish, "53:53/udp");
	tp_strv_add(&a.net_sysctls, "net.core.somaxconn=9");
	TP_AUTO_JSON *p = body(&a, "1.41", true, &err);
	const struct tp_json *h = tp_json_get(p, "HostConfig");
	const struct tp_json *b80 = tp_json_get(tp_json_get(h, "PortBindings"), "80/tcp");

	assert_non_null(p);
	assert_string_equal(tp_json_str_at(p, "Hostname"), "pod");
	assert_int_equal(tp_json_len(tp_json_get(h, "CapAdd")), 1);
	assert_string_equal(tp_json_str_at(h, "CapAdd[0]"), "NET_ADMIN");
	assert_string_equal(tp_json_str_at(h, "CapDrop[0]"), "ALL");
	assert_string_equal(tp_json_str_at(h, "LogConfig.Type"), "none");
	assert_string_equal(tp_json_str_at(h, "Mounts[0].Source"), "/run/x");
	assert_int_equal(tp_json_len(b80), 2);
	assert_string_equal(tp_json_str_at(tp_json_at(b80, 0), "HostPort"), "8080");
	assert_string_equal(tp_json_str_at(tp_json_at(b80, 1), "HostPort"), "");
	assert_non_null(tp_json_get(tp_json_get(h, "PortBindings"), "53/udp"));
	assert_string_equal(
		tp_json_str(tp_json_get(tp_json_get(h, "Sysctls"), "net.core.somaxconn")), "9");
	assert_string_equal(tp_json_str_at(p, "MacAddress"), "02:00:00:00:00:01");
	assert_null(tp_json_get(h, "Dns"));

	TP_AUTO_JSON *newer = body(&a, "1.44", false, &err);
	assert_null(tp_json_get(newer, "MacAddress"));
	assert_null(tp_json_path(newer, "HostConfig.Mounts"));
	assert_string_equal(tp_json_str_at(newer,
					   "NetworkingConfig.EndpointsConfig.bridge.MacAddress"),
			    "02:00:00:00:00:01");

	tp_strv_add(&a.networks, "mine");
	tp_strv_add(&a.network_aliases, "web");
	TP_AUTO_JSON *net = body(&a, "1.41", false, &err);
	assert_string_equal(tp_json_str_at(net, "HostConfig.NetworkMode"), "mine");
	assert_string_equal(tp_json_str_at(net, "NetworkingConfig.EndpointsConfig.mine.Aliases[0]"),
			    "web");
	assert_int_equal(tp_json_len(tp_json_path(net, "HostConfig.Dns")), 1);
	tp_strv_add(&a.networks, "second");
	assert_null(body(&a, "1.41", false, &err));
	assert_contains(err.msg, "--network");

	tp_strv_free(&a.publish);
	tp_strv_free(&a.net_sysctls);
	tp_strv_free(&a.networks);
	tp_strv_free(&a.network_aliases);
}

/* The session's volume comes into being with the sidecar, labelled as ours. */
static void test_sidecar_gate(void **state)
{
	struct tp_run_args a = { 0 };
	struct tp_err err = { 0 };
	struct tp_sidecar_spec s = { .session = "id",
				     .by = "me@here",
				     .image = "img",
				     .hostname = "pod",
				     .args = &a,
				     .link_socket = "/run/x",
				     .api_version = "1.41",
				     .volume = "vol" };

	(void)state;
	for (int socket = 0; socket < 2; socket++) {
		tp_autofree char *text = tp_sidecar_body(&s, socket, &err);
		TP_AUTO_JSON *b = tp_json_parse(text, strlen(text), &err);
		const struct tp_json *mounts = tp_json_path(b, "HostConfig.Mounts");
		const struct tp_json *m = tp_json_at(mounts, (size_t)socket);
		const struct tp_json *labels = tp_json_path(m, "VolumeOptions.Labels");

		assert_int_equal(tp_json_len(mounts), 1 + socket);
		assert_string_equal(tp_json_str_at(m, "Type"), "volume");
		assert_string_equal(tp_json_str_at(m, "Source"), "vol");
		assert_string_equal(tp_json_str_at(m, "Target"), "/tpdocker/bin");
		assert_string_equal(tp_json_str(tp_json_get(labels, TP_LABEL_SESSION)), "id");
		assert_string_equal(tp_json_str(tp_json_get(labels, TP_LABEL_OWNER)), "me@here");
	}
}

static void test_sidecar_bad_port(void **state)
{
	struct tp_run_args a = { 0 };
	struct tp_err err = { 0 };

	(void)state;
	tp_strv_add(&a.publish, "99999:80");
	assert_null(body(&a, "1.41", false, &err));
	assert_contains(err.msg, "99999");
	tp_strv_free(&a.publish);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_cidrs),
		cmocka_unit_test(test_port_options),
		cmocka_unit_test(test_ports_judged),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_description_garbage),
		cmocka_unit_test(test_sidecar_body),
		cmocka_unit_test(test_sidecar_gate),
		cmocka_unit_test(test_sidecar_bad_port),
	};

	return cmocka_run_group_tests_name("session parts", tests, NULL, NULL);
}
