/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cancel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

struct tp_cancel {
	int fd;
	atomic_bool set;
};

struct tp_cancel *tp_cancel_new(void)
{
	struct tp_cancel *c = tp_malloc(sizeof(*c));

	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd < 0) {
		perror("tpdocker: eventfd");
		abort();
	}
	atomic_init(&c->set, false);
	return c;
}

void tp_cancel_free(struct tp_cancel *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

void tp_cancel_trigger(struct tp_cancel *c)
{
	uint64_t one = 1;
	int saved = errno;

	if (!c || atomic_exchange(&c->set, true))
		return;
	/* cannot fail: the counter goes from 0 to 1 */
	if (write(c->fd, &one, sizeof(one)) < 0)
		errno = saved;
}

bool tp_cancel_is_set(const struct tp_cancel *c)
{
	return c && atomic_load(&c->set);
}

int tp_cancel_fd(const struct tp_cancel *c)
{
	return c ? c->fd : -1;
}

long long tp_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int tp_cancel_poll(struct tp_cancel *c, int fd, short events, int ms, struct tp_err *err)
{
	long long end = ms < 0 ? 0 : tp_now_ms() + ms;
	struct pollfd p[2] = {
		{ .fd = fd, .events = events },
		{ .fd = tp_cancel_fd(c), .events = POLLIN },
	};

	for (;;) {
		long long left = ms < 0 ? -1 : end - tp_now_ms();
		int n;

		if (ms >= 0 && left < 0)
			left = 0;
		n = poll(p, 2, left > INT_MAX ? INT_MAX : (int)left);
		if (n < 0 && errno != EINTR)
			return tp_err_errno(err, errno, "poll");
		if (n < 0)
			continue; /* pollfds were not filled */
		if (p[1].revents || tp_cancel_is_set(c))
			return tp_err_set(err, TP_ERR_CANCELLED, "cancelled");
		if (p[0].revents & POLLNVAL)
			return tp_err_errno(err, EBADF, "poll");
		if (p[0].revents)
			return 1;
		if (ms >= 0 && tp_now_ms() >= end)
			return 0;
	}
}
