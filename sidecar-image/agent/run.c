/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 of the pod's container: listens, starts one sshd a connection, and
 * knows because of that when nobody has been there for too long.
 *
 *   port (loopback)  -- connection --> sshd -i
 *   probe (pod's IP) -- connection --> the token, if it comes from the pod itself
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/cancel.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "common/signals.h"

#define MAX_SESSIONS 256

extern char **environ;

struct agent {
	int listener, probe, signals;
	pid_t sessions[MAX_SESSIONS]; /* sshd's process for each connection */
	size_t n_sessions;
	long long ttl_ms;      /* 0: never */
	long long deserted_ms; /* when the last connection ended */
	char token[33];
	struct in_addr address; /* the pod's */
};

static int save_environment(struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(4u << 20);
	char **e;

	for (e = environ; *e; e++)
		if (tp_agent_env_is_pods(*e) && tp_buf_put(&b, *e, strlen(*e) + 1) < 0)
			return tp_err_set(err, TP_ERR_FAILED,
					  "the environment is larger than 4 MiB");
	return tp_agent_write("environ", b.data ? b.data : "", b.len, 0600, err);
}

/* eth0's, as the container runtimes call it; else the first that is up. */
static int pod_address(struct in_addr *a)
{
	struct ifaddrs *list, *i;
	int found = -1;

	if (getifaddrs(&list) < 0)
		return -1;
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
		    (i->ifa_flags & IFF_LOOPBACK))
			continue;
		if (found == 0 && strcmp(i->ifa_name, "eth0") != 0)
			continue;
		*a = ((struct sockaddr_in *)i->ifa_addr)->sin_addr;
		found = 0;
	}
	freeifaddrs(list);
	return found;
}

static int listen_on(struct in_addr a, unsigned *port, struct tp_err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = a };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		return tp_err_errno(err, e, "cannot listen on %s", inet_ntoa(a));
	}
	*port = ntohs(sin.sin_port);
	return fd;
}

static int make_token(char token[33])
{
	unsigned char raw[16];
	size_t i;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return -1;
	for (i = 0; i < sizeof(raw); i++)
		sprintf(token + 2 * i, "%02x", raw[i]);
	return 0;
}

static void serve(struct agent *a)
{
	int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC);
	pid_t pid;

	if (fd < 0)
		return;
	if (a->n_sessions == MAX_SESSIONS) {
		tp_warn("%d connections already; one more is refused", MAX_SESSIONS);
	} else if ((pid = tp_agent_sshd_serve(fd)) < 0) {
		tp_warn("cannot start sshd: %s", strerror(errno));
	} else {
		a->sessions[a->n_sessions++] = pid;
	}
	close(fd);
}

/* Whoever asks from inside the pod came through the tunnel. */
static void answer_probe(struct agent *a)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int fd = accept4(a->probe, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char line[40];

	if (fd < 0)
		return;
	if (from.sin_addr.s_addr == a->address.s_addr || ntohl(from.sin_addr.s_addr) >> 24 == 127) {
		int n = snprintf(line, sizeof(line), "%s\n", a->token);

		/* fresh socket, 33 bytes: always taken whole */
		if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
			tp_warn("the probe was not answered: %s", strerror(errno));
	}
	close(fd);
}

static void reap(struct agent *a)
{
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (i = 0; i < a->n_sessions; i++) {
			if (a->sessions[i] != pid)
				continue;
			a->sessions[i] = a->sessions[--a->n_sessions];
			if (!a->n_sessions)
				a->deserted_ms = tp_now_ms();
			break;
		}
	}
}

static void end_sessions(struct agent *a)
{
	size_t i;

	for (i = 0; i < a->n_sessions; i++)
		kill(-a->sessions[i], SIGKILL);
	/* in a PID namespace of its own, this is everything that is left */
	if (getpid() == 1)
		kill(-1, SIGKILL);
}

