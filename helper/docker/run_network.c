/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/run_network.h"

#include <string.h>

#include "base/mem.h"

static int add_name(struct tp_run_args *a, const char *name, struct tp_err *err)
{
	/* The sidecar is on the bridge anyway. */
	if (strcmp(name, "default") == 0 || strcmp(name, "bridge") == 0)
		return 0;
	if (strcmp(name, "host") == 0 || strcmp(name, "none") == 0 ||
	    strncmp(name, "container:", 10) == 0 || strncmp(name, "ns:", 3) == 0) {
		tp_err_set(err, TP_ERR_USAGE, "--network %s cannot be had", name);
		return tp_err_hint(err, "The container runs in the network namespace of the "
					"sidecar, whose traffic goes to the cluster.");
	}
	if (!name[0])
		return tp_err_set(err, TP_ERR_USAGE, "--network without a name");
	if (!tp_strv_has(&a->networks, name))
		tp_strv_add(&a->networks, name);
	return 0;
}

static void replace(char **to, const char *value)
{
	free(*to);
	*to = tp_strdup(value);
}

static int add_field(struct tp_run_args *a, const char *key, const char *value, bool *named,
		     struct tp_err *err)
{
	if (strcmp(key, "name") == 0) {
		*named = true;
		return add_name(a, value, err);
	}
	if (strcmp(key, "alias") == 0)
		tp_strv_add(&a->network_aliases, value);
	else if (strcmp(key, "link-local-ip") == 0)
		tp_strv_add(&a->link_local_ips, value);
	else if (strcmp(key, "ip") == 0)
		replace(&a->ip, value);
	else if (strcmp(key, "ip6") == 0)
		replace(&a->ip6, value);
	else if (strcmp(key, "mac-address") == 0)
		replace(&a->mac_address, value);
	else
		return tp_err_set(err, TP_ERR_USAGE, "--network: \"%s\" is not supported", key);
	return 0;
}

int tp_run_network_add(struct tp_run_args *a, const char *value, struct tp_err *err)
{
	tp_autofree char *copy = tp_strdup(value);
	char *save = NULL;
	bool named = false;

	if (!strchr(value, '='))
		return add_name(a, value, err);
	for (char *f = strtok_r(copy, ",", &save); f; f = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(f, '=');

		if (!eq || eq == f)
			return tp_err_set(err, TP_ERR_USAGE,
					  "--network: \"%s\" should be name=value", f);
		*eq = '\0';
		if (add_field(a, f, eq + 1, &named, err) < 0)
			return -1;
	}
	if (!named)
		return tp_err_set(err, TP_ERR_USAGE, "--network %s: name= is missing", value);
	return 0;
}

static void put_list(struct tp_strv *out, const char *name, const struct tp_strv *values)
{
	for (size_t i = 0; i < values->n; i++)
		tp_strv_addf(out, "--%s=%s", name, values->v[i]);
}

static void put_one(struct tp_strv *out, const char *name, const char *value)
{
	if (value)
		tp_strv_addf(out, "--%s=%s", name, value);
}

void tp_run_network_flags(const struct tp_run_args *a, struct tp_strv *out)
{
	put_list(out, "publish", &a->publish);
	put_list(out, "network", &a->networks);
	put_list(out, "network-alias", &a->network_aliases);
	put_list(out, "link-local-ip", &a->link_local_ips);
	put_list(out, "add-host", &a->add_hosts);
	put_list(out, "dns", &a->dns);
	put_list(out, "dns-search", &a->dns_search);
	put_list(out, "dns-option", &a->dns_options);
	put_list(out, "link", &a->links);
	put_list(out, "sysctl", &a->net_sysctls);
	put_one(out, "hostname", a->hostname);
	put_one(out, "domainname", a->domainname);
	put_one(out, "mac-address", a->mac_address);
	put_one(out, "ip", a->ip);
	put_one(out, "ip6", a->ip6);
}
