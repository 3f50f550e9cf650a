/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client for an endpoint; ssh:// as the docker CLI does it. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/child.h"
#include "base/mem.h"
#include "docker/endpoint.h"

#define SSH_MAX 64

/* The ssh processes, one a connection. Each ends by itself when its
 * connection is closed, also when we are killed, and is reaped at the next
 * dial. It does not die with its parent by a signal: that would be sent
 * when the thread that dialled ends. */
static pthread_mutex_t ssh_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tp_child ssh[SSH_MAX];

/* ssh's options and the host, from ssh://[user@]host[:port][/path]. */
static void ssh_argv(const char *url, struct tp_strv *argv)
{
	tp_autofree char *copy = tp_strdup(url + strlen("ssh://"));
	char *host = copy, *path = strchr(copy, '/'), *at, *colon, *port = NULL;
	/* Both ways through one socket, which the child has as its stdin. */
	static const char *const start[] = { "sh",  "-c", "exec \"$@\" >&0",   "sh",
					     "ssh", "-o", "ConnectTimeout=30", "-T" };

	if (path)
		*path++ = '\0';
	at = strrchr(host, '@');
	if (at) {
		*at = '\0';
		host = at + 1;
	}
	colon = strrchr(host, ':');
	if (colon && !strchr(colon, ']')) {
		*colon = '\0';
		port = colon + 1;
	}
	if (host[0] == '[') {
		host++;
		host[strcspn(host, "]")] = '\0';
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(start); i++)
		tp_strv_add(argv, start[i]);
	if (at) {
		tp_strv_add(argv, "-l");
		tp_strv_add(argv, copy);
	}
	if (port && *port) {
		tp_strv_add(argv, "-p");
		tp_strv_add(argv, port);
	}
	tp_strv_add(argv, "--");
	tp_strv_add(argv, host);
	tp_strv_add(argv, "docker");
	if (path && *path)
		tp_strv_addf(argv, "--host=unix:///%s", path);
	tp_strv_add(argv, "system");
	tp_strv_add(argv, "dial-stdio");
}

static int dial_ssh(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	const struct tp_docker_endpoint *ep = arg;
	TP_AUTO_STRV argv = { 0 };
	int pair[2], status, rc = -1;
	struct tp_child *free_one = NULL;

	(void)cancel;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return tp_err_errno(err, errno, "cannot make a socket for ssh");
	ssh_argv(ep->host, &argv);
	struct tp_child_opts o = { .argv = argv.v, .in_fd = pair[1] };
	pthread_mutex_lock(&ssh_lock);
	for (int i = 0; i < SSH_MAX; i++) {
		if (ssh[i].pid > 0 && tp_child_reap(&ssh[i], &status) == 0)
			tp_child_free(&ssh[i]);
		if (ssh[i].pid == 0 && !free_one)
			free_one = &ssh[i];
	}
	if (free_one) {
		*free_one = TP_CHILD_INIT;
		rc = tp_child_start(free_one, &o, err);
	} else {
		tp_err_set(err, TP_ERR_FAILED, "too many connections by ssh");
	}
	pthread_mutex_unlock(&ssh_lock);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return tp_err_prefix(err, "%s", ep->host);
	}
	return pair[0];
}

/* "tcp://HOST[:PORT][/PATH]" as a URL; docker's ports where none is given. */
static char *tcp_url(const struct tp_docker_endpoint *ep)
{
	const char *rest = strstr(ep->host, "://") + 3;
	size_t n = strcspn(rest, "/");
	const char *colon = memrchr(rest, ':', n);
	bool has_port = colon && !memchr(colon, ']', n - (size_t)(colon - rest));

	return tp_asprintf("%s://%.*s%s%s", ep->tls ? "https" : "http",
			   n && colon != rest ? (int)n : 9, n && colon != rest ? rest : "localhost",
			   has_port && colon != rest ? "" :
			   ep->tls		     ? ":2376" :
						       ":2375",
			   rest + n);
}

struct tp_http_client *tp_docker_endpoint_client(const struct tp_docker_endpoint *ep,
						 struct tp_err *err)
{
	struct tp_http_config cfg = { .url = "http://localhost" };
	tp_autofree char *url = NULL;

	if (ep->socket_path) {
		cfg.unix_socket = ep->socket_path;
	} else if (strncmp(ep->host, "ssh://", 6) == 0) {
		cfg.dial = dial_ssh;
		cfg.dial_arg = (void *)ep;
		cfg.connect_timeout_ms = 40000;
	} else {
		url = tcp_url(ep);
		cfg.url = url;
		cfg.ca_pem = ep->ca_pem;
		cfg.cert_pem = ep->cert_pem;
		cfg.key_pem = ep->cert_pem ? ep->key_pem : NULL;
		cfg.insecure = ep->skip_verify;
	}
	return tp_http_client_new(&cfg, err);
}
