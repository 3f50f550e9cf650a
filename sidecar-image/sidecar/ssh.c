/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ssh connection: one handshake, started before there is anything to
 * dial (its ProxyCommand waits), and sessions over its control socket. That
 * the control socket is there, which inotify tells, is the sign that the
 * handshake is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "sidecar/sidecar.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS	 5000
#define TUNNEL_ALONE_MS	 100

static int write_file(const char *path, const char *text, struct tp_err *err)
{
	tp_autoclose int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || tp_write_all(fd, text, strlen(text)) < 0)
		return tp_err_errno(err, errno, "cannot write %s", path);
	return 0;
}

/*
 * No file of a user or a system is read. A dead link shows within 5 s: three
 * questions, one a second, and no answer to any. The same three seconds bound
 * each step of a handshake, and ConnectTimeout the wait for its first word.
 */
static int write_config(struct sidecar *s, struct tp_err *err)
{
	tp_autofree char *text = tp_asprintf(
		"Host agent\n"
		"User %s\n"
		"HostKeyAlias agent\n"
		"UserKnownHostsFile " DIR_KNOWN "\n"
		"GlobalKnownHostsFile /dev/null\n"
		"StrictHostKeyChecking yes\n"
		"UpdateHostKeys no\n"
		"CheckHostIP no\n"
		"IdentityFile " DIR_KEY "\n"
		"IdentitiesOnly yes\n"
		"IdentityAgent none\n"
		"BatchMode yes\n"
		"PreferredAuthentications publickey\n"
		"HostKeyAlgorithms ssh-ed25519\n"
		"KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org\n"
		"Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com\n"
		"Compression no\n"
		"TCPKeepAlive no\n"
		"ConnectTimeout 10\n"
		"ServerAliveInterval 1\n"
		"ServerAliveCountMax 3\n"
		"IPQoS none\n"
		"ForwardAgent no\n"
		"ForwardX11 no\n"
		"PermitLocalCommand no\n"
		"RequestTTY no\n"
		"EscapeChar none\n"
		"SessionType none\n"
		"ControlMaster yes\n"
		"ControlPath " DIR_MASTER "\n"
		"ProxyCommand " TP_SIDECAR_PROGRAM " dial\n"
		"ProxyUseFdpass yes\n"
		"LogLevel %s\n",
		s->user, s->verbose ? "VERBOSE" : "ERROR");

	return write_file(DIR_CONFIG, text, err);
}

static void open_sessions(struct sidecar *s);

