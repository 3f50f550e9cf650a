/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "common/gate.h"
#include "session/record.h"
#include "session/sidecar.h"

#define PORTS_MAX 4096

/*
 * On a user-defined network the engine's own resolver answers for the
 * containers on it and forwards every other name to this server, which
 * nobody has (240/4 is reserved) and the sidecar's filter rejects: other
 * names are the cluster's to answer.
 */
#define NO_NAMESERVER "240.0.0.53"

bool tp_sidecar_local_net(const struct tp_run_args *a)
{
	return a && a->networks.n > 0;
}

char *tp_sidecar_name(const char *session)
{
	return tp_asprintf("tpdocker-%s", session);
}

static void write_list(struct tp_jw *w, const char *key, const struct tp_strv *l)
{
	if (!l->n)
		return;
	tp_jw_array(w, key);
	for (size_t i = 0; i < l->n; i++)
		tp_jw_str(w, NULL, l->v[i]);
	tp_jw_end(w);
}

struct port_list {
	struct tp_port_binding *v;
	int n;
};

static int ports_collect(const struct tp_sidecar_spec *s, struct port_list *p, struct tp_err *err)
{
	const struct tp_json *exposed = NULL;

	p->v = tp_calloc(PORTS_MAX, sizeof(*p->v));
	p->n = 0;
	for (size_t i = 0; i < s->args->publish.n; i++) {
		int n = tp_port_parse(s->args->publish.v[i], p->v + p->n, PORTS_MAX - p->n, err);

		if (n < 0)
			return -1;
		p->n += n;
	}
	if (s->args->publish_all)
		exposed = tp_json_path(s->user_image, "Config.ExposedPorts");
	for (size_t i = 0; i < tp_json_len(exposed) && p->n < PORTS_MAX; i++) {
		int n = tp_port_parse(tp_json_key(exposed, i), p->v + p->n, PORTS_MAX - p->n, err);

		if (n < 0)
			return tp_err_prefix(err, "the image's EXPOSE");
		p->n += n;
	}
	return 0;
}

static void port_key(const struct tp_port_binding *b, char key[32])
{
	snprintf(key, 32, "%u/%s", b->ctr_port, b->proto);
}

/* Bindings of one container port stand in one array; the first that names a
 * port writes those of all. */
static bool port_is_first(const struct port_list *p, int i)
{
	for (int j = 0; j < i; j++)
		if (p->v[j].ctr_port == p->v[i].ctr_port && !strcmp(p->v[j].proto, p->v[i].proto))
			return false;
	return true;
}

static void write_exposed(struct tp_jw *w, const struct port_list *p)
{
	char key[32];

	if (!p->n)
		return;
	tp_jw_object(w, "ExposedPorts");
	for (int i = 0; i < p->n; i++) {
		if (!port_is_first(p, i))
			continue;
		port_key(&p->v[i], key);
		tp_jw_object(w, key);
		tp_jw_end(w);
	}
	tp_jw_end(w);
}

static void write_binding(struct tp_jw *w, const struct tp_port_binding *b)
{
	char host[32] = "";

	if (b->host_port && b->host_port_end > b->host_port)
		snprintf(host, sizeof(host), "%u-%u", b->host_port, b->host_port_end);
	else if (b->host_port)
		snprintf(host, sizeof(host), "%u", b->host_port);
	tp_jw_object(w, NULL);
	tp_jw_str(w, "HostIp", b->host_ip);
	tp_jw_str(w, "HostPort", host);
	tp_jw_end(w);
}

static void write_bindings(struct tp_jw *w, const struct port_list *p)
{
	char key[32], other[32];

	if (!p->n)
		return;
	tp_jw_object(w, "PortBindings");
	for (int i = 0; i < p->n; i++) {
		if (!port_is_first(p, i))
			continue;
		port_key(&p->v[i], key);
		tp_jw_array(w, key);
		for (int j = i; j < p->n; j++) {
			port_key(&p->v[j], other);
			if (!strcmp(key, other))
				write_binding(w, &p->v[j]);
		}
		tp_jw_end(w);
	}
	tp_jw_end(w);
}

static bool mac_in_endpoint(const char *api_version)
{
	int major = 0, minor = 0;

	return sscanf(api_version, "%d.%d", &major, &minor) == 2 &&
	       (major > 1 || (major == 1 && minor >= 44));
}

static void write_endpoint(struct tp_jw *w, const struct tp_sidecar_spec *s)
{
	const struct tp_run_args *a = s->args;
	const char *net = tp_sidecar_local_net(a) ? a->networks.v[0] : "bridge";
	bool mac = a->mac_address && mac_in_endpoint(s->api_version);

	if (!tp_sidecar_local_net(a) && !mac && !a->ip && !a->ip6 && !a->network_aliases.n)
		return;
	tp_jw_object(w, "NetworkingConfig");
	tp_jw_object(w, "EndpointsConfig");
	tp_jw_object(w, net);
	write_list(w, "Aliases", &a->network_aliases);
	if (mac)
		tp_jw_str(w, "MacAddress", a->mac_address);
	if (a->ip || a->ip6 || a->link_local_ips.n) {
		tp_jw_object(w, "IPAMConfig");
		if (a->ip)
			tp_jw_str(w, "IPv4Address", a->ip);
		if (a->ip6)
			tp_jw_str(w, "IPv6Address", a->ip6);
		write_list(w, "LinkLocalIPs", &a->link_local_ips);
		tp_jw_end(w);
	}
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
}

