/* SPDX-License-Identifier: Apache-2.0 */
/* The override: what moves, what stays, what is refused. What docker compose
 * makes of it: tests/compose-override.bats. */
#include "tp_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include <limits.h>

#include "base/mem.h"
#include "compose/access.h"
#include "compose/model.h"
#include "compose/override.h"
#include "compose/projectfile.h"
#include "compose/yaml.h"
#include "kube/kubeconfig_yaml.h"

static struct tp_err err;

/* A project, as far as it matters; RAW is RESOLVED unless it is given. */
struct fixture {
	struct tp_json *raw, *resolved, *images[8];
	struct tp_compose_join joins[8];
	struct tp_strv files, kubeconfigs;
	struct tp_compose_plan plan;
};

static void begin(struct fixture *f, const char *raw, const char *resolved,
		  const char *const *joins)
{
	memset(f, 0, sizeof(*f));
	memset(&err, 0, sizeof(err));
	resolved = resolved ? resolved : raw;
	f->raw = tp_json_parse(raw, strlen(raw), &err);
	f->resolved = tp_json_parse(resolved, strlen(resolved), &err);
	if (!f->raw || !f->resolved)
		fail_msg("%s", err.msg);
	for (; *joins; joins++)
		assert_ok(tp_compose_join_parse(*joins, &f->joins[f->plan.n++], &err), &err);
	tp_strv_add(&f->files, "/home/me/.kube/config");
	tp_strv_add(&f->kubeconfigs, "/home/me/.kube/config");
	f->plan.raw = f->raw;
	f->plan.resolved = f->resolved;
	f->plan.joins = f->joins;
	f->plan.images = (const struct tp_json *const *)f->images;
	f->plan.image = "sidecar:1";
	f->plan.mounts = true;
	f->plan.files = &f->files;
	f->plan.kubeconfigs = &f->kubeconfigs;
	f->plan.home = "/home/me";
}

static void end(struct fixture *f)
{
	tp_json_free(f->raw);
	tp_json_free(f->resolved);
	for (size_t i = 0; i < 8; i++) {
		tp_json_free(f->images[i]);
		tp_compose_join_free(&f->joins[i]);
	}
	tp_strv_free(&f->files);
	tp_strv_free(&f->kubeconfigs);
}

#define JOINS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The override, read back as JSON (tags are dropped by the reader). */
static char *text;

static struct tp_json *written(struct fixture *f)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 20);
	struct tp_kyaml *y;
	tp_autofree char *json = NULL;
	struct tp_json *j;

	assert_ok(tp_compose_check(&f->plan, &err), &err);
	assert_ok(tp_compose_write(&f->plan, &b, &err), &err);
	y = tp_kyaml_load(b.data, b.len, "override", &err);
	if (!y)
		fail_msg("%s\n%s", err.msg, b.data);
	json = tp_kyaml_to_json(y, tp_kyaml_root(y), &err);
	tp_kyaml_free(y);
	j = tp_json_parse(json, strlen(json), &err);
	assert_non_null(j);
	free(text);
	text = tp_buf_steal(&b);
	return j;
}

static char *compact(const struct tp_json *v)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_value(w, NULL, v);
	return tp_jw_finish(w, NULL, NULL);
}

static void is(const struct tp_json *j, const char *service, const char *key, const char *expected)
{
	const struct tp_json *v = tp_json_path(tp_compose_service(j, service), key);
	tp_autofree char *got = v ? compact(v) : NULL;

	if (!v && expected)
		fail_msg("%s has no %s:\n%s", service, key, text);
	if (v && !expected)
		fail_msg("%s has %s: %s", service, key, got);
	if (v)
		assert_string_equal(got, expected);
}

static void has_line(const char *line)
{
	tp_autofree char *whole = tp_asprintf("\n%s\n", line);

	assert_contains(text, whole);
}

