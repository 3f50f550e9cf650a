/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of files as a tar stream (pax), made while it is read: modes, times,
 * owners and links as they are. The only module that knows the archive library.
 */
#ifndef TP_SESSION_COPYTAR_H
#define TP_SESSION_COPYTAR_H

#include "session/filetree.h"

/* Who owns what: the agent's user and groups become the container's user and its group, so that a program can read and
 * write in the copy what it could there. All others stay. */
struct tp_owner_map {
	uint32_t from_uid, to_uid;
	uint32_t to_gid;
	const uint32_t *from_gids;
	size_t n_gids;
};

struct tp_copytar;

struct tp_copytar *tp_copytar_new(void);
void tp_copytar_free(struct tp_copytar *c); /* NULL is allowed */

/* What the stream is made of, before it is read: folders (0755, root's), and links, of our own; NAME is a relative path. -1 ERR. */
int tp_copytar_folder(struct tp_copytar *c, const char *name, struct tp_err *err);
int tp_copytar_link(struct tp_copytar *c, const char *name, const char *target, struct tp_err *err);
/* And behind them the tree that R reads, its root as NAME. R and MAP (may be NULL) must outlive C. */
void tp_copytar_tree(struct tp_copytar *c, const char *name, struct tp_tree_reader *r,
		     const struct tp_owner_map *map);

/* The next bytes: > 0, 0 at the end, -1 ERR. */
ssize_t tp_copytar_read(struct tp_copytar *c, void *p, size_t n, struct tp_err *err);

#endif
