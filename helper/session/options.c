/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/netfiles.h"
#include "docker/plugin.h"
#include "kube/workload.h"
#include "session/method.h"
#include "session/options.h"
#include "session/scope.h"
#include "session/volumes.h"

#define OPT TP_SESSION_OPT

/* clang-format off */
const struct tp_opt tp_session_opt_table[] = {
	OPT("swap-deployment", TP_OPT_STRING, "[KIND/]NAME[:CONTAINER]", "put the agent in the place of this workload; it is restored at the end", swap_deployment, "workload"),
	OPT("new-deployment", TP_OPT_STRING, "NAME", "start an agent of this name beside what runs (the default, with a generated name)", new_deployment, NULL),
	OPT("deployment", TP_OPT_STRING, "NAME[:CONTAINER]", "use an agent that runs already, and leave it as it is", deployment, "agent"),
	OPT("serviceaccount", TP_OPT_STRING, "NAME", "the service account of a new agent pod", serviceaccount, "serviceaccount"),
	OPT("image", TP_OPT_STRING, "IMAGE", "the image of sidecar and agent (default: " TP_IMAGE ")", image, "image"),
	TP_FORWARD_OPT,
	OPT("pod-cidr", TP_OPT_LIST, "CIDR", "the range of the cluster's pods, where not all is captured (default: found out)", pod_cidr, NULL),
	OPT("service-cidr", TP_OPT_LIST, "CIDR", "the range of the cluster's Services, where not all is captured (default: found out)", service_cidr, NULL),
	OPT("also-proxy", TP_OPT_LIST, "CIDR|NAME", "reach this range through the cluster although it is one of the container's own networks; with --method vpn-tcp and teleproxy: as well, and names too", also_proxy, NULL),
	OPT("never-proxy", TP_OPT_LIST, "CIDR", "reach this range from this machine, not through the cluster", never_proxy, NULL),
	OPT("expose", TP_OPT_LIST, "LOCAL[:REMOTE]", "let the pod's port REMOTE lead to the container's port LOCAL; ranges and names too (the swapped container's own ports are exposed anyway)", expose, NULL),
	OPT("from-pod", TP_OPT_LIST, "PORT", "let the pod's other containers reach the container's port on their localhost", from_pod, NULL),
	OPT("to-pod", TP_OPT_LIST, "PORT", "reach a port of the pod's other containers on localhost", to_pod, NULL),
	OPT("container-to-host", TP_OPT_LIST, "CPORT[:HPORT]", "let the container's localhost:CPORT lead to this machine's localhost:HPORT", to_host, NULL),
	OPT("volumes", TP_OPT_STRING, "sshfs|copy|off", "how the container gets the pod's volumes (default: sshfs, if the pod has any)", volumes, "sshfs|copy|off"),
	OPT("volumes-limit", TP_OPT_STRING, "SIZE", "how much --volumes copy may copy (default: " TP_VOLUMES_LIMIT ")", volumes_limit, NULL),
	OPT("volumes-root", TP_OPT_STRING, "PATH", "where in the container the pod's whole file tree is (default: " TP_VOLUMES_ROOT ")", volumes_root, NULL),
	OPT("dns-upstream", TP_OPT_STRING, "ADDRESS", "with --method vpn-tcp and teleproxy: who is asked for names that are not the cluster's, in the place of the usual servers (ADDRESS or ADDRESS:PORT)", dns_upstream, NULL),
	OPT("method", TP_OPT_STRING, "container|vpn-tcp|teleproxy|inject-tcp|auto", "what is captured, and who answers names (default: container)", method, "container|vpn-tcp|teleproxy|inject-tcp|auto"),
	OPT("engine", TP_OPT_STRING, "native|sshuttle", "what carries the captured connections (default: native)", engine, "native|sshuttle"),
	OPT("on-disconnect", TP_OPT_STRING, "reconnect|exit", "when the link to the cluster breaks: dial again, making the agent anew if need be (the default), or end the run", on_disconnect, "reconnect|exit"),
	OPT("timings", TP_OPT_FLAG, NULL, "show at the end where the time went, step by step", timings, NULL),
	TP_WHERE_OPTS,
	TP_OPT_END,
};
/* clang-format on */