static void reads_joins(void **state)
{
	static const struct {
		const char *spec, *service, *namespace, *workload;
	} good[] = {
		{ "web", "web", NULL, NULL },
		{ "web=web", "web", NULL, "deployment/web" },
		{ "a_b.c-D=sts/db:main", "a_b.c-D", NULL, "sts/db:main" },
		{ "web=shop/deploy/web.v1:app", "web", "shop", "deploy/web.v1:app" },
	};
	static const char *const bad[] = { "",
					   "=web",
					   "we b",
					   "web=",
					   "web=/",
					   "web=a/b/c/d",
					   "web=A",
					   "web=x/y/Z",
					   "web=a:",
					   "web=s:c/deploy/web",
					   "web=a.b/deploy/c",
					   "web=/deploy/web",
					   "w$b=web" };
	struct tp_compose_join j;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++) {
		assert_ok(tp_compose_join_parse(good[i].spec, &j, &err), &err);
		assert_string_equal(j.service, good[i].service);
		assert_int_equal(!j.namespace, !good[i].namespace);
		if (j.namespace)
			assert_string_equal(j.namespace, good[i].namespace);
		assert_int_equal(!j.workload, !good[i].workload);
		if (j.workload)
			assert_string_equal(j.workload, good[i].workload);
		tp_compose_join_free(&j);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		if (!tp_compose_join_parse(bad[i], &j, &err))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_contains(err.msg, "--service");
	}
}

static void moves_the_network(void **state)
{
	struct fixture f;
	TP_AUTO_JSON *j = NULL;

	(void)state;
	begin(&f,
	      "{\"services\":{\"web\":{\"image\":\"i\",\"entrypoint\":[\"/run\",\"$$x\",\"${Y}\"],"
	      "\"command\":[\"a\"],\"hostname\":\"${H}\",\"domainname\":\"d.org\","
	      "\"networks\":{\"back\":null,\"front\":{\"aliases\":[\"www\"],\"ipv4_address\":"
	      "\"10.0.0.2\"}},\"ports\":[{\"published\":\"${P}\",\"target\":80}],"
	      "\"expose\":[\"90\"],\"dns\":\"1.1.1.1\",\"dns_search\":[\"a\",\"b\"],"
	      "\"dns_opt\":[\"ndots:2\"],\"extra_hosts\":{\"h\":\"1.2.3.4\"},"
	      "\"links\":[\"db:database\"],\"mac_address\":\"02:42:ac:11:00:03\","
	      "\"sysctls\":[\"net.core.somaxconn=${S}\",\"kernel.msgmax=1\"],"
	      "\"profiles\":[\"p\"],\"container_name\":\"theweb\","
	      "\"environment\":{\"SECRET\":\"${SECRET}\"}},\"db\":{\"image\":\"i\"}}}",
	      "{\"services\":{\"web\":{\"image\":\"i\",\"entrypoint\":[\"/run\",\"$x\",\"y\"],"
	      "\"command\":[\"a\"],\"environment\":{\"SECRET\":\"s3cret\",\"FILE\":\"f\",\"NO\":null}},"
	      "\"db\":{\"image\":\"i\"}}}",
	      JOINS("web=shop/deployment/web:app"));
	f.plan.context = "c$1";
	assert_null(tp_compose_image_wanted(&f.plan, 0));
	j = written(&f);
	is(j, "tpdocker-web", "command",
	   "[\"session\",\"--swap-deployment=deployment/web:app\",\"--context=c$$1\","
	   "\"--namespace=shop\",\"--gate=tpdocker-gate\",\"--volumes=sshfs\",\"--dns=1.1.1.1\","
	   "\"--dns-search=a\",\"--dns-search=b\",\"--dns-option=ndots:2\"]");
	is(j, "tpdocker-web", "hostname", "\"${H}\"");
	is(j, "tpdocker-web", "domainname", "\"d.org\"");
	is(j, "tpdocker-web", "networks",
	   "{\"back\":{\"aliases\":[\"web\",\"theweb\"]},"
	   "\"front\":{\"ipv4_address\":\"10.0.0.2\",\"aliases\":[\"web\",\"theweb\",\"www\"]}}");
	is(j, "tpdocker-web", "ports", "[{\"published\":\"${P}\",\"target\":80}]");
	is(j, "tpdocker-web", "expose", "[\"90\"]");
	is(j, "tpdocker-web", "extra_hosts", "{\"h\":\"1.2.3.4\"}");
	is(j, "tpdocker-web", "links", "[\"db:database\"]");
	is(j, "tpdocker-web", "dns", "[\"240.0.0.53\"]");
	is(j, "tpdocker-web", "dns_search", NULL);
	is(j, "tpdocker-web", "mac_address", "\"02:42:ac:11:00:03\"");
	is(j, "tpdocker-web", "sysctls", "[\"net.core.somaxconn=${S}\"]");
	is(j, "tpdocker-web", "profiles", "[\"p\"]");
	is(j, "tpdocker-web", "environment", "{\"KUBECONFIG\":\"${HOME}/.kube/config\"}");
	is(j, "web", "network_mode", "\"service:tpdocker-web\"");
	is(j, "web", "sysctls", "[\"kernel.msgmax=1\"]");
	is(j, "web", "entrypoint", "[\"/tpdocker/bin/gate\",\"-\",\"/run\",\"$$x\",\"${Y}\"]");
	is(j, "web", "command", NULL);
	is(j, "web", "environment",
	   "{\"TPDOCKER_GATE\":\"tpdocker-gate/web\",\"TPDOCKER_OWN\":\"SECRET,FILE\"}");
	is(j, "web", "depends_on",
	   "{\"tpdocker-web\":{\"condition\":\"service_healthy\",\"restart\":true}}");
	has_line("    networks: !reset null");
	has_line("    ports: !reset null");
	has_line("    hostname: !reset null");
	has_line("    sysctls: !override");
	assert_null(strstr(text, "s3cret"));
	assert_null(strstr(text, "\"y\""));
	end(&f);
}

