/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that may block, or that changes what this process is in, done by a
 * child of ours: it looks at a file system across the network, or enters
 * another mount namespace. It gives back one message, maybe with a
 * descriptor.
 */
#ifndef TP_SIDECAR_WORKER_H
#define TP_SIDECAR_WORKER_H

#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

#define WORKER_TEXT_MAX 8192

/* In the child, which ends when it returns: fills TEXT (at most
 * WORKER_TEXT_MAX bytes) and maybe *FD; the length of the text. */
typedef size_t worker_fn(void *arg, char *text, int *fd);
/* In the loop, once. TEXT NULL: the child died or took too long. FD (-1: none) is the receiver's. */
typedef void worker_done_fn(void *arg, const char *text, size_t n, int fd);

/* Children that are not reaped here are reaped by whoever gets SIGCHLD. */
int worker_start(struct tp_loop *l, worker_fn *fn, worker_done_fn *done, void *arg, int ms,
		 struct tp_err *err);

#endif
