/* SPDX-License-Identifier: Apache-2.0 */
/* What an SFTP server says: messages by themselves, and as the answers that a tree is looked at and read with. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/filetree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *p;
	size_t n;
};

static int swallow(void *arg, const void *p, size_t n, struct tp_err *err)
{
	(void)arg;
	(void)p;
	(void)n;
	(void)err;
	return 0;
}

/* In pieces of odd sizes, as a network has them. */
static ssize_t feed(void *arg, void *p, size_t n, struct tp_err *err)
{
	struct input *in = arg;

	(void)err;
	if (n > 1777)
		n = 1777;
	if (n > in->n)
		n = in->n;
	if (n)
		memcpy(p, in->p, n);
	in->p += n;
	in->n -= n;
	return (ssize_t)n;
}

static void messages(const char *p, size_t n)
{
	struct tp_sftp_reply r;
	struct tp_sftp_attrs a;
	const char *name;
	size_t len;
	ssize_t used;

	while ((used = tp_sftp_parse(p, n, &r)) > 0) {
		uint32_t count = r.count;

		if ((size_t)used > n)
			abort();
		while (tp_sftp_next_name(&r, &name, &len, &a))
			count--;
		if (r.type == SSH_FXP_NAME && count)
			abort(); /* all were checked */
		p += used;
		n -= (size_t)used;
	}
}

static void session(const char *p, size_t n)
{
	static const struct tp_tree_limits limits = { 1u << 20, 1000 };
	struct input in = { p, n };
	struct tp_sftp_io io = { swallow, feed, &in };
	struct tp_err err = { 0 };
	struct tp_sftp *s = tp_sftp_open(&io, &err);
	struct tp_tree t;

	if (!s)
		return;
	if (!tp_tree_look(s, "/r", NULL, &limits, &t, &err)) {
		struct tp_tree_reader *r = tp_tree_reader_new(s, &t);
		struct tp_tree_piece piece = { .kind = TP_PIECE_ENTRY };
		uint64_t bytes = 0;

		while (piece.kind != TP_PIECE_END && !tp_tree_read(r, &piece, &err)) {
			bytes = piece.kind == TP_PIECE_DATA ? bytes + piece.len : 0;
			if (piece.kind == TP_PIECE_DATA && bytes > piece.entry->size)
				abort(); /* more than the tar has room for */
		}
		tp_tree_reader_free(r);
	}
	tp_tree_free(&t);
	tp_sftp_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	messages((const char *)data, size);
	session((const char *)data, size);
	return 0;
}
