/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "docker/endpoint.h"

static char dir[64];
static struct tp_docker_endpoint ep;
static struct tp_err err;

static void write_file(const char *name, const char *text)
{
	tp_autofree char *path = tp_asprintf("%s/%s", dir, name);

	for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(path, 0700);
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	static const char *const names[] = { "DOCKER_HOST",
					     "DOCKER_CONTEXT",
					     "DOCKER_TLS_VERIFY",
					     "DOCKER_TLS",
					     "DOCKER_CERT_PATH",
					     "TPDOCKER_DOCKER",
					     "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND" };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	strcpy(dir, "/tmp/tpdocker-ep-XXXXXX");
	assert_non_null(mkdtemp(dir));
	setenv("DOCKER_CONFIG", dir, 1);
	write_file("contexts/meta/aaa/meta.json",
		   "{\"Name\":\"remote\",\"Endpoints\":{\"docker\":{\"Host\":\"tcp://r:2376\","
		   "\"SkipTLSVerify\":false}}}");
	write_file("contexts/tls/aaa/docker/ca.pem", "CA");
	write_file("contexts/tls/aaa/docker/cert.pem", "CERT");
	write_file("contexts/tls/aaa/docker/key.pem", "KEY");
	write_file("contexts/meta/bbb/meta.json",
		   "{\"Name\":\"sshy\",\"Endpoints\":{\"docker\":{\"Host\":\"ssh://u@h\"}}}");
	write_file("contexts/meta/ccc/meta.json", "not json");
	write_file("contexts/meta/ddd/meta.json", "{\"Name\":\"empty\",\"Endpoints\":{}}");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tp_docker_endpoint_free(&ep);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static int find(struct tp_docker_globals g)
{
	tp_docker_endpoint_free(&ep);
	return tp_docker_endpoint_find(&g, &ep, &err);
}

static void keeps_dockers_order(void **state)
{
	(void)state;
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_string_equal(ep.socket_path, "/var/run/docker.sock");
	assert_string_equal(ep.cli, "docker");
	assert_null(ep.context);

	write_file("config.json", "{\"currentContext\":\"remote\"}");
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_string_equal(ep.host, "tcp://r:2376");
	assert_string_equal(ep.context, "remote");
	assert_string_equal(ep.ca_pem, "CA");
	assert_string_equal(ep.key_pem, "KEY");
	assert_true(ep.tls && !ep.skip_verify);

	setenv("DOCKER_CONTEXT", "sshy", 1);
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_string_equal(ep.host, "ssh://u@h");
	assert_null(ep.socket_path);

	setenv("DOCKER_HOST", "tcp://e:1", 1);
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_string_equal(ep.host, "tcp://e:1");
	assert_false(ep.tls);

	assert_ok(find((struct tp_docker_globals){ .host = "unix:///h" }), &err);
	assert_string_equal(ep.socket_path, "/h");
	assert_string_equal(ep.cli_globals.v[0], "--host=unix:///h");

	assert_ok(find((struct tp_docker_globals){ .context = "remote" }), &err);
	assert_string_equal(ep.host, "tcp://r:2376");
	assert_string_equal(ep.cli_globals.v[0], "--context=remote");

	assert_ok(find((struct tp_docker_globals){ .context = "default" }), &err);
	assert_string_equal(ep.host, "tcp://e:1");

	assert_int_equal(find((struct tp_docker_globals){ .context = "a", .host = "b" }), -1);
	assert_int_equal(err.kind, TP_ERR_USAGE);
}

static void refuses_what_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(find((struct tp_docker_globals){ .context = "nope" }), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_contains(err.msg, "remote");
	assert_contains(err.msg, "default");
	assert_int_equal(find((struct tp_docker_globals){ .context = "empty" }), -1);
	write_file("config.json", "{broken");
	assert_int_equal(find((struct tp_docker_globals){ 0 }), -1);
	assert_contains(err.msg, "config.json");
}

static void takes_addresses(void **state)
{
	static const char *const good[] = { "tcp://h:1", "tcp://[::1]:2375", "h:2375",
					    "ssh://h",	 "ssh://u@h:22",     "unix://",
					    "tcp://",	 "tcp://h:1/p",	     "ssh://[::1]:22" };
	static const char *const bad[] = { "npipe://x",	 "fd://",
					   "ssh://",	 "ssh://-oProxyCommand=x",
					   "ssh://u@-x", "ssh://u:p@h",
					   "unix://rel", "tcp://u@h",
					   "ftp://x",	 "tcp://a b" };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++) {
		assert_ok(find((struct tp_docker_globals){ .host = good[i] }), &err);
		struct tp_http_client *c = tp_docker_endpoint_client(&ep, &err);
		if (!c)
			fail_msg("%s: %s", good[i], err.msg);
		tp_http_client_free(c);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		if (find((struct tp_docker_globals){ .host = bad[i] }) != -1)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.kind, TP_ERR_USAGE);
	}
}

