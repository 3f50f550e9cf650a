// SPDX-License-Identifier: Apache-2.0
/*
 * Port-forward inside a WebSocket: each message starts with a channel byte
 * (0 data, 1 error); the first two bytes of each channel are the port.
 *
 *   START --(one byte)--> BODY --(message ends)--> START
 *
 * The channel byte is read by itself, which costs nothing: the WebSocket has
 * it in a buffer already. Then payload goes straight into the caller's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "kube/client_internal.h"
#include "kube/pod.h"

enum { DATA = 0, ERROR = 1, CHANNELS };

struct forward {
	struct tp_stream s; /* first: it is cast */
	struct tp_ws *ws;
	bool in_body;
	unsigned channel;
	unsigned port_left[CHANNELS]; /* bytes of the port number still to come */
	char error[1024];
	size_t error_len;
	int broken; /* errno for every further read */
};

static ssize_t fail(struct forward *f, int errnum)
{
	f->broken = errnum;
	errno = errnum;
	return -1;
}

static ssize_t garbage(struct forward *f, const char *why)
{
	snprintf(f->error, sizeof(f->error), "%s", why);
	f->error_len = strlen(f->error);
	return fail(f, EPROTO);
}

static void take_error(struct forward *f, const char *p, size_t n)
{
	size_t room = sizeof(f->error) - 1 - f->error_len;

	if (n > room)
		n = room;
	memcpy(f->error + f->error_len, p, n);
	f->error_len += n;
	f->error[f->error_len] = '\0';
}

/* N payload bytes of the current message are at P. How many of them are data
 * for the caller; these are at the end of them. */
static size_t take(struct forward *f, const char *p, size_t n)
{
	size_t skip = f->port_left[f->channel];

	if (skip > n)
		skip = n;
	f->port_left[f->channel] -= (unsigned)skip;
	if (f->channel == DATA)
		return n - skip;
	take_error(f, p + skip, n - skip);
	return 0;
}

static ssize_t forward_read(struct tp_stream *s, void *buf, size_t n)
{
	struct forward *f = (struct forward *)s;

	if (f->broken) {
		errno = f->broken;
		return -1;
	}
	if (!n)
		return 0;
	for (;;) {
		bool first = false, last = false;
		unsigned char channel;
		ssize_t got;
		char *p = buf;
		size_t data;

		got = f->in_body ? tp_ws_read(f->ws, p, n, &first, &last) :
				   tp_ws_read(f->ws, &channel, 1, &first, &last);
		if (got < 0) {
			if (errno != EAGAIN)
				f->broken = errno;
			return -1;
		}
		if (got == 0) {
			/* The kubelet says what is wrong, then closes in order. */
			if (f->error_len)
				return fail(f, ECONNRESET);
			return 0;
		}
		if (!f->in_body || first) {
			if (f->in_body) { /* an empty last fragment ended the one before */
				channel = (unsigned char)*p++;
				got--;
			} else {
				got = 0;
			}
			if (channel >= CHANNELS)
				return garbage(f, "a message on an unknown channel");
			f->channel = channel;
		}
		f->in_body = !last;
		if (!got)
			continue;
		data = take(f, p, (size_t)got);
		if (!data) {
			/* The text may come in parts; it is whole with its message. */
			if (f->error_len && last)
				return fail(f, ECONNRESET);
			continue;
		}
		p += (size_t)got - data;
		if (p != (char *)buf)
			memmove(buf, p, data);
		return (ssize_t)data;
	}
}

static ssize_t forward_write(struct tp_stream *s, const void *buf, size_t n)
{
	static const unsigned char channel[] = { DATA };
	struct forward *f = (struct forward *)s;

	if (!n)
		return tp_ws_flush(f->ws);
	if (n > TP_WS_MESSAGE_MAX)
		n = TP_WS_MESSAGE_MAX;
	return tp_ws_write(f->ws, channel, sizeof(channel), buf, n);
}

static bool forward_pending(struct tp_stream *s)
{
	return tp_ws_pending(((struct forward *)s)->ws);
}

static const char *forward_reason(struct tp_stream *s)
{
	struct forward *f = (struct forward *)s;

	if (!f->error_len)
		return tp_ws_reason(f->ws);
	tp_text_clean(f->error);
	return f->error;
}

static void forward_close(struct tp_stream *s)
{
	struct forward *f = (struct forward *)s;

	tp_ws_close(f->ws);
	free(f);
}

static const struct tp_stream_ops ops = {
	.read = forward_read,
	.write = forward_write,
	.pending = forward_pending,
	.reason = forward_reason,
	.close = forward_close,
};

struct tp_stream *tp_port_forward_stream(struct tp_ws *w)
{
	struct forward *f = tp_calloc(1, sizeof(*f));

	f->s.ops = &ops;
	f->s.fd = tp_ws_fd(w);
	f->s.can_half_close = false;
	f->ws = w;
	for (size_t i = 0; i < CHANNELS; i++)
		f->port_left[i] = 2;
	return &f->s;
}

struct tp_stream *tp_pod_port_forward(struct tp_kube *k, const char *pod, unsigned port,
				      struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *base = tp_kube_pod_path(k, pod, "portforward");
	tp_autofree char *path = tp_asprintf("%s?ports=%u", base, port);
	tp_autofree char *what = tp_asprintf("port-forward to pod \"%s\"", pod);
	struct tp_ws *w = tp_kube_ws(k, path, what, c, err);

	return w ? tp_port_forward_stream(w) : NULL;
}
