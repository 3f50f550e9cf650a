/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* One end of ours: a descriptor and what it was when we got it. */
struct end {
	int fd;
	int flags; /* to restore: others may share a terminal or pipe; -1 = nothing */
	bool socket, terminal;
};

struct fd_stream {
	struct tp_stream s;
	struct end in, out; /* out.fd == in.fd for a single descriptor, -1 when shut */
};

static struct end end_of(int fd)
{
	struct end e = { .fd = fd, .flags = -1 };
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (!fstat(fd, &st)) {
		e.socket = S_ISSOCK(st.st_mode);
		e.terminal = S_ISCHR(st.st_mode) && isatty(fd);
	}
	if (flags >= 0 && !(flags & O_NONBLOCK)) {
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		if (!e.socket)
			e.flags = flags;
	}
	if (!e.socket) {
		struct sigaction old;

		/* only sockets can be written to without the risk of SIGPIPE;
		 * children start with the default again */
		if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
			signal(SIGPIPE, SIG_IGN);
	}
	return e;
}

static void end_close(struct end *e)
{
	if (e->fd < 0)
		return;
	if (e->flags >= 0)
		fcntl(e->fd, F_SETFL, e->flags);
	tp_close_p(&e->fd);
}

static ssize_t fd_read(struct tp_stream *s, void *buf, size_t n)
{
	struct fd_stream *f = (struct fd_stream *)s;
	ssize_t got;

	do
		got = read(f->in.fd, buf, n);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EIO && f->in.terminal)
		return 0; /* how a pseudo terminal says that the other side is gone */
	return got;
}

static ssize_t fd_write(struct tp_stream *s, const void *buf, size_t n)
{
	struct fd_stream *f = (struct fd_stream *)s;
	ssize_t done;

	if (!n)
		return 0;
	if (f->out.fd < 0) {
		errno = EPIPE;
		return -1;
	}
	do
		done = f->out.socket ? send(f->out.fd, buf, n, MSG_NOSIGNAL) :
				       write(f->out.fd, buf, n);
	while (done < 0 && errno == EINTR);
	return done;
}

static int fd_shutdown(struct tp_stream *s)
{
	struct fd_stream *f = (struct fd_stream *)s;
	int rc = 0;

	if (f->out.fd < 0)
		return 0;
	if (f->out.socket && shutdown(f->out.fd, SHUT_WR) && errno != ENOTCONN)
		rc = -1;
	if (f->out.fd != f->in.fd)
		end_close(&f->out);
	return rc;
}

static void fd_close(struct tp_stream *s)
{
	struct fd_stream *f = (struct fd_stream *)s;

	if (f->out.fd != f->in.fd)
		end_close(&f->out);
	end_close(&f->in);
	free(f);
}

static const struct tp_stream_ops fd_ops = {
	.read = fd_read,
	.write = fd_write,
	.shutdown = fd_shutdown,
	.close = fd_close,
};

struct tp_stream *tp_stream_from_fds(int in, int out)
{
	struct fd_stream *f = tp_calloc(1, sizeof(*f));

	f->in = end_of(in);
	f->out = in == out ? f->in : end_of(out);
	f->s.ops = &fd_ops;
	f->s.fd = in;
	f->s.can_half_close = in != out || f->in.socket;
	return &f->s;
}

struct tp_stream *tp_stream_from_fd(int fd)
{
	return tp_stream_from_fds(fd, fd);
}

int tp_stream_write_fd(const struct tp_stream *s)
{
	return s->ops == &fd_ops ? ((const struct fd_stream *)s)->out.fd : s->fd;
}

static int broken(struct tp_stream *s, const char *doing, int errnum, struct tp_err *err)
{
	const char *why = tp_stream_reason(s);

	return tp_err_set(err, TP_ERR_UNREACHABLE, "%s: %s", doing, why ? why : strerror(errnum));
}

/* Waits for EVENTS on FD; 0, or -1 ERR, TIMEOUT at END included. */
static int wait_for(int fd, short events, long long end, const char *doing, struct tp_cancel *c,
		    struct tp_err *err)
{
	long long left = end < 0 ? -1 : end - tp_now_ms();
	int rc;

	if (end >= 0 && left < 0)
		left = 0;
	rc = tp_cancel_poll(c, fd, events, (int)left, err);
	if (rc == 0)
		return tp_err_set(err, TP_ERR_TIMEOUT, "%s: took too long", doing);
	return rc < 0 ? -1 : 0;
}

int tp_stream_write_all(struct tp_stream *s, const void *p, size_t n, int ms, struct tp_cancel *c,
			struct tp_err *err)
{
	static const char doing[] = "sending";
	long long end = ms < 0 ? -1 : tp_now_ms() + ms;
	const char *from = p;

	for (;;) {
		/* the last round, of no bytes, flushes the stream's own buffer */
		ssize_t done = tp_stream_write(s, from, n);

		if (done >= 0 && n == 0)
			return 0;
		if (done > 0) {
			from += done;
			n -= (size_t)done;
			continue;
		}
		if (done < 0 && errno != EAGAIN)
			return broken(s, doing, errno, err);
		if (wait_for(tp_stream_write_fd(s), POLLOUT, end, doing, c, err))
			return -1;
	}
}

ssize_t tp_stream_read_wait(struct tp_stream *s, void *buf, size_t n, int ms, struct tp_cancel *c,
			    struct tp_err *err)
{
	static const char doing[] = "receiving";
	long long end = ms < 0 ? -1 : tp_now_ms() + ms;

	for (;;) {
		ssize_t got;

		if (tp_cancel_is_set(c))
			return tp_err_set(err, TP_ERR_CANCELLED, "cancelled");
		got = tp_stream_read(s, buf, n);
		if (got >= 0)
			return got;
		if (errno != EAGAIN)
			return broken(s, doing, errno, err);
		if (wait_for(s->fd, POLLIN, end, doing, c, err))
			return -1;
	}
}
