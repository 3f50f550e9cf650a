/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser follows pflag, which docker uses, to the letter: what docker
 * would take apart differently would run a different container.
 */
#include "docker/flags.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/run_network.h"

struct parser {
	struct tp_run_args *a;
	const struct tp_opt *ours;
	void *base;
	int argc;
	char *const *argv;
	int i; /* the word looked at */
	struct tp_err *err;
};

static const struct tp_flag *find_long(const char *name, size_t n)
{
	for (const struct tp_flag *f = tp_docker_flags; f->name; f++)
		if (strlen(f->name) == n && memcmp(f->name, name, n) == 0)
			return f;
	return NULL;
}

static const struct tp_flag *find_short(char c)
{
	for (const struct tp_flag *f = tp_docker_flags; f->name; f++)
		if (f->short_name == c)
			return f;
	return NULL;
}

/* As Go's strconv.ParseBool. */
static int parse_bool(const char *s, bool *out)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(yes); i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*out = strcmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return -1;
}

static int apply_bool(struct parser *p, const struct tp_flag *f, const char *value)
{
	struct tp_run_args *a = p->a;
	const char *name = f->name;
	bool on = true;

	if (value && parse_bool(value, &on) < 0)
		return tp_err_set(p->err, TP_ERR_USAGE,
				  "\"%s\" is not a value for --%s: it takes true or false", value,
				  name);
	if (strcmp(name, "publish-all") == 0) {
		a->publish_all = on;
		return 0;
	}
	if (strcmp(name, "help") == 0)
		return tp_err_set(p->err, TP_ERR_USAGE, "--help is no option here");
	if (strcmp(name, "detach") == 0)
		a->detach = on;
	else if (strcmp(name, "interactive") == 0)
		a->interactive = on;
	else if (strcmp(name, "tty") == 0)
		a->tty = on;
	else if (strcmp(name, "rm") == 0)
		a->rm = on;
	else if (strcmp(name, "sig-proxy") == 0)
		a->sig_proxy = on;
	tp_strv_addf(&a->docker_args, "--%s%s", name, on ? "" : "=false");
	return 0;
}

static void replace(char **to, const char *value)
{
	free(*to);
	*to = tp_strdup(value);
}

/* Where a value that belongs to the sidecar goes. 1 taken, 0 not such a
 * flag, -1 ERR. */
static int apply_sidecar(struct parser *p, const char *name, const char *value)
{
	struct tp_run_args *a = p->a;
	const struct {
		const char *name;
		struct tp_strv *list;
		char **one;
	} where[] = {
		{ "add-host", &a->add_hosts, NULL },
		{ "dns", &a->dns, NULL },
		{ "dns-search", &a->dns_search, NULL },
		{ "dns-option", &a->dns_options, NULL },
		{ "dns-opt", &a->dns_options, NULL },
		{ "link", &a->links, NULL },
		{ "network-alias", &a->network_aliases, NULL },
		{ "net-alias", &a->network_aliases, NULL },
		{ "link-local-ip", &a->link_local_ips, NULL },
		{ "hostname", NULL, &a->hostname },
		{ "domainname", NULL, &a->domainname },
		{ "mac-address", NULL, &a->mac_address },
		{ "ip", NULL, &a->ip },
		{ "ip6", NULL, &a->ip6 },
	};

	for (size_t i = 0; i < TP_ARRAY_SIZE(where); i++) {
		if (strcmp(name, where[i].name) != 0)
			continue;
		if (where[i].list)
			tp_strv_add(where[i].list, value);
		else
			replace(where[i].one, value);
		return 1;
	}
	if (strcmp(name, "network") == 0 || strcmp(name, "net") == 0)
		return tp_run_network_add(a, value, p->err) < 0 ? -1 : 1;
	if (strcmp(name, "publish") == 0) {
		/* Refused now, while nothing exists yet. */
		if (tp_port_parse(value, NULL, 65536, p->err) < 0)
			return -1;
		tp_strv_add(&a->publish, value);
		return 1;
	}
	if (strcmp(name, "sysctl") == 0 && strncmp(value, "net.", 4) == 0) {
		tp_strv_add(&a->net_sysctls, value);
		return 1;
	}
	return 0;
}