static void takes_the_images_words(void **state)
{
	static const char image[] =
		"{\"Config\":{\"Entrypoint\":[\"/entry\",\"$x\"],\"Cmd\":[\"serve\",\"a b\"]}}";
	static const struct {
		const char *service, *wanted, *entrypoint, *command;
	} c[] = {
		{ "\"image\":\"i\"", "i", "\"/entry\",\"$$x\"", "[\"serve\",\"a b\"]" },
		{ "\"build\":{}", "p-web", "\"/entry\",\"$$x\"", "[\"serve\",\"a b\"]" },
		{ "\"image\":\"i\",\"command\":[\"c\"]", "i", "\"/entry\",\"$$x\"", NULL },
		{ "\"image\":\"i\",\"entrypoint\":[\"e\"]", NULL, "\"e\"", NULL },
		{ "\"image\":\"i\",\"entrypoint\":[]", "i", NULL, "[\"serve\",\"a b\"]" },
		{ "\"image\":\"i\",\"entrypoint\":[],\"command\":[\"c\"]", NULL, NULL, NULL },
		{ "\"image\":\"i\",\"entrypoint\":null,\"command\":null", "i", "\"/entry\",\"$$x\"",
		  "[\"serve\",\"a b\"]" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(c); i++) {
		tp_autofree char *model =
			tp_asprintf("{\"name\":\"p\",\"services\":{\"web\":{%s}}}", c[i].service);
		tp_autofree char *entry = tp_asprintf("[\"/tpdocker/bin/gate\",\"-\"%s%s]",
						      c[i].entrypoint ? "," : "",
						      c[i].entrypoint ? c[i].entrypoint : "");
		tp_autofree char *wanted = NULL;
		TP_AUTO_JSON *j = NULL;
		struct fixture f;

		begin(&f, model, NULL, JOINS("web"));
		wanted = tp_compose_image_wanted(&f.plan, 0);
		assert_int_equal(!wanted, !c[i].wanted);
		if (wanted)
			assert_string_equal(wanted, c[i].wanted);
		f.images[0] = wanted ? tp_json_parse(image, sizeof(image) - 1, &err) : NULL;
		j = written(&f);
		is(j, "web", "entrypoint", entry);
		is(j, "web", "command", c[i].command);
		end(&f);
	}
}

static void refuses_an_entrypoint_that_is_none(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 20);
	struct fixture f;

	(void)state;
	begin(&f, "{\"services\":{\"web\":{\"image\":\"i\"}}}", NULL, JOINS("web"));
	f.images[0] = tp_json_parse("{\"Config\":{\"Entrypoint\":[\"\"],\"Cmd\":null}}", 41, &err);
	assert_non_null(f.images[0]);
	assert_int_equal(tp_compose_write(&f.plan, &b, &err), -1);
	assert_contains(err.msg, "web has no command");
	end(&f);
	/* a string is split by Compose; its variables are not put into a file */
	begin(&f, "{\"services\":{\"web\":{\"image\":\"i\",\"entrypoint\":\"/x ${PASSWORD}\"}}}",
	      "{\"services\":{\"web\":{\"image\":\"i\",\"entrypoint\":[\"/x\",\"s3cret\"]}}}",
	      JOINS("web"));
	assert_int_equal(tp_compose_write(&f.plan, &b, &err), -1);
	assert_contains(err.msg, "Write it as a list");
	assert_null(strstr(err.msg, "s3cret"));
	end(&f);
	begin(&f, "{\"services\":{\"web\":{\"image\":\"i\",\"entrypoint\":\"/x $$1 'a b'\"}}}",
	      "{\"services\":{\"web\":{\"image\":\"i\",\"entrypoint\":[\"/x\",\"$1\",\"a b\"]}}}",
	      JOINS("web"));
	TP_AUTO_JSON *j = written(&f);
	is(j, "web", "entrypoint", "[\"/tpdocker/bin/gate\",\"-\",\"/x\",\"$$1\",\"a b\"]");
	end(&f);
}

