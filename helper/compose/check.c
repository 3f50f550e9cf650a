/* SPDX-License-Identifier: Apache-2.0 */
/* What an override cannot move, found before anything is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "compose/internal.h"
#include "compose/model.h"

#define MAX_NAMES 256

static int no_service(const struct tp_compose_plan *p, const char *name, struct tp_err *err)
{
	const struct tp_json *services = tp_json_get(p->resolved, "services");
	const char *names[MAX_NAMES], *near;
	size_t n = 0;
	TP_AUTO_BUF list = TP_BUF_INIT(600);

	for (; n < tp_json_len(services) && n < MAX_NAMES; n++) {
		names[n] = tp_json_key(services, n);
		tp_buf_printf(&list, "%s%s", n ? ", " : "", names[n]);
	}
	near = tp_nearest(name, names, n);
	tp_err_set(err, TP_ERR_USAGE, "the project has no service \"%s\"", name);
	if (near)
		return tp_err_hint(err, "Did you mean \"%s\"?", near);
	return tp_err_hint(err, "It has: %s", list.len ? list.data : "none at all");
}

static int network_mode(const char *name, const char *mode, struct tp_err *err)
{
	if (!strncmp(mode, "service:" TP_COMPOSE_PREFIX, strlen("service:" TP_COMPOSE_PREFIX))) {
		tp_err_set(err, TP_ERR_USAGE,
			   "the service %s has a sidecar already (network_mode: %s)", name, mode);
		return tp_err_hint(err, "Leave the override out of the files that it is made from "
					"(-f, COMPOSE_FILE).");
	}
	tp_err_set(err, TP_ERR_USAGE,
		   "the service %s has network_mode: %s, and a container has one network", name,
		   mode);
	return tp_err_hint(err,
			   !strncmp(mode, "service:", 8) ?
				   "Join the service whose network it shares: both will be in "
				   "the cluster." :
				   "Take it out for the time that the service is in the cluster.");
}

static int check_alone(const struct tp_compose_plan *p, size_t i, struct tp_err *err)
{
	const char *name = p->joins[i].service;
	const struct tp_json *s = tp_compose_service(p->resolved, name);
	const char *mode = tp_json_str_at(s, "network_mode");
	int64_t scale = tp_json_int_at(s, "scale", 1);
	int64_t replicas = tp_json_int_at(s, "deploy.replicas", scale);
	const char *userns = tp_json_str_at(s, "userns_mode");

	if (tp_json_type(s) != TP_JSON_OBJECT)
		return no_service(p, name, err);
	if (tp_compose_says(tp_json_get(s, "provider")))
		return tp_err_set(err, TP_ERR_USAGE,
				  "the service %s has a provider, and no container that could "
				  "join the cluster",
				  name);
	if (mode && *mode)
		return network_mode(name, mode, err);
	if (scale > 1 || replicas > 1) {
		tp_err_set(err, TP_ERR_USAGE,
			   "the service %s is scaled to %lld: containers in one network namespace "
			   "share its ports",
			   name, (long long)(replicas > 1 ? replicas : scale));
		return tp_err_hint(err, "Scale it to 1, or join another service.");
	}
	if (userns && *userns)
		return tp_err_set(err, TP_ERR_USAGE,
				  "the service %s has userns_mode: %s: it cannot share its network "
				  "namespace with a sidecar that has another user namespace",
				  name, userns);
	return 0;
}

/* "8080/tcp": what a program inside listens on, as far as the file tells. */
static void add_ports(const struct tp_json *s, struct tp_strv *out)
{
	const struct tp_json *ports = tp_json_get(s, "ports"), *expose = tp_json_get(s, "expose");

	for (size_t i = 0; i < tp_json_len(ports); i++) {
		const struct tp_json *port = tp_json_at(ports, i);
		const char *proto = tp_json_str_at(port, "protocol");
		int64_t target = tp_json_int_at(port, "target", 0);

		if (target)
			tp_strv_addf(out, "%lld/%s", (long long)target, proto ? proto : "tcp");
	}
	for (size_t i = 0; i < tp_json_len(expose); i++) {
		const char *port = tp_json_str(tp_json_at(expose, i));

		if (port)
			tp_strv_addf(out, "%s%s", port, strchr(port, '/') ? "" : "/tcp");
	}
}

static int differ(const struct tp_compose_plan *p, size_t i, size_t k, const char *key,
		  struct tp_err *err)
{
	const char *a = tp_json_str_at(tp_compose_service(p->resolved, p->joins[i].service), key);
	const char *b = tp_json_str_at(tp_compose_service(p->resolved, p->joins[k].service), key);