static void on_inotify(void *arg, int events)
{
	struct sidecar *s = arg;
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n = read(s->inotify, buf, sizeof(buf)), at;

	(void)events;
	for (at = 0; at < n;) {
		struct inotify_event *e = (struct inotify_event *)(buf + at);

		if (e->len && strcmp(e->name, "master") == 0 && s->ssh.name && !s->master_up) {
			s->master_up = true;
			sidecar_timing(s, "ssh-connected");
			open_sessions(s);
		}
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

int ssh_prepare(struct sidecar *s, struct tp_err *err)
{
	tp_autofree char *key = tp_asprintf("%s\n", s->private_key);

	if (write_file(DIR_KEY, key, err) < 0 || write_config(s, err) < 0)
		return -1;
	tp_wipe(key, strlen(key));
	tp_free_secret(tp_steal(&s->private_key));
	s->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->inotify < 0 ||
	    inotify_add_watch(s->inotify, TP_SIDECAR_DIR, IN_CREATE | IN_MOVED_TO) < 0)
		return tp_err_errno(err, errno, "inotify");
	s->inotify_watch = tp_watch_add(s->loop, s->inotify, TP_READ, on_inotify, s);
	return 0;
}

/* True if the tunnel was among them. */
static bool close_sessions(struct sidecar *s)
{
	bool had_tunnel = s->tunnel || s->tunnel_ended;

	tp_timer_del(s->tunnel_ended);
	s->tunnel_ended = NULL;
	s->master_up = false;
	forwards_down(s);
	mux_close(tp_steal(&s->describe));
	mux_close(tp_steal(&s->dns_session));
	mux_close(tp_steal(&s->tunnel));
	inject_close(s);
	door_close(s);
	dnsfwd_channel(s->dnsfwd, -1);
	dnsfwd_uncheck(s->dnsfwd);
	return had_tunnel;
}

static void on_redial(void *arg)
{
	struct sidecar *s = arg;

	s->redial = NULL;
	ssh_start(s);
}

/* Errors that no second try mends, as long as the agent is the same. */
static bool hopeless(const char *why)
{
	return strstr(why, "Permission denied") || strstr(why, "Host key verification failed") ||
	       strstr(why, "host key");
}

static void lost(struct sidecar *s, const char *why)
{
	bool had_tunnel = close_sessions(s);

	if (!s->ready_said && hopeless(why))
		sidecar_fail(s, "%s", why);
	sidecar_down(s, why);
	/* its connections ended with the tunnel; a fresh one gets ready meanwhile */
	if (had_tunnel)
		capture_restart(s);
	s->backoff_ms = s->backoff_ms ? s->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (s->backoff_ms > BACKOFF_MAX_MS)
		s->backoff_ms = BACKOFF_MAX_MS;
	if (!s->redial)
		s->redial = tp_timer_add(s->loop, s->backoff_ms, on_redial, s);
}

void ssh_start(struct sidecar *s)
{
	char *argv[] = { (char *)"ssh", (char *)"-F", (char *)DIR_CONFIG, (char *)"agent", NULL };
	struct tp_err err;

	unlink(DIR_MASTER);
	if (program_start(s, &s->ssh, "ssh", argv, NULL, lost, &err) < 0)
		lost(s, err.msg);
}

/* Ends the connection and dials again. */
static void redial(struct sidecar *s, const char *why)
{
	program_stop(&s->ssh);
	lost(s, why);
}

/* The pod was made anew, or the agent in it was: another key, other addresses
 * in its files. A dial to the old one is of no use, nor is its back-off. */
static void another_agent(struct sidecar *s)
{
	bool had_tunnel = close_sessions(s);

	program_stop(&s->ssh);
	s->described = s->names_set = false;
	sidecar_down(s, "there is another agent");
	if (had_tunnel)
		capture_restart(s);
	tp_timer_del(s->redial);
	s->redial = NULL;
	s->backoff_ms = 0;
	ssh_start(s);
}

void ssh_agent(struct sidecar *s)
{
	tp_autofree char *known = tp_asprintf("agent %s\n", s->hostkey);
	bool again = s->have_agent;
	struct tp_err err;

	if (write_file(DIR_KNOWN, known, &err) < 0 || write_config(s, &err) < 0) {
		sidecar_fail(s, "sidecar: %s", err.msg);
		return;
	}
	s->have_agent = true;
	if (again) {
		another_agent(s);
		return;
	}
	if (strcmp(s->user, TP_AGENT_DEFAULT_USER) != 0) {
		program_stop(&s->ssh);
		ssh_start(s);
	}
	local_agent(s);
}

/* ----------------------------------------------------------- sessions */

/* A descriptor that the ssh master may make non-blocking: not our stderr
 * itself, which others share. */
int ssh_remote_stderr(void)
{
	int fd = open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC);

	return fd >= 0 ? fd : open("/dev/null", O_WRONLY | O_CLOEXEC);
}

struct description {
	struct sidecar *s;
	int fd;
	struct tp_watch *watch;
};
static struct description reader = { .fd = -1 };

static void stop_reading(void)
{
	tp_watch_del(reader.watch);
	reader.watch = NULL;
	tp_close_p(&reader.fd);
}

static void on_description(void *arg, int events)
{
	struct sidecar *s = arg;
	struct tp_err err;
	char *room;
	ssize_t n;

	(void)events;
	room = tp_buf_reserve(&s->description, 65536);
	n = room ? read(reader.fd, room, 65536) : -1;
	if (n < 0 && room && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		tp_buf_added(&s->description, (size_t)n);
		return;
	}
	stop_reading();
	if (n < 0 || !s->description.len)
		return; /* on_described tells */
	s->described = true;
	sidecar_timing(s, "described");
	sidecar_send(s, TP_CTL_DESCRIBE, s->description.data, s->description.len);
	if (names_apply(s, &err) < 0) {
		tp_error("%s", err.msg);
		sidecar_fail(s, "sidecar: %s", err.msg);
		return;
	}
	s->names_set = true;
	sidecar_timing(s, "names-set");
	dnsfwd_check(s->dnsfwd);
	sidecar_progress(s);
}

static void on_describe_end(struct sidecar *s, int code)
{
	s->describe = NULL;
	while (reader.watch && code == 0 && !s->described) {
		/* the exit status may overtake the end of the output */
		struct tp_watch *before = reader.watch;

		on_description(s, TP_READ);
		if (reader.watch == before)
			return;
	}
	if (!s->described)
		redial(s, "the agent did not describe the pod");
}