#define S(name, more)	"\"" name "\":{\"image\":\"i\",\"entrypoint\":[\"x\"]" more "}"
#define MODEL(services) "{\"name\":\"p\",\"services\":{" services "}}"

static void refuses_by_name(void **state)
{
	static const struct {
		const char *model;
		const char *joins[3];
		const char *words[3];
	} c[] = {
		{ MODEL(S("web", "")),
		  { "wbe" },
		  { "no service \"wbe\"", "Did you mean \"web\"?" } },
		{ MODEL(S("a", "") "," S("b", "")), { "other" }, { "It has: a, b" } },
		{ MODEL(S("web", "")), { "web", "web=x" }, { "--service web is given twice" } },
		{ MODEL(S("web", ",\"network_mode\":\"host\"")),
		  { "web" },
		  { "network_mode: host" } },
		{ MODEL(S("web", ",\"network_mode\":\"service:db\"")),
		  { "web" },
		  { "network_mode: service:db", "Join the service whose network it shares" } },
		{ MODEL(S("web", ",\"network_mode\":\"service:tpdocker-web\"")),
		  { "web" },
		  { "has a sidecar already", "Leave the override out" } },
		{ MODEL(S("web", ",\"scale\":2")), { "web" }, { "web is scaled to 2" } },
		{ MODEL(S("web", ",\"deploy\":{\"replicas\":3}")), { "web" }, { "scaled to 3" } },
		{ MODEL(S("web", ",\"userns_mode\":\"host\"")),
		  { "web" },
		  { "userns_mode: host" } },
		{ MODEL("\"web\":{\"provider\":{\"type\":\"x\"}}"),
		  { "web" },
		  { "web has a provider" } },
		{ MODEL(S("web", "") "," S("tpdocker-web", "")),
		  { "web" },
		  { "has a service tpdocker-web" } },
		{ MODEL(S("a", ",\"ports\":[{\"target\":80}]") "," S("b", ",\"expose\":[\"80\"]")),
		  { "a=web", "b=web" },
		  { "services a and b", "both want its port 80/tcp" } },
		{ MODEL(S("a", ",\"hostname\":\"x\"") "," S("b", ",\"hostname\":\"y\"")),
		  { "a=web", "b=web" },
		  { "differ in hostname (x, y)" } },
		{ MODEL(S("a", ",\"networks\":{\"n\":{\"ipv4_address\":\"1.1.1.1\"}}") "," S(
			  "b", ",\"networks\":{\"n\":{\"ipv4_address\":\"1.1.1.2\"}}")),
		  { "a=web", "b=web" },
		  { "differ in ipv4_address in the network n" } },
		{ MODEL(S("a", ",\"sysctls\":{\"net.x\":\"1\"}") "," S(
			  "b", ",\"sysctls\":{\"net.x\":\"2\"}")),
		  { "a=web", "b=web" },
		  { "differ in the sysctl net.x" } },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(c); i++) {
		struct fixture f;

		begin(&f, c[i].model, NULL,
		      JOINS(c[i].joins[0], c[i].joins[1], c[i].joins[1] ? c[i].joins[2] : NULL));
		if (!tp_compose_check(&f.plan, &err))
			fail_msg("taken: %s", c[i].model);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		for (size_t k = 0; k < 3 && c[i].words[k]; k++)
			assert_contains(err.msg, c[i].words[k]);
		end(&f);
	}
}

