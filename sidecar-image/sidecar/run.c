/* SPDX-License-Identifier: Apache-2.0 */
/* PID 1: the control channel, the steps, the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "common/signals.h"
#include "sidecar/channel.h"
#include "sidecar/sidecar.h"

#define LAST_WORD_MS 2000

/* The kernel ends every process of the container with its PID 1. */
static _Noreturn void leave(int code)
{
	if (getpid() != 1)
		kill(0, SIGTERM); /* it has a session of its own: the helper's child */
	_exit(code);
}

static void channel_ended(void *arg, enum channel_end why)
{
	if (why == CHANNEL_GARBAGE)
		sidecar_fail(arg, "sidecar: what came from the helper is not the control protocol");
	else if (why == CHANNEL_STUCK)
		tp_error("the helper does not read what the sidecar tells it");
	leave(why != CHANNEL_CLOSED);
}

void sidecar_send(struct sidecar *s, const char *name, const void *p, size_t n)
{
	channel_send(s->channel, name, p, n);
}

void sidecar_sendf(struct sidecar *s, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	sidecar_send(s, name, text, n < 0 ? 0 : (size_t)n);
}

void sidecar_timing(struct sidecar *s, const char *name)
{
	sidecar_sendf(s, TP_CTL_TIMING, "%s %lld", name, tp_now_ms());
}

void sidecar_fail(struct sidecar *s, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sidecar_send(s, TP_CTL_FAIL, text, strlen(text));
}

void sidecar_down(struct sidecar *s, const char *why)
{
	probe_stop(s);
	s->probed = false;
	if (!s->ready_said) {
		sidecar_sendf(s, TP_CTL_WARN, "%s",
			      why); /* the first try failed; there will be more */
		return;
	}
	if (!s->down_said)
		sidecar_sendf(s, TP_CTL_DOWN, "%s", why);
	s->down_said = true;
}

void sidecar_progress(struct sidecar *s)
{
	if (s->captured && s->tunnel && !s->probed && s->probe_fd < 0)
		probe_start(s);
	if (!s->probed || !s->names_set || !s->dns_checked)
		return;
	s->backoff_ms = s->capture_backoff_ms = 0;
	if (!s->ready_said)
		sidecar_send(s, TP_CTL_READY, "", 0);
	else if (s->down_said)
		sidecar_send(s, TP_CTL_UP, "", 0);
	s->ready_said = true;
	s->down_said = false;
}

/* ------------------------------------------------------------ programs */

/* False when there is nothing more, now or ever: others may hold the pipe. */
static bool read_program_err(struct program *p)
{
	char chunk[4096];
	ssize_t n = read(p->child.err, chunk, sizeof(chunk));

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		tp_watch_del(p->err_watch);
		p->err_watch = NULL;
		return false;
	}
	if (write(STDERR_FILENO, chunk, (size_t)n) < 0 && errno == EPIPE)
		leave(0);
	if (p->err.len + (size_t)n > p->err.max)
		tp_buf_reset(&p->err);
	tp_buf_put(&p->err, chunk, (size_t)n);
	p->said_ms = tp_now_ms();
	return true;
}

static void on_program_err(void *arg, int events)
{
	(void)events;
	read_program_err(arg);
}

/* What it said last says best why it ended, unless that was long before: ssh
 * also tells of a forward that led nowhere. */
static void last_line(struct program *p, char *out, size_t max)
{
	size_t end = tp_now_ms() - p->said_ms < LAST_WORD_MS ? p->err.len : 0, start;

	while (end && strchr("\r\n ", p->err.data[end - 1]))
		end--;
	for (start = end; start && p->err.data[start - 1] != '\n'; start--)
		;
	snprintf(out, max, "%.*s", (int)(end - start), p->err.data ? p->err.data + start : "");
}

static void on_program_end(void *arg, int events)
{
	struct program *p = arg;
	char line[300], why[400];
	int status;

	(void)events;
	if (tp_child_reap(&p->child, &status) != 0)
		return;
	while (p->err_watch && read_program_err(p))
		;
	last_line(p, line, sizeof(line));
	if (line[0])
		snprintf(why, sizeof(why), "%s ended: %s", p->name, line);
	else
		snprintf(why, sizeof(why), "%s ended with code %d", p->name,
			 tp_status_code(status));
	program_stop(p);
	p->on_end(p->s, why);
}

