/* SPDX-License-Identifier: Apache-2.0 */
#include "session/inject.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/inject.h"

static int not_for(const char *flag, const char *why, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_USAGE, "%s: %s with --method inject-tcp", flag, why);
	return tp_err_hint(err, "--method container can do that.");
}

int tp_inject_suits(const struct tp_session_opts *o, struct tp_err *err)
{
	if (o->engine)
		return not_for("--engine", "connections go through SOCKS, and there is no engine",
			       err);
	if (o->never_proxy.n)
		return not_for("--never-proxy", "every connection goes through the cluster", err);
	if (o->also_proxy.n)
		return not_for("--also-proxy", "every connection goes through the cluster anyway",
			       err);
	return 0;
}

int tp_inject_suits_run(const struct tp_run_args *a, struct tp_err *err)
{
	static const char network[] = "the container has no network but its localhost",
			  names[] = "the agent's pod resolves all names";
	const struct {
		const char *flag, *why;
		bool given;
	} flags[] = {
		{ "--network", network, a->networks.n > 0 },
		{ "--network-alias", network, a->network_aliases.n > 0 },
		{ "--link", network, a->links.n > 0 },
		{ "--link-local-ip", network, a->link_local_ips.n > 0 },
		{ "--ip", network, a->ip },
		{ "--ip6", network, a->ip6 },
		{ "--mac-address", network, a->mac_address },
		{ "--dns", names, a->dns.n > 0 },
		{ "--dns-search", names, a->dns_search.n > 0 },
		{ "--dns-option", names, a->dns_options.n > 0 },
		{ "--add-host", names, a->add_hosts.n > 0 },
	};

	for (size_t i = 0; i < TP_ARRAY_SIZE(flags); i++)
		if (flags[i].given)
			return not_for(flags[i].flag, flags[i].why, err);
	return 0;
}

int tp_inject_no_others(const struct tp_session_opts *o, struct tp_err *err)
{
	const struct tp_method *m = tp_method_of(o);

	if (!m || !tp_method_injects(m))
		return 0;
	tp_err_set(err, TP_ERR_USAGE,
		   "--method %s is for containers that tpdocker makes itself: others do not have "
		   "the library preloaded",
		   m->name);
	return tp_err_hint(err, "--method container is for any container.");
}

/* --------------------------------------------------------- LD_PRELOAD */

/* The last of LIST that sets it: its value within the list, or NULL. */
static const char *value_in(char *const *list, size_t n)
{
	static const char name[] = TP_INJECT_VAR_PRELOAD;
	const char *value = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!strncmp(list[i], name, sizeof(name) - 1) && list[i][sizeof(name) - 1] == '=')
			value = list[i] + sizeof(name);
		else if (!strcmp(list[i], name)) /* as docker has it: its own */
			value = getenv(name);
	}
	return value;
}

static const char *image_value(const struct tp_json *image)
{
	const struct tp_json *env = tp_json_path(image, "Config.Env");
	const char *value = NULL;

	for (size_t i = 0; i < tp_json_len(env); i++) {
		const char *kv = tp_json_str(tp_json_at(env, i));

		if (kv && value_in((char *const[]){ (char *)(uintptr_t)kv }, 1))
			value = strchr(kv, '=') + 1;
	}
	return value;
}

int tp_inject_env(const struct tp_session *s, struct tp_strv *env, struct tp_err *err)
{
	const struct tp_run_args files = { .env_files = s->args->env_files };
	const char *more = value_in(s->args->env.v, s->args->env.n);
	TP_AUTO_STRV names = { 0 };

	if (tp_launch_user_env_names(&files, &names, err))
		return -1;
	if (!more && tp_strv_has(&names, TP_INJECT_VAR_PRELOAD))
		return tp_err_set(
			err, TP_ERR_USAGE,
			"--env-file: give " TP_INJECT_VAR_PRELOAD
			" with -e, as --method inject-tcp has something to put before it");
	if (!more)
		more = value_in(s->remote.env.v, s->remote.env.n);
	if (!more)
		more = image_value(s->user_image);
	tp_strv_addf(env, "%s=%s%s%s", TP_INJECT_VAR_PRELOAD, TP_INJECT_PRELOAD,
		     more && *more ? ":" : "", more ? more : "");
	tp_strv_addf(env, "%s=%s", TP_INJECT_VAR_CONFIG, TP_INJECT_CONFIG);
	return 0;
}
