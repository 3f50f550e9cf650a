/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of files over SFTP: first what there is, many folders at a time;
 * then the content of its files, in order, many files at a time. No link is
 * followed, so nothing outside the tree is read.
 */
#ifndef TP_SESSION_FILETREE_H
#define TP_SESSION_FILETREE_H

#include "session/sftp.h"

#define TP_TREE_DEPTH_MAX 200 /* folders within each other */

struct tp_tree_entry {
	char *path;    /* below the root, "a/b", any bytes but NUL; "" is the root itself */
	char *target;  /* a link's; NULL for one that vanished, which is passed over */
	uint32_t mode; /* a folder's, a file's or a link's; no other kind is kept */
	uint32_t uid, gid;
	uint32_t mtime; /* seconds since 1970 */
	uint64_t size;	/* of a file */
};

struct tp_tree {
	char *root; /* absolute */
	struct tp_tree_entry *v;
	size_t n;		    /* v[0] is the root; a folder comes before what is in it */
	uint64_t bytes;		    /* of all files */
	bool too_large;		    /* the limit was passed: the rest was not looked at */
	struct tp_strv passed_over; /* "PATH: why": what could not be taken along */
	size_t vanished; /* entries that went while we looked or read: somebody changes it */
};

struct tp_tree_limits {
	uint64_t bytes;
	size_t entries;
};

/* Looks at ROOT, a folder or a file. LEAVE_OUT: absolute paths that are passed by, with all that is in them. -1 ERR: NOT_FOUND, FORBIDDEN (ROOT
 * itself), FAILED (deeper or more entries than may be). TREE is to be freed whatever is returned. */
int tp_tree_look(struct tp_sftp *s, const char *root, const struct tp_strv *leave_out,
		 const struct tp_tree_limits *limits, struct tp_tree *tree, struct tp_err *err);
void tp_tree_free(struct tp_tree *t);

/* The content, piece by piece. */
struct tp_tree_reader;

struct tp_tree_piece {
	enum { TP_PIECE_ENTRY, TP_PIECE_DATA, TP_PIECE_END } kind;
	const struct tp_tree_entry *entry; /* the one that begins, or that DATA belongs to */
	const char *data;		   /* until the next call */
	size_t len;
};

/* Reads the files of T, which it notes in what could not be read; both must outlive it. */
struct tp_tree_reader *tp_tree_reader_new(struct tp_sftp *s, struct tp_tree *t);
/* The next piece: each entry in T's order, behind a file its data (never more than its size; less if it shrank). Files that
 * cannot be opened are passed over. -1 ERR: the connection broke, or a file cannot be read to its end. */
int tp_tree_read(struct tp_tree_reader *r, struct tp_tree_piece *piece, struct tp_err *err);
/* Before T. After an error, or before the end, S must not be used any more. NULL is allowed. */
void tp_tree_reader_free(struct tp_tree_reader *r);

#endif