static void shares_a_sidecar(void **state)
{
	struct fixture f;
	TP_AUTO_JSON *j = NULL;

	(void)state;
	begin(&f,
	      MODEL(S("a",
		      ",\"ports\":[{\"target\":80,\"published\":\"1\"}],\"profiles\":[\"x\"],"
		      "\"extra_hosts\":[\"h=1\"],\"links\":[\"b\",\"c:see\"],"
		      "\"networks\":{\"n\":{\"aliases\":[\"aa\"]}}") "," S("b",
									   ",\"ports\":[{\"target\":80,\"protocol\":\"udp\"}],\"profiles\":[\"y\"],"
									   "\"extra_hosts\":[\"k=2\"],\"hostname\":\"bee\"") "," S("c",
																   "")),
	      NULL, JOINS("a=web", "b=deployment/web", "c=other/deployment/web"));
	j = written(&f);
	is(j, "tpdocker-a", "ports",
	   "[{\"target\":80,\"published\":\"1\"},{\"target\":80,\"protocol\":\"udp\"}]");
	is(j, "tpdocker-a", "profiles", "[\"x\",\"y\"]");
	is(j, "tpdocker-a", "extra_hosts", "[\"h=1\",\"k=2\"]");
	is(j, "tpdocker-a", "hostname", "\"bee\"");
	is(j, "tpdocker-a", "networks",
	   "{\"n\":{\"aliases\":[\"a\",\"aa\"]},\"default\":{\"aliases\":[\"b\"]}}");
	/* b is on the same localhost; c has a sidecar of its own */
	is(j, "tpdocker-a", "links", "[\"tpdocker-c:see\"]");
	is(j, "b", "network_mode", "\"service:tpdocker-a\"");
	is(j, "c", "network_mode", "\"service:tpdocker-c\"");
	assert_null(tp_compose_service(j, "tpdocker-b"));
	end(&f);
}

static void leads_others_there(void **state)
{
	struct fixture f;
	TP_AUTO_JSON *j = NULL;

	(void)state;
	begin(&f,
	      MODEL(S("web", "") "," S("proxy", ",\"network_mode\":\"service:web\"") "," S(
		      "old", ",\"links\":[\"web\",\"web:www\",\"db\"]") "," S("db", "")),
	      NULL, JOINS("web"));
	f.plan.mounts = false;
	f.plan.serviceaccount = "me";
	j = written(&f);
	is(j, "proxy", "network_mode", "\"service:tpdocker-web\"");
	is(j, "proxy", "depends_on",
	   "{\"tpdocker-web\":{\"condition\":\"service_healthy\",\"restart\":true}}");
	is(j, "old", "links", "[\"tpdocker-web:web\",\"tpdocker-web:www\",\"db\"]");
	has_line("    links: !override");
	assert_null(tp_compose_service(j, "db"));
	is(j, "tpdocker-web", "command",
	   "[\"session\",\"--serviceaccount=me\",\"--gate=tpdocker-gate\",\"--volumes=off\"]");
	is(j, "tpdocker-web", "devices", NULL);
	is(j, "tpdocker-web", "cap_add", "[\"NET_ADMIN\",\"DAC_READ_SEARCH\"]");
	is(j, "tpdocker-web", "networks", "{\"default\":{\"aliases\":[\"web\"]}}");
	is(j, "web", "configs[0].target", "\"/etc/profile.d/tpdocker.sh\"");
	end(&f);
}

