/* SPDX-License-Identifier: Apache-2.0 */
/* What one side of the native engine sends: by the parser, and by a whole far and a whole near end. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/flows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct tp_loop *l;
	struct tp_flows *s;
	bool over;
};

/* By the port: refused, connected to a socket that nobody reads, or left waiting. */
static void asked(void *arg, struct tp_flow *f, const struct tp_target *to)
{
	int p[2];

	(void)arg;
	if (to->protocol != IPPROTO_TCP)
		tp_flow_attach(f, -1);
	else if (to->port % 3 == 0)
		tp_flow_refuse(f, to->port);
	else if (to->port % 3 == 1 &&
		 socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p) == 0) {
		close(p[0]);
		tp_flow_attach(f, p[1]);
	}
}

static void ended(void *arg, const char *reason)
{
	struct world *x = arg;

	(void)reason;
	if (x->over)
		abort(); /* told twice */
	x->over = true;
	tp_loop_stop(x->l, 0);
}

static void stop(void *arg)
{
	struct world *x = arg;

	tp_loop_stop(x->l, 0);
}

static void feed(const uint8_t *data, size_t size, bool far)
{
	static const char hello[] = {
		0, 0, 0, 0, TP_WIRE_HELLO, 0, 0, 4, 0, 0, 0, TP_WIRE_VERSION
	};
	const struct tp_target tcp = { IPPROTO_TCP, 4, 1, { 1 } },
			       udp = { IPPROTO_UDP, 4, 1, { 1 } };
	struct world x = { .l = tp_loop_new() };
	struct tp_flows_events ev = { far ? asked : NULL, ended, &x };
	int pair[2], p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	x.s = tp_flows_new(x.l, pair[0], pair[0], &ev);
	if (!far) { /* flows 1 and 3 have a socket, 2 has none, 4 is UDP */
		for (int i = 0; i < 3; i++) {
			struct tp_flow *f = tp_flow_open(x.s, &tcp, NULL, NULL);

			if (i == 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p))
				continue;
			close(p[0]);
			tp_flow_attach(f, p[1]);
		}
		tp_flow_open(x.s, &udp, NULL, NULL);
	}
	if (write(pair[1], hello, sizeof(hello)) == sizeof(hello) &&
	    write(pair[1], data, size) == (ssize_t)size) {
		shutdown(pair[1], SHUT_WR);
		tp_timer_add(x.l, 20, stop, &x);
		tp_loop_run(x.l);
	}
	if (tp_flows_held(x.s) > (4u << 20))
		abort();
	tp_flows_free(x.s);
	close(pair[0]);
	close(pair[1]);
	tp_loop_free(x.l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct tp_wire_frame m;
	size_t at = 0;
	ssize_t n;

	while ((n = tp_wire_parse(p + at, size - at, &m)) > 0) {
		if (m.len > TP_WIRE_PAYLOAD || m.data + m.len > p + size)
			abort();
		at += (size_t)n;
	}
	if (size < 60000) {
		feed(data, size, true);
		feed(data, size, false);
	}
	return 0;
}