static int cidr_check(const struct tp_session_opts *o, const char *opt, const char *s,
		      struct tp_err *err)
{
	const char *engine = tp_method_engine(tp_method_of(o), o);
	long most = 32;
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	unsigned char bin[16];
	char *end = NULL;

	if (n >= sizeof(addr))
		goto bad;
	memcpy(addr, s, n);
	addr[n] = '\0';
	if (inet_pton(AF_INET6, addr, bin) == 1)
		most = 128;
	else if (inet_pton(AF_INET, addr, bin) != 1)
		goto bad;
	if (most == 128 && engine && strcmp(engine, "sshuttle") == 0)
		return tp_err_set(err, TP_ERR_USAGE,
				  "--%s %s: --engine sshuttle carries IPv4 only; the native engine "
				  "has IPv6, too",
				  opt, s);
	if (slash) {
		long len = isdigit((unsigned char)slash[1]) ? strtol(slash + 1, &end, 10) : -1;

		if (len < 0 || len > most || *end)
			goto bad;
	}
	return 0;
bad:
	return tp_err_set(err, TP_ERR_USAGE,
			  "--%s %s: not an address range; write it as 10.1.0.0/16, 10.1.2.3 or "
			  "2001:db8::/48",
			  opt, s);
}

static int name_check(const char *opt, const char *s, struct tp_err *err)
{
	size_t n = strlen(s);
	bool ok = n > 0 && n <= 63 && isalnum((unsigned char)s[0]) &&
		  isalnum((unsigned char)s[n - 1]);

	for (size_t i = 0; ok && i < n; i++)
		ok = islower((unsigned char)s[i]) || isdigit((unsigned char)s[i]) || s[i] == '-';
	if (ok)
		return 0;
	return tp_err_set(
		err, TP_ERR_USAGE,
		"--%s %s: not a name that Kubernetes takes (at most 63 of a-z, 0-9 and -, "
		"a letter or digit at both ends)",
		opt, s);
}

struct tp_port_wants tp_session_opts_ports(const struct tp_session_opts *o)
{
	return (struct tp_port_wants){ &o->expose, &o->from_pod, &o->to_pod, &o->to_host };
}

static int ports_check(const struct tp_session_opts *o, struct tp_err *err)
{
	struct tp_port_wants w = tp_session_opts_ports(o);

	if (tp_ports_check(&w, err))
		return -1;
	if (o->new_deployment && o->expose.n && !islower((unsigned char)o->new_deployment[0]))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--new-deployment %s: with --expose it is the name of a Service "
				  "too, which begins with a letter",
				  o->new_deployment);
	return 0;
}

/* Ranges are found, and names taken, where not all is captured anyway. */
static int scope_check(const struct tp_session_opts *o, struct tp_err *err)
{
	const struct tp_method *m = tp_method_of(o);

	if (m->captured == TP_CAPTURED_SCOPE)
		return tp_scope_check(o, true, err);
	if (o->pod_cidr.n || o->service_cidr.n)
		return tp_err_set(err, TP_ERR_USAGE,
				  "--%s is for --method vpn-tcp and teleproxy: --method %s needs "
				  "to know no ranges",
				  o->pod_cidr.n ? "pod-cidr" : "service-cidr", m->name);
	for (size_t i = 0; i < o->also_proxy.n; i++)
		if (cidr_check(o, "also-proxy", o->also_proxy.v[i], err))
			return -1;
	return 0;
}

static int upstream_check(const struct tp_session_opts *o, struct tp_err *err)
{
	const struct tp_method *m = tp_method_of(o);
	struct tp_nameserver ns;

	if (!o->dns_upstream)
		return 0;
	if (tp_nameserver_parse_port(&ns, o->dns_upstream))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--dns-upstream %s: it is ADDRESS or ADDRESS:PORT, and no name",
				  o->dns_upstream);
	if (m->names == TP_NAMES_SUFFIXES || m->names == TP_NAMES_WATCH)
		return 0;
	return tp_err_set(
		err, TP_ERR_USAGE,
		"--dns-upstream is for --method vpn-tcp and teleproxy: with --method %s the "
		"cluster answers all names",
		m->name);
}

