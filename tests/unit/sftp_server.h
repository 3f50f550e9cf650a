/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSH's SFTP server as a child, and our client on its pipes. */
#ifndef SFTP_SERVER_H
#define SFTP_SERVER_H

#include <errno.h>
#include <unistd.h>

#include "base/child.h"
#include "session/sftp.h"

#define SFTP_SERVER "/usr/lib/openssh/sftp-server"

static inline int server_write(void *arg, const void *p, size_t n, struct tp_err *err)
{
	struct tp_child *c = arg;

	return tp_write_all(c->in, p, n) ? tp_err_errno(err, errno, "write") : 0;
}

static inline ssize_t server_read(void *arg, void *p, size_t n, struct tp_err *err)
{
	struct tp_child *c = arg;
	ssize_t got = read(c->out, p, n);

	return got < 0 ? tp_err_errno(err, errno, "read") : got;
}

/* CHILD is to be freed. */
static inline struct tp_sftp *server_start(struct tp_child *child, struct tp_err *err)
{
	char *const argv[] = { (char *)SFTP_SERVER, NULL };
	struct tp_child_opts o = { .argv = argv, .in = TP_STDIO_PIPE, .out = TP_STDIO_PIPE };
	struct tp_sftp_io io = { server_write, server_read, child };

	*child = TP_CHILD_INIT;
	return tp_child_start(child, &o, err) ? NULL : tp_sftp_open(&io, err);
}

#endif