static int apply_value(struct parser *p, const struct tp_flag *f, const char *value)
{
	struct tp_run_args *a = p->a;
	const struct {
		const char *name;
		struct tp_strv *list;
		char **one;
	} looked_at[] = {
		{ "name", NULL, &a->name },
		{ "cidfile", NULL, &a->cidfile },
		{ "pull", NULL, &a->pull },
		{ "platform", NULL, &a->platform },
		{ "userns", NULL, &a->userns },
		{ "restart", NULL, &a->restart },
		{ "entrypoint", NULL, &a->entrypoint },
		{ "detach-keys", NULL, &a->detach_keys },
		{ "env", &a->env, NULL },
		{ "env-file", &a->env_files, NULL },
		{ "volume", &a->volumes, NULL },
		{ "mount", &a->mounts, NULL },
		{ "tmpfs", &a->tmpfs, NULL },
		{ "volumes-from", &a->volumes_from, NULL },
	};
	int rc = f->cls == TP_FLAG_SIDECAR ? apply_sidecar(p, f->name, value) : 0;

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (f->cls == TP_FLAG_DROP)
		return 0;
	if (strcmp(f->name, "pull") == 0 && strcmp(value, "always") != 0 &&
	    strcmp(value, "missing") != 0 && strcmp(value, "never") != 0)
		return tp_err_set(p->err, TP_ERR_USAGE,
				  "--pull takes always, missing or never, not \"%s\"", value);
	if (strcmp(f->name, "attach") == 0)
		a->attach_given = true;
	for (size_t i = 0; i < TP_ARRAY_SIZE(looked_at); i++) {
		if (strcmp(f->name, looked_at[i].name) != 0)
			continue;
		if (looked_at[i].list)
			tp_strv_add(looked_at[i].list, value);
		else
			replace(looked_at[i].one, value);
	}
	tp_strv_addf(&a->docker_args, "--%s=%s", f->name, value);
	return 0;
}

static const char *nearest(const struct parser *p, const char *word)
{
	const char *names[512];
	size_t n = 0;

	TP_OPT_FOREACH(o, p->ours)
	if (n < TP_ARRAY_SIZE(names))
		names[n++] = o->name;
	for (const struct tp_flag *f = tp_docker_flags; f->name && n < TP_ARRAY_SIZE(names); f++)
		names[n++] = f->name;
	return tp_nearest(word, names, n);
}

static int unknown_long(struct parser *p, const char *name, size_t n)
{
	tp_autofree char *word = tp_strndup(name, n);

	if (name[n] == '=') {
		tp_warn("handing on --%s, which this version does not know", word);
		tp_strv_add(&p->a->docker_args, p->argv[p->i]);
		return 0;
	}
	const char *near = nearest(p, word);
	tp_err_set(p->err, TP_ERR_USAGE, "unknown option: --%s", word);
	return near ? tp_err_hint(p->err, "Did you mean --%s?", near) : -1;
}

static int need_value(struct parser *p, const char *spelling, const char **value)
{
	if (p->i + 1 >= p->argc)
		return tp_err_set(p->err, TP_ERR_USAGE, "%s needs a value", spelling);
	*value = p->argv[++p->i];
	return 0;
}

static int parse_long(struct parser *p, const char *word)
{
	const char *name = word + 2, *value;
	size_t n = strcspn(name, "=");
	const struct tp_flag *f;

	if (n == 0 || name[0] == '-')
		return tp_err_set(p->err, TP_ERR_USAGE, "%s is not an option", word);
	if (p->ours && tp_opt_find(p->ours, name, n))
		return tp_opt_take(p->ours, p->base, p->argc, p->argv, &p->i, p->err) < 0 ? -1 : 0;
	f = find_long(name, n);
	if (!f)
		return unknown_long(p, name, n);
	value = name[n] == '=' ? name + n + 1 : NULL;
	if (!f->takes_value)
		return apply_bool(p, f, value);
	if (!value && need_value(p, word, &value) < 0)
		return -1;
	return apply_value(p, f, value);
}

