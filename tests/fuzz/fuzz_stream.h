/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that gives a fuzzer's input in pieces: its first byte says how large they
 * are, and how often nothing is there yet.
 */
#ifndef FUZZ_STREAM_H
#define FUZZ_STREAM_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/stream.h"

struct fuzz_stream {
	struct tp_stream s;
	const uint8_t *p;
	size_t n, piece;
	unsigned turn;
};

static ssize_t fuzz_read(struct tp_stream *s, void *buf, size_t n)
{
	struct fuzz_stream *f = (struct fuzz_stream *)s;

	if (f->turn++ % 3 == 2) {
		errno = EAGAIN;
		return -1;
	}
	if (n > f->piece)
		n = f->piece;
	if (n > f->n)
		n = f->n;
	if (n)
		memcpy(buf, f->p, n);
	f->p += n;
	f->n -= n;
	return (ssize_t)n;
}

static ssize_t fuzz_write(struct tp_stream *s, const void *buf, size_t n)
{
	struct fuzz_stream *f = (struct fuzz_stream *)s;

	(void)buf;
	if (n && f->turn++ % 5 == 4) {
		errno = EAGAIN;
		return -1;
	}
	return (ssize_t)(n > 7 ? 7 : n);
}

static void fuzz_close(struct tp_stream *s)
{
	free(s);
}

static inline struct tp_stream *fuzz_stream(const uint8_t *data, size_t size)
{
	static const struct tp_stream_ops ops = { .read = fuzz_read,
						  .write = fuzz_write,
						  .close = fuzz_close };
	struct fuzz_stream *f = tp_calloc(1, sizeof(*f));

	f->s.ops = &ops;
	f->s.fd = -1;
	f->piece = size ? data[0] + 1u : 1;
	f->p = size ? data + 1 : data;
	f->n = size ? size - 1 : 0;
	return &f->s;
}

#endif