/* Milliseconds until the time-to-live is over, for poll. */
static int patience(const struct agent *a)
{
	long long left;

	if (!a->ttl_ms || a->n_sessions)
		return -1;
	left = a->deserted_ms + a->ttl_ms - tp_now_ms();
	return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static int loop(struct agent *a)
{
	struct pollfd p[3] = { { .fd = a->signals, .events = POLLIN },
			       { .fd = a->listener, .events = POLLIN },
			       { .fd = a->probe, .events = POLLIN } };
	struct signalfd_siginfo si;

	for (;;) {
		int n = poll(p, 3, patience(a));

		if (n < 0 && errno != EINTR) {
			tp_error("poll: %s", strerror(errno));
			return 1;
		}
		if (n == 0 && patience(a) == 0) {
			printf("tpdocker-agent: nobody has been connected for %lld seconds, so it ends\n",
			       a->ttl_ms / 1000);
			fflush(stdout);
			return 0;
		}
		if (n <= 0)
			continue;
		if (p[0].revents) {
			while (read(a->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
				if (si.ssi_signo != SIGCHLD)
					return 0;
			reap(a);
		}
		if (p[1].revents)
			serve(a);
		if (p[2].revents)
			answer_probe(a);
	}
}

static int start(struct agent *a, struct tp_err *err)
{
	const char *key = getenv(TP_AGENT_ENV_KEY), *ttl = getenv(TP_AGENT_ENV_TTL);
	struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	TP_AUTO_BUF pub = TP_BUF_INIT(4096);
	TP_AUTO_BUF line = TP_BUF_INIT(8192);
	unsigned port, probe_port;

	if (ttl && *ttl) {
		char *end;

		a->ttl_ms = strtoll(ttl, &end, 10) * 1000;
		if (*end || a->ttl_ms < 0 || a->ttl_ms > 1000LL * 3600 * 24 * 365)
			return tp_err_set(err, TP_ERR_USAGE, "%s is not a number of seconds: %s",
					  TP_AGENT_ENV_TTL, ttl);
	}
	if ((a->signals = tp_signals_open()) < 0)
		return tp_err_errno(err, errno, "signalfd");
	if (!tp_agent_dir(true, err) || save_environment(err) < 0)
		return -1;
	if (key && *key) {
		if (tp_agent_key_add(key, err) < 0)
			return tp_err_prefix(err, "%s", TP_AGENT_ENV_KEY);
	} else if (tp_agent_write("authorized_keys", "", 0, 0600, err) < 0) {
		return -1;
	}
	if (pod_address(&a->address) < 0)
		return tp_err_set(err, TP_ERR_FAILED,
				  "this pod has no IPv4 address besides localhost");
	if ((a->listener = listen_on(loopback, &port, err)) < 0 ||
	    (a->probe = listen_on(a->address, &probe_port, err)) < 0)
		return -1;
	if (make_token(a->token) < 0)
		return tp_err_errno(err, errno, "no random numbers");
	if (tp_agent_sshd_prepare(&pub, err) < 0)
		return -1;
	tp_buf_printf(&line,
		      TP_AGENT_READY "port=%u user=" TP_AGENT_USER
				     " probe=%s:%u token=%s hostkey=%s\n",
		      port, inet_ntoa(a->address), probe_port, a->token, pub.data);
	if (tp_agent_write("ready", line.data, line.len, 0600, err) < 0)
		return -1;
	a->deserted_ms = tp_now_ms();
	return tp_write_all(STDOUT_FILENO, line.data, line.len) < 0 ?
		       tp_err_errno(err, errno, "stdout") :
		       0;
}

int tp_agent_run(int argc, char **argv)
{
	struct agent a = { .listener = -1 };
	struct tp_err err;
	int rc;

	(void)argv;
	if (argc != 1) {
		tp_error("usage: tpdocker-agent run");
		return 2;
	}
	/* where it is not PID 1 (a shared PID namespace), what sessions leave behind is still its own to reap */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (start(&a, &err) < 0) {
		tp_error("%s", err.msg);
		return 1;
	}
	rc = loop(&a);
	end_sessions(&a);
	return rc;
}
