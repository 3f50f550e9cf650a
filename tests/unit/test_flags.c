/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <stddef.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/flags.h"

struct ours {
	bool help, mount_all;
	char *swap;
	struct tp_strv expose;
};

static const struct tp_opt ours[] = {
	{ .name = "help", .type = TP_OPT_FLAG, .offset = offsetof(struct ours, help) },
	{ .name = "swap", .type = TP_OPT_STRING, .offset = offsetof(struct ours, swap) },
	{ .name = "expose", .type = TP_OPT_LIST, .offset = offsetof(struct ours, expose) },
	TP_OPT_END,
};

static struct ours o;
static struct tp_run_args a;
static struct tp_err err;

static void clear(void)
{
	tp_run_args_free(&a);
	free(o.swap);
	tp_strv_free(&o.expose);
	o = (struct ours){ 0 };
}

/* Words separated by single spaces; "~" is an empty word. */
static int parse_with(const struct tp_opt *table, const char *line)
{
	struct tp_strv v = { 0 };
	char *copy = tp_strdup(line), *save = NULL;

	clear();
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		tp_strv_add(&v, strcmp(w, "~") == 0 ? "" : w);
	int rc = tp_run_args_parse(&a, table, &o, (int)v.n, v.v, 0, &err);
	tp_strv_free(&v);
	free(copy);
	return rc;
}
#define parse(line) parse_with(ours, line)

