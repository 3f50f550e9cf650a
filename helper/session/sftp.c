/* SPDX-License-Identifier: Apache-2.0 */
#include "session/sftp.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PATH_BYTES_MAX 8192
#define SLOTS_MAX      2048
#define CHUNK	       (64u << 10)

struct slot {
	uint32_t id; /* 0: free */
	tp_sftp_fn *fn;
	void *arg;
};

struct tp_sftp {
	struct tp_sftp_io io;
	struct tp_buf out, in;
	struct slot slots[SLOTS_MAX]; /* at id % SLOTS_MAX */
	size_t pending;
	uint32_t last_id;
	bool failed; /* callers are gone that answers are for */
};

static int fill(struct tp_sftp *s, struct tp_err *err)
{
	char *room = tp_buf_reserve(&s->in, CHUNK);
	ssize_t n = room ? s->io.read(s->io.arg, room, CHUNK, err) : -1;

	if (n < 0)
		return -1;
	if (!n)
		return tp_err_set(err, TP_ERR_UNREACHABLE, "the SFTP server has ended");
	tp_buf_added(&s->in, (size_t)n);
	return 0;
}

static int garbage(struct tp_err *err)
{
	return tp_err_set(err, TP_ERR_PROTOCOL, "the SFTP server sent something that is not SFTP");
}

int tp_sftp_send(struct tp_sftp *s, struct tp_err *err)
{
	int rc = s->out.len ? s->io.write(s->io.arg, s->out.data, s->out.len, err) : 0;

	tp_buf_reset(&s->out);
	return rc;
}

static int greet(struct tp_sftp *s, struct tp_err *err)
{
	struct tp_sftp_reply r;
	ssize_t n;

	tp_sftp_put_init(&s->out);
	if (tp_sftp_send(s, err))
		return -1;
	while (!(n = tp_sftp_parse(s->in.data ? s->in.data : "", s->in.len, &r)))
		if (fill(s, err))
			return -1;
	if (n < 0 || r.type != SSH_FXP_VERSION)
		return garbage(err);
	if (r.id < TP_SFTP_VERSION)
		return tp_err_set(err, TP_ERR_PROTOCOL, "the SFTP server is too old: version %u",
				  r.id);
	tp_buf_consume(&s->in, (size_t)n);
	return 0;
}

struct tp_sftp *tp_sftp_open(const struct tp_sftp_io *io, struct tp_err *err)
{
	struct tp_sftp *s = tp_calloc(1, sizeof(*s));

	s->io = *io;
	s->out = TP_BUF_INIT((size_t)SLOTS_MAX * (PATH_BYTES_MAX + 64));
	s->in = TP_BUF_INIT(TP_SFTP_MSG_MAX + 2 * CHUNK);
	if (!greet(s, err))
		return s;
	tp_sftp_free(s);
	return NULL;
}

void tp_sftp_free(struct tp_sftp *s)
{
	if (!s)
		return;
	tp_buf_free(&s->out);
	tp_buf_free(&s->in);
	free(s);
}

static struct slot *find_slot(struct tp_sftp *s, tp_sftp_fn *fn, void *arg)
{
	struct slot *slot;

	/* Callers stop far earlier (TP_SFTP_ENOUGH, and the few that an answer brings about). */
	if (s->pending == SLOTS_MAX)
		abort();
	do {
		if (!++s->last_id)
			s->last_id = 1;
		slot = &s->slots[s->last_id % SLOTS_MAX];
	} while (slot->id);
	*slot = (struct slot){ s->last_id, fn, arg };
	s->pending++;
	return slot;
}

int tp_sftp_ask(struct tp_sftp *s, enum tp_sftp_type type, const void *p, size_t n, tp_sftp_fn *fn,
		void *arg, struct tp_err *err)
{
	if (n > PATH_BYTES_MAX)
		return tp_err_set(err, TP_ERR_FAILED, "a path of %zu bytes is too long", n);
	struct slot *slot = find_slot(s, fn, arg);

	/* cannot fail: the buffer holds that many */
	if (type == SSH_FXP_OPEN)
		tp_sftp_put_open(&s->out, slot->id, p, n);
	else
		tp_sftp_put(&s->out, type, slot->id, p, n);
	return 0;
}

