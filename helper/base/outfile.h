/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the user named or that hold secrets: there at once and whole, or
 * not at all.
 */
#ifndef TP_BASE_OUTFILE_H
#define TP_BASE_OUTFILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Early, before there is anything to write: -1 ERR if PATH is something other than a file, or its folder is missing or
 * cannot be written to. Makes nothing. */
int tp_outfile_check(const char *path, struct tp_err *err);

/* Puts a new file of mode 0600 in PATH's place. One that is there already leaves neither content nor mode behind; a
 * link to a file stays, and the file is replaced. */
int tp_outfile_write(const char *path, const void *p, size_t n, struct tp_err *err);

/* The same with a mode of the caller's, and PATH taken as it is: a link would be replaced itself. The new file comes into
 * being beside the old one, and then takes its name. */
int tp_outfile_replace(const char *path, mode_t mode, const void *p, size_t n, struct tp_err *err);

#endif
