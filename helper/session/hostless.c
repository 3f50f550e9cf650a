/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hostless.h"
#include "session/inject.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "http/http.h"

#define KUBE_CONFIG "/kube/config"
#define FILE_MAX    (256u << 10)

static int how_to(struct tp_err *err)
{
	return tp_err_hint(
		err,
		"docker run --user 0 --cap-add NET_ADMIN --tmpfs /run/tpdocker:mode=0700,exec \\\n"
		"    -v ~/.kube:/kube:ro " TP_IMAGE " session --swap-deployment web");
}

static bool has_cap(unsigned int cap)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return !syscall(SYS_capget, &h, data) && data[cap / 32].effective & 1u << cap % 32;
}

void tp_hostless_mark(void)
{
	if (!access(TP_SIDECAR_PROGRAM, X_OK) && has_cap(CAP_NET_ADMIN))
		tp_http_mark(TP_SIDECAR_MARK);
}

/* AppArmor's "docker-default (enforce)" and SELinux's container_t forbid mounts, whatever the capabilities. */
static bool is_confined(const char *by)
{
	TP_AUTO_BUF b = TP_BUF_INIT(4096);

	return !tp_read_file("/proc/self/attr/current", &b) && b.data && strstr(b.data, by);
}

char *tp_hostless_lacks(void)
{
	static const struct {
		unsigned int cap;
		const char *name;
	} caps[] = { { CAP_SYS_ADMIN, "SYS_ADMIN" },
		     { CAP_SYS_CHROOT, "SYS_CHROOT" },
		     { CAP_DAC_OVERRIDE, "DAC_OVERRIDE" } };
	TP_AUTO_BUF flags = TP_BUF_INIT(1024);
	tp_autoclose int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < TP_ARRAY_SIZE(caps); i++)
		if (!has_cap(caps[i].cap))
			tp_buf_printf(&flags, " --cap-add %s", caps[i].name);
	if (fuse < 0)
		tp_buf_puts(&flags, " --device /dev/fuse");
	if (is_confined("(enforce)"))
		tp_buf_puts(&flags, " --security-opt apparmor=unconfined");
	if (is_confined(":container_t:"))
		tp_buf_puts(&flags, " --security-opt label=disable");
	return flags.len ? tp_strdup(flags.data + 1) : NULL;
}

static int check_volumes(const struct tp_session_opts *o, struct tp_err *err)
{
	tp_autofree char *lacks = NULL;

	if (!o->volumes || !strcmp(o->volumes, "off"))
		return 0;
	if (!strcmp(o->volumes, "copy")) {
		tp_err_set(err, TP_ERR_USAGE,
			   "--volumes copy: it takes an engine to copy into containers, and this "
			   "session has none");
		return tp_err_hint(err, "It is sshfs or off here; `tpdocker up` on the host can "
					"copy.");
	}
	lacks = tp_hostless_lacks();
	if (!lacks)
		return 0;
	tp_err_set(err, TP_ERR_USAGE, "--volumes sshfs: the container may not mount");
	return tp_err_hint(err, "Give it what that takes: %s", lacks);
}

static void set_default(const char *name, const char *value)
{
	setenv(name, value, 0);
}