static void leaves_a_read_only_container_alone(void **state)
{
	struct fixture f;
	TP_AUTO_JSON *j = NULL;

	(void)state;
	begin(&f, MODEL(S("web", ",\"read_only\":true")), NULL, JOINS("web"));
	j = written(&f);
	is(j, "web", "configs", NULL);
	end(&f);
}

static void quotes_what_could_be_read_otherwise(void **state)
{
	static const char *const s[] = { "",	 "yes",	    "No",    "~",	"null", "1",
					 "0x1f", "1:30",    "1e3",   ".5",	"- a",	"a: b",
					 "#c",	 "a #b",    "*x",    "&x",	"!x",	"@x",
					 "`x",	 "%x",	    "{a}",   "[a]",	" a ",	"a\nb\n",
					 "é",	 "\t",	    "'\"\\", "\x7f",	"on",	"=",
					 "<<",	 "plain/x", "/abs",  "1.2.3.4", "a,b",	"?" };
	TP_AUTO_YW *w = tp_yw_new();
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 20);
	struct tp_kyaml *y;

	(void)state;
	tp_yw_map(w, NULL);
	tp_yw_list(w, "list");
	for (size_t i = 0; i < TP_ARRAY_SIZE(s); i++)
		tp_yw_str(w, NULL, s[i]);
	tp_yw_end(w);
	tp_yw_map(w, "map");
	for (size_t i = 0; i < TP_ARRAY_SIZE(s); i++)
		tp_yw_str(w, s[i], s[i]);
	tp_yw_end(w);
	tp_yw_end(w);
	assert_ok(tp_yw_finish(w, &b, &err), &err);
	y = tp_kyaml_load(b.data, b.len, "x", &err);
	if (!y)
		fail_msg("%s\n%s", err.msg, b.data);
	for (unsigned i = 0; i < TP_ARRAY_SIZE(s); i++) {
		int list = tp_kyaml_get(y, tp_kyaml_root(y), "list");
		int map = tp_kyaml_get(y, tp_kyaml_root(y), "map");

		assert_string_equal(tp_kyaml_str(y, tp_kyaml_at(y, list, i)), s[i]);
		assert_string_equal(tp_kyaml_key(y, map, i), s[i]);
	}
	tp_kyaml_free(y);
}

static void writers_mistakes_are_errors(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 20);
	TP_AUTO_YW *open = tp_yw_new(), *bad = tp_yw_new(), *key = tp_yw_new();

	(void)state;
	tp_yw_map(open, NULL);
	assert_int_equal(tp_yw_finish(open, &b, &err), -1);
	assert_contains(err.msg, "open");
	tp_yw_str(bad, NULL, "\xff");
	assert_int_equal(tp_yw_finish(bad, &b, &err), -1);
	assert_contains(err.msg, "UTF-8");
	tp_yw_map(key, NULL);
	tp_yw_str(key, NULL, "x");
	tp_yw_end(key);
	assert_int_equal(tp_yw_finish(key, &b, &err), -1);
	assert_int_equal(b.len, 0);
}

static void compares_versions(void **state)
{
	(void)state;
	assert_int_equal(tp_compose_version_cmp("2.24.4", "v2.24.4"), 0);
	assert_true(tp_compose_version_cmp("2.40.3-3", "2.24.4") > 0);
	assert_true(tp_compose_version_cmp("2.9.0", "2.24.4") < 0);
	assert_true(tp_compose_version_cmp("1.29.2", "2.24.4") < 0);
	assert_true(tp_compose_version_cmp("v5.0.0-desktop.1", "2.24.4") > 0);
	assert_int_equal(tp_compose_version_cmp("dev", "2.24.4"), INT_MIN);
}

