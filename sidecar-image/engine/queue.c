/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"

#define BLOCK (64u << 10)
#define SMALL \
	2048 /* the first block of a queue that may stay short: thousands of connections have one */
#define IOVS 16

struct tp_queue_block {
	struct tp_queue_block *next;
	size_t cap, start, end;
	char data[];
};

static void drop_first(struct tp_queue *q)
{
	struct tp_queue_block *b = q->first;

	q->first = b->next;
	if (!q->first)
		q->last = NULL;
	free(b);
}

void tp_queue_free(struct tp_queue *q)
{
	while (q->first)
		drop_first(q);
	q->len = 0;
}

char *tp_queue_reserve(struct tp_queue *q, size_t n, size_t *room)
{
	struct tp_queue_block *b = q->last;

	if (!b || b->cap - b->end < n) {
		size_t cap = n > SMALL || b ? BLOCK : SMALL;

		b = tp_malloc(sizeof(*b) + cap);
		b->next = NULL;
		b->cap = cap;
		b->start = b->end = 0;
		if (q->last)
			q->last->next = b;
		else
			q->first = b;
		q->last = b;
	}
	*room = b->cap - b->end;
	return b->data + b->end;
}

void tp_queue_added(struct tp_queue *q, size_t n)
{
	if (n > q->last->cap - q->last->end)
		abort(); /* more than was reserved: memory is broken already */
	q->last->end += n;
	q->len += n;
}

void tp_queue_put(struct tp_queue *q, const void *p, size_t n)
{
	const char *from = p;

	while (n) {
		size_t room;
		char *to = tp_queue_reserve(q, n < SMALL ? 1 : SMALL + 1, &room);

		if (room > n)
			room = n;
		memcpy(to, from, room);
		tp_queue_added(q, room);
		from += room;
		n -= room;
	}
}

static void consume(struct tp_queue *q, size_t n)
{
	q->len -= n;
	while (q->first) {
		struct tp_queue_block *b = q->first;
		size_t have = b->end - b->start;

		if (n < have) {
			b->start += n;
			return;
		}
		n -= have;
		/* an empty one that is all there is serves again */
		if (b == q->last && b->cap == BLOCK) {
			b->start = b->end = 0;
			return;
		}
		drop_first(q);
	}
}

static ssize_t write_some(int fd, bool is_socket, struct iovec *v, size_t n)
{
	struct msghdr m = { .msg_iov = v, .msg_iovlen = n };
	ssize_t rc;

	do
		rc = is_socket ? sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) :
				 writev(fd, v, (int)n);
	while (rc < 0 && errno == EINTR);
	return rc;
}

ssize_t tp_queue_write(struct tp_queue *q, int fd, bool is_socket)
{
	ssize_t sum = 0;

	while (q->len) {
		struct iovec v[IOVS];
		size_t n = 0;
		ssize_t rc;

		for (struct tp_queue_block *b = q->first; b && n < IOVS; b = b->next)
			if (b->end > b->start)
				v[n++] = (struct iovec){ b->data + b->start, b->end - b->start };
		rc = write_some(fd, is_socket, v, n);
		if (rc < 0)
			return sum ? sum : -1;
		consume(q, (size_t)rc);
		sum += rc;
	}
	return sum;
}