/* What becomes of LINE: the flags for docker, the image, the command. */
static void check(const char *line, const char *want)
{
	char got[2048] = "";

	if (parse(line) < 0)
		fail_msg("%s: %s", line, err.msg);
	for (size_t i = 0; i < a.docker_args.n; i++)
		strcat(strcat(got, a.docker_args.v[i]), " ");
	strcat(strcat(got, "| "), a.image);
	for (size_t i = 0; i < a.command.n; i++)
		strcat(strcat(got, " "), a.command.v[i]);
	if (strcmp(got, want) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", line, got, want);
}

static void takes_every_spelling(void **state)
{
	static const char *const lines[][2] = {
		{ "img", "| img" },
		{ "-- img -x", "| img -x" },
		{ "img -it --rm -- x", "| img -it --rm -- x" },
		{ "-it img", "--interactive --tty | img" },
		{ "-i -t img", "--interactive --tty | img" },
		{ "-i=true -t=0 img", "--interactive --tty=false | img" },
		{ "--rm=false img", "--rm=false | img" },
		{ "--rm=T --init=F img", "--rm --init=false | img" },
		{ "--rm img true", "--rm | img true" },
		{ "--memory 1g img", "--memory=1g | img" },
		{ "--memory=1g img", "--memory=1g | img" },
		{ "-m 1g img", "--memory=1g | img" },
		{ "-m1g img", "--memory=1g | img" },
		{ "-m=1g img", "--memory=1g | img" },
		{ "-itm1g img", "--interactive --tty --memory=1g | img" },
		{ "-itm=1g img", "--interactive --tty --memory=1g | img" },
		{ "-itm 1g img", "--interactive --tty --memory=1g | img" },
		{ "-itp80:80 img", "--interactive --tty | img" },
		{ "-w= img", "--workdir== | img" }, /* pflag's own oddity */
		{ "--workdir= img", "--workdir= | img" },
		{ "--workdir ~ img", "--workdir= | img" },
		{ "--entrypoint -x img", "--entrypoint=-x | img" },
		{ "-u -- img", "--user=-- | img" },
		{ "-e A=b=c -eD --env E= img", "--env=A=b=c --env=D --env=E= | img" },
		{ "-c 5 -a stdin -l x=y img", "--cpu-shares=5 --attach=stdin --label=x=y | img" },
		{ "--quiet -q img", "--quiet --quiet | img" },
		{ "-dit img", "--detach --interactive --tty | img" },
		{ "--frobnicate=1 img", "--frobnicate=1 | img" },
		{ "- x", "| - x" },
		{ "--gpus all --ulimit nofile=1 img", "--gpus=all --ulimit=nofile=1 | img" },
		{ "--sysctl net.a=1 --sysctl kernel.b=2 img", "--sysctl=kernel.b=2 | img" },
		{ "--disable-content-trust=false img", "--disable-content-trust=false | img" },
	};

	(void)state;
	tp_log_set_level(TP_LOG_QUIET);
	for (size_t i = 0; i < TP_ARRAY_SIZE(lines); i++)
		check(lines[i][0], lines[i][1]);
}

static void looks_at_flags(void **state)
{
	(void)state;
	assert_ok(
		parse("-dit --rm --sig-proxy=false --name n --cidfile c --pull=always --platform p "
		      "--userns host --restart no --entrypoint e --detach-keys k -e A=1 -e B "
		      "--env-file f -v /a:/b --mount type=x --tmpfs /t -a stderr img"),
		&err);
	assert_true(a.detach && a.interactive && a.tty && a.rm == 1 && !a.sig_proxy);
	assert_true(a.attach_given);
	assert_string_equal(a.name, "n");
	assert_string_equal(a.cidfile, "c");
	assert_string_equal(a.pull, "always");
	assert_string_equal(a.platform, "p");
	assert_string_equal(a.userns, "host");
	assert_string_equal(a.restart, "no");
	assert_string_equal(a.entrypoint, "e");
	assert_string_equal(a.detach_keys, "k");
	assert_string_equal(a.env.v[0], "A=1");
	assert_string_equal(a.env.v[1], "B");
	assert_string_equal(a.env_files.v[0], "f");
	assert_string_equal(a.volumes.v[0], "/a:/b");
	assert_string_equal(a.mounts.v[0], "type=x");
	assert_string_equal(a.tmpfs.v[0], "/t");
	assert_int_equal(a.docker_args.n, 20);
	assert_ok(parse("--rm --rm=false --name a --name b img"), &err);
	assert_int_equal(a.rm, 0);
	assert_string_equal(a.name, "b");
	assert_ok(parse("img"), &err);
	assert_true(a.rm == -1 && a.sig_proxy && !a.tty);
}

static void keeps_for_the_sidecar(void **state)
{
	(void)state;
	assert_ok(parse("-p80:80 -p=81:81 -p 82:82 --publish=83:83/udp -P -h host --domainname d "
			"--add-host a:1 --dns 1.1.1.1 --dns-search s --dns-option o --dns-opt p "
			"--link l --ip 1.2.3.4 --ip6 ::1 --link-local-ip 169.254.1.1 "
			"--mac-address 00:11:22:33:44:55 --network-alias x --net-alias y "
			"--network user --net user2 --sysctl net.x=1 img"),
		  &err);
	assert_int_equal(a.docker_args.n, 0);
	assert_int_equal(a.publish.n, 4);
	assert_string_equal(a.publish.v[1], "81:81");
	assert_true(a.publish_all);
	assert_string_equal(a.hostname, "host");
	assert_string_equal(a.domainname, "d");
	assert_string_equal(a.add_hosts.v[0], "a:1");
	assert_int_equal(a.dns.n, 1);
	assert_int_equal(a.dns_search.n, 1);
	assert_int_equal(a.dns_options.n, 2);
	assert_int_equal(a.links.n, 1);
	assert_int_equal(a.network_aliases.n, 2);
	assert_int_equal(a.networks.n, 2);
	assert_string_equal(a.networks.v[1], "user2");
	assert_string_equal(a.net_sysctls.v[0], "net.x=1");
	assert_string_equal(a.ip, "1.2.3.4");
	assert_ok(parse("--network default --net=bridge img"), &err);
	assert_int_equal(a.networks.n, 0);
	assert_ok(parse("--network name=n,alias=a,alias=b,ip=1.1.1.1,mac-address=m img"), &err);
	assert_string_equal(a.networks.v[0], "n");
	assert_int_equal(a.network_aliases.n, 2);
	assert_string_equal(a.ip, "1.1.1.1");
}

static void takes_ours(void **state)
{
	(void)state;
	assert_ok(parse("--swap web -it --expose 80 --expose=81 img --swap y"), &err);
	assert_string_equal(o.swap, "web");
	assert_int_equal(o.expose.n, 2);
	assert_int_equal(a.docker_args.n, 2);
	assert_int_equal(a.command.n, 2);
	assert_ok(parse("--rm --help"), &err);
	assert_true(o.help);
	assert_null(a.image);
	/* without ours docker's --expose is taken, and dropped */
	assert_ok(parse_with(NULL, "--expose 80 img"), &err);
	assert_int_equal(a.docker_args.n, 0);
	assert_string_equal(a.image, "img");
	assert_int_equal(parse_with(NULL, "--help"), -1);
}

static void refuses(void **state)
{
	static const char *const lines[][2] = {
		{ "", "no image" },
		{ "-it", "no image" },
		{ "--", "no image" },
		{ "~", "no image" },
		{ "--memory", "needs a value" },
		{ "-m", "needs a value" },
		{ "-itp", "-p needs a value" },
		{ "--swap", "needs a value" },
		{ "--memry 1 img", "Did you mean --memory?" },
		{ "--swpa x img", "Did you mean --swap?" },
		{ "-z img", "unknown option: -z" },
		{ "-itz img", "unknown option: -z in -itz" },
		{ "-t= img", "unknown option: -=" },
		{ "--=x img", "not an option" },
		{ "---x img", "not an option" },
		{ "--rm=yes img", "true or false" },
		{ "--rm= img", "true or false" },
		{ "-t=maybe img", "true or false" },
		{ "-p x img", "not a port" },
		{ "--pull=often img", "--pull" },
		{ "--network host img", "network namespace" },
		{ "--net=none img", "network namespace" },
		{ "--network container:x img", "network namespace" },
		{ "--network ns:/x img", "network namespace" },
		{ "--network ~ img", "without a name" },
		{ "--network name=host img", "network namespace" },
		{ "--network name=n,driver-opt=x img", "not supported" },
		{ "--network alias=x img", "name= is missing" },
		{ "--network name=n,x img", "name=value" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(lines); i++) {
		if (parse(lines[i][0]) != -1)
			fail_msg("taken: %s", lines[i][0]);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_contains(err.msg, lines[i][1]);
	}
	clear();
}

static void knows_every_flag(void **state)
{
	size_t n = 0, bools = 0;

	(void)state;
	for (const struct tp_flag *f = tp_docker_flags; f->name; f++) {
		char line[128];

		n++;
		bools += !f->takes_value;
		if (strcmp(f->name, "help") == 0)
			continue;
		const char *v = strcmp(f->name, "pull") == 0 ? "never" : "80";
		snprintf(line, sizeof(line), "--%s%s%s img cmd", f->name, f->takes_value ? " " : "",
			 f->takes_value ? v : "");
		assert_ok(parse(line), &err);
		assert_string_equal(a.image, "img");
		if (!f->short_name)
			continue;
		snprintf(line, sizeof(line), "-%c%s img cmd", f->short_name,
			 f->takes_value ? " 80" : "");
		assert_ok(parse(line), &err);
		assert_string_equal(a.image, "img");
	}
	assert_int_equal(n, 107);
	assert_int_equal(bools, 15);
	clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_every_spelling),
		cmocka_unit_test(looks_at_flags),
		cmocka_unit_test(keeps_for_the_sidecar),
		cmocka_unit_test(takes_ours),
		cmocka_unit_test(refuses),
		cmocka_unit_test(knows_every_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