static void on_dns_end(struct sidecar *s, int code)
{
	(void)code;
	s->dns_session = NULL;
	dnsfwd_channel(s->dnsfwd, -1);
	tp_warn("the agent's DNS relay ended; it is started again");
	ssh_reopen_dns(s);
}

static void on_tunnel_alone(void *arg)
{
	struct sidecar *s = arg;

	s->tunnel_ended = NULL;
	capture_session_ended(s);
}

/* When ssh ends, its sessions do a moment before; why, it says itself. */
static void on_tunnel_end(struct sidecar *s, int code)
{
	(void)code;
	s->tunnel = NULL;
	if (!s->tunnel_ended)
		s->tunnel_ended = tp_timer_add(s->loop, TUNNEL_ALONE_MS, on_tunnel_alone, s);
}

static int open_describe(struct sidecar *s, int err_fd, struct tp_err *err)
{
	tp_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	TP_AUTO_BUF command = TP_BUF_INIT(1 << 16);
	int p[2];

	tp_buf_puts(&command, TP_AGENT_PROGRAM " describe");
	forwards_describe(s, &command);
	stop_reading();
	tp_buf_reset(&s->description);
	if (pipe2(p, O_CLOEXEC) < 0)
		return tp_err_errno(err, errno, "pipe");
	s->describe = mux_open(s, command.data, null, p[1], err_fd, on_describe_end, err);
	close(p[1]);
	reader.fd = p[0];
	fcntl(reader.fd, F_SETFL, O_NONBLOCK);
	reader.watch = tp_watch_add(s->loop, reader.fd, TP_READ, on_description, s);
	return s->describe ? 0 : -1;
}

static int open_dns(struct sidecar *s, int err_fd, struct tp_err *err)
{
	TP_AUTO_BUF command = TP_BUF_INIT(8192);
	int pair[2];
	size_t i;

	tp_buf_puts(&command, TP_AGENT_PROGRAM " dns");
	for (i = 0; i < s->dns.n; i++) /* addresses: nothing that a shell minds */
		tp_buf_printf(&command, " %s", s->dns.v[i]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return tp_err_errno(err, errno, "socketpair");
	s->dns_session = mux_open(s, command.data, pair[1], pair[1], err_fd, on_dns_end, err);
	close(pair[1]);
	if (!s->dns_session) {
		close(pair[0]);
		return -1;
	}
	dnsfwd_channel(s->dnsfwd, pair[0]);
	return 0;
}

static void open_tunnel(struct sidecar *s, int err_fd)
{
	struct tp_err err;

	if (tp_method_injects(s->method)) {
		if (!s->tunnel && inject_open(s, err_fd, on_tunnel_end, &err) < 0)
			redial(s, err.msg);
		return;
	}
	if (s->capture_fd < 0 || s->tunnel)
		return;
	s->tunnel = mux_open(s, s->native ? TP_AGENT_PROGRAM " engine" : TP_AGENT_PROGRAM " tunnel",
			     s->capture_fd, s->capture_fd, err_fd, on_tunnel_end, &err);
	if (!s->tunnel) {
		redial(s, err.msg);
		return;
	}
	tp_timer_del(s->tunnel_ended);
	s->tunnel_ended = NULL;
	tp_close_p(&s->capture_fd); /* the master's now, and the capture's */
	sidecar_progress(s);
}

static void open_sessions(struct sidecar *s)
{
	tp_autoclose int err_fd = ssh_remote_stderr();
	struct tp_err err;

	/* in the order in which ready needs them */
	if ((!s->described && open_describe(s, err_fd, &err) < 0) ||
	    open_dns(s, err_fd, &err) < 0) {
		redial(s, err.msg);
		return;
	}
	if (s->names_set) /* known from the connection before this one */
		dnsfwd_check(s->dnsfwd);
	open_tunnel(s, err_fd);
	if (s->master_up) /* the tunnel may have failed */
		forwards_up(s);
	door_open(s);
}

void ssh_capture_offered(struct sidecar *s)
{
	tp_autoclose int err_fd = ssh_remote_stderr();

	if (s->master_up)
		open_tunnel(s, err_fd);
}

static void on_reopen_dns(void *arg)
{
	struct sidecar *s = arg;
	tp_autoclose int err_fd = ssh_remote_stderr();
	struct tp_err err;

	if (s->master_up && !s->dns_session && open_dns(s, err_fd, &err) < 0)
		redial(s, err.msg);
}

void ssh_reopen_dns(struct sidecar *s)
{
	tp_timer_add(s->loop, BACKOFF_FIRST_MS, on_reopen_dns, s);
}
