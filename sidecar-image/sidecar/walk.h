/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside a tree that is not ours: looked up step by step from its root,
 * so that no link in it, absolute or with "..", leads out of it. Works on
 * kernels without openat2, and makes what is missing where that is wanted.
 */
#ifndef TP_SIDECAR_WALK_H
#define TP_SIDECAR_WALK_H

#include <limits.h>
#include <stddef.h>

enum walk_want {
	WALK_THERE,  /* as it is */
	WALK_FOLDER, /* folders are made, mode 0755 but for the umask, as far as they are missing */
	WALK_FILE,   /* the same, and an empty file at the end */
};

/* Opens PATH below the folder ROOT (a descriptor, O_PATH will do): an O_PATH
 * descriptor of what it is in the end, or -1 with errno (ELOOP: too many
 * links; ENOENT: not there and not to be made). CANON (PATH_MAX bytes, or
 * NULL) becomes the path without links, also for what is not there. */
int walk_open(int root, const char *path, enum walk_want want, char *canon);

#endif
