/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that wait for a socket, first in, first out, in blocks: taking some
 * away moves none of the others, and many blocks go out in one writev. It
 * has no maximum of its own; who fills it looks at LEN first.
 */
#ifndef TP_ENGINE_QUEUE_H
#define TP_ENGINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tp_queue_block;

/* LEN may be read; only the functions change it. All zero is an empty queue. */
struct tp_queue {
	struct tp_queue_block *first, *last;
	size_t len;
};

void tp_queue_free(struct tp_queue *q); /* can be used again */
void tp_queue_put(struct tp_queue *q, const void *p, size_t n);

/* Room for at least N (at most 65536) bytes behind what is there, in one piece; how much
 * there is goes to *ROOM. Call tp_queue_added with what was written. */
char *tp_queue_reserve(struct tp_queue *q, size_t n, size_t *room);
void tp_queue_added(struct tp_queue *q, size_t n);

/* Writes to FD, a socket or (not IS_SOCKET) a non-blocking pipe, as much as it takes, and drops
 * that: the bytes written; -1 with errno when it took none (EAGAIN: not now). */
ssize_t tp_queue_write(struct tp_queue *q, int fd, bool is_socket);

#endif
