/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define MAX_LINKS 40 /* the kernel's own limit */

struct walk {
	int root;
	int fd;		      /* the folder that was reached; -1: it is not there */
	char done[PATH_MAX];  /* its path, "" at the root */
	char ahead[PATH_MAX]; /* what is still to be walked */
	int links;
};

/* Takes the next step of what is ahead: 1, 0 at the end, -1 errno. */
static int next_step(struct walk *w, char step[NAME_MAX + 1])
{
	char *at = w->ahead + strspn(w->ahead, "/");
	size_t n = strcspn(at, "/");

	if (n > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(step, at, n);
	step[n] = '\0';
	memmove(w->ahead, at + n, strlen(at + n) + 1);
	return n > 0;
}

static bool at_end(const struct walk *w)
{
	return !w->ahead[strspn(w->ahead, "/")];
}

static int reopen_root(struct walk *w)
{
	tp_close_p(&w->fd);
	w->done[0] = '\0';
	w->fd = openat(w->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->fd < 0 ? -1 : 0;
}

/* The kernel's "..": it would leave a mount that we are at the root of, and
 * stop at our own root instead of the tree's. So the way down is walked again;
 * it has no links any more. */
static int step_up(struct walk *w)
{
	char rest[PATH_MAX];
	char *slash = strrchr(w->done, '/');

	if (!slash)
		return 0;
	*slash = '\0';
	strcpy(rest, w->done);
	if (strlen(rest) + strlen(w->ahead) + 2 > sizeof(w->ahead)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memmove(w->ahead + strlen(rest), w->ahead, strlen(w->ahead) + 1);
	memcpy(w->ahead, rest, strlen(rest));
	return reopen_root(w);
}

static int follow(struct walk *w, int link)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (++w->links > MAX_LINKS) {
		errno = ELOOP;
		return -1;
	}
	if ((size_t)n + strlen(w->ahead) + 1 > sizeof(w->ahead) || !n) {
		errno = n ? ENAMETOOLONG : ENOENT;
		return -1;
	}
	memmove(w->ahead + n, w->ahead, strlen(w->ahead) + 1);
	memcpy(w->ahead, target, (size_t)n);
	return target[0] == '/' ? reopen_root(w) : 0;
}

static int add_done(struct walk *w, const char *step)
{
	size_t n = strlen(w->done), len = strlen(step);

	if (n + len + 2 > sizeof(w->done)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	w->done[n] = '/';
	memcpy(w->done + n + 1, step, len + 1);
	return 0;
}

static int make(struct walk *w, const char *step, enum walk_want want)
{
	int fd;

	if (want == WALK_FILE && at_end(w)) {
		fd = openat(w->fd, step, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0644);
		if (fd < 0)
			return -1;
		close(fd);
	} else if (mkdirat(w->fd, step, 0755) < 0) {
		return -1;
	}
	return openat(w->fd, step, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* One step that is no "." or "..". */
static int step_down(struct walk *w, const char *step, enum walk_want want)
{
	tp_autoclose int fd = -1;
	struct stat st;

	if (w->fd >= 0)
		fd = openat(w->fd, step, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (w->fd >= 0 && fd < 0 && errno == ENOENT && want != WALK_THERE) {
		fd = make(w, step, want);
		if (fd < 0)
			return -1;
	}
	if (fd < 0 && (w->fd < 0 || errno == ENOENT)) {
		tp_close_p(&w->fd); /* only names from here on */
		return add_done(w, step);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode))
		return follow(w, fd);
	if (!at_end(w) && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	if (add_done(w, step) < 0)
		return -1;
	tp_close_p(&w->fd);
	w->fd = tp_steal_fd(&fd);
	return 0;
}

int walk_open(int root, const char *path, enum walk_want want, char *canon)
{
	struct walk w = { .root = root, .fd = -1 };
	char step[NAME_MAX + 1];
	int rc, more = 1, saved;

	if (strlen(path) >= sizeof(w.ahead)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(w.ahead, path);
	rc = reopen_root(&w);
	while (!rc && (more = next_step(&w, step)) > 0) {
		if (!strcmp(step, "."))
			continue;
		rc = !strcmp(step, "..") ? step_up(&w) : step_down(&w, step, want);
	}
	rc = rc || more < 0;
	if (!rc && canon)
		strcpy(canon, w.done[0] ? w.done : "/");
	if (!rc && w.fd >= 0)
		return w.fd;
	saved = rc ? errno : ENOENT;
	tp_close_p(&w.fd);
	errno = saved;
	return -1;
}
