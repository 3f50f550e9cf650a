/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channels.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/task.h"
#include "common/control.h"
#include "session/tohost.h"

/* A connection that is being made. */
struct dial {
	struct tp_tohost *t;
	struct dial *next;
	uint32_t id;
	unsigned port;
	bool v6; /* tried when nobody listens on 127.0.0.1: "localhost" is either */
	int fd;
	struct tp_watch *watch;
};

struct tp_tohost {
	struct tp_loop *loop;
	struct tp_channels *channels; /* NULL: there is no stream */
	const struct tp_ports *ports;
	struct dial *dials;
	/* an exec that is being opened */
	struct tp_task *task;
	struct tp_engine *engine;
	char sidecar_id[65];
	struct tp_stream *fresh; /* between the task and the loop */
	void (*undialled)(void *arg);
	void *arg;
	bool settling;
};

static bool allowed(const struct tp_tohost *t, unsigned port)
{
	for (size_t i = 0; i < t->ports->n; i++)
		if (t->ports->v[i].kind == TP_PORT_TO_HOST && t->ports->v[i].remote == port)
			return true;
	return false;
}

static void dial_free(struct dial *d)
{
	struct dial **p = &d->t->dials;

	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	tp_watch_del(d->watch);
	tp_close_p(&d->fd);
	free(d);
}

static void answer(struct dial *d)
{
	struct tp_tohost *t = d->t;
	uint32_t id = d->id;
	int fd = tp_steal_fd(&d->fd);

	dial_free(d);
	tp_channels_answer(t->channels, id, fd);
}

static void start(struct dial *d);

static void failed(struct dial *d, int errnum)
{
	tp_watch_del(d->watch);
	d->watch = NULL;
	tp_close_p(&d->fd);
	if (!d->v6) {
		d->v6 = true;
		start(d);
		return;
	}
	tp_verbose("port %u of this machine, which the container calls: %s", d->port,
		   strerror(errnum));
	answer(d);
}

static void on_connected(void *arg, int events)
{
	struct dial *d = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		failed(d, error);
		return;
	}
	answer(d);
}

static void start(struct dial *d)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)d->port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)d->port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const struct sockaddr *to = d->v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t len = d->v6 ? sizeof(v6) : sizeof(v4);

	d->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0 || (connect(d->fd, to, len) < 0 && errno != EINPROGRESS)) {
		failed(d, errno);
		return;
	}
	d->watch = tp_watch_add(d->t->loop, d->fd, TP_WRITE, on_connected, d);
}

static void on_asked(void *arg, uint32_t id, unsigned port)
{
	struct tp_tohost *t = arg;
	struct dial *d;

	if (!allowed(t, port)) {
		tp_warn("the sidecar asks for port %u of this machine, which was not given to it",
			port);
		tp_channels_answer(t->channels, id, -1);
		return;
	}
	d = tp_calloc(1, sizeof(*d));
	d->t = t;
	d->id = id;
	d->port = port;
	d->fd = -1;
	d->next = t->dials;
	t->dials = d;
	start(d);
}

static void hang_up(struct tp_tohost *t)
{
	while (t->dials)
		dial_free(t->dials);
	tp_channels_free(tp_steal(&t->channels));
}

static void on_ended(void *arg, const char *reason)
{
	struct tp_tohost *t = arg;

	tp_verbose("the container's way to this machine ended: %s", reason ? reason : "closed");
	hang_up(t);
}

void tp_tohost_serve(struct tp_tohost *t, struct tp_stream *s)
{
	struct tp_channels_events ev = { on_asked, on_ended, t };

	hang_up(t);
	t->channels = tp_channels_new(t->loop, s, &ev);
}

static int exec_task(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	struct tp_tohost *t = arg;
	static const char *const argv[] = { TP_SIDECAR_PROGRAM, "link", "host", NULL };

	t->fresh = tp_engine_exec(t->engine, t->sidecar_id, argv, NULL, NULL, NULL, cancel, err);
	return t->fresh ? 0 : -1;
}

static void exec_done(void *arg, int rc, struct tp_err *err)
{
	struct tp_tohost *t = arg;

	t->task = NULL;
	if (rc)
		tp_verbose("the container's way to this machine: %s", err->msg);
	if (t->settling) {
		tp_stream_close(tp_steal(&t->fresh));
		tp_loop_stop(t->loop, 0);
	} else if (rc) {
		t->undialled(t->arg);
	} else {
		tp_tohost_serve(t, tp_steal(&t->fresh));
	}
}

void tp_tohost_dial_exec(struct tp_tohost *t, struct tp_engine *e, const char *sidecar_id)
{
	if (t->task || t->settling)
		return; /* it is on its way */
	t->engine = e;
	snprintf(t->sidecar_id, sizeof(t->sidecar_id), "%s", sidecar_id);
	t->task = tp_task_start(t->loop, exec_task, exec_done, t);
}

void tp_tohost_settle(struct tp_tohost *t)
{
	if (!t || !t->task)
		return;
	t->settling = true;
	tp_task_cancel(t->task);
	while (t->task)
		tp_loop_run(t->loop);
	t->settling = false;
}

struct tp_tohost *tp_tohost_new(struct tp_loop *l, const struct tp_ports *ports,
				void (*undialled)(void *arg), void *arg)
{
	struct tp_tohost *t = tp_calloc(1, sizeof(*t));

	t->loop = l;
	t->ports = ports;
	t->undialled = undialled;
	t->arg = arg;
	tp_raise_file_limit();
	return t;
}

void tp_tohost_free(struct tp_tohost *t)
{
	if (!t)
		return;
	tp_tohost_settle(t);
	hang_up(t);
	free(t);
}