/* "-it", "-p80:80", "-p=80:80", "-itp", ... */
static int parse_short(struct parser *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct tp_flag *f = find_short(*c);
		const char *value = NULL;

		if (!f) {
			tp_err_set(p->err, TP_ERR_USAGE, "unknown option: -%c%s%s", *c,
				   word[2] ? " in " : "", word[2] ? word : "");
			if (c == word + 1 && word[2] && find_long(c, strcspn(c, "=")))
				tp_err_hint(p->err, "Did you mean -%s?", word);
			return -1;
		}
		/* pflag looks for "=" only if something stands behind it. */
		if (c[1] == '=' && c[2])
			value = c + 2;
		if (!f->takes_value) {
			if (apply_bool(p, f, value) < 0)
				return -1;
			if (value)
				return 0;
			continue;
		}
		if (!value && c[1])
			value = c + 1;
		char spelling[] = { '-', *c, '\0' };
		if (!value && need_value(p, spelling, &value) < 0)
			return -1;
		return apply_value(p, f, value);
	}
	return 0;
}

static bool help_wanted(const struct parser *p)
{
	const struct tp_opt *o = p->ours ? tp_opt_find(p->ours, "help", 4) : NULL;

	return o && o->type == TP_OPT_FLAG && *(bool *)((char *)p->base + o->offset);
}

int tp_run_flags_parse(struct tp_run_args *a, const struct tp_opt *ours, void *base, int argc,
		       char *const *argv, int first, struct tp_err *err)
{
	struct parser p = { a, ours, base, argc, argv, first, err };

	*a = (struct tp_run_args){ .rm = -1, .sig_proxy = true };
	for (; p.i < argc; p.i++) {
		const char *word = argv[p.i];
		int rc;

		if (word[0] != '-' || !word[1])
			break;
		if (strcmp(word, "--") == 0)
			return p.i + 1;
		rc = word[1] == '-' ? parse_long(&p, word) : parse_short(&p, word);
		if (rc < 0)
			return -1;
		if (help_wanted(&p))
			return p.i;
	}
	return p.i;
}

int tp_run_args_parse(struct tp_run_args *a, const struct tp_opt *ours, void *base, int argc,
		      char *const *argv, int first, struct tp_err *err)
{
	struct parser p = { a, ours, base, argc, argv, first, err };

	p.i = tp_run_flags_parse(a, ours, base, argc, argv, first, err);
	if (p.i < 0)
		return -1;
	if (help_wanted(&p))
		return 0;
	if (p.i >= argc || !argv[p.i][0]) {
		tp_err_set(err, TP_ERR_USAGE, "no image is given");
		return tp_err_hint(err, "%s run [OPTIONS] IMAGE [COMMAND [ARG...]]", tp_program());
	}
	a->image = tp_strdup(argv[p.i]);
	for (p.i++; p.i < argc; p.i++)
		tp_strv_add(&a->command, argv[p.i]);
	return 0;
}

void tp_run_args_free(struct tp_run_args *a)
{
	struct tp_strv *const lists[] = {
		&a->docker_args,    &a->command,      &a->env,	       &a->env_files,
		&a->volumes,	    &a->mounts,	      &a->tmpfs,       &a->publish,
		&a->add_hosts,	    &a->dns,	      &a->dns_search,  &a->dns_options,
		&a->links,	    &a->networks,     &a->net_sysctls, &a->network_aliases,
		&a->link_local_ips, &a->volumes_from,
	};
	char *const strings[] = {
		a->image,      a->name,	       a->cidfile,    a->pull,	      a->platform,
		a->userns,     a->restart,     a->entrypoint, a->detach_keys, a->hostname,
		a->domainname, a->mac_address, a->ip,	      a->ip6,
	};

	for (size_t i = 0; i < TP_ARRAY_SIZE(lists); i++)
		tp_strv_free(lists[i]);
	for (size_t i = 0; i < TP_ARRAY_SIZE(strings); i++)
		free(strings[i]);
	*a = (struct tp_run_args){ .rm = -1, .sig_proxy = true };
}
