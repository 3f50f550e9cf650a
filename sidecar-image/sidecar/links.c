/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a mount of the user's lies in a read-only volume of the pod's, the
 * volume has no place for it, or one that is itself a link which moves with
 * every update (a config map's). So the volume is shown as a folder of links:
 * its entries as links to the same under the tree, current whatever changes
 * there, and a real place for the user's mount among them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sidecar/mounts.h"

#define MAX_ENTRIES 10000

/* The mount points in a folder: paths below it. */
struct nested {
	char **v;
	bool *folders;
	size_t n;
};

enum entry { LINK, PLACE, FOLDER };

/* What an entry is to be: a place for the one mount that has its name, a
 * folder for those below it (INNER gets them, their first step taken off), or
 * else a link. */
static enum entry look_for(const char *name, const struct nested *all, struct nested *inner,
			   bool *is_folder)
{
	size_t len = strlen(name);

	inner->n = 0;
	for (size_t i = 0; i < all->n; i++) {
		char *path = all->v[i];

		if (strncmp(path, name, len) || (path[len] && path[len] != '/'))
			continue;
		if (!path[len]) {
			*is_folder = all->folders[i];
			return PLACE;
		}
		inner->v[inner->n] = path + len + 1;
		inner->folders[inner->n++] = all->folders[i];
	}
	return inner->n ? FOLDER : LINK;
}

static int make_place(int to, const char *name, bool folder)
{
	int fd;

	if (folder)
		return mkdirat(to, name, 0755) < 0 && errno != EEXIST ? -1 : 0;
	fd = openat(to, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int fill(int to, int from, const char *link, const struct nested *all, size_t *entries);

/* An entry of the volume, or one that only a mount of the user's needs. */
static int make_entry(int to, int from, const char *name, const char *link,
		      const struct nested *all, bool of_volume, size_t *entries)
{
	tp_autofree char **names = tp_calloc(all->n + 1, sizeof(*names));
	tp_autofree bool *folders = tp_calloc(all->n + 1, sizeof(*folders));
	tp_autofree char *target = tp_asprintf("%s/%s", link, name);
	tp_autoclose int sub_to = -1, sub_from = -1;
	struct nested inner = { names, folders, 0 };
	bool is_folder = false;
	enum entry what = look_for(name, all, &inner, &is_folder);

	if (++*entries > MAX_ENTRIES) {
		errno = E2BIG;
		return -1;
	}
	if (of_volume)
		return what == LINK ? symlinkat(target, to, name) : 0;
	if (what == PLACE)
		return make_place(to, name, is_folder);
	if (make_place(to, name, true) < 0)
		return -1;
	sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_to < 0)
		return -1;
	if (from >= 0)
		sub_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fill(sub_to, sub_from, target, &inner, entries);
}

/* FROM -1: the volume has no such folder, only the user's mounts are in it. */
static int fill(int to, int from, const char *link, const struct nested *all, size_t *entries)
{
	int fd = from < 0 ? -1 : openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (from >= 0 && !d)
		return -1;
	while (!rc && d && (errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			rc = make_entry(to, from, e->d_name, link, all, true, entries);
	if (!rc && d && errno)
		rc = -1;
	if (d)
		closedir(d);
	for (size_t i = 0; !rc && i < all->n; i++) {
		tp_autofree char *name = tp_strndup(all->v[i], strcspn(all->v[i], "/"));
		bool done = false;

		for (size_t j = 0; j < i; j++)
			done = done || (!strncmp(all->v[j], name, strlen(name)) &&
					strchr("/", all->v[j][strlen(name)]));
		if (!done)
			rc = make_entry(to, from, name, link, all, false, entries);
	}
	return rc;
}

int links_make(const char *at, int from, const char *link, char **nested, bool *folders, size_t n,
	       struct tp_err *err)
{
	const struct nested all = { nested, folders, n };
	tp_autoclose int to = -1;
	size_t entries = 0;

	if (mount(MOUNT_SOURCE, at, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") < 0)
		return tp_err_errno(err, errno, "no folder for links to it");
	to = open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0 || fill(to, from, link, &all, &entries) < 0)
		return tp_err_errno(err, errno, "cannot link to its entries");
	if (mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) <
	    0)
		return tp_err_errno(err, errno, "the folder of links to it");
	return 0;
}