int program_start(struct sidecar *s, struct program *p, const char *name, char *const *argv,
		  char *const *env_add, void (*on_end)(struct sidecar *s, const char *why),
		  struct tp_err *err)
{
	struct tp_child_opts o = { .argv = argv,
				   .env_add = env_add,
				   .in = TP_STDIO_NULL,
				   .in_fd = p->in,
				   .out = TP_STDIO_NULL,
				   .err = TP_STDIO_PIPE };

	p->s = s;
	p->name = name;
	p->on_end = on_end;
	p->err = TP_BUF_INIT(16384);
	p->child = TP_CHILD_INIT;
	if (tp_child_start(&p->child, &o, err) < 0)
		return -1;
	fcntl(p->child.err, F_SETFL, O_NONBLOCK);
	p->err_watch = tp_watch_add(s->loop, p->child.err, TP_READ, on_program_err, p);
	p->ended = tp_watch_add(s->loop, p->child.pidfd, TP_READ, on_program_end, p);
	return 0;
}

void program_stop(struct program *p)
{
	if (!p->name)
		return;
	tp_watch_del(p->ended);
	tp_watch_del(p->err_watch);
	p->ended = p->err_watch = NULL;
	tp_child_free(&p->child);
	tp_buf_free(&p->err);
	p->name = NULL;
}

/* As PID 1 the sidecar inherits what its programs leave behind. Those of its
 * own are reaped where they are watched. */
static void reap_orphans(struct sidecar *s)
{
	siginfo_t si;

	for (;;) {
		memset(&si, 0, sizeof(si));
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
			return;
		if (si.si_pid == s->ssh.child.pid)
			on_program_end(&s->ssh, TP_READ);
		else if (si.si_pid == s->capture.child.pid)
			on_program_end(&s->capture, TP_READ);
		else
			waitpid(si.si_pid, NULL, WNOHANG);
	}
}

static void on_signal(void *arg, int events)
{
	struct sidecar *s = arg;
	struct signalfd_siginfo si;
	int fd = s->signals;

	(void)events;
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			leave(0);
	reap_orphans(s);
}

/* ------------------------------------------------------ what comes in */

static int read_own(const char *path, char **text, size_t *len)
{
	struct tp_buf b = TP_BUF_INIT(1 << 20);

	if (tp_read_file(path, &b) < 0) {
		tp_buf_free(&b);
		return -1;
	}
	*len = b.len;
	*text = tp_buf_steal(&b);
	return 0;
}

static int check_dir(struct tp_err *err)
{
	struct statfs fs;

	if (statfs(TP_SIDECAR_DIR, &fs) < 0)
		return tp_err_errno(err, errno, "%s", TP_SIDECAR_DIR);
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return tp_err_set(err, TP_ERR_FAILED,
				  "%s is not a tmpfs: a key is not written to a disk",
				  TP_SIDECAR_DIR);
	chmod(TP_SIDECAR_DIR, 0700);
	return 0;
}

static int prepare(struct sidecar *s, struct tp_err *err)
{
	if (s->prepared)
		return tp_err_set(err, TP_ERR_PROTOCOL, "prepare came twice");
	s->prepared = true;
	/* The rules for a container's namespace would cut the machine off. */
	if (s->method->host_network != s->on_host)
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "method %s is not for this network namespace", s->method->name);
	if (!s->private_key)
		return tp_err_set(err, TP_ERR_PROTOCOL, "no private key came");
	if (check_dir(err) < 0)
		return -1;
	if (read_own("/etc/resolv.conf", &s->own_resolv, &s->own_resolv_len) < 0 ||
	    read_own("/etc/hosts", &s->own_hosts, &s->own_hosts_len) < 0)
		tp_warn("this container has no resolv.conf or hosts of its own");
	/* what takes longest goes first: Python */
	if (local_start(s, err) < 0 || capture_prepare(s, err) < 0)
		return -1;
	capture_start(s);
	if (ssh_prepare(s, err) < 0)
		return -1;
	ssh_start(s);
	link_check(s);
	if (dnsfwd_start(s, err) < 0 ||
	    (s->method->filters && !s->hostfilter && filter_prepare(s, err) < 0) ||
	    tohost_start(s, err) < 0)
		return -1;
	sidecar_timing(s, "prepared");
	return 0;
}