/* Of the loopback, and of what the sidecar makes later (sidecar/ipv6.c); the engine's own interface stays without. */
static const char *const ipv6_sysctls[] = { "net.ipv6.conf.lo.disable_ipv6",
					    "net.ipv6.conf.default.disable_ipv6" };

/* The user said something about it. */
static bool says_ipv6(const struct tp_strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (strstr(l->v[i], "disable_ipv6"))
			return true;
	return false;
}

static int write_sysctls(struct tp_jw *w, const struct tp_strv *l, bool ipv6, struct tp_err *err)
{
	ipv6 = ipv6 && !says_ipv6(l);
	if (!l->n && !ipv6)
		return 0;
	tp_jw_object(w, "Sysctls");
	if (ipv6)
		for (size_t i = 0; i < TP_ARRAY_SIZE(ipv6_sysctls); i++)
			tp_jw_str(w, ipv6_sysctls[i], "0");
	for (size_t i = 0; i < l->n; i++) {
		const char *eq = strchr(l->v[i], '=');
		tp_autofree char *key = NULL;

		if (!eq)
			return tp_err_set(err, TP_ERR_USAGE, "--sysctl %s: it is NAME=VALUE",
					  l->v[i]);
		key = tp_strndup(l->v[i], (size_t)(eq - l->v[i]));
		tp_jw_str(w, key, eq + 1);
	}
	tp_jw_end(w);
	return 0;
}

static void write_labels(struct tp_jw *w, const struct tp_sidecar_spec *s, const char *role)
{
	tp_jw_object(w, "Labels");
	tp_jw_str(w, TP_LABEL_SESSION, s->session);
	if (role)
		tp_jw_str(w, TP_LABEL_ROLE, role);
	tp_jw_str(w, TP_LABEL_OWNER, s->by);
	tp_jw_end(w);
}

static void write_mounts(struct tp_jw *w, const struct tp_sidecar_spec *s, bool with_socket)
{
	if (!with_socket && !s->volume)
		return;
	tp_jw_array(w, "Mounts");
	if (with_socket) {
		tp_jw_object(w, NULL);
		tp_jw_str(w, "Type", "bind");
		tp_jw_str(w, "Source", s->link_socket);
		tp_jw_str(w, "Target", TP_LINK_SOCKET);
		tp_jw_end(w);
	}
	if (s->volume) {
		/* The engine makes it with this container, and fills it with what
		 * the image has there: no moment at which nobody holds it. */
		tp_jw_object(w, NULL);
		tp_jw_str(w, "Type", "volume");
		tp_jw_str(w, "Source", s->volume);
		tp_jw_str(w, "Target", TP_GATE_DIR);
		tp_jw_object(w, "VolumeOptions");
		write_labels(w, s, NULL);
		tp_jw_end(w);
		tp_jw_end(w);
	}
	tp_jw_end(w);
}

/* What no filter keeps in has no way out. */
static bool is_alone(const struct tp_sidecar_spec *s)
{
	return s->unfiltered && !s->args->publish.n && !s->args->publish_all;
}

static int write_host_config(struct tp_jw *w, const struct tp_sidecar_spec *s, bool with_socket,
			     const struct port_list *ports, struct tp_err *err)
{
	const struct tp_run_args *a = s->args;

	tp_jw_object(w, "HostConfig");
	tp_jw_bool(w, "AutoRemove", true);
	tp_jw_str(w, "NetworkMode",
		  s->host_network	  ? "host" :
		  is_alone(s)		  ? "none" :
		  tp_sidecar_local_net(a) ? a->networks.v[0] :
					    "default");
	tp_jw_array(w, "CapDrop");
	tp_jw_str(w, NULL, "ALL");
	tp_jw_end(w);
	if (!s->unfiltered) {
		tp_jw_array(w, "CapAdd");
		tp_jw_str(w, NULL, "NET_ADMIN");
		tp_jw_end(w);
	}
	tp_jw_array(w, "SecurityOpt");
	tp_jw_str(w, NULL, "no-new-privileges");
	tp_jw_end(w);
	/* The control channel carries secrets: they must not reach a log. */
	tp_jw_object(w, "LogConfig");
	tp_jw_str(w, "Type", "none");
	tp_jw_end(w);
	tp_jw_object(w, "Tmpfs");
	tp_jw_str(w, TP_AGENT_DIR, "mode=0700,size=16m,exec");
	tp_jw_end(w);
	write_mounts(w, s, with_socket);
	if (s->host_network) /* the capability has to be one in the machine's own namespace */
		tp_jw_str(w, "UsernsMode", "host");
	else if (a->userns)
		tp_jw_str(w, "UsernsMode", a->userns);
	if (tp_sidecar_local_net(a) && !s->outside) {
		tp_jw_array(w, "Dns");
		tp_jw_str(w, NULL, NO_NAMESERVER);
		tp_jw_end(w);
	}
	write_list(w, "ExtraHosts", &a->add_hosts);
	write_list(w, "Links", &a->links);
	write_bindings(w, ports);
	if (write_sysctls(w, &a->net_sysctls, s->ipv6, err))
		return -1;
	tp_jw_end(w);
	return 0;
}