static void finds_certificates(void **state)
{
	(void)state;
	write_file("certs/ca.pem", "A");
	write_file("certs/cert.pem", "B");
	write_file("certs/key.pem", "C");
	tp_autofree char *certs = tp_asprintf("%s/certs", dir);
	setenv("DOCKER_HOST", "tcp://h:2376", 1);
	setenv("DOCKER_TLS_VERIFY", "1", 1);
	assert_int_equal(find((struct tp_docker_globals){ 0 }), -1);
	assert_contains(err.msg, "ca.pem");
	setenv("DOCKER_CERT_PATH", certs, 1);
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_true(ep.tls && !ep.skip_verify);
	assert_string_equal(ep.cert_pem, "B");
	unsetenv("DOCKER_TLS_VERIFY");
	assert_ok(find((struct tp_docker_globals){ .tls = 1 }), &err);
	assert_true(ep.tls && ep.skip_verify);
	assert_int_equal(find((struct tp_docker_globals){ .tls = 1, .tls_cert = "/nonexistent" }),
			 -1);
	tp_autofree char *ca = tp_asprintf("%s/ca.pem", certs);
	assert_ok(find((struct tp_docker_globals){ .tls_verify = 1, .tls_ca = ca }), &err);
	assert_string_equal(ep.ca_pem, "A");
	assert_int_equal(ep.cli_globals.n, 2);
}

/* As docker has it: files alone turn nothing on, =false overrules a variable,
 * and --tlsverify=false means TLS without a look at the certificate. */
static void turns_tls_on_as_docker_does(void **state)
{
	(void)state;
	setenv("DOCKER_HOST", "tcp://h:2376", 1);
	assert_ok(find((struct tp_docker_globals){ .tls_ca = "/nonexistent" }), &err);
	assert_false(ep.tls);
	assert_ok(find((struct tp_docker_globals){ .tls_verify = -1 }), &err);
	assert_true(ep.tls && ep.skip_verify);
	assert_string_equal(ep.cli_globals.v[0], "--tlsverify=false");
	setenv("DOCKER_TLS", "1", 1);
	assert_ok(find((struct tp_docker_globals){ .tls = -1 }), &err);
	assert_false(ep.tls);
	assert_string_equal(ep.cli_globals.v[0], "--tls=false");
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_true(ep.tls && ep.skip_verify);
}

static void hands_on_what_docker_was_told_of_its_log(void **state)
{
	(void)state;
	assert_ok(find((struct tp_docker_globals){ .debug = true, .log_level = "warn" }), &err);
	assert_int_equal(ep.cli_globals.n, 2);
	assert_true(tp_strv_has(&ep.cli_globals, "--debug"));
	assert_true(tp_strv_has(&ep.cli_globals, "--log-level=warn"));
}

static void finds_the_cli(void **state)
{
	(void)state;
	setenv("TPDOCKER_DOCKER", "podman", 1);
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_string_equal(ep.cli, "podman");
	setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "/usr/bin/docker", 1);
	assert_ok(find((struct tp_docker_globals){ 0 }), &err);
	assert_string_equal(ep.cli, "/usr/bin/docker");
	assert_ok(find((struct tp_docker_globals){ .docker_path = "/x" }), &err);
	assert_string_equal(ep.cli, "/x");
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(keeps_dockers_order),
		EACH(refuses_what_is_not_there),
		EACH(takes_addresses),
		EACH(finds_certificates),
		EACH(finds_the_cli),
		EACH(turns_tls_on_as_docker_does),
		EACH(hands_on_what_docker_was_told_of_its_log),
	};

	tp_http_global_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
