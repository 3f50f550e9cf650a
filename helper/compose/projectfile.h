/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are written into somebody's project: an override, a dev
 * container's configuration. They hold no secrets; they are there whole or
 * not at all, and untouched if nothing changed.
 */
#ifndef TP_COMPOSE_PROJECTFILE_H
#define TP_COMPOSE_PROJECTFILE_H

#include <stddef.h>

#include "base/err.h"

/* The folder in a project for what is made anew at any time: it carries a .gitignore for all of itself. */
#define TP_PROJECT_FOLDER ".tpdocker"

/* 1 if PATH was written, 0 if it held just that already, -1 ERR. A file that is there keeps its mode and, if it is
 * a link, its place. A folder TP_PROJECT_FOLDER, or one above that ends in it, is made; others must be there. */
int tp_project_file_write(const char *path, const void *p, size_t n, struct tp_err *err);

/* Makes DIR with its .gitignore, unless it is there. 0, or -1 ERR. */
int tp_project_folder(const char *dir, struct tp_err *err);

/* Makes DIR and what is missing above it. 0, or -1 ERR. */
int tp_project_subfolder(const char *dir, struct tp_err *err);

#endif
