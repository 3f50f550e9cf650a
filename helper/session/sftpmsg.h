/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of SFTP version 3 (draft-ietf-secsh-filexfer-02) that reading
 * a tree of files takes, written and taken apart. A message is its length (4
 * bytes), its type (1) and the rest; numbers are big endian, strings have their length in front. Names are the draft's.
 */
#ifndef TP_SESSION_SFTPMSG_H
#define TP_SESSION_SFTPMSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define TP_SFTP_VERSION	  3
#define TP_SFTP_MSG_MAX	  (256u << 10) /* bytes of a message; OpenSSH sends no longer ones */
#define TP_SFTP_DATA_MAX  (32u << 10)  /* bytes that every server gives in one READ */
#define TP_SFTP_NAMES_MAX 65536	       /* names in one answer */

enum tp_sftp_type {
	SSH_FXP_INIT = 1,
	SSH_FXP_VERSION = 2,
	SSH_FXP_OPEN = 3,
	SSH_FXP_CLOSE = 4,
	SSH_FXP_READ = 5,
	SSH_FXP_LSTAT = 7,
	SSH_FXP_OPENDIR = 11,
	SSH_FXP_READDIR = 12,
	SSH_FXP_READLINK = 19,
	SSH_FXP_STATUS = 101,
	SSH_FXP_HANDLE = 102,
	SSH_FXP_DATA = 103,
	SSH_FXP_NAME = 104,
	SSH_FXP_ATTRS = 105,
};

enum tp_sftp_status {
	SSH_FX_OK = 0,
	SSH_FX_EOF = 1,
	SSH_FX_NO_SUCH_FILE = 2,
	SSH_FX_PERMISSION_DENIED = 3,
	SSH_FX_FAILURE = 4,
};

struct tp_sftp_attrs {
	bool has_size, has_ids, has_mode, has_times;
	uint64_t size;
	uint32_t uid, gid;
	uint32_t mode; /* S_IFMT and permissions */
	uint32_t atime, mtime;
};

/* An answer. Pointers are into what was parsed. */
struct tp_sftp_reply {
	enum tp_sftp_type type;
	uint32_t id;	  /* of the request; VERSION: the version */
	uint32_t status;  /* STATUS */
	const char *data; /* DATA: bytes; HANDLE: the handle; STATUS: the server's words */
	size_t len;
	struct tp_sftp_attrs attrs; /* ATTRS */
	/* NAME: COUNT names, for tp_sftp_next_name */
	uint32_t count;
	const char *names, *end;
};

/* > 0 the bytes that the first message of P takes, *R filled; 0 incomplete; -1 garbage: none of the types that are answers,
 * too long, or cut short. All names of a NAME are checked. */
ssize_t tp_sftp_parse(const char *p, size_t n, struct tp_sftp_reply *r);

/* The next of R's names: 1, *NAME of *LEN bytes (anything, "/" and NUL included) and *A; 0 no more. */
int tp_sftp_next_name(struct tp_sftp_reply *r, const char **name, size_t *len,
		      struct tp_sftp_attrs *a);

/* Requests; 0 or -1 (B is full). */
int tp_sftp_put_init(struct tp_buf *b);
/* TYPE with a path (LSTAT, OPENDIR, READLINK) or a handle (READDIR, CLOSE). */
int tp_sftp_put(struct tp_buf *b, enum tp_sftp_type type, uint32_t id, const void *p, size_t n);
int tp_sftp_put_open(struct tp_buf *b, uint32_t id, const void *path, size_t n); /* for reading */
int tp_sftp_put_read(struct tp_buf *b, uint32_t id, const void *handle, size_t n, uint64_t offset,
		     uint32_t len);

#endif
