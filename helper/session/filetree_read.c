/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of a tree's files, in order, with the next ones being fetched
 * already. A file in the window goes
 *
 *   OPEN --handle--> READ, READ, ... (several at once) --all answered--> CLOSE
 *
 * The one at the head is handed out; blocks of the others wait, up to a bound.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "session/filetree_internal.h"

#define WINDOW	   256		/* files under way */
#define BUFFER_MAX (4u << 20)	/* bytes asked for or here, and not handed out */
#define HEAD_MIN   (256u << 10) /* of it for the head, whatever the others have */

struct block {
	struct file *file;
	struct block *next;
	uint64_t offset;
	uint32_t want, have;
	bool done;
	char data[];
};

struct file {
	struct tp_tree_reader *r;
	size_t entry;
	char handle[256];
	size_t handle_len;
	bool opened, failed, closed;
	uint64_t asked;	     /* bytes for which there is a READ */
	uint64_t size;	     /* less than the entry's if it shrank */
	unsigned under_way;  /* blocks */
	size_t held;	     /* bytes of blocks, asked for or here */
	struct block *first; /* in order; handed out from here */
	struct block **last;
};

struct tp_tree_reader {
	struct tp_sftp *s;
	struct tp_tree *t;
	size_t next;   /* entry to be handed out */
	size_t opened; /* entry up to which files are in the window */
	struct file *window[WINDOW];
	size_t head, n; /* of the window, a ring */
	size_t held;	/* all files' */
	bool in_file;	/* the head's entry was handed out */
	struct block *given;
};

struct tp_tree_reader *tp_tree_reader_new(struct tp_sftp *s, struct tp_tree *t)
{
	struct tp_tree_reader *r = tp_calloc(1, sizeof(*r));

	r->s = s;
	r->t = t;
	return r;
}

static void file_free(struct file *f)
{
	while (f->first) {
		struct block *b = f->first;

		f->first = b->next;
		free(b);
	}
	free(f);
}

void tp_tree_reader_free(struct tp_tree_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		file_free(r->window[(r->head + i) % WINDOW]);
	free(r->given);
	free(r);
}

/* ---------------------------------------------------------------- fetching */

static void close_if_done(struct file *f)
{
	if (!f->opened || f->closed || f->under_way || f->asked < f->size)
		return;
	f->closed = true;
	/* cannot fail: a handle is short */
	tp_sftp_ask(f->r->s, SSH_FXP_CLOSE, f->handle, f->handle_len, NULL, NULL, NULL);
}

static int on_data(void *arg, struct tp_sftp_reply *reply, struct tp_err *err);

static void ask_rest(struct block *b)
{
	struct file *f = b->file;

	tp_sftp_ask_read(f->r->s, f->handle, f->handle_len, b->offset + b->have, b->want - b->have,
			 on_data, b);
}

static int on_data(void *arg, struct tp_sftp_reply *reply, struct tp_err *err)
{
	struct block *b = arg;
	struct file *f = b->file;
	const char *path = f->r->t->v[f->entry].path;

	if (reply->type == SSH_FXP_DATA && reply->len && reply->len <= b->want - b->have) {
		memcpy(b->data + b->have, reply->data, reply->len);
		b->have += (uint32_t)reply->len;
		if (b->have < b->want) {
			ask_rest(b);
			return 0;
		}
	} else if (reply->type == SSH_FXP_STATUS && reply->status == SSH_FX_EOF) {
		/* It is shorter by now. What comes behind is the end, too. */
		if (f->size > b->offset + b->have)
			f->size = b->offset + b->have;
	} else {
		tp_autofree char *full = tp_tree_full_path(f->r->t, path);

		return tp_sftp_error(reply, full, err);
	}
	b->done = true;
	f->under_way--;
	close_if_done(f);
	return 0;
}

static void ask_block(struct file *f)
{
	uint64_t left = f->size - f->asked;
	uint32_t want = left < TP_SFTP_DATA_MAX ? (uint32_t)left : TP_SFTP_DATA_MAX;
	struct block *b = tp_malloc(sizeof(*b) + want);

	*b = (struct block){ .file = f, .offset = f->asked, .want = want };
	*f->last = b;
	f->last = &b->next;
	f->asked += want;
	f->under_way++;
	f->held += want;
	f->r->held += want;
	ask_rest(b);
}