static void access_of(const char *server, const char *exec, bool own_image, const char *refused)
{
	struct tp_kubeconfig kc = { .context = (char *)"c",
				    .source = (char *)"/a/kc:rel/kc",
				    .server = (char *)(uintptr_t)server };
	struct tp_compose_access a;
	int rc;

	kc.exec.command = (char *)(uintptr_t)exec;
	tp_strv_add(&kc.files, "/a/ca.crt");
	tp_strv_add(&kc.files, "rel/key");
	memset(&err, 0, sizeof(err));
	rc = tp_compose_access_find(&kc, own_image, "/cwd", &a, &err);
	assert_int_equal(rc, refused ? -1 : 0);
	if (refused) {
		assert_contains(err.msg, refused);
	} else {
		assert_int_equal(a.kubeconfigs.n, 2);
		assert_string_equal(a.kubeconfigs.v[1], "/cwd/rel/kc");
		assert_int_equal(a.files.n, 4);
		assert_string_equal(a.files.v[3], "/cwd/rel/key");
	}
	tp_compose_access_free(&a);
	tp_strv_free(&kc.files);
}

static void knows_what_a_container_reaches(void **state)
{
	(void)state;
	access_of("https://10.0.0.1:6443", NULL, false, NULL);
	access_of("https://localhost.example.org", NULL, false, NULL);
	access_of("https://127.example.org", NULL, false, NULL);
	access_of("https://127.0.0.1:6443", NULL, false, "this machine itself");
	access_of("https://localhost", NULL, false, "this machine itself");
	access_of("https://LOCALHOST:1/x", NULL, false, "this machine itself");
	access_of("https://[::1]:6443", NULL, false, "this machine itself");
	access_of("https://10.0.0.1", "kubelogin", false, "the program kubelogin");
	access_of("https://10.0.0.1", "kubelogin", true, NULL);
}

static void writes_into_a_project(void **state)
{
	char dir[] = "/tmp/tp-project-XXXXXX";
	tp_autofree char *file = NULL, *ignore = NULL, *link = NULL, *plain = NULL, *rm = NULL;
	TP_AUTO_BUF b = TP_BUF_INIT(100);
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = tp_asprintf("%s/.tpdocker/x.yaml", dir);
	ignore = tp_asprintf("%s/.tpdocker/.gitignore", dir);
	link = tp_asprintf("%s/link", dir);
	plain = tp_asprintf("%s/none/x", dir);
	rm = tp_asprintf("rm -rf %s", dir);
	assert_int_equal(tp_project_file_write(file, "one", 3, &err), 1);
	assert_int_equal(tp_project_file_write(file, "one", 3, &err), 0);
	assert_int_equal(tp_read_file(ignore, &b), 0);
	assert_string_equal(b.data, "*\n");
	assert_int_equal(chmod(file, 0640), 0);
	assert_int_equal(symlink(file, link), 0);
	assert_int_equal(tp_project_file_write(link, "two", 3, &err), 1);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	tp_buf_reset(&b);
	assert_int_equal(tp_read_file(file, &b), 0);
	assert_string_equal(b.data, "two");
	assert_int_equal(tp_project_file_write(plain, "x", 1, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	assert_int_equal(tp_project_file_write(dir, "x", 1, &err), -1);
	assert_contains(err.msg, "is not a file");
	assert_int_equal(system(rm), 0);
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_joins),
		cmocka_unit_test(moves_the_network),
		cmocka_unit_test(takes_the_images_words),
		cmocka_unit_test(refuses_an_entrypoint_that_is_none),
		cmocka_unit_test(refuses_by_name),
		cmocka_unit_test(shares_a_sidecar),
		cmocka_unit_test(leads_others_there),
		cmocka_unit_test(leaves_a_read_only_container_alone),
		cmocka_unit_test(quotes_what_could_be_read_otherwise),
		cmocka_unit_test(writers_mistakes_are_errors),
		cmocka_unit_test(compares_versions),
		cmocka_unit_test(knows_what_a_container_reaches),
		cmocka_unit_test(writes_into_a_project),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