char *tp_sidecar_body(const struct tp_sidecar_spec *s, bool with_socket, struct tp_err *err)
{
	const struct tp_run_args *a = s->args;
	struct port_list ports = { 0 };
	tp_autofree void *ports_owner = NULL;
	TP_AUTO_JW *w = tp_jw_new();
	int rc = ports_collect(s, &ports, err);

	ports_owner = ports.v;
	if (rc)
		return NULL;
	if (a->networks.n > 1) {
		tp_err_set(err, TP_ERR_USAGE,
			   "--network was given more than once; a session "
			   "joins one network");
		return NULL;
	}
	tp_jw_object(w, NULL);
	tp_jw_str(w, "Image", s->image);
	tp_jw_str(w, "User", "0:0");
	if (!s->host_network)
		tp_jw_str(w, "Hostname", a->hostname ? a->hostname : s->hostname);
	if (a->domainname)
		tp_jw_str(w, "Domainname", a->domainname);
	if (a->mac_address && !mac_in_endpoint(s->api_version))
		tp_jw_str(w, "MacAddress", a->mac_address);
	tp_jw_array(w, "Entrypoint");
	tp_jw_str(w, NULL, TP_SIDECAR_PROGRAM);
	tp_jw_end(w);
	tp_jw_array(w, "Cmd");
	tp_jw_str(w, NULL, s->host_network ? TP_SIDECAR_RUN_HOST : "run");
	tp_jw_end(w);
	tp_jw_bool(w, "AttachStdin", true);
	tp_jw_bool(w, "AttachStdout", true);
	tp_jw_bool(w, "AttachStderr", true);
	tp_jw_bool(w, "OpenStdin", true);
	/* Its stdin ends when we do: that is how it knows. */
	tp_jw_bool(w, "StdinOnce", true);
	write_labels(w, s, "sidecar");
	write_exposed(w, &ports);
	if (write_host_config(w, s, with_socket, &ports, err))
		return NULL;
	write_endpoint(w, s);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

/* Creates, attaches, starts. */
static int start_with(struct tp_engine *e, const struct tp_sidecar_spec *s,
		      void (*on_stderr)(void *arg, const char *p, size_t n), void *arg, char id[65],
		      struct tp_stream **stream, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *name = tp_sidecar_name(s->name ? s->name : s->session), *body = NULL;
	bool with_socket = s->link_socket != NULL;
	int rc;

	body = tp_sidecar_body(s, with_socket, err);
	if (!body || tp_cancel_poll(c, -1, 0, 0, err) < 0)
		return -1;
	/* Not to be cancelled: the engine would carry it out all the same, after
	 * the cleaning up has looked for what there is. */
	rc = tp_engine_create(e, name, body, id, NULL, err);
	if (rc && with_socket && strstr(err->msg, s->link_socket)) {
		/* The engine does not share our file system: a remote one, or we
		 * are in a container ourselves. The exec link is for that. */
		tp_verbose("the engine cannot mount the link's socket: %s", err->msg);
		free(body);
		body = tp_sidecar_body(s, false, err);
		if (!body)
			return -1;
		rc = tp_engine_create(e, name, body, id, NULL, err);
	}
	if (rc)
		return tp_err_prefix(err, "the sidecar");
	*stream = tp_engine_attach(e, id, on_stderr, arg, c, err);
	if (!*stream)
		return tp_err_prefix(err, "the sidecar");
	if (tp_engine_start(e, id, c, err))
		return tp_err_prefix(err, "the sidecar, of image %s", s->image);
	return 0;
}

int tp_sidecar_start(struct tp_engine *e, const struct tp_sidecar_spec *s,
		     void (*on_stderr)(void *arg, const char *p, size_t n), void *arg, char id[65],
		     struct tp_stream **stream, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_sidecar_spec without = *s;

	*stream = NULL;
	if (!start_with(e, s, on_stderr, arg, id, stream, c, err))
		return 0;
	if (!s->ipv6 || (!strstr(err->msg, "disable_ipv6") && !strstr(err->msg, "sysctl")))
		return -1;
	tp_verbose("the engine's kernel has no IPv6 to turn on: %s", err->msg);
	without.ipv6 = false;
	tp_stream_close(tp_steal(stream));
	if (*id && tp_engine_remove(e, id, c, err))
		return -1;
	return start_with(e, &without, on_stderr, arg, id, stream, c, err);
}
