/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One port of a pod, reached as a session reaches its agent: through the
 * helper's own port-forward and its relay, in one of two ways.
 *
 *   pf FILE NAMESPACE POD PORT socket PATH        listens on the unix socket PATH
 *   pf FILE NAMESPACE POD PORT exec ID ARG...     joins it to `docker exec ID ARG...`, once
 *
 * FILE: the kubeconfig. "ready" on stdout when a connection can be made. Ends
 * when its stdin does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/relay.h"
#include "docker/engine.h"
#include "http/http.h"
#include "session/link.h"

struct pf {
	struct tp_loop *loop;
	struct tp_kube *kube;
	const char *pod;
	unsigned port;
	int listener;
};

static void fail(const char *what, const struct tp_err *err)
{
	fprintf(stderr, "pf: %s: %s\n", what, err ? err->msg : strerror(errno));
	exit(1);
}

static void relay_ended(void *arg, const char *reason)
{
	(void)arg;
	if (reason)
		fprintf(stderr, "pf: %s\n", reason);
}

/* Blocks the loop for as long as it takes: connections come one by one. */
static void join(struct pf *pf, struct tp_stream *near)
{
	struct tp_err err = { 0 };
	struct tp_stream *far = tp_forward_open(TP_FORWARD_NATIVE, pf->kube, pf->pod, pf->port, NULL,
						&err);

	if (!far)
		fail("port-forward", &err);
	tp_relay_start(pf->loop, near, far, 0, relay_ended, NULL);
}

static void accept_ready(void *arg, int events)
{
	struct pf *pf = arg;
	int fd = accept4(pf->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		join(pf, tp_stream_from_fd(fd));
}

static void stdin_ready(void *arg, int events)
{
	struct pf *pf = arg;
	char c;

	(void)events;
	if (read(STDIN_FILENO, &c, 1) <= 0)
		tp_loop_stop(pf->loop, 0);
}

static void listen_at(struct pf *pf, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sa.sun_path))
		errno = ENAMETOOLONG;
	else
		strcpy(sa.sun_path, path);
	unlink(path);
	pf->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!*sa.sun_path || pf->listener < 0 ||
	    bind(pf->listener, (struct sockaddr *)&sa, sizeof(sa)) || listen(pf->listener, 16))
		fail(path, NULL);
	tp_watch_add(pf->loop, pf->listener, TP_READ, accept_ready, pf);
}

static void exec_stderr(void *arg, const char *p, size_t n)
{
	(void)arg;
	fwrite(p, 1, n, stderr);
}

int main(int argc, char **argv)
{
	struct tp_docker_globals g = { 0 };
	struct tp_docker_endpoint ep = { 0 };
	struct tp_kubeconfig kc = { 0 };
	struct tp_engine *engine = NULL;
	struct pf pf = { .listener = -1 };
	struct tp_err err = { 0 };

	if (argc < 7) {
		fprintf(stderr, "usage: pf KUBECONFIG NAMESPACE POD PORT socket PATH | exec ID ARG...\n");
		return 2;
	}
	tp_http_global_init();
	pf.loop = tp_loop_new();
	pf.pod = argv[3];
	pf.port = (unsigned)atoi(argv[4]);
	if (tp_kubeconfig_load(argv[1], NULL, argv[2], &kc, &err))
		fail("kubeconfig", &err);
	pf.kube = tp_kube_open(&kc, NULL, &err);
	if (!pf.kube)
		fail("cluster", &err);
	if (!strcmp(argv[5], "socket")) {
		listen_at(&pf, argv[6]);
	} else {
		struct tp_stream *near;

		if (tp_docker_endpoint_find(&g, &ep, &err) ||
		    !(engine = tp_engine_open(&ep, NULL, &err)))
			fail("engine", &err);
		near = tp_engine_exec(engine, argv[6], (const char *const *)argv + 7, exec_stderr, NULL,
				      NULL, NULL, &err);
		if (!near)
			fail("exec", &err);
		join(&pf, near);
	}
	tp_watch_add(pf.loop, STDIN_FILENO, TP_READ, stdin_ready, &pf);
	puts("ready");
	fflush(stdout);
	tp_loop_run(pf.loop);
	if (pf.listener >= 0)
		unlink(argv[6]);
	return 0;
}
