/* SPDX-License-Identifier: Apache-2.0 */
/* The sidecar service: a session of its own, and whatever of the joined
 * services belongs to the network namespace that it owns. */
#include <string.h>

#include "base/mem.h"
#include "common/gate.h"
#include "compose/internal.h"
#include "compose/model.h"

/*
 * Compose puts it on a user-defined network, where the engine's own resolver
 * knows the project's names. Whatever that does not know it would ask of the
 * host's name servers; here it is told of one that nobody has (240/4 is
 * reserved), and those names are the cluster's to answer.
 */
#define NO_NAMESERVER "240.0.0.53"

static bool shares(const struct tp_compose_plan *p, size_t i, size_t k)
{
	return tp_compose_owner(p, k) == i;
}

/* "${HOME}/.kube/config": the file is each developer's own. */
static char *portable(const struct tp_compose_plan *p, const char *path)
{
	size_t n = p->home ? strlen(p->home) : 0;
	tp_autofree char *rest = NULL;

	if (n < 2 || strncmp(path, p->home, n) || path[n] != '/')
		return tp_compose_literal(path);
	rest = tp_compose_literal(path + n);
	return tp_asprintf("${HOME}%s", rest);
}

static void write_arg(struct tp_yw *w, const char *option, const char *value)
{
	tp_autofree char *word = tp_asprintf("--%s=%s", option, value);

	tp_yw_str(w, NULL, word);
}

static void write_literal_arg(struct tp_yw *w, const char *option, const char *value)
{
	tp_autofree char *literal = value ? tp_compose_literal(value) : NULL;

	if (value)
		write_arg(w, option, literal);
}

static void write_literal_args(struct tp_yw *w, const char *option, const struct tp_strv *l)
{
	for (size_t i = 0; l && i < l->n; i++)
		write_literal_arg(w, option, l->v[i]);
}

/* One string, or a list of them. */
static void write_args(struct tp_yw *w, const char *option, const struct tp_json *v)
{
	if (tp_json_str(v) && *tp_json_str(v))
		write_arg(w, option, tp_json_str(v));
	for (size_t i = 0; tp_json_type(v) == TP_JSON_ARRAY && i < tp_json_len(v); i++)
		if (tp_json_str(tp_json_at(v, i)))
			write_arg(w, option, tp_json_str(tp_json_at(v, i)));
}

static void write_command(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	static const char *const dns[][2] = { { "dns", "dns" },
					      { "dns_search", "dns-search" },
					      { "dns_opt", "dns-option" } };
	const struct tp_compose_join *j = &p->joins[i];

	tp_yw_list(w, "command");
	tp_yw_str(w, NULL, "session");
	write_literal_arg(w, "swap-deployment", j->workload);
	write_literal_arg(w, "context", p->context);
	write_literal_arg(w, "namespace", j->namespace ? j->namespace : p->namespace);
	if (!j->workload)
		write_literal_arg(w, "serviceaccount", p->serviceaccount);
	write_arg(w, "gate", TP_GATE_NAME);
	write_arg(w, "volumes", p->mounts ? "sshfs" : "off");
	write_literal_args(w, "also-proxy", p->also_proxy);
	write_literal_args(w, "never-proxy", p->never_proxy);
	for (size_t k = 0; k < p->n; k++)
		for (size_t n = 0; shares(p, i, k) && n < TP_ARRAY_SIZE(dns); n++)
			write_args(w, dns[n][1], tp_compose_member(p, k, dns[n][0]));
	tp_yw_end(w);
}

/* The value of KEY that the first of those who share the sidecar has. */
static const struct tp_json *first_of(const struct tp_compose_plan *p, size_t i, const char *key)
{
	for (size_t k = i; k < p->n; k++)
		if (shares(p, i, k) && tp_compose_says(tp_compose_member(p, k, key)))
			return tp_compose_member(p, k, key);
	return NULL;
}

