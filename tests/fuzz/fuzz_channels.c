/* SPDX-License-Identifier: Apache-2.0 */
/* What one side of base/channels.h sends, by the parser and by a whole far end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channels.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct tp_loop *l;
	struct tp_channels *far;
};

/* Every other one is connected, to a socket that nobody reads. */
static void asked(void *arg, uint32_t id, unsigned number)
{
	struct world *x = arg;
	int p[2] = { -1, -1 };

	if (number & 1 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p) == 0)
		close(p[0]);
	tp_channels_answer(x->far, id, p[1]);
}

static void ended(void *arg, const char *reason)
{
	struct world *x = arg;

	(void)reason;
	tp_loop_stop(x->l, 0);
}

static void stop(void *arg)
{
	struct world *x = arg;

	tp_loop_stop(x->l, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world x = { .l = tp_loop_new() };
	struct tp_channels_events ev = { asked, ended, &x };
	struct tp_channel_msg m;
	const char *p = (const char *)data;
	size_t at = 0;
	ssize_t n;
	int pair[2];

	while ((n = tp_channels_parse(p + at, size - at, &m)) > 0) {
		if (m.len > TP_CHANNEL_PAYLOAD || m.data + m.len > p + size)
			abort();
		at += (size_t)n;
	}
	if (size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		goto out;
	x.far = tp_channels_new(x.l, tp_stream_from_fd(pair[0]), &ev);
	if (write(pair[1], data, size) == (ssize_t)size) {
		shutdown(pair[1], SHUT_WR);
		tp_timer_add(x.l, 20, stop, &x);
		tp_loop_run(x.l);
	}
	tp_channels_free(x.far);
	close(pair[1]);
out:
	tp_loop_free(x.l);
	return 0;
}
