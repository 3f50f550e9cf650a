/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A two-way byte stream that never blocks: a socket, a TLS connection, a
 * port-forward inside a WebSocket, a container's stdio. The relay and the
 * session know only this.
 */
#ifndef TP_BASE_STREAM_H
#define TP_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/err.h"

struct tp_stream;

struct tp_stream_ops {
	/* > 0 bytes read; 0 the other side has ended; -1 with errno: EAGAIN
	 * = wait for TP_READ on the descriptor, else the stream is broken. */
	ssize_t (*read)(struct tp_stream *s, void *buf, size_t n);
	/* > 0 bytes taken (possibly fewer); -1 with errno: EAGAIN = wait for
	 * TP_WRITE. A stream with an output buffer of its own sends what is
	 * left in it on the next call; N == 0 only does that and returns 0
	 * when nothing is left, -1 EAGAIN otherwise. */
	ssize_t (*write)(struct tp_stream *s, const void *buf, size_t n);
	/* We send no more (half-close). Where the protocol has none: nothing. 0, or -1 errno. */
	int (*shutdown)(struct tp_stream *s);
	/* Whether a read would give something though poll says nothing. */
	bool (*pending)(struct tp_stream *s);
	/* Why it broke, for a message; NULL if nothing better than errno. */
	const char *(*reason)(struct tp_stream *s);
	void (*close)(struct tp_stream *s); /* closes and frees */
};

/* Implementations put this first in their own struct. */
struct tp_stream {
	const struct tp_stream_ops *ops;
	int fd;		     /* to poll; owned by the stream */
	bool can_half_close; /* shutdown really tells the other side */
};

static inline ssize_t tp_stream_read(struct tp_stream *s, void *buf, size_t n)
{
	return s->ops->read(s, buf, n);
}
static inline ssize_t tp_stream_write(struct tp_stream *s, const void *buf, size_t n)
{
	return s->ops->write(s, buf, n);
}
static inline int tp_stream_shutdown(struct tp_stream *s)
{
	return s->ops->shutdown ? s->ops->shutdown(s) : 0;
}
static inline bool tp_stream_pending(struct tp_stream *s)
{
	return s->ops->pending && s->ops->pending(s);
}
static inline const char *tp_stream_reason(struct tp_stream *s)
{
	return s->ops->reason ? s->ops->reason(s) : NULL;
}
/* NULL is allowed. */
static inline void tp_stream_close(struct tp_stream *s)
{
	if (s)
		s->ops->close(s);
}

/* A stream over a socket, pipe end or terminal; makes FD non-blocking and
 * owns it. */
struct tp_stream *tp_stream_from_fd(int fd);
/* The same over two descriptors (a child's stdout and stdin): reads from IN,
 * writes to OUT. fd is IN; the relay polls tp_stream_write_fd for writing. */
struct tp_stream *tp_stream_from_fds(int in, int out);
/* The descriptor to poll for writing (fd, except for two-descriptor streams). */
int tp_stream_write_fd(const struct tp_stream *s);

/* Blocking helpers, for small exchanges outside the loop. Bounded by MS
 * milliseconds in all. */
int tp_stream_write_all(struct tp_stream *s, const void *p, size_t n, int ms, struct tp_cancel *c,
			struct tp_err *err);
/* Waits for data: > 0 bytes, 0 at the end, -1 ERR. */
ssize_t tp_stream_read_wait(struct tp_stream *s, void *buf, size_t n, int ms, struct tp_cancel *c,
			    struct tp_err *err);

#endif
