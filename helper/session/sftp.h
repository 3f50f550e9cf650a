/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SFTP client that has many requests under way at once: a tree of small
 * files costs bytes, and not several round trips for each file. (libssh's own
 * SFTP waits for every answer before it sends the next request.) Blocks in
 * tp_sftp_step alone; one thread.
 */
#ifndef TP_SESSION_SFTP_H
#define TP_SESSION_SFTP_H

#include "base/err.h"
#include "session/sftpmsg.h"

/* The stream below: as tp_agentssh_write and tp_agentssh_read. */
struct tp_sftp_io {
	int (*write)(void *arg, const void *p, size_t n, struct tp_err *err);
	ssize_t (*read)(void *arg, void *p, size_t n, struct tp_err *err);
	void *arg;
};

struct tp_sftp;

/* Agrees on the version. NULL ERR. */
struct tp_sftp *tp_sftp_open(const struct tp_sftp_io *io, struct tp_err *err);
/* What is under way is never answered. NULL is allowed. */
void tp_sftp_free(struct tp_sftp *s);

/* An answer to a request; it may send others. -1 ERR: tp_sftp_step fails with that. */
typedef int tp_sftp_fn(void *arg, struct tp_sftp_reply *r, struct tp_err *err);

/* Requests, sent with the next step; FN may be NULL (CLOSE). -1 ERR: the path is too long. */
int tp_sftp_ask(struct tp_sftp *s, enum tp_sftp_type type, const void *p, size_t n, tp_sftp_fn *fn,
		void *arg, struct tp_err *err);
void tp_sftp_ask_read(struct tp_sftp *s, const void *handle, size_t n, uint64_t offset,
		      uint32_t len, tp_sftp_fn *fn, void *arg);

/* How many are under way; past this many nobody should begin anything new. */
#define TP_SFTP_ENOUGH 256
size_t tp_sftp_pending(const struct tp_sftp *s);

/* Sends what was asked, so that the server can be at it meanwhile. */
int tp_sftp_send(struct tp_sftp *s, struct tp_err *err);
/* The same, waits for at least one answer, and hands out all that have come. Without anything under way: at once 0.
 * After an error S is of no use any more. */
int tp_sftp_step(struct tp_sftp *s, struct tp_err *err);

/* Reads a small file to its end, whatever size it claims to have (as in /proc), into OUT. Nothing else may be under way. */
int tp_sftp_read_file(struct tp_sftp *s, const char *path, struct tp_buf *out, struct tp_err *err);

/* An answer that is not of the type that was wanted, as ERR, with the server's words: NOT_FOUND, FORBIDDEN, FAILED or PROTOCOL; -1.
 * DOING: "reading /etc/x". */
int tp_sftp_error(const struct tp_sftp_reply *r, const char *doing, struct tp_err *err);

#endif
