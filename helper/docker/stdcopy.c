/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of attach and exec, and a stream over them. */
#include "docker/stdcopy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define IN_SIZE	   (64u << 10)
#define DIRECT_MIN (16u << 10)

enum { STDIN = 0, STDOUT = 1, STDERR = 2, SYSTEMERR = 3 };

int tp_stdcopy_next(struct tp_stdcopy *d, const char **p, size_t *n, const char **data, size_t *len)
{
	for (;;) {
		if (d->left > 0 && *n > 0) {
			*len = *n < d->left ? *n : d->left;
			*data = *p;
			*p += *len;
			*n -= *len;
			d->left -= (uint32_t)*len;
			return 1;
		}
		if (*n == 0)
			return 0;
		while (*n > 0 && d->have < sizeof(d->head)) {
			d->head[d->have++] = (unsigned char)*(*p)++;
			--*n;
		}
		/* Said as early as possible: a stream that is not such a
		 * one would otherwise be waited for. */
		if (d->head[0] > SYSTEMERR || (d->have > 1 && d->head[1]) ||
		    (d->have > 2 && d->head[2]) || (d->have > 3 && d->head[3]))
			return -1;
		if (d->have < sizeof(d->head))
			return 0;
		d->type = d->head[0];
		d->left = (uint32_t)d->head[4] << 24 | (uint32_t)d->head[5] << 16 |
			  (uint32_t)d->head[6] << 8 | d->head[7];
		d->have = 0;
	}
}

struct copy {
	struct tp_stream s;
	struct tp_stream *inner;
	struct tp_stdcopy d;
	void (*on_stderr)(void *arg, const char *p, size_t n);
	void *arg;
	const char *at; /* in[] read and not used */
	size_t have;
	const char *out; /* payload of stdout not handed over yet */
	size_t out_len;
	char reason[512];
	size_t reason_len;
	int broken;
	char in[IN_SIZE];
};

static ssize_t broken(struct copy *c, int errnum, const char *why)
{
	c->broken = errnum;
	if (c->reason_len == 0)
		snprintf(c->reason, sizeof(c->reason), "%s", why);
	errno = errnum;
	return -1;
}

static void add_reason(struct copy *c, const char *p, size_t n)
{
	size_t room = sizeof(c->reason) - 1 - c->reason_len;

	if (n > room)
		n = room;
	memcpy(c->reason + c->reason_len, p, n);
	c->reason_len += n;
	c->reason[c->reason_len] = '\0';
}

/* Until there is payload of stdout: 1; 0 more has to be read; -1 broken. */
static int next_payload(struct copy *c)
{
	const char *data;
	size_t len;
	int rc;

	while ((rc = tp_stdcopy_next(&c->d, &c->at, &c->have, &data, &len)) == 1) {
		switch (c->d.type) {
		case STDOUT:
		case STDIN: /* docker writes it to stdout, too */
			c->out = data;
			c->out_len = len;
			return 1;
		case STDERR:
			if (c->on_stderr)
				c->on_stderr(c->arg, data, len);
			break;
		default:
			add_reason(c, data, len);
			if (c->d.left == 0)
				return (int)broken(c, ECONNABORTED, "the engine gave up");
		}
	}
	if (rc < 0)
		return (int)broken(c, EPROTO, "the engine sent a broken stream");
	return 0;
}

static ssize_t copy_read(struct tp_stream *s, void *buf, size_t n)
{
	struct copy *c = (struct copy *)s;

	for (;;) {
		if (c->broken) {
			errno = c->broken;
			return -1;
		}
		if (c->out_len > 0) {
			if (n > c->out_len)
				n = c->out_len;
			memcpy(buf, c->out, n);
			c->out += n;
			c->out_len -= n;
			return (ssize_t)n;
		}
		if (c->have > 0) {
			if (next_payload(c) < 0)
				return -1;
			if (c->out_len > 0 || c->have > 0)
				continue;
		}
		/* Long payload goes past our buffer. */
		bool direct = c->d.left >= DIRECT_MIN && n >= DIRECT_MIN && c->d.type == STDOUT;
		size_t most = n < c->d.left ? n : c->d.left;
		ssize_t got = direct ? tp_stream_read(c->inner, buf, most) :
				       tp_stream_read(c->inner, c->in, sizeof(c->in));
		if (got < 0)
			return got;
		if (got == 0) {
			if (c->d.left > 0 || c->d.have > 0)
				return broken(c, ECONNRESET, "the engine's stream was cut off");
			return 0;
		}
		if (direct) {
			c->d.left -= (uint32_t)got;
			return got;
		}
		c->at = c->in;
		c->have = (size_t)got;
	}
}

static ssize_t copy_write(struct tp_stream *s, const void *buf, size_t n)
{
	return tp_stream_write(((struct copy *)s)->inner, buf, n);
}

static int copy_shutdown(struct tp_stream *s)
{
	return tp_stream_shutdown(((struct copy *)s)->inner);
}

static bool copy_pending(struct tp_stream *s)
{
	struct copy *c = (struct copy *)s;

	return c->out_len > 0 || c->have > 0 || tp_stream_pending(c->inner);
}

static const char *copy_reason(struct tp_stream *s)
{
	struct copy *c = (struct copy *)s;

	return c->reason[0] ? c->reason : tp_stream_reason(c->inner);
}

static void copy_close(struct tp_stream *s)
{
	tp_stream_close(((struct copy *)s)->inner);
	free(s);
}

static const struct tp_stream_ops copy_ops = {
	.read = copy_read,
	.write = copy_write,
	.shutdown = copy_shutdown,
	.pending = copy_pending,
	.reason = copy_reason,
	.close = copy_close,
};

struct tp_stream *tp_stdcopy_stream(struct tp_stream *inner,
				    void (*on_stderr)(void *arg, const char *p, size_t n),
				    void *arg)
{
	struct copy *c = tp_malloc(sizeof(*c));

	memset(c, 0, offsetof(struct copy, in));
	c->s.ops = &copy_ops;
	c->s.fd = inner->fd;
	c->s.can_half_close = inner->can_half_close;
	c->inner = inner;
	c->on_stderr = on_stderr;
	c->arg = arg;
	return &c->s;
}