static void write_hostname(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	static const char *const keys[] = { "domainname", "mac_address" };
	const char *host = tp_json_str(first_of(p, i, "hostname"));

	/* What is visible in the joined container is this one. */
	tp_yw_str(w, "hostname", host ? host : p->joins[i].service);
	for (size_t n = 0; n < TP_ARRAY_SIZE(keys); n++)
		if (first_of(p, i, keys[n]))
			tp_yw_value(w, keys[n], first_of(p, i, keys[n]));
}

/* Lists, and mappings that may be written as lists, of all who share it, one behind the other. */
static void write_joined(const struct tp_compose_plan *p, size_t i, const char *key,
			 struct tp_yw *w)
{
	const struct tp_json *only = first_of(p, i, key);

	if (!only)
		return;
	if (!tp_compose_is_shared(p, i)) {
		tp_yw_value(w, key, only);
		return;
	}
	tp_yw_list(w, key); /* resolved: always a list */
	for (size_t k = i; k < p->n; k++) {
		const struct tp_json *v = shares(p, i, k) ? tp_compose_member(p, k, key) : NULL;

		for (size_t n = 0; tp_json_type(v) == TP_JSON_ARRAY && n < tp_json_len(v); n++)
			tp_yw_value(w, NULL, tp_json_at(v, n));
	}
	tp_yw_end(w);
}

/* "db" or "db:database". A link to a joined service leads to its sidecar; one
 * to a service with the same sidecar is no way at all, as they share localhost. */
static void write_links(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	bool open = false;

	for (size_t k = i; k < p->n; k++) {
		const struct tp_json *links =
			shares(p, i, k) ? tp_compose_member(p, k, "links") : NULL;

		for (size_t n = 0; n < tp_json_len(links); n++) {
			const char *s = tp_json_str(tp_json_at(links, n));
			tp_autofree char *link = s ? tp_compose_link(p, s) : NULL;
			tp_autofree char *self = tp_compose_sidecar_name(p, i);
			size_t len = strlen(self);

			if (!link || (!strncmp(link, self, len) && link[len] == ':'))
				continue;
			if (!open)
				tp_yw_list(w, "links");
			open = true;
			tp_yw_str(w, NULL, link);
		}
	}
	if (open)
		tp_yw_end(w);
}

static void write_sysctls(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	TP_AUTO_STRV seen = { 0 };
	bool open = false;

	for (size_t k = i; k < p->n; k++) {
		const struct tp_json *v =
			shares(p, i, k) ? tp_compose_member(p, k, "sysctls") : NULL;
		bool list = tp_json_type(v) == TP_JSON_ARRAY;

		for (size_t n = 0; n < tp_json_len(v); n++) {
			const char *key = list ? tp_json_str(tp_json_at(v, n)) : tp_json_key(v, n);

			if (!key || !tp_compose_is_net_sysctl(key) || tp_strv_has(&seen, key))
				continue;
			if (!open && list)
				tp_yw_list(w, "sysctls");
			else if (!open)
				tp_yw_map(w, "sysctls");
			open = true;
			tp_strv_add(&seen, key);
			tp_yw_value(w, list ? NULL : key, tp_json_at(v, n));
		}
	}
	if (open)
		tp_yw_end(w);
}

/* Names of networks cannot hold variables in an override: a key is not looked into. */
static const struct tp_json *networks_of(const struct tp_compose_plan *p, size_t k)
{
	const struct tp_json *raw = tp_compose_member(p, k, "networks");
	bool variable = tp_json_type(raw) == TP_JSON_ARRAY;

	for (size_t n = 0; n < tp_json_len(raw) && !variable; n++)
		variable = strchr(tp_json_key(raw, n), '$');
	return variable ? tp_json_get(tp_compose_service(p->resolved, p->joins[k].service),
				      "networks") :
			  raw;
}