void tp_sftp_ask_read(struct tp_sftp *s, const void *handle, size_t n, uint64_t offset,
		      uint32_t len, tp_sftp_fn *fn, void *arg)
{
	tp_sftp_put_read(&s->out, find_slot(s, fn, arg)->id, handle, n, offset, len);
}

size_t tp_sftp_pending(const struct tp_sftp *s)
{
	return s->pending;
}

static int hand_out(struct tp_sftp *s, struct tp_sftp_reply *r, struct tp_err *err)
{
	struct slot *slot = &s->slots[r->id % SLOTS_MAX], was = *slot;

	if (r->type == SSH_FXP_VERSION || !r->id || slot->id != r->id)
		return garbage(err);
	slot->id = 0;
	s->pending--;
	return was.fn ? was.fn(was.arg, r, err) : 0;
}

static int step(struct tp_sftp *s, struct tp_err *err)
{
	struct tp_sftp_reply r;
	size_t at = 0, answers = 0;
	ssize_t n;

	if (tp_sftp_send(s, err))
		return -1;
	for (;;) {
		n = tp_sftp_parse(s->in.data ? s->in.data + at : "", s->in.len - at, &r);
		if (n < 0)
			return garbage(err);
		if (n > 0) {
			at += (size_t)n;
			answers++;
			if (hand_out(s, &r, err))
				return -1;
			continue;
		}
		tp_buf_consume(&s->in, at);
		at = 0;
		if (answers)
			return 0;
		if (fill(s, err))
			return -1;
	}
}

int tp_sftp_step(struct tp_sftp *s, struct tp_err *err)
{
	if (s->failed)
		return tp_err_set(err, TP_ERR_UNREACHABLE, "SFTP has failed before");
	if (!s->pending)
		return 0;
	s->failed = step(s, err) != 0;
	return s->failed ? -1 : 0;
}

struct small_file {
	const char *path;
	char handle[256];
	size_t handle_len;
	struct tp_buf *out;
	bool eof;
};

static int on_handle(void *arg, struct tp_sftp_reply *r, struct tp_err *err)
{
	struct small_file *f = arg;

	if (r->type != SSH_FXP_HANDLE || r->len > sizeof(f->handle))
		return tp_sftp_error(r, f->path, err);
	memcpy(f->handle, r->data, r->len);
	f->handle_len = r->len;
	return 0;
}

static int on_bytes(void *arg, struct tp_sftp_reply *r, struct tp_err *err)
{
	struct small_file *f = arg;

	f->eof = r->type == SSH_FXP_STATUS && r->status == SSH_FX_EOF;
	if (f->eof)
		return 0;
	if (r->type != SSH_FXP_DATA || !r->len)
		return tp_sftp_error(r, f->path, err);
	return tp_buf_put(f->out, r->data, r->len) ?
		       tp_err_set(err, TP_ERR_PROTOCOL, "%s is longer than it can be", f->path) :
		       0;
}

int tp_sftp_read_file(struct tp_sftp *s, const char *path, struct tp_buf *out, struct tp_err *err)
{
	struct small_file f = { .path = path, .out = out };

	if (tp_sftp_ask(s, SSH_FXP_OPEN, path, strlen(path), on_handle, &f, err) ||
	    tp_sftp_step(s, err))
		return -1;
	while (!f.eof) {
		tp_sftp_ask_read(s, f.handle, f.handle_len, out->len, TP_SFTP_DATA_MAX, on_bytes,
				 &f);
		if (tp_sftp_step(s, err))
			return -1;
	}
	tp_sftp_ask(s, SSH_FXP_CLOSE, f.handle, f.handle_len, NULL, NULL, err);
	return tp_sftp_step(s, err);
}

int tp_sftp_error(const struct tp_sftp_reply *r, const char *doing, struct tp_err *err)
{
	if (r->type != SSH_FXP_STATUS)
		return tp_err_set(err, TP_ERR_PROTOCOL, "%s: an answer that does not fit", doing);
	switch (r->status) {
	case SSH_FX_NO_SUCH_FILE:
		return tp_err_set(err, TP_ERR_NOT_FOUND, "%s: there is no such file", doing);
	case SSH_FX_PERMISSION_DENIED:
		return tp_err_set(err, TP_ERR_FORBIDDEN, "%s: permission denied", doing);
	default:
		return tp_err_set(err, TP_ERR_FAILED, "%s: %.*s (status %u)", doing,
				  r->len > 200 ? 200 : (int)r->len, r->data ? r->data : "",
				  r->status);
	}
}
