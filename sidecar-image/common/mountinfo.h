/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mountinfo, as proc(5) has it. */
#ifndef TP_COMMON_MOUNTINFO_H
#define TP_COMMON_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>

struct tp_mountinfo {
	char *root;   /* what of its file system is mounted */
	char *point;  /* where */
	char *type;   /* "ext4" */
	char *source; /* "" if the file system has none */
	bool ro;      /* this mount; its file system may be writable elsewhere */
	bool shared;  /* mounts below it show up elsewhere too */
};

/* Takes a line apart, in place: M points into it. -1 if it is none. */
int tp_mountinfo_line(char *line, struct tp_mountinfo *m);

/* Whether PATH is DIR or below it; both without a '/' at the end, "/" apart. */
bool tp_path_below(const char *path, const char *dir);

#endif