static void add_alias(struct tp_strv *l, const char *s)
{
	if (s && *s && !tp_strv_has(l, s))
		tp_strv_add(l, s);
}

/* NAME with what they all want of it, and the names by which they are known there. */
static void write_network(const struct tp_compose_plan *p, size_t i, const char *name,
			  struct tp_yw *w)
{
	TP_AUTO_STRV aliases = { 0 }, keys = { 0 };

	tp_yw_map(w, name);
	for (size_t k = i; k < p->n; k++) {
		const struct tp_json *all = shares(p, i, k) ? networks_of(p, k) : NULL;
		const struct tp_json *v = tp_json_get(all, name), *given;

		/* who names none is on the default one */
		if (!shares(p, i, k) || (tp_json_len(all) ? !v : strcmp(name, "default") != 0))
			continue;
		for (size_t n = 0; n < tp_json_len(v); n++) {
			if (!strcmp(tp_json_key(v, n), "aliases") ||
			    tp_strv_has(&keys, tp_json_key(v, n)))
				continue;
			tp_strv_add(&keys, tp_json_key(v, n));
			tp_yw_value(w, tp_json_key(v, n), tp_json_at(v, n));
		}
		add_alias(&aliases, p->joins[k].service);
		add_alias(&aliases, tp_json_str(tp_compose_member(p, k, "container_name")));
		given = tp_json_get(v, "aliases");
		for (size_t n = 0; n < tp_json_len(given); n++)
			add_alias(&aliases, tp_json_str(tp_json_at(given, n)));
	}
	tp_yw_line(w, "aliases");
	for (size_t n = 0; n < aliases.n; n++)
		tp_yw_str(w, NULL, aliases.v[n]);
	tp_yw_end(w);
	tp_yw_end(w);
}

static void write_networks(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	TP_AUTO_STRV names = { 0 };

	for (size_t k = i; k < p->n; k++) {
		const struct tp_json *v = shares(p, i, k) ? networks_of(p, k) : NULL;

		if (shares(p, i, k) && !tp_json_len(v))
			add_alias(&names, "default");
		for (size_t n = 0; n < tp_json_len(v); n++)
			add_alias(&names, tp_json_key(v, n));
	}
	tp_yw_map(w, "networks");
	for (size_t n = 0; n < names.n; n++)
		write_network(p, i, names.v[n], w);
	tp_yw_end(w);
}

/* A profile that turns on any of them turns it on; without one it is always on. */
static void write_profiles(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	TP_AUTO_STRV profiles = { 0 };

	for (size_t k = i; k < p->n; k++) {
		const struct tp_json *v =
			shares(p, i, k) ? tp_compose_member(p, k, "profiles") : NULL;

		if (shares(p, i, k) && !tp_json_len(v))
			return;
		for (size_t n = 0; n < tp_json_len(v); n++)
			add_alias(&profiles, tp_json_str(tp_json_at(v, n)));
	}
	tp_yw_line(w, "profiles");
	for (size_t n = 0; n < profiles.n; n++)
		tp_yw_str(w, NULL, profiles.v[n]);
	tp_yw_end(w);
}

/* Root in there is a user with no more than these. DAC_READ_SEARCH: the
 * kubeconfig is readable for its owner alone. */