	if (!a || !b || !strcmp(a, b))
		return 0;
	return tp_err_set(err, TP_ERR_USAGE,
			  "the services %s and %s take the place of the same pod and share its "
			  "network namespace, but differ in %s (%s, %s)",
			  p->joins[k].service, p->joins[i].service, key, b, a);
}

static int networks_differ(const struct tp_compose_plan *p, size_t i, size_t k, struct tp_err *err)
{
	static const char *const keys[] = { "ipv4_address", "ipv6_address", "mac_address" };
	const struct tp_json *a =
		tp_json_get(tp_compose_service(p->resolved, p->joins[i].service), "networks");
	const struct tp_json *b =
		tp_json_get(tp_compose_service(p->resolved, p->joins[k].service), "networks");

	for (size_t n = 0; n < tp_json_len(a) && tp_json_type(a) == TP_JSON_OBJECT; n++) {
		const struct tp_json *other = tp_json_get(b, tp_json_key(a, n));

		for (size_t m = 0; m < TP_ARRAY_SIZE(keys); m++) {
			const char *x = tp_json_str_at(tp_json_at(a, n), keys[m]);
			const char *y = tp_json_str_at(other, keys[m]);

			if (x && y && strcmp(x, y))
				return tp_err_set(
					err, TP_ERR_USAGE,
					"the services %s and %s share a network namespace, "
					"but differ in %s in the network %s (%s, %s)",
					p->joins[k].service, p->joins[i].service, keys[m],
					tp_json_key(a, n), y, x);
		}
	}
	return 0;
}

static int sysctls_differ(const struct tp_compose_plan *p, size_t i, size_t k, struct tp_err *err)
{
	const struct tp_json *a =
		tp_json_get(tp_compose_service(p->resolved, p->joins[i].service), "sysctls");
	const struct tp_json *b =
		tp_json_get(tp_compose_service(p->resolved, p->joins[k].service), "sysctls");

	for (size_t n = 0; n < tp_json_len(a) && tp_json_type(a) == TP_JSON_OBJECT; n++) {
		const char *key = tp_json_key(a, n), *x = tp_json_str(tp_json_at(a, n));
		const char *y = tp_json_str(tp_json_get(b, key));

		if (tp_compose_is_net_sysctl(key) && x && y && strcmp(x, y))
			return tp_err_set(err, TP_ERR_USAGE,
					  "the services %s and %s share a network namespace, but "
					  "differ in the sysctl %s (%s, %s)",
					  p->joins[k].service, p->joins[i].service, key, y, x);
	}
	return 0;
}

static int check_pair(const struct tp_compose_plan *p, size_t i, size_t k, struct tp_err *err)
{
	static const char *const single[] = { "hostname", "domainname", "mac_address" };
	TP_AUTO_STRV mine = { 0 }, theirs = { 0 };

	for (size_t n = 0; n < TP_ARRAY_SIZE(single); n++)
		if (differ(p, i, k, single[n], err))
			return -1;
	if (networks_differ(p, i, k, err) || sysctls_differ(p, i, k, err))
		return -1;
	add_ports(tp_compose_service(p->resolved, p->joins[i].service), &mine);
	add_ports(tp_compose_service(p->resolved, p->joins[k].service), &theirs);
	for (size_t n = 0; n < mine.n; n++) {
		if (!tp_strv_has(&theirs, mine.v[n]))
			continue;
		tp_err_set(err, TP_ERR_USAGE,
			   "the services %s and %s take the place of the same pod, and both want "
			   "its port %s",
			   p->joins[k].service, p->joins[i].service, mine.v[n]);
		return tp_err_hint(err, "Give one of them another port, or a workload of its own.");
	}
	return 0;
}

int tp_compose_check(const struct tp_compose_plan *p, struct tp_err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		tp_autofree char *sidecar = tp_compose_sidecar_name(p, i);

		if (tp_compose_joined(p, p->joins[i].service) != (int)i)
			return tp_err_set(err, TP_ERR_USAGE, "--service %s is given twice",
					  p->joins[i].service);
		if (check_alone(p, i, err))
			return -1;
		if (tp_compose_service(p->resolved, sidecar)) {
			tp_err_set(err, TP_ERR_USAGE,
				   "the project has a service %s, which is what the sidecar of %s "
				   "would be called",
				   sidecar, p->joins[i].service);
			return tp_err_hint(err, "If an override of ours made it, leave that out of "
						"the files that this one is made from (-f, "
						"COMPOSE_FILE).");
		}
		for (size_t k = 0; k < i; k++)
			if (tp_compose_owner(p, k) == tp_compose_owner(p, i) &&
			    check_pair(p, i, k, err))
				return -1;
	}
	return 0;
}
