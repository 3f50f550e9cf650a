/* SPDX-License-Identifier: Apache-2.0 */
/* Local sockets: descriptors in messages, and names that are no files. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "sidecar/sidecar.h"

int send_with_fd(int sock, const void *p, size_t n, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec v = { (void *)p, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		struct cmsghdr *c;

		memset(&u, 0, sizeof(u));
		m.msg_control = u.buf;
		m.msg_controllen = sizeof(u.buf);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		sent = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)n ? 0 : -1;
}

/* The room of an aligned control message may hold two descriptors where one
 * was asked for: none may stay behind, open and unknown. */
static void take_fds(const struct msghdr *m, int *fd)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t n;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < n; i++) {
		int got;

		memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (n == 1)
			*fd = got;
		else
			close(got);
	}
}

ssize_t recv_with_fd(int sock, void *p, size_t n, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct iovec v = { p, n };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	ssize_t got;

	*fd = -1;
	do
		got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		take_fds(&m, fd);
	return got;
}

/* A first byte of 0 makes a name abstract; its length counts, not a NUL at its end. */
static int abstract_address(const char *name, struct sockaddr_un *sun, socklen_t *len,
			    struct tp_err *err)
{
	size_t n = strlen(name);

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (!n || n >= sizeof(sun->sun_path))
		return tp_err_set(err, TP_ERR_FAILED, "\"%s\" is no name for a socket", name);
	memcpy(sun->sun_path + 1, name, n);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
	return 0;
}

int abstract_listen(const char *name, struct tp_err *err)
{
	tp_autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	socklen_t len;

	if (abstract_address(name, &sun, &len, err) < 0)
		return -1;
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, len) < 0 || listen(fd, 64) < 0)
		return tp_err_errno(err, errno, "cannot listen on the socket @%s", name);
	return tp_steal_fd(&fd);
}

int abstract_connect(const char *name, struct tp_err *err)
{
	tp_autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun;
	socklen_t len;

	if (abstract_address(name, &sun, &len, err) < 0)
		return -1;
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, len) < 0)
		return tp_err_errno(err, errno, "cannot connect to the socket @%s", name);
	return tp_steal_fd(&fd);
}