int tp_hostless_check(const struct tp_session_opts *o, struct tp_err *err)
{
	struct statfs fs;

	if (access(TP_SIDECAR_PROGRAM, X_OK)) {
		tp_err_set(err, TP_ERR_USAGE, "`session` is for the sidecar's image alone");
		tp_err_hint(err, "On this machine it is `tpdocker up`; as a container:");
		return how_to(err);
	}
	if (geteuid()) {
		tp_err_set(err, TP_ERR_USAGE,
			   "the session owns the network of its container: it has to be "
			   "root there");
		return how_to(err);
	}
	if (!has_cap(CAP_NET_ADMIN)) {
		tp_err_set(err, TP_ERR_USAGE, "the container lacks the capability NET_ADMIN");
		return how_to(err);
	}
	if (statfs(TP_AGENT_DIR, &fs) || (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)) {
		tp_err_set(err, TP_ERR_USAGE, "%s is no tmpfs: a key is not written to a disk",
			   TP_AGENT_DIR);
		return how_to(err);
	}
	if (tp_inject_no_others(o, err))
		return -1;
	if (o->port_forward && strcmp(o->port_forward, "native")) {
		tp_err_set(err, TP_ERR_USAGE,
			   "--port-forward %s: that program is not in this image", o->port_forward);
		return tp_err_hint(err, "Start the session on the host: tpdocker up");
	}
	if (o->docker_host || o->docker_context || o->docker_path)
		return tp_err_set(err, TP_ERR_USAGE,
				  "--host, --docker-context and --docker-path: this "
				  "session has no engine");
	if (o->to_host.n) {
		tp_err_set(err, TP_ERR_USAGE,
			   "--container-to-host: this session is in a container, and knows no "
			   "ports of the machine");
		return tp_err_hint(err, "Start the session on the host: tpdocker up");
	}
	if (check_volumes(o, err))
		return -1;
	if (!access(KUBE_CONFIG, F_OK))
		set_default("KUBECONFIG", KUBE_CONFIG);
	set_default("HOME", "/root");
	set_default("XDG_RUNTIME_DIR", TP_AGENT_DIR);
	/* A container that is started again finds what the one before it has left, unless its root is read-only. */
	if (access(getenv("HOME"), W_OK))
		set_default("XDG_STATE_HOME", TP_AGENT_DIR "/state");
	return 0;
}

char *tp_hostless_name_in(const char *url)
{
	const char *p = url ? strstr(url, "://") : NULL, *at;
	tp_autofree char *host = NULL;
	unsigned char addr[16];
	size_t n;

	if (!p)
		return NULL;
	p += 3;
	n = strcspn(p, "/?#");
	at = memrchr(p, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	if (*p == '[')
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (p[i] == ':')
			n = i;
	host = tp_strndup(p, n);
	if (!n || inet_pton(AF_INET, host, addr) == 1)
		return NULL;
	return tp_steal(&host);
}

/* Its addresses now, for as long as the container lives. */
static int pin(const char *url, struct tp_err *err)
{
	tp_autofree char *name = tp_hostless_name_in(url);
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *list = NULL;
	TP_AUTO_BUF lines = TP_BUF_INIT(FILE_MAX);
	tp_autoclose int fd = -1;
	int rc;

	if (!name || !strcmp(name, "localhost"))
		return 0;
	rc = getaddrinfo(name, NULL, &hints, &list);
	if (rc)
		return tp_err_set(err, TP_ERR_UNREACHABLE, "the API server's name %s: %s", name,
				  gai_strerror(rc));
	for (struct addrinfo *i = list; i; i = i->ai_next) {
		char text[INET_ADDRSTRLEN];
		struct sockaddr_in *in = (struct sockaddr_in *)i->ai_addr;

		tp_buf_printf(&lines, "%s\t%s\n",
			      inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), name);
	}
	freeaddrinfo(list);
	fd = open("/etc/hosts", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || tp_write_all(fd, lines.data, lines.len))
		return tp_err_errno(err, errno, "/etc/hosts");
	return 0;
}

int tp_hostless_prepare(struct tp_session *s, struct tp_err *err)
{
	static const char *const proxies[] = { "HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
					       "http_proxy" };
	struct tp_err ignored;

	for (size_t i = 0; i < TP_ARRAY_SIZE(proxies); i++)
		pin(getenv(proxies[i]), &ignored); /* it says so itself when it is not reached */
	return pin(s->kc.server, err);
}

bool tp_hostless_local_net(void)
{
	TP_AUTO_BUF b = TP_BUF_INIT(FILE_MAX);

	/* The engine's resolver, which only user-defined networks have. */
	return !tp_read_file("/etc/resolv.conf", &b) && b.data &&
	       strstr(b.data, "nameserver 127.0.0.11");
}

