/* SPDX-License-Identifier: Apache-2.0 */
#include "session/sftpmsg.h"

#include <string.h>

#define HANDLE_MAX 256 /* the draft's */

enum {
	SSH_FILEXFER_ATTR_SIZE = 0x00000001,
	SSH_FILEXFER_ATTR_UIDGID = 0x00000002,
	SSH_FILEXFER_ATTR_PERMISSIONS = 0x00000004,
	SSH_FILEXFER_ATTR_ACMODTIME = 0x00000008,
};
#define SSH_FILEXFER_ATTR_EXTENDED 0x80000000u
#define SSH_FXF_READ		   0x00000001

/* ---------------------------------------------------------------- reading */

/* What is left of a message; BAD once something was not there. */
struct cursor {
	const char *p, *end;
	bool bad;
};

static const char *take(struct cursor *c, size_t n)
{
	const char *p = c->p;

	if (c->bad || (size_t)(c->end - c->p) < n) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return p;
}

static uint64_t take_number(struct cursor *c, size_t bytes)
{
	const unsigned char *u = (const unsigned char *)take(c, bytes);
	uint64_t v = 0;

	for (size_t i = 0; u && i < bytes; i++)
		v = v << 8 | u[i];
	return v;
}

static uint32_t take_u32(struct cursor *c)
{
	return (uint32_t)take_number(c, 4);
}

static const char *take_string(struct cursor *c, size_t *len)
{
	uint32_t n = take_u32(c);
	const char *p = take(c, n);

	*len = p ? n : 0;
	return p;
}

static void take_attrs(struct cursor *c, struct tp_sftp_attrs *a)
{
	uint32_t flags = take_u32(c);
	size_t len;

	memset(a, 0, sizeof(*a));
	if (flags & SSH_FILEXFER_ATTR_SIZE) {
		a->has_size = true;
		a->size = take_number(c, 8);
	}
	if (flags & SSH_FILEXFER_ATTR_UIDGID) {
		a->has_ids = true;
		a->uid = take_u32(c);
		a->gid = take_u32(c);
	}
	if (flags & SSH_FILEXFER_ATTR_PERMISSIONS) {
		a->has_mode = true;
		a->mode = take_u32(c);
	}
	if (flags & SSH_FILEXFER_ATTR_ACMODTIME) {
		a->has_times = true;
		a->atime = take_u32(c);
		a->mtime = take_u32(c);
	}
	if (!(flags & SSH_FILEXFER_ATTR_EXTENDED))
		return;
	for (uint32_t n = take_u32(c); n && !c->bad; n--) {
		take_string(c, &len);
		take_string(c, &len);
	}
}

static bool take_name(struct cursor *c, const char **name, size_t *len, struct tp_sftp_attrs *a)
{
	size_t long_len;

	*name = take_string(c, len);
	take_string(c, &long_len); /* as `ls -l` has it: for people */
	take_attrs(c, a);
	return !c->bad;
}

static bool check_names(struct cursor c, uint32_t count)
{
	struct tp_sftp_attrs a;
	const char *name;
	size_t len;

	if (count > TP_SFTP_NAMES_MAX)
		return false;
	while (count--)
		if (!take_name(&c, &name, &len, &a))
			return false;
	return true;
}

static bool parse_rest(struct cursor *c, struct tp_sftp_reply *r)
{
	r->id = take_u32(c);
	switch (r->type) {
	case SSH_FXP_VERSION:
		return !c->bad; /* extensions may follow */
	case SSH_FXP_STATUS:
		r->status = take_u32(c);
		if (c->bad)
			return false;
		/* the text came with version 3 */
		r->data = take_string(c, &r->len);
		return true;
	case SSH_FXP_HANDLE:
		r->data = take_string(c, &r->len);
		return !c->bad && r->len && r->len <= HANDLE_MAX;
	case SSH_FXP_DATA:
		r->data = take_string(c, &r->len);
		return !c->bad;
	case SSH_FXP_NAME:
		r->count = take_u32(c);
		r->names = c->p;
		r->end = c->end;
		return !c->bad && check_names(*c, r->count);
	case SSH_FXP_ATTRS:
		take_attrs(c, &r->attrs);
		return !c->bad;
	default:
		return false;
	}
}

ssize_t tp_sftp_parse(const char *p, size_t n, struct tp_sftp_reply *r)
{
	struct cursor c = { .p = p, .end = p + n };
	uint32_t len;

	if (n < 4)
		return 0;
	len = take_u32(&c);
	if (len < 5 || len > TP_SFTP_MSG_MAX)
		return -1;
	if (n - 4 < len)
		return 0;
	c.end = c.p + len;
	memset(r, 0, sizeof(*r));
	r->type = (enum tp_sftp_type)take_number(&c, 1);
	return parse_rest(&c, r) ? (ssize_t)len + 4 : -1;
}

int tp_sftp_next_name(struct tp_sftp_reply *r, const char **name, size_t *len,
		      struct tp_sftp_attrs *a)
{
	struct cursor c = { .p = r->names, .end = r->end };

	if (r->type != SSH_FXP_NAME || !r->count || !take_name(&c, name, len, a))
		return 0;
	r->names = c.p;
	r->count--;
	return 1;
}

/* ---------------------------------------------------------------- writing */

static int put_number(struct tp_buf *b, uint64_t v, size_t bytes)
{
	char p[8];

	for (size_t i = 0; i < bytes; i++)
		p[i] = (char)(v >> 8 * (bytes - 1 - i));
	return tp_buf_put(b, p, bytes);
}

static int put_string(struct tp_buf *b, const void *p, size_t n)
{
	return put_number(b, n, 4) | tp_buf_put(b, p, n);
}

/* LEN: of what follows the type. */
static int put_head(struct tp_buf *b, enum tp_sftp_type type, size_t len)
{
	return put_number(b, len + 1, 4) | put_number(b, type, 1);
}

int tp_sftp_put_init(struct tp_buf *b)
{
	return put_head(b, SSH_FXP_INIT, 4) | put_number(b, TP_SFTP_VERSION, 4);
}

int tp_sftp_put(struct tp_buf *b, enum tp_sftp_type type, uint32_t id, const void *p, size_t n)
{
	return put_head(b, type, 8 + n) | put_number(b, id, 4) | put_string(b, p, n);
}

int tp_sftp_put_open(struct tp_buf *b, uint32_t id, const void *path, size_t n)
{
	return put_head(b, SSH_FXP_OPEN, 16 + n) | put_number(b, id, 4) | put_string(b, path, n) |
	       put_number(b, SSH_FXF_READ, 4) | put_number(b, 0, 4) /* no attributes */;
}

int tp_sftp_put_read(struct tp_buf *b, uint32_t id, const void *handle, size_t n, uint64_t offset,
		     uint32_t len)
{
	return put_head(b, SSH_FXP_READ, 20 + n) | put_number(b, id, 4) | put_string(b, handle, n) |
	       put_number(b, offset, 8) | put_number(b, len, 4);
}
