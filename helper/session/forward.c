/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port-forward of any kind as a stream: our own over a WebSocket, or
 * kubectl's or oc's, run as a child that lives as long as the stream.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/pod.h"
#include "session/link.h"

#define FORWARD_START_MS 30000 /* for the program to say where it listens */

/* A TCP connection to the program's listener, and the program itself. */
struct program_stream {
	struct tp_stream s;
	struct tp_stream *tcp;
	struct tp_child child;
};

static ssize_t program_read(struct tp_stream *s, void *buf, size_t n)
{
	return tp_stream_read(((struct program_stream *)s)->tcp, buf, n);
}

static ssize_t program_write(struct tp_stream *s, const void *buf, size_t n)
{
	return tp_stream_write(((struct program_stream *)s)->tcp, buf, n);
}

static void program_close(struct tp_stream *s)
{
	struct program_stream *p = (struct program_stream *)s;

	tp_stream_close(p->tcp);
	tp_child_free(&p->child);
	free(p);
}

static const struct tp_stream_ops program_ops = {
	.read = program_read,
	.write = program_write,
	.close = program_close,
};

static int connect_local(unsigned port, struct tp_err *err)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	tp_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return tp_err_errno(err, errno, "cannot connect to the port-forward on port %u",
				    port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return tp_steal_fd(&fd);
}

/* Reads the program's output until "Forwarding from 127.0.0.1:PORT -> ". */
static unsigned wait_forwarding(struct tp_child *child, struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(64 << 10);
	TP_AUTO_BUF e = TP_BUF_INIT(4 << 10);
	long long until = tp_now_ms() + FORWARD_START_MS;
	unsigned port;

	for (;;) {
		const char *at = b.data ? strstr(b.data, "127.0.0.1:") : NULL;
		char *room = tp_buf_reserve(&b, 1024);
		ssize_t n;
		int rc;

		/* The number is whole once the arrow behind it is there. */
		if (at && strstr(at, "->") && sscanf(at, "127.0.0.1:%u", &port) == 1)
			return port;
		rc = tp_cancel_poll(c, child->out, POLLIN, (int)(until - tp_now_ms()), err);
		if (rc < 0)
			return 0;
		n = rc ? (room ? read(child->out, room, 1024) : -1) : 0;
		if (n > 0) {
			tp_buf_added(&b, (size_t)n);
			continue;
		}
		tp_child_signal(child, SIGKILL);
		tp_read_all(child->err, &e);
		tp_err_set(err, TP_ERR_UNREACHABLE, "the port-forward did not start: %s",
			   e.len ? e.data : "no answer");
		return 0;
	}
}

static struct tp_stream *program_open(const char *program, struct tp_kube *kube, const char *pod,
				      unsigned port, struct tp_cancel *c, struct tp_err *err)
{
	const struct tp_kubeconfig *kc = tp_kube_config(kube);
	struct program_stream *p = tp_calloc(1, sizeof(*p));
	TP_AUTO_STRV argv = { 0 };
	struct tp_child_opts o = { .out = TP_STDIO_PIPE,
				   .err = TP_STDIO_PIPE,
				   .in = TP_STDIO_NULL };
	unsigned local;
	int fd;

	p->child = TP_CHILD_INIT;
	tp_strv_add(&argv, program);
	if (kc->source && *kc->source == '/' && !strchr(kc->source, ':'))
		tp_strv_addf(&argv, "--kubeconfig=%s", kc->source);
	if (strcmp(kc->context, "in-cluster"))
		tp_strv_addf(&argv, "--context=%s", kc->context);
	tp_strv_addf(&argv, "--namespace=%s", tp_kube_namespace(kube));
	tp_strv_add(&argv, "port-forward");
	tp_strv_add(&argv, "--address=127.0.0.1");
	tp_strv_addf(&argv, "pod/%s", pod);
	tp_strv_addf(&argv, ":%u", port);
	o.argv = argv.v;
	/* Out of the terminal's reach: Ctrl-C is for the user's container. */
	o.new_session = true;
	if (tp_child_start(&p->child, &o, err)) {
		tp_err_prefix(err, "--port-forward=%s", program);
		goto fail;
	}
	local = wait_forwarding(&p->child, c, err);
	if (!local)
		goto fail;
	fd = connect_local(local, err);
	if (fd < 0)
		goto fail;
	p->tcp = tp_stream_from_fd(fd);
	p->s.ops = &program_ops;
	p->s.fd = p->tcp->fd;
	return &p->s;
fail:
	tp_child_free(&p->child);
	free(p);
	return NULL;
}

struct tp_stream *tp_forward_open(enum tp_forward_kind kind, struct tp_kube *kube, const char *pod,
				  unsigned port, struct tp_cancel *c, struct tp_err *err)
{
	switch (kind) {
	case TP_FORWARD_KUBECTL:
		return program_open("kubectl", kube, pod, port, c, err);
	case TP_FORWARD_OC:
		return program_open("oc", kube, pod, port, c, err);
	case TP_FORWARD_NATIVE:
		break;
	}
	return tp_pod_port_forward(kube, pod, port, c, err);
}