int tp_session_opts_check(const struct tp_session_opts *o, struct tp_err *err)
{
	int ways = !!o->swap_deployment + !!o->new_deployment + !!o->deployment;
	const char *spec = o->swap_deployment ? o->swap_deployment : o->deployment;

	if (ways > 1)
		return tp_err_set(err, TP_ERR_USAGE,
				  "--swap-deployment, --new-deployment and --deployment exclude "
				  "each other: give one of them");
	if (o->verbose && o->quiet)
		return tp_err_set(err, TP_ERR_USAGE, "--verbose and --quiet exclude each other");
	if (o->new_deployment && name_check("new-deployment", o->new_deployment, err))
		return -1;
	if (o->namespace && name_check("namespace", o->namespace, err))
		return -1;
	if (spec) {
		tp_autofree char *kind = NULL, *name = NULL, *container = NULL;

		if (tp_workload_split(spec, &kind, &name, &container, err))
			return tp_err_prefix(err, "--%s",
					     o->swap_deployment ? "swap-deployment" : "deployment");
	}
	if (o->serviceaccount && (o->swap_deployment || o->deployment))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--serviceaccount is for a new agent: a swapped workload keeps "
				  "its own service account");
	if (o->port_forward && strcmp(o->port_forward, "native") &&
	    strcmp(o->port_forward, "kubectl") && strcmp(o->port_forward, "oc"))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--port-forward %s: it is one of native, kubectl and oc",
				  o->port_forward);
	if (tp_volumes_check(o->volumes, o->volumes_root, o->volumes_limit, err))
		return -1;
	if (tp_method_check(o, err))
		return -1;
	if (o->on_disconnect && strcmp(o->on_disconnect, "reconnect") &&
	    strcmp(o->on_disconnect, "exit"))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--on-disconnect %s: it is one of reconnect and exit",
				  o->on_disconnect);
	if (scope_check(o, err) || upstream_check(o, err))
		return -1;
	for (size_t i = 0; i < o->never_proxy.n; i++)
		if (cidr_check(o, "never-proxy", o->never_proxy.v[i], err))
			return -1;
	return ports_check(o, err);
}

void tp_session_opts_log(const struct tp_session_opts *o)
{
	tp_log_set_level(o->quiet   ? TP_LOG_QUIET :
			 o->verbose ? TP_LOG_VERBOSE :
				      tp_plugin_log_level());
}

void tp_session_opts_apply(struct tp_session_opts *o)
{
	const char *image = getenv("TPDOCKER_IMAGE");

	tp_session_opts_log(o);
	o->exit_on_disconnect = o->on_disconnect && !strcmp(o->on_disconnect, "exit");
	if (!o->image)
		o->image = tp_strdup(image && *image ? image : TP_IMAGE);
	if (!o->port_forward)
		o->port_forward = tp_strdup("native");
}

void tp_session_opts_docker(const struct tp_session_opts *o, struct tp_docker_globals *g)
{
	*g = *tp_plugin_globals();
	/* Said to this command, and so nearer than what docker was told. */
	if (o->docker_host || o->docker_context) {
		g->host = o->docker_host;
		g->context = o->docker_context;
	}
	g->docker_path = o->docker_path;
}

void tp_session_opts_free(struct tp_session_opts *o)
{
	char **strings[] = { &o->swap_deployment, &o->new_deployment, &o->deployment,
			     &o->context,	  &o->namespace,      &o->kubeconfig,
			     &o->serviceaccount,  &o->image,	      &o->port_forward,
			     &o->docker_host,	  &o->docker_context, &o->docker_path,
			     &o->volumes,	  &o->volumes_root,   &o->volumes_limit,
			     &o->on_disconnect,	  &o->engine,	      &o->method,
			     &o->dns_upstream };

	for (size_t i = 0; i < TP_ARRAY_SIZE(strings); i++) {
		free(*strings[i]);
		*strings[i] = NULL;
	}
	tp_strv_free(&o->also_proxy);
	tp_strv_free(&o->never_proxy);
	tp_strv_free(&o->pod_cidr);
	tp_strv_free(&o->service_cidr);
	tp_strv_free(&o->expose);
	tp_strv_free(&o->from_pod);
	tp_strv_free(&o->to_pod);
	tp_strv_free(&o->to_host);
}
