/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine that takes the container's connections, sshuttle or our own (redirect.h), and
 * the proof that it does: a connection to the agent's probe must bring its token.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "sidecar/sidecar.h"

#define SSHUTTLE    "/usr/lib/tpdocker/capture.py"
#define PROBE_MS    5000
#define FIRST_PORT  61320 /* above what the kernel gives out by itself */
#define PORTS	    1000
#define MAX_BACKOFF 5000
#define WAY	    (512 << 10) /* bytes between ssh and the native engine, each way */

static unsigned int last_port; /* 0: none yet */

static int set_rules(struct sidecar *s, struct tp_err *err)
{
	if (s->hostfilter)
		return hostfilter_capture(s, last_port, err);
	if (s->native && filter_engine(s, last_port, err) < 0)
		return -1;
	return filter_to_pod(s, last_port, err);
}

static void on_notify(void *arg, int events)
{
	struct sidecar *s = arg;
	char text[512];
	ssize_t n = recv(s->notify, text, sizeof(text) - 1, 0);
	struct tp_err err;

	(void)events;
	if (n <= 0)
		return;
	text[n] = '\0';
	if (!strstr(text, "READY=1") || !s->capture.name)
		return;
	if (set_rules(s, &err) < 0) {
		sidecar_fail(s, "%s", err.msg);
		return;
	}
	s->captured = true;
	sidecar_timing(s, "captured");
	sidecar_progress(s);
}

int capture_prepare(struct sidecar *s, struct tp_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = DIR_NOTIFY };

	if (tp_method_injects(s->method))
		return 0;
	unlink(DIR_NOTIFY);
	s->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->notify < 0 || bind(s->notify, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return tp_err_errno(err, errno, "cannot listen on %s", DIR_NOTIFY);
	s->notify_watch = tp_watch_add(s->loop, s->notify, TP_READ, on_notify, s);
	if (s->method->host_network)
		return hostfilter_start(s, err);
	s->ipv6 = s->native && ipv6_prepare();
	return filter_networks(s, err);
}

/* What others' packets come to as well has to listen everywhere; the filter keeps strangers out. */
static const char *listen_address(const struct sidecar *s)
{
	return s->hostfilter ? "0.0.0.0" : "127.0.0.1";
}

/* sshuttle looks for a port among those that users' programs like to have. */
static unsigned int free_port(const struct sidecar *s)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++) {
		unsigned int port =
			FIRST_PORT + (last_port ? last_port - FIRST_PORT + 1 + i : i) % PORTS;
		struct sockaddr_in sin = { .sin_family = AF_INET,
					   .sin_port = htons((uint16_t)port),
					   .sin_addr = { inet_addr(listen_address(s)) } };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
			  !forwards_wants(s, port) && !tohost_wants(s, port);

		if (fd >= 0)
			close(fd);
		if (ok)
			return port;
	}
	return FIRST_PORT;
}

static void on_recapture(void *arg)
{
	struct sidecar *s = arg;

	s->recapture = NULL;
	capture_start(s);
}

static void forget(struct sidecar *s)
{
	s->captured = false;
	tp_close_p(&s->capture_fd);
	tp_close_p(&s->transport_fd);
	mux_close(tp_steal(&s->tunnel));
	inject_close(s);
}

static void on_capture_end(struct sidecar *s, const char *why)
{
	/* not even its rules could be set: the older way, then */
	if (!s->native && !tp_method_injects(s->method) && !s->captured && !s->ready_said &&
	    strcmp(s->sshuttle_by, "nft") == 0 && s->capture_backoff_ms) {
		sidecar_sendf(s, TP_CTL_WARN, "%s; trying with iptables", why);
		s->sshuttle_by = "nat";
	} else {
		sidecar_down(s, why);
	}
	forget(s);
	s->capture_backoff_ms = s->capture_backoff_ms ? s->capture_backoff_ms * 2 : 100;
	if (s->capture_backoff_ms > MAX_BACKOFF)
		s->capture_backoff_ms = MAX_BACKOFF;
	if (!s->recapture)
		s->recapture = tp_timer_add(s->loop, s->capture_backoff_ms, on_recapture, s);
}

static void start_sshuttle(struct sidecar *s)
{
	char *env[] = { (char *)"NOTIFY_SOCKET=" DIR_NOTIFY, (char *)"PYTHONDONTWRITEBYTECODE=1",
			s->hostfilter ? (char *)"TPDOCKER_RULES=kept" : NULL, NULL };
	TP_AUTO_STRV argv = { 0 };
	struct tp_err err;
	size_t i;

	tp_strv_add(&argv, "/usr/bin/python3");
	tp_strv_add(&argv, "-IS");
	tp_strv_add(&argv, SSHUTTLE);
	tp_strv_addf(&argv, "--listen=%s:%u", listen_address(s), last_port);
	tp_strv_addf(&argv, "--method=%s", s->sshuttle_by);
	tp_strv_add(&argv, "--disable-ipv6");
	tp_strv_add(&argv, "--no-latency-control");
	tp_strv_add(&argv, "--latency-buffer-size=1048576");
	tp_strv_add(&argv, "--ssh-cmd=" TP_SIDECAR_PROGRAM " transport");
	tp_strv_add(&argv, "--remote=agent");
	tp_strv_add(&argv, "--python=python3");
	for (i = 0; i < s->never_proxy.n; i++)
		tp_strv_addf(&argv, "--exclude=%s", s->never_proxy.v[i]);
	for (i = 0; i < s->n_subnets; i++) {
		struct in_addr a = { htonl(s->subnets[i].addr) };

		tp_strv_addf(&argv, "--exclude=%s/%d", inet_ntoa(a),
			     __builtin_popcount(s->subnets[i].mask));
	}
	if (s->verbose)
		tp_strv_add(&argv, "-v");
	for (i = 0; i < s->scope.n && s->hostfilter; i++)
		tp_strv_add(&argv, s->scope.v[i]);
	if (!s->hostfilter)
		tp_strv_add(&argv, "0.0.0.0/0");
	if (program_start(s, &s->capture, "sshuttle", argv.v, env, on_capture_end, &err) < 0)
		sidecar_fail(s, "%s", err.msg);
}