static void write_rights(const struct tp_compose_plan *p, struct tp_yw *w)
{
	tp_yw_str(w, "user", "0:0");
	tp_yw_line(w, "cap_drop");
	tp_yw_str(w, NULL, "ALL");
	tp_yw_end(w);
	tp_yw_line(w, "cap_add");
	tp_yw_str(w, NULL, "NET_ADMIN");
	tp_yw_str(w, NULL, "DAC_READ_SEARCH");
	if (p->mounts) {
		tp_yw_str(w, NULL, "SYS_ADMIN");
		tp_yw_str(w, NULL, "SYS_CHROOT");
		tp_yw_str(w, NULL,
			  "DAC_OVERRIDE"); /* a place for a mount in another user's folder */
	}
	tp_yw_end(w);
	tp_yw_line(w, "security_opt");
	tp_yw_str(w, NULL, "no-new-privileges:true");
	if (p->mounts) {
		tp_yw_str(w, NULL, "apparmor=unconfined");
		tp_yw_str(w, NULL, "label=disable");
	}
	tp_yw_end(w);
	if (p->mounts) {
		tp_yw_line(w, "devices");
		tp_yw_str(w, NULL, "/dev/fuse:/dev/fuse");
		tp_yw_end(w);
	}
	tp_yw_line(w, "tmpfs");
	tp_yw_str(w, NULL, "/run/tpdocker:mode=0700,size=16m,exec");
	tp_yw_end(w);
}

static void write_files(const struct tp_compose_plan *p, struct tp_yw *w)
{
	TP_AUTO_BUF list = TP_BUF_INIT(1u << 20);

	for (size_t i = 0; i < p->kubeconfigs->n; i++) {
		tp_autofree char *path = portable(p, p->kubeconfigs->v[i]);

		tp_buf_printf(&list, "%s%s", i ? ":" : "", path);
	}
	tp_yw_map(w, "environment");
	tp_yw_str(w, "KUBECONFIG", list.data ? list.data : "");
	tp_yw_end(w);
	tp_yw_list(w, "volumes");
	for (size_t i = 0; i < p->files->n; i++) {
		tp_autofree char *path = portable(p, p->files->v[i]);

		tp_yw_map(w, NULL);
		tp_yw_str(w, "type", "bind");
		tp_yw_str(w, "source", path);
		tp_yw_str(w, "target", path);
		tp_yw_bool(w, "read_only", true);
		tp_yw_map(w, "bind");
		/* a kubeconfig that is not there must not become a folder */
		tp_yw_bool(w, "create_host_path", false);
		tp_yw_end(w);
		tp_yw_end(w);
	}
	tp_yw_map(w, NULL); /* the engine fills it from the image */
	tp_yw_str(w, "type", "volume");
	tp_yw_str(w, "source", TP_COMPOSE_VOLUME);
	tp_yw_str(w, "target", "/tpdocker/bin");
	tp_yw_end(w);
	tp_yw_end(w);
}

static void write_health(struct tp_yw *w)
{
	tp_yw_map(w, "healthcheck");
	tp_yw_line(w, "test");
	tp_yw_str(w, NULL, "CMD");
	tp_yw_str(w, NULL, "/usr/lib/tpdocker/tpdocker-sidecar");
	tp_yw_str(w, NULL, "health");
	tp_yw_end(w);
	tp_yw_str(w, "interval", "1s");
	tp_yw_str(w, "timeout", "5s");
	tp_yw_int(w, "retries", 3);
	/* as long as a pod may take to be there; failures do not count until then */
	tp_yw_str(w, "start_period", "3m");
	tp_yw_end(w);
	/* the cluster is put back as it was in this time */
	tp_yw_str(w, "stop_grace_period", "40s");
}

void tp_compose_write_sidecar(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	static const char *const lists[] = { "ports", "expose", "extra_hosts" };
	tp_autofree char *name = tp_compose_sidecar_name(p, i);

	tp_yw_map(w, name);
	tp_yw_str(w, "image", p->image);
	write_command(p, i, w);
	write_profiles(p, i, w);
	write_hostname(p, i, w);
	write_networks(p, i, w);
	for (size_t n = 0; n < TP_ARRAY_SIZE(lists); n++)
		write_joined(p, i, lists[n], w);
	write_links(p, i, w);
	tp_yw_line(w, "dns");
	tp_yw_str(w, NULL, NO_NAMESERVER);
	tp_yw_end(w);
	write_sysctls(p, i, w);
	write_rights(p, w);
	write_files(p, w);
	write_health(w);
	tp_yw_end(w);
}
