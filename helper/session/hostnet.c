/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hostnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "common/control.h"
#include "common/dnsmsg.h"
#include "session/clash.h"
#include "session/known.h"

#define RESOLVED "/run/systemd/resolve/resolv.conf"
#define FILE_MAX (64u << 10)

/* A table's owner, by which its rules go with the process. */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 12

static int not_for(const char *flag, const char *why, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_USAGE, "%s: %s with --method vpn-tcp", flag, why);
	return tp_err_hint(err, "--method container can do that.");
}

int tp_hostnet_suits(const struct tp_session_opts *o, struct tp_err *err)
{
	if (o->volumes && strcmp(o->volumes, "off"))
		return not_for("--volumes", "there are no volumes", err);
	if (o->to_pod.n)
		return not_for("--to-pod", "localhost stays this machine's own", err);
	if (o->to_host.n)
		return not_for("--container-to-host", "localhost is this machine's anyway", err);
	return 0;
}

int tp_hostnet_no_joining(const struct tp_session_opts *o, struct tp_err *err)
{
	const struct tp_method *m = tp_method_of(o);

	if (!m || !m->host_network)
		return 0;
	tp_err_set(err, TP_ERR_USAGE,
		   "--method %s has no network that containers join: theirs stays as it is",
		   m->name);
	return tp_err_hint(err, "`%s connect` captures this machine's processes and containers.",
			   tp_program());
}

static bool is_local(const struct tp_docker_endpoint *ep)
{
	return ep->socket_path != NULL;
}

int tp_hostnet_here(const struct tp_session *s, struct tp_err *err)
{
	if (is_local(&s->ep))
		return 0;
	tp_err_set(err, TP_ERR_USAGE,
		   "the engine at %s is another machine's, so processes of this one cannot be "
		   "captured",
		   s->ep.host);
	return tp_err_hint(err,
			   "`%s run --method vpn-tcp` runs a container there; --method "
			   "container needs nothing of a machine's own network.",
			   tp_program());
}

/* ----------------------------------------------------------- the engine */

static bool is_rootless(const struct tp_json *info)
{
	const struct tp_json *opts = tp_json_get(info, "SecurityOptions");

	for (size_t i = 0; i < tp_json_len(opts); i++) {
		const char *text = tp_json_str(tp_json_at(opts, i));

		if (text && strstr(text, "name=rootless"))
			return true;
	}
	return false;
}

static int check_engine(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *info = tp_engine_info(s->engine, c, err);
	const char *kernel = tp_json_str_at(info, "KernelVersion");
	int major = 0, minor = 0;

	if (!info)
		return -1;
	if (is_rootless(info)) {
		tp_err_set(
			err, TP_ERR_FAILED,
			"--method vpn-tcp: the engine is rootless, and its \"host\" network is a "
			"namespace of its own");
		return tp_err_hint(err, "--method container works there.");
	}
	if (kernel && sscanf(kernel, "%d.%d", &major, &minor) == 2 &&
	    (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))) {
		tp_err_set(err, TP_ERR_FAILED,
			   "--method vpn-tcp: the engine's kernel is %s, and it takes %d.%d for "
			   "packet filter rules that go by themselves",
			   kernel, KERNEL_MAJOR, KERNEL_MINOR);
		return tp_err_hint(err, "--method container works with older ones.");
	}
	return 0;
}

static int connected(const char *name, const char *owner, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_CONFLICT,
		   "this machine is connected already, by the session %s%s%s; there is one at a "
		   "time",
		   name, owner ? " of " : "", owner ? owner : "");
	return tp_err_hint(err,
			   "`%s disconnect` ends it. With --method container there may be "
			   "any number.",
			   tp_program());
}