/* The way to the agent's end is there from the start; it leads somewhere once there is a session. */
static void start_native(struct sidecar *s)
{
	char *env[] = { (char *)"NOTIFY_SOCKET=" DIR_NOTIFY, NULL };
	TP_AUTO_STRV argv = { 0 };
	struct tp_err err;
	int pair[2], size = WAY;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		sidecar_fail(s, "socketpair: %s", strerror(errno));
		return;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	tp_strv_add(&argv, TP_SIDECAR_PROGRAM);
	tp_strv_add(&argv, "redirect");
	tp_strv_addf(&argv, "%u", last_port);
	tp_strv_addf(&argv, "%d", ENGINE_QUEUE);
	tp_strv_add(&argv, s->hostfilter ? "everywhere" : "loopback");
	s->capture.in = pair[1];
	if (program_start(s, &s->capture, "the engine", argv.v, env, on_capture_end, &err) < 0)
		sidecar_fail(s, "%s", err.msg);
	s->capture.in = 0;
	close(pair[1]);
	tp_close_p(&s->capture_fd);
	s->capture_fd = pair[0];
	ssh_capture_offered(s);
}

void capture_start(struct sidecar *s)
{
	if (tp_method_injects(s->method)) {
		ssh_capture_offered(s);
		return;
	}
	if (!s->native && !s->hostfilter)
		filter_drop_capture(last_port);
	last_port = free_port(s);
	if (s->native)
		start_native(s);
	else
		start_sshuttle(s);
}

void capture_restart(struct sidecar *s)
{
	program_stop(&s->capture);
	forget(s);
	if (!s->recapture)
		capture_start(s);
}

void capture_session_ended(struct sidecar *s)
{
	sidecar_down(s, "the tunnel ended");
	capture_restart(s);
}

/* -------------------------------------------------------------- probe */

void probe_stop(struct sidecar *s)
{
	tp_watch_del(s->probe_watch);
	s->probe_watch = NULL;
	tp_timer_del(s->probe_timer);
	s->probe_timer = NULL;
	tp_close_p(&s->probe_fd);
}

static void probe_failed(struct sidecar *s, const char *why)
{
	char text[200];

	probe_stop(s);
	snprintf(text, sizeof(text), "the tunnel was tried and carries nothing: %s", why);
	sidecar_down(s, text);
	/* by way of the back-off: the agent may be gone, or not there yet */
	program_stop(&s->capture);
	on_capture_end(s, text);
}

static void on_probe(void *arg, int events)
{
	struct sidecar *s = arg;
	ssize_t n;

	(void)events;
	n = recv(s->probe_fd, s->probe_buf + s->probe_got, sizeof(s->probe_buf) - 1 - s->probe_got,
		 0);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		probe_failed(s, n < 0 ? strerror(errno) : "the connection was closed");
		return;
	}
	s->probe_got += (size_t)n;
	if (tp_method_injects(s->method) && !s->probe_greeted) {
		int rc = inject_probe_answer(s->probe_buf, &s->probe_got);

		if (rc < 0)
			probe_failed(s, "the agent's SOCKS server refused");
		if (rc)
			return;
		s->probe_greeted = true;
	}
	s->probe_buf[s->probe_got] = '\0';
	if (!strchr(s->probe_buf, '\n') && s->probe_got < sizeof(s->probe_buf) - 1)
		return;
	s->probe_buf[strcspn(s->probe_buf, "\n")] = '\0';
	if (strcmp(s->probe_buf, s->token) != 0) {
		probe_failed(s, "somebody else answered for the agent");
		return;
	}
	probe_stop(s);
	s->probed = true;
	sidecar_timing(s, "probed");
	sidecar_progress(s);
}

static void on_probe_timeout(void *arg)
{
	struct sidecar *s = arg;

	s->probe_timer = NULL;
	probe_failed(s, "no answer");
}

/* By way of the capture; -1 with errno. */
static int probe_connect(const struct sidecar *s)
{
	int fd;

	if (tp_method_injects(s->method))
		return inject_probe(&s->probe);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&s->probe, sizeof(s->probe)) < 0 &&
	    errno != EINPROGRESS)
		tp_close_p(&fd);
	return fd;
}

void probe_start(struct sidecar *s)
{
	s->probe_got = 0;
	s->probe_greeted = false;
	s->probe_fd = probe_connect(s);
	if (s->probe_fd < 0) {
		probe_failed(s, strerror(errno));
		return;
	}
	s->probe_watch = tp_watch_add(s->loop, s->probe_fd, TP_READ, on_probe, s);
	s->probe_timer = tp_timer_add(s->loop, PROBE_MS, on_probe_timeout, s);
}
