/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far half of the native engine: a connection for each TCP flow, a
 * socket for each UDP one (engine_udp.c) and each of echoes (engine_ping.c). What connect says goes back as it is, so
 * that a port where nobody listens is refused over there as well.
 */
#include "agent/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"

/* One that is being connected; afterwards the flow has the socket. */
struct dial {
	struct tp_far *far;
	struct dial *next, **back;
	struct tp_flow *flow;
	int fd;
	struct tp_watch *watch;
};

struct tp_far {
	struct tp_loop *loop;
	struct tp_flows *flows;
	struct dial *dials;
	struct tp_far_udp *udp;
	struct tp_far_ping *ping;
	void (*ended)(void *arg, const char *reason);
	void *arg;
};

static void forget(struct dial *d)
{
	tp_watch_del(d->watch);
	tp_close_p(&d->fd);
	*d->back = d->next;
	if (d->next)
		d->next->back = d->back;
	free(d);
}

static void on_gone(void *arg, int errnum)
{
	(void)errnum;
	forget(arg); /* whoever asked waits no more */
}

static const struct tp_flow_events dial_events = { .gone = on_gone };

static void on_connected(void *arg, int events)
{
	struct dial *d = arg;
	struct tp_flow *flow = d->flow;
	int error = 0, fd;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		forget(d);
		tp_flow_refuse(flow, error);
		return;
	}
	tp_watch_del(d->watch);
	d->watch = NULL;
	fd = tp_steal_fd(&d->fd);
	forget(d);
	tp_flow_listen(flow, NULL, NULL);
	tp_flow_attach(flow, fd);
}

int tp_far_errno(const struct tp_target *to, int errnum)
{
	return errnum == EAFNOSUPPORT || (errnum == EADDRNOTAVAIL && to->family == 6) ?
		       ENETUNREACH :
		       errnum;
}

int tp_far_connect(const struct tp_target *to, int type, int *error)
{
	struct sockaddr_storage sa;
	socklen_t len = tp_target_sockaddr(to, &sa);
	tp_autoclose int fd = socket(sa.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && (connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS))
		return tp_steal_fd(&fd);
	*error = tp_far_errno(to, errno);
	return -1;
}

static void dial(struct tp_far *far, struct tp_flow *flow, const struct tp_target *to)
{
	int error, fd = tp_far_connect(to, SOCK_STREAM, &error);
	struct dial *d;

	if (fd < 0) {
		tp_flow_refuse(flow, error);
		return;
	}
	d = tp_calloc(1, sizeof(*d));
	d->far = far;
	d->flow = flow;
	d->fd = fd;
	d->next = far->dials;
	d->back = &far->dials;
	if (d->next)
		d->next->back = &d->next;
	far->dials = d;
	d->watch = tp_watch_add(far->loop, fd, TP_WRITE, on_connected, d);
	tp_flow_listen(flow, &dial_events, d);
}

static void on_asked(void *arg, struct tp_flow *flow, const struct tp_target *to)
{
	struct tp_far *far = arg;

	if (to->protocol == IPPROTO_UDP)
		tp_far_udp_start(&far->udp, far->loop, flow, to);
	else if (to->protocol == IPPROTO_TCP)
		dial(far, flow, to);
	else
		tp_far_ping_start(&far->ping, far->loop, flow, to);
}

static void on_ended(void *arg, const char *reason)
{
	struct tp_far *far = arg;

	far->ended(far->arg, reason);
}

struct tp_far *tp_far_new(struct tp_loop *l, int fd_in, int fd_out,
			  void (*ended)(void *arg, const char *reason), void *arg)
{
	struct tp_far *far = tp_calloc(1, sizeof(*far));
	const struct tp_flows_events ev = { on_asked, on_ended, far };

	far->loop = l;
	far->ended = ended;
	far->arg = arg;
	far->flows = tp_flows_new(l, fd_in, fd_out, &ev);
	return far;
}

void tp_far_free(struct tp_far *far)
{
	if (!far)
		return;
	while (far->dials)
		forget(far->dials);
	tp_far_udp_free_all(&far->udp);
	tp_far_ping_free_all(&far->ping);
	tp_flows_free(far->flows);
	free(far);
}

/* ---------------------------------------------------------- the command */

static void stop(void *arg, const char *reason)
{
	if (reason)
		tp_error("engine: %s", reason);
	tp_loop_stop(arg, reason ? 1 : 0);
}

int tp_agent_engine(int argc, char **argv)
{
	struct tp_loop *l = tp_loop_new();
	struct tp_far *far;
	int rc;

	(void)argc;
	(void)argv;
	tp_raise_file_limit();
	far = tp_far_new(l, STDIN_FILENO, STDOUT_FILENO, stop, l);
	rc = tp_loop_run(l);
	tp_far_free(far);
	tp_loop_free(l);
	return rc;
}