static int parse_probe(struct sidecar *s, char *text)
{
	char *token = strchr(text, ' '), *colon = strrchr(text, ':');
	tp_autofree char *ip = NULL;

	if (!token || !colon || colon > token)
		return -1;
	*token++ = '\0';
	ip = tp_strndup(text, (size_t)(colon - text));
	memset(&s->probe, 0, sizeof(s->probe));
	s->probe.sin_family = AF_INET;
	s->probe.sin_port = htons((uint16_t)atoi(colon + 1));
	free(s->token);
	s->token = tp_strdup(token);
	return inet_pton(AF_INET, ip, &s->probe.sin_addr) == 1 && s->probe.sin_port ? 0 : -1;
}

static int take_agent(struct sidecar *s, const struct tp_frame *f, struct tp_err *err)
{
	tp_autofree char *text = tp_strndup(f->data, f->len);
	char *line, *save = NULL;
	bool probe = false;

	if (!s->prepared)
		return tp_err_set(err, TP_ERR_PROTOCOL, "agent came before prepare");
	tp_free_secret(s->hostkey);
	s->hostkey = NULL;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "hostkey ", 8) == 0) {
			free(s->hostkey);
			s->hostkey = tp_strdup(line + 8);
		} else if (strncmp(line, "user ", 5) == 0) {
			free(s->user);
			s->user = tp_strdup(line + 5);
		} else if (strncmp(line, "probe ", 6) == 0) {
			probe = parse_probe(s, line + 6) == 0;
		}
	}
	if (!s->hostkey || !s->user || !probe)
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "the agent's host key, user or probe is missing");
	if (strspn(s->user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
		    strlen(s->user) ||
	    s->user[0] == '-')
		return tp_err_set(err, TP_ERR_PROTOCOL, "the agent's user is no name");
	sidecar_timing(s, "agent-known");
	ssh_agent(s);
	return 0;
}

static void take(void *arg, const struct tp_frame *f)
{
	struct sidecar *s = arg;
	struct tp_err err;
	int rc;

	if (strcmp(f->name, TP_CTL_STOP) == 0)
		leave(0);
	if (strcmp(f->name, TP_CTL_UNDIALLED) == 0) {
		local_undialled(s, f->len == 4 && memcmp(f->data, "host", 4) == 0);
		return;
	}
	if (strcmp(f->name, TP_CTL_PREPARE) == 0)
		rc = prepare(s, &err);
	else if (strcmp(f->name, TP_CTL_AGENT) == 0)
		rc = take_agent(s, f, &err);
	else
		rc = sidecar_setting(s, f, &err);
	if (rc < 0) {
		tp_error("%s", err.msg);
		sidecar_fail(s, "sidecar: %s", err.msg);
	}
}

int sidecar_run(int argc, char **argv)
{
	struct sidecar *s = tp_calloc(1, sizeof(*s));
	const struct channel_events ev = { take, channel_ended, s };

	(void)argc;
	s->on_host = strcmp(argv[0], TP_SIDECAR_RUN_HOST) == 0;
	s->loop = tp_loop_new();
	s->description = TP_BUF_INIT(TP_FRAME_MAX);
	s->check_fd = s->inotify = s->capture_fd = s->transport_fd = s->notify = s->probe_fd = -1;
	s->user = tp_strdup(TP_AGENT_DEFAULT_USER);
	s->method = tp_method_at(0);
	s->sshuttle_by = "nft";
	umask(077);
	tp_raise_file_limit(); /* for ssh, which inherits it, as well */
	/* What its programs leave behind is its own to reap, even if it is not PID 1. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	s->signals = tp_signals_open();
	if (s->signals < 0) {
		tp_error("signalfd: %s", strerror(errno));
		return 1;
	}
	tp_watch_add(s->loop, s->signals, TP_READ, on_signal, s);
	s->channel = channel_new(s->loop, 3 * TP_FRAME_MAX, &ev);
	sidecar_sendf(s, TP_CTL_HELLO, "%d %s", TP_CONTROL_VERSION, TP_VERSION);
	sidecar_timing(s, "sidecar-started");
	channel_listen(s->channel);
	return tp_loop_run(s->loop);
}