static int on_open(void *arg, struct tp_sftp_reply *reply, struct tp_err *err)
{
	struct file *f = arg;

	if (reply->type == SSH_FXP_HANDLE && reply->len <= sizeof(f->handle)) {
		memcpy(f->handle, reply->data, reply->len);
		f->handle_len = reply->len;
		f->opened = true;
		return 0;
	}
	f->failed = true;
	return tp_tree_pass_over(f->r->t, f->r->t->v[f->entry].path, reply, err);
}

static int open_file(struct tp_tree_reader *r, size_t entry, struct tp_err *err)
{
	const struct tp_tree_entry *e = &r->t->v[entry];
	tp_autofree char *path = tp_tree_full_path(r->t, e->path);
	struct file *f = tp_calloc(1, sizeof(*f));

	f->r = r;
	f->entry = entry;
	f->size = e->size;
	f->last = &f->first;
	r->window[(r->head + r->n++) % WINDOW] = f;
	return tp_sftp_ask(r->s, SSH_FXP_OPEN, path, strlen(path), on_open, f, err);
}

/* As many requests as may be under way; the head's first. */
static int ask_more(struct tp_tree_reader *r, struct tp_err *err)
{
	for (size_t i = 0; i < r->n; i++) {
		struct file *f = r->window[(r->head + i) % WINDOW];

		while (f->opened && f->asked < f->size && tp_sftp_pending(r->s) < TP_SFTP_ENOUGH &&
		       (r->held < BUFFER_MAX || (!i && f->held < HEAD_MIN)))
			ask_block(f);
	}
	for (; r->opened < r->t->n; r->opened++) {
		if (!S_ISREG(r->t->v[r->opened].mode))
			continue;
		if (r->n == WINDOW || tp_sftp_pending(r->s) >= TP_SFTP_ENOUGH)
			break;
		if (open_file(r, r->opened, err))
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------------- handing out */

static void drop_head(struct tp_tree_reader *r)
{
	file_free(r->window[r->head]);
	r->head = (r->head + 1) % WINDOW;
	r->n--;
	r->in_file = false;
	r->next++;
}

/* The head's next block, its end, or nothing yet (0). */
static int give_from(struct tp_tree_reader *r, struct file *f, struct tp_tree_piece *piece)
{
	struct block *b = f->first;

	if (b && b->done) {
		f->first = b->next;
		if (!f->first)
			f->last = &f->first;
		f->held -= b->want;
		r->held -= b->want;
		/* behind where another answer found the end: the file has grown again since */
		if (b->offset + b->have > f->size)
			b->have = b->offset < f->size ? (uint32_t)(f->size - b->offset) : 0;
		free(r->given);
		r->given = b;
		*piece = (struct tp_tree_piece){ TP_PIECE_DATA, &r->t->v[f->entry], b->data,
						 b->have };
		return b->have > 0;
	}
	if (f->closed && !b)
		drop_head(r);
	return 0;
}

/* 1 a piece, 0 none yet. */
static int give(struct tp_tree_reader *r, struct tp_tree_piece *piece)
{
	while (r->next < r->t->n) {
		const struct tp_tree_entry *e = &r->t->v[r->next];
		struct file *f = r->window[r->head];
		size_t before = r->next;

		if (!S_ISREG(e->mode)) {
			r->next++;
			if (S_ISLNK(e->mode) && !e->target)
				continue;
			*piece = (struct tp_tree_piece){ TP_PIECE_ENTRY, e, NULL, 0 };
			return 1;
		}
		if (!r->n || f->entry != r->next)
			return 0; /* not opened yet */
		if (f->failed) {
			drop_head(r);
			continue;
		}
		if (!f->opened)
			return 0;
		if (!r->in_file) {
			r->in_file = true;
			*piece = (struct tp_tree_piece){ TP_PIECE_ENTRY, e, NULL, 0 };
			return 1;
		}
		close_if_done(f); /* of an empty file nothing else does */
		if (give_from(r, f, piece))
			return 1;
		if (r->next == before && !(f->first && f->first->done))
			return 0;
	}
	*piece = (struct tp_tree_piece){ .kind = TP_PIECE_END };
	return 1;
}

int tp_tree_read(struct tp_tree_reader *r, struct tp_tree_piece *piece, struct tp_err *err)
{
	for (;;) {
		int rc = give(r, piece);

		if (tp_sftp_pending(r->s) <= TP_SFTP_ENOUGH / 2 && ask_more(r, err))
			return -1;
		if (rc && piece->kind != TP_PIECE_END)
			return tp_sftp_send(r->s, err);
		/* The last CLOSEs are waited for, so that S can be used again. */
		if (rc && !tp_sftp_pending(r->s))
			return 0;
		if (tp_sftp_step(r->s, err))
			return -1;
	}
}
