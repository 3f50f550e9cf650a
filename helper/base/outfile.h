/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that holds secrets and that the user named: there at once and whole
 * or not at all, readable by its owner alone.
 */
#ifndef TP_BASE_OUTFILE_H
#define TP_BASE_OUTFILE_H

#include <stddef.h>

#include "base/err.h"

/* Early, before there is anything to write: -1 ERR if PATH is something other than a file, or its folder is missing or
 * cannot be written to. Makes nothing. */
int tp_outfile_check(const char *path, struct tp_err *err);

/* Puts a new file of mode 0600 in PATH's place. One that is there already leaves neither content nor mode behind; a
 * link to a file stays, and the file is replaced. */
int tp_outfile_write(const char *path, const void *p, size_t n, struct tp_err *err);

#endif
