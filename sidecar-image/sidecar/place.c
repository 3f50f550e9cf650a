/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the mount namespace of a container whose gate waits: nothing of the
 * container runs yet, and nothing here asks the network for anything but
 * where a user's mount lies below one of the pod's.
 *
 *   at the path stands already       then
 *   nothing                          it is made (a --read-only root is opened for that moment)
 *   a mount of the user's            it stays: it wins
 *   a volume that the image wants    it is covered
 *   user's mounts below it           they stay visible: on the pod's volume, or, where
 *                                    that is read-only, in a folder of links to it
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "sidecar/mounts.h"
#include "sidecar/walk.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#define MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

#define MAX_MOUNTS 4096
#define MAX_NESTED 64

/* A mount to make. */
struct wanted {
	const char *path;
	const struct source *src; /* NULL: the whole tree */
	int tree;		  /* the copy */
	char canon[PATH_MAX];	  /* in the container */
	bool placed;
};

struct placing {
	struct mounts *m;
	int proc, root;
	struct tp_buf text; /* of mountinfo */
	struct tp_mountinfo *there;
	size_t n_there;
	struct wanted *wanted;
	size_t n_wanted;
};

/* libc has these since 2.36 only */
int tree_copy(int dir, const char *path)
{
	return (int)syscall(SYS_open_tree, dir, path,
			    OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
}

int tree_attach(int tree, int target)
{
	return (int)syscall(SYS_move_mount, tree, "", target, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int too_old(int e, struct tp_err *err)
{
	if (e != ENOSYS)
		return tp_err_errno(err, e, "cannot copy a mount");
	tp_err_set(err, TP_ERR_FAILED,
		   "the engine's kernel cannot mount the pod's volumes: it is older than 5.2");
	return tp_err_hint(err, "Use --volumes off to do without the pod's volumes.");
}

/* ------------------------------------------------------- what is there */

static int read_mounts(struct placing *p, struct tp_err *err)
{
	tp_autoclose int fd = openat(p->proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	char *line, *save = NULL;

	if (fd < 0 || tp_read_all(fd, &p->text) < 0)
		return tp_err_errno(err, errno, "cannot read the container's mounts");
	p->there = tp_calloc(MAX_MOUNTS, sizeof(*p->there));
	for (line = strtok_r(p->text.data, "\n", &save); line && p->n_there < MAX_MOUNTS;
	     line = strtok_r(NULL, "\n", &save))
		if (!tp_mountinfo_line(line, &p->there[p->n_there]))
			p->n_there++;
	return 0;
}

/* The uppermost mount at exactly this path. */
static const struct tp_mountinfo *mount_at(const struct placing *p, const char *path)
{
	for (size_t i = p->n_there; i--;)
		if (!strcmp(p->there[i].point, path))
			return &p->there[i];
	return NULL;
}

/* The one that the path lies in. */
static const struct tp_mountinfo *mount_of(const struct placing *p, const char *path)
{
	const struct tp_mountinfo *best = NULL;

	for (size_t i = 0; i < p->n_there; i++)
		if (tp_path_below(path, p->there[i].point) &&
		    (!best || strlen(p->there[i].point) >= strlen(best->point)))
			best = &p->there[i];
	return best;
}

/* "/var/lib/docker/volumes/64 HEX DIGITS/_data": a volume without a name. */
static bool is_anonymous(const struct tp_mountinfo *m)
{
	static const char end[] = "/_data";
	size_t n = strlen(m->root), hex = 64;

	if (n < hex + sizeof(end) || strcmp(m->root + n - strlen(end), end))
		return false;
	n -= strlen(end) + hex;
	return m->root[n - 1] == '/' && strspn(m->root + n, "0123456789abcdef") == hex;
}

/* What the image wants a volume for: told, or else guessed. M is mounted at
 * CANON, which is the container's path, links of its own taken out. */
static bool is_image_volume(const struct placing *p, const struct tp_mountinfo *m,
			    const char *canon)
{
	if (!p->m->image_known)
		return is_anonymous(m);
	for (size_t i = 0; i < p->m->image_volumes.n; i++) {
		char own[PATH_MAX];
		int fd = walk_open(p->root, p->m->image_volumes.v[i], WALK_THERE, own);

		if (fd < 0)
			continue;
		close(fd);
		if (!strcmp(own, canon))
			return true;
	}
	return false;
}

/* Mounts below a path that are the user's; those below another one come with it. */
static size_t nested_in(const struct placing *p, const char *canon, const char *list[MAX_NESTED])
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_there; i++) {
		const char *point = p->there[i].point;
		bool covered = !strcmp(point, canon) || !tp_path_below(point, canon) ||
			       is_image_volume(p, &p->there[i], point);

		for (size_t j = 0; !covered && j < n; j++)
			covered = tp_path_below(point, list[j]);
		if (!covered && n < MAX_NESTED)
			list[n++] = point;
	}
	return n;
}

/* -------------------------------------------------------- a place for it */

static unsigned long root_flags(void)
{
	static const struct {
		unsigned long st, ms;
	} flags[] = { { ST_NOSUID, MS_NOSUID },		{ ST_NODEV, MS_NODEV },
		      { ST_NOEXEC, MS_NOEXEC },		{ ST_NOATIME, MS_NOATIME },
		      { ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME } };
	struct statvfs st;
	unsigned long ms = MS_REMOUNT | MS_BIND;

	if (statvfs("/", &st) < 0)
		return ms;
	for (size_t i = 0; i < TP_ARRAY_SIZE(flags); i++)
		if (st.f_flag & flags[i].st)
			ms |= flags[i].ms;
	return ms;
}

/* Of a --read-only container only the mount is, not what is mounted: for the
 * moment that making a folder takes it is opened. Nobody runs in there. */
static int make_target(const struct placing *p, struct wanted *w, enum walk_want want)
{
	int fd = walk_open(p->root, w->path, want, w->canon);
	unsigned long flags;
	int e;

	if (fd >= 0 || errno != EROFS)
		return fd;
	flags = root_flags();
	if (mount(NULL, "/", NULL, flags, NULL) < 0) {
		errno = EROFS;
		return -1;
	}
	fd = walk_open(p->root, w->path, want, w->canon);
	e = errno;
	if (mount(NULL, "/", NULL, flags | MS_RDONLY, NULL) < 0) {
		e = errno;
		tp_close_p(&fd);
	}
	errno = e;
	return fd;
}

/* A mount below one that the host shares would show up on the host, and stay
 * there. The container's root is nobody's affair but its own. */
static int keep_it_private(const struct placing *p, const struct wanted *w, struct tp_err *err)
{
	const struct tp_mountinfo *parent = mount_of(p, w->canon);

	if (!parent || !parent->shared)
		return 0;
	if (!strcmp(parent->point, "/") && mount(NULL, "/", NULL, MS_PRIVATE, NULL) == 0)
		return 0;
	tp_err_set(
		err, TP_ERR_FAILED,
		"the pod's volume at %s lies below the mount at %s, which is shared with the host",
		w->path, parent->point);
	return tp_err_hint(err, "Mount that one without shared or rshared, or use --volumes copy.");
}

/* ------------------------------------------- user's mounts below the pod's */

/* Copies of the user's mounts, and where they belong, below a mount of ours. */
struct nested {
	const char *points[MAX_NESTED];
	char *below[MAX_NESTED];
	bool folders[MAX_NESTED];
	int trees[MAX_NESTED];
	size_t n;
};

static int copy_nested(struct nested *l, const struct wanted *w, struct tp_err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		struct stat st;

		l->trees[i] = tree_copy(AT_FDCWD, l->points[i]);
		if (l->trees[i] < 0 || fstat(l->trees[i], &st) < 0)
			return tp_err_errno(err, errno, "your mount at %s", l->points[i]);
		l->folders[i] = S_ISDIR(st.st_mode);
		l->below[i] = tp_strdup(l->points[i] + strlen(w->canon) + 1);
	}
	return 0;
}

/* A folder of links in the volume's place: its descriptor. */
static int make_links(const struct placing *p, const struct wanted *w, struct nested *l,
		      struct tp_err *err)
{
	tp_autofree char *link = tp_asprintf("%s%s", p->m->root, w->src->canon);
	int fd;

	if (!p->wanted[0].placed)
		return tp_err_set(err, TP_ERR_FAILED,
				  "your mount at %s lies in it, which needs the pod's files at %s, "
				  "where another mount of yours is",
				  l->points[0], p->m->root);
	if (links_make(w->canon, w->src->fd, link, l->below, l->folders, l->n, err) < 0)
		return -1;
	fd = walk_open(p->root, w->canon, WALK_THERE, NULL);
	return fd < 0 ? tp_err_errno(err, errno, "the folder of links to it") : fd;
}

/* Puts W at its place, and the user's mounts that it covers on top again. */
static int place_with_nested(const struct placing *p, const struct wanted *w, int target,
			     struct nested *l, struct tp_err *err)
{
	int into = w->tree;

	if (copy_nested(l, w, err) < 0)
		return -1;
	if (w->src && w->src->ro && w->src->folder) {
		into = make_links(p, w, l, err);
		if (into < 0)
			return -1;
	} else if (tree_attach(w->tree, target) < 0) {
		return tp_err_errno(err, errno, "it cannot be mounted");
	}
	for (size_t i = 0; i < l->n; i++) {
		tp_autoclose int at =
			walk_open(into, l->below[i], l->folders[i] ? WALK_FOLDER : WALK_FILE, NULL);

		if (at < 0 || tree_attach(l->trees[i], at) < 0)
			return tp_err_errno(err, errno,
					    "there is no place in it for your mount at %s",
					    l->points[i]);
	}
	return 0;
}

/* ------------------------------------------------------------------ a mount */

/* Inside one that was placed before it can be seen already. */
static bool seen_already(const struct placing *p, const struct wanted *w)
{
	for (const struct wanted *o = p->wanted; o < w; o++)
		if (o->placed && o->src && tp_path_below(w->canon, o->canon))
			return true;
	return false;
}

static int place_one(struct placing *p, struct wanted *w, struct tp_err *err)
{
	bool folder = !w->src || w->src->folder;
	const struct tp_mountinfo *there;
	struct nested nested = { 0 };
	struct stat st;
	tp_autoclose int target = walk_open(p->root, w->path, WALK_THERE, w->canon);

	if (target < 0 && errno != ENOENT)
		return tp_err_errno(err, errno, "no place for it");
	if (!strcmp(w->canon, "/"))
		return tp_err_set(err, TP_ERR_FAILED, "that is the container's root");
	there = mount_at(p, w->canon);
	if (seen_already(p, w) || (there && !is_image_volume(p, there, w->canon)))
		return 0;
	if (keep_it_private(p, w, err) < 0)
		return -1;
	if (target < 0)
		target = make_target(p, w, folder ? WALK_FOLDER : WALK_FILE);
	if (target < 0 || fstat(target, &st) < 0)
		return tp_err_errno(err, errno, "cannot make a place for it");
	if (folder != S_ISDIR(st.st_mode))
		return tp_err_set(err, TP_ERR_FAILED, "it is a %s in the pod, and a %s here",
				  folder ? "folder" : "file", folder ? "file" : "folder");
	nested.n = nested_in(p, w->canon, nested.points);
	w->placed = true;
	if (nested.n)
		return place_with_nested(p, w, target, &nested, err);
	return tree_attach(w->tree, target) < 0 ? tp_err_errno(err, errno, "it cannot be mounted") :
						  0;
}

/* The tree first, then outer ones before inner ones. */
static int by_path(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (!x->src || !y->src)
		return !x->src ? -1 : 1;
	return strcmp(x->src->canon, y->src->canon);
}

/* Copies of all that is to be placed, while we can still see it. */
static int prepare(struct placing *p, struct tp_err *err)
{
	struct mounts *m = p->m;

	p->wanted = tp_calloc(m->n_sources + 1, sizeof(*p->wanted));
	p->wanted[0] = (struct wanted){ .path = m->root, .tree = tree_copy(AT_FDCWD, TREE) };
	p->n_wanted = 1;
	for (size_t i = 0; i < m->n_sources; i++)
		p->wanted[p->n_wanted++] =
			(struct wanted){ .path = m->sources[i].path,
					 .src = &m->sources[i],
					 .tree = tree_copy(m->sources[i].fd, "") };
	for (size_t i = 0; i < p->n_wanted; i++)
		if (p->wanted[i].tree < 0)
			return too_old(errno, err);
	qsort(p->wanted, p->n_wanted, sizeof(*p->wanted), by_path);
	p->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return p->proc < 0 ? tp_err_errno(err, errno, "/proc") : 0;
}

/* In a worker, which ends after it: what is open and allocated goes with it. */
int place(struct mounts *m, int ns, struct tp_err *err)
{
	struct placing p = { .m = m, .text = TP_BUF_INIT(8u << 20) };

	umask(022);
	if (prepare(&p, err) < 0)
		return -1;
	if (setns(ns, CLONE_NEWNS) < 0)
		return tp_err_errno(err, errno, "cannot enter the container's mount namespace");
	p.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p.root < 0 || read_mounts(&p, err) < 0)
		return tp_err_errno(err, errno, "the container's root");
	/* A gate that comes twice: the second is one that somebody ran by hand. */
	for (size_t i = 0; i < p.n_there; i++)
		if (!strcmp(p.there[i].source, MOUNT_SOURCE))
			return 0;
	for (size_t i = 0; i < p.n_wanted; i++) {
		struct wanted *w = &p.wanted[i];

		if (place_one(&p, w, err) < 0)
			return tp_err_prefix(
				err, w->src ? "the pod's volume at %s" : "the pod's files at %s",
				w->path);
	}
	return 0;
}
