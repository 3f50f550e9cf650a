/* SPDX-License-Identifier: Apache-2.0 */
#include "session/copytar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

#define BLOCK	(64u << 10)
#define OUT_MAX (1u << 20)

struct tp_copytar {
	struct archive *a;
	struct tp_buf out; /* written, and not read yet */
	size_t taken;	   /* of it */
	bool ended;

	struct tp_tree_reader *reader; /* NULL: none, or read to its end */
	char *name;
	const struct tp_owner_map *map;
};

static la_ssize_t on_write(struct archive *a, void *arg, const void *p, size_t n)
{
	struct tp_copytar *c = arg;

	if (!tp_buf_put(&c->out, p, n))
		return (la_ssize_t)n;
	archive_set_error(a, ENOMEM, "no room");
	return -1;
}

static int fail(struct tp_copytar *c, struct tp_err *err)
{
	return tp_err_set(err, TP_ERR_FAILED, "libarchive: %s", archive_error_string(c->a));
}

struct tp_copytar *tp_copytar_new(void)
{
	struct tp_copytar *c = tp_calloc(1, sizeof(*c));

	c->out = TP_BUF_INIT(OUT_MAX);
	c->a = archive_write_new();
	/* Its own padding of 10 KiB would be most of what a few small files need. */
	if (!c->a || archive_write_set_format_pax_restricted(c->a) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(c->a, BLOCK) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(c->a, 1) != ARCHIVE_OK ||
	    archive_write_open(c->a, c, NULL, on_write, NULL) != ARCHIVE_OK)
		abort();
	return c;
}

void tp_copytar_free(struct tp_copytar *c)
{
	if (!c)
		return;
	archive_write_free(c->a);
	tp_buf_free(&c->out);
	free(c->name);
	free(c);
}

static int put_entry(struct tp_copytar *c, struct archive_entry *e, struct tp_err *err)
{
	int rc = archive_write_header(c->a, e);

	/* A warning is of names that are not UTF-8: they are written as they are. */
	if (rc == ARCHIVE_WARN)
		tp_verbose("%s", archive_error_string(c->a));
	archive_entry_free(e);
	return rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? 0 : fail(c, err);
}

static struct archive_entry *new_entry(const char *name, uint32_t mode)
{
	struct archive_entry *e = archive_entry_new();

	if (!e)
		abort();
	archive_entry_set_pathname(e, name);
	archive_entry_set_mode(e, (__LA_MODE_T)mode);
	return e;
}

int tp_copytar_folder(struct tp_copytar *c, const char *name, struct tp_err *err)
{
	struct archive_entry *e = new_entry(name, S_IFDIR | 0755);

	archive_entry_set_mtime(e, time(NULL), 0);
	return put_entry(c, e, err);
}

int tp_copytar_link(struct tp_copytar *c, const char *name, const char *target, struct tp_err *err)
{
	struct archive_entry *e = new_entry(name, S_IFLNK | 0777);

	archive_entry_set_symlink(e, target);
	archive_entry_set_mtime(e, time(NULL), 0);
	return put_entry(c, e, err);
}

void tp_copytar_tree(struct tp_copytar *c, const char *name, struct tp_tree_reader *r,
		     const struct tp_owner_map *map)
{
	c->name = tp_strdup(name);
	c->reader = r;
	c->map = map;
}

static void set_owner(struct archive_entry *e, const struct tp_tree_entry *t,
		      const struct tp_owner_map *map)
{
	uint32_t uid = t->uid, gid = t->gid;

	if (map && uid == map->from_uid)
		uid = map->to_uid;
	for (size_t i = 0; map && i < map->n_gids; i++) {
		if (map->from_gids[i] != t->gid)
			continue;
		gid = map->to_gid;
		break;
	}
	archive_entry_set_uid(e, uid);
	archive_entry_set_gid(e, gid);
}

static int begin(struct tp_copytar *c, const struct tp_tree_entry *t, struct tp_err *err)
{
	tp_autofree char *name = tp_asprintf("%s%s%s", c->name, *t->path ? "/" : "", t->path);
	struct archive_entry *e = new_entry(name, t->mode);

	archive_entry_set_mtime(e, t->mtime, 0);
	set_owner(e, t, c->map);
	if (S_ISREG(t->mode))
		archive_entry_set_size(e, (la_int64_t)t->size);
	if (S_ISLNK(t->mode))
		archive_entry_set_symlink(e, t->target);
	return put_entry(c, e, err);
}

/* One piece of the tree. A file that shrank is filled up with zeros by the library. */
static int write_piece(struct tp_copytar *c, struct tp_err *err)
{
	struct tp_tree_piece p;

	if (tp_tree_read(c->reader, &p, err))
		return -1;
	switch (p.kind) {
	case TP_PIECE_ENTRY:
		return begin(c, p.entry, err);
	case TP_PIECE_DATA:
		return archive_write_data(c->a, p.data, p.len) == (la_ssize_t)p.len ? 0 :
										      fail(c, err);
	case TP_PIECE_END:
		c->reader = NULL;
		break;
	}
	return 0;
}

ssize_t tp_copytar_read(struct tp_copytar *c, void *p, size_t n, struct tp_err *err)
{
	size_t left;

	while (c->taken == c->out.len) {
		tp_buf_reset(&c->out);
		c->taken = 0;
		if (c->ended)
			return 0;
		if (c->reader) {
			if (write_piece(c, err))
				return -1;
			continue;
		}
		c->ended = true;
		if (archive_write_close(c->a) != ARCHIVE_OK)
			return fail(c, err);
	}
	left = c->out.len - c->taken;
	if (n > left)
		n = left;
	memcpy(p, c->out.data + c->taken, n);
	c->taken += n;
	return (ssize_t)n;
}
