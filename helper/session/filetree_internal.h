/* SPDX-License-Identifier: Apache-2.0 */
/* What looking at a tree and reading it share. */
#ifndef TP_SESSION_FILETREE_INTERNAL_H
#define TP_SESSION_FILETREE_INTERNAL_H

#include "session/filetree.h"

/* Of an entry's path, or one that is not to be an entry. The caller's. */
char *tp_tree_full_path(const struct tp_tree *t, const char *path);

/* What became of a request that need not succeed. 0 noted; -1 ERR it must not be ignored. */
int tp_tree_pass_over(struct tp_tree *t, const char *path, const struct tp_sftp_reply *r,
		      struct tp_err *err);

#endif