/* A role of the sidecar's program, with a socketpair for its control channel. */
static struct tp_stream *start_role(struct tp_child *child, char *role, char *const *env,
				    struct tp_err *err)
{
	static char program[] = TP_SIDECAR_PROGRAM;
	char *const argv[] = { program, role, NULL };
	struct tp_child_opts o = {
		.argv = argv, .env_add = env, .err = TP_STDIO_PIPE, .new_session = true
	};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		tp_err_errno(err, errno, "socketpair");
		return NULL;
	}
	o.in_fd = o.out_fd = pair[1];
	if (tp_child_start(child, &o, err)) {
		close(pair[0]);
		close(pair[1]);
		tp_err_prefix(err, "tpdocker-sidecar %s", role);
		return NULL;
	}
	close(pair[1]);
	return tp_stream_from_fd(pair[0]);
}

struct tp_stream *tp_hostless_sidecar(struct tp_session *s, struct tp_err *err)
{
	static char role[] = "run";
	tp_autofree char *link = NULL;
	char *env[] = { NULL, NULL };

	if (!tp_link_socket(s->link)) {
		tp_err_set(err, TP_ERR_FAILED, "the link's socket cannot be made in %s",
			   s->record.link_dir);
		return NULL;
	}
	link = tp_asprintf("%s=%s", TP_LINK_ENV, tp_link_socket(s->link));
	env[0] = link;
	return start_role(&s->child, role, env, err);
}

struct tp_stream *tp_hostless_companion(struct tp_session *s, struct tp_err *err)
{
	static char role[] = "mounts";

	return start_role(&s->companion.child, role, NULL, err);
}

static void on_errors(void *arg, int events)
{
	struct tp_errpipe *p = arg;
	char chunk[4096];
	ssize_t n = read(p->fd, chunk, sizeof(chunk));

	(void)events;
	if (n > 0) {
		p->fn(p->arg, chunk, (size_t)n);
	} else if (!n || (errno != EAGAIN && errno != EINTR)) {
		tp_watch_del(p->watch);
		p->watch = NULL;
	}
}

void tp_hostless_listen(struct tp_session *s, struct tp_errpipe *p, const struct tp_child *child,
			void (*fn)(void *arg, const char *p, size_t n))
{
	*p = (struct tp_errpipe){ .fd = child->err, .fn = fn, .arg = s };
	fcntl(p->fd, F_SETFL, O_NONBLOCK);
	p->watch = tp_watch_add(s->loop, p->fd, TP_READ, on_errors, p);
}

static void gate_arrived(struct tp_session *s, const struct tp_gate *g)
{
	if (s->described && s->tunnel_ready)
		tp_volumes_gate_answer(s, g->id, NULL);
	else if (s->n_gates == TP_GATES_MAX)
		tp_volumes_gate_answer(s, g->id, "too many containers wait for the session");
	else
		s->gates[s->n_gates++] = g->id;
}

static void gate_left(struct tp_session *s, unsigned int id)
{
	for (size_t i = 0; i < s->n_gates; i++) {
		if (s->gates[i] != id)
			continue;
		s->gates[i] = s->gates[--s->n_gates];
		return;
	}
}

void tp_hostless_gates(struct tp_session *s, const char *name)
{
	s->gate_name = name;
	s->gate_arrived = gate_arrived;
	s->gate_left = gate_left;
}

void tp_hostless_described(struct tp_session *s)
{
	tp_autofree char *lacks = s->opts->volumes ? NULL : tp_hostless_lacks();

	if (lacks && s->remote.mounts.n)
		tp_warn("the pod's volumes are left out, as this container may not mount; it may "
			"with: %s (--volumes off: without this line)",
			lacks);
}

void tp_hostless_ready(struct tp_session *s)
{
	tp_control_sends(s->control, TP_CTL_SERVING, "");
	while (s->n_gates)
		tp_volumes_gate_answer(s, s->gates[--s->n_gates], NULL);
}