static int check_only_one(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *list = tp_engine_list(s->engine, TP_LABEL_ROLE "=sidecar", c, err);

	if (!list)
		return -1;
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *ctr = tp_json_at(list, i);
		const struct tp_json *labels = tp_json_get(ctr, "Labels");
		const char *mode = tp_json_str_at(ctr, "HostConfig.NetworkMode");
		const char *owner = tp_json_str(tp_json_get(labels, TP_LABEL_OWNER));
		const char *id = tp_json_str(tp_json_get(labels, TP_LABEL_SESSION));

		if (!mode || strcmp(mode, "host"))
			continue;
		return connected(id ? id : "?", owner, err);
	}
	return 0;
}

int tp_hostnet_check(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	return check_only_one(s, c, err) || check_engine(s, c, err) ||
			       tp_clash_check(&s->scope, s->engine, is_local(&s->ep),
					      &s->opts->never_proxy, c, err) ?
		       -1 :
		       0;
}

/* ---------------------------------------------------------- the machine */

/* systemd-resolved asks these itself, for programs that ask it by another way than DNS. */
static void send_resolved(struct tp_session *s)
{
	TP_AUTO_BUF b = TP_BUF_INIT(FILE_MAX);
	char *line, *save = NULL;

	if (tp_read_file(RESOLVED, &b) || !b.data)
		return;
	for (line = strtok_r(b.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char server[INET_ADDRSTRLEN];
		struct in_addr a;

		if (sscanf(line, "nameserver %15s", server) == 1 &&
		    inet_pton(AF_INET, server, &a) == 1)
			tp_control_sends(s->control, TP_CTL_HOST_DNS, server);
	}
}

void tp_hostnet_send_names(struct tp_session *s)
{
	TP_AUTO_BUF b = TP_BUF_INIT(FILE_MAX);

	if (!is_local(&s->ep))
		return;
	if (tp_read_file("/etc/resolv.conf", &b) == 0 && b.len)
		tp_control_send(s->control, TP_CTL_HOST_RESOLV, b.data, b.len);
	send_resolved(s);
}

static int mark_task(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;

	(void)arg;
	(void)c;
	(void)err;
	if (getaddrinfo(TP_DNS_MARKER, NULL, &hints, &list) == 0)
		freeaddrinfo(list);
	return 0;
}

void tp_hostnet_mark(struct tp_session *s)
{
	if (!s->method->host_network || !is_local(&s->ep))
		return;
	tp_control_sends(s->control, TP_CTL_MARKER, "yes");
	tp_session_task(s, mark_task);
	tp_session_wait_tasks(s);
	tp_control_sends(s->control, TP_CTL_MARKER, "no");
}

int tp_hostnet_shared(struct tp_err *err)
{
	tp_autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(TP_HOST_SOCKET));

	memcpy(sun.sun_path + 1, TP_HOST_SOCKET, strlen(TP_HOST_SOCKET));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, len) == 0)
		return 0;
	tp_err_set(err, TP_ERR_FAILED,
		   "the engine's network is not this process' own (%s): it runs in a virtual "
		   "machine, or we are in a container",
		   strerror(errno));
	return tp_err_hint(err,
			   "`%s run --method vpn-tcp` runs a container there; --method "
			   "container needs nothing of a machine's own network.",
			   tp_program());
}

char *tp_hostnet_session(bool alive)
{
	TP_AUTO_STRV ids = { 0 };
	struct tp_err e = { 0 };
	char *found = NULL;

	if (tp_record_list(&ids, &e))
		return NULL;
	for (size_t i = 0; i < ids.n && !found; i++) {
		struct tp_known k;
		const struct tp_method *m;

		if (tp_known_load(ids.v[i], &k, &e))
			continue;
		m = k.record.method ? tp_method_find(k.record.method) : NULL;
		if (m && m->host_network && k.record.name && (!alive || k.state != TP_KNOWN_DEAD))
			found = tp_strdup(k.record.name);
		tp_known_free(&k);
	}
	return found;
}

int tp_hostnet_free(struct tp_err *err)
{
	tp_autofree char *name = tp_hostnet_session(true);

	return name ? connected(name, NULL, err) : 0;
}
