/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's volumes in TREE. All are looked up at the same time: each step of
 * a path is a round trip to the pod, and there may be many of both. The
 * workers share our mount namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "sidecar/mounts.h"
#include "sidecar/walk.h"
#include "sidecar/worker.h"

#define TRY_AGAIN_MS 100

/* a worker's answer: one of these, then the canonical path, or the reason */
enum { FOLDER = 'd', FILE_ = 'f', NOTHING = '-' };

/* A link that breaks at this very moment is dialled again within a second or two. */
static bool may_pass(int e)
{
	return e == EIO || e == ENOTCONN || e == ETIMEDOUT;
}

static int look_at(const char *path, char *canon, struct stat *st)
{
	tp_autoclose int root = open(TREE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	tp_autoclose int fd = root < 0 ? -1 : walk_open(root, path, WALK_THERE, canon);

	return fd < 0 || fstat(fd, st) < 0 ? -1 : tp_steal_fd(&fd);
}

static int look_patiently(const char *path, char *canon, struct stat *st)
{
	const struct timespec pause = { .tv_nsec = TRY_AGAIN_MS * 1000000L };
	long long until = tp_now_ms() + BLOCKED_MS / 2;
	int fd;

	while ((fd = look_at(path, canon, st)) < 0 && may_pass(errno) && tp_now_ms() < until)
		nanosleep(&pause, NULL);
	return fd;
}

/* A read-only mount of it at a place of ours, which is there whatever the
 * network does; containers get a copy of that. */
static int make_read_only(const struct source *src, bool folder, int *fd)
{
	tp_autofree char *from = tp_asprintf("/proc/self/fd/%d", *fd);
	tp_autofree char *at = tp_asprintf(READ_ONLY_DIR "/%td", src - src->m->sources);
	tp_autoclose int made = folder ? -1 : open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int ro;

	if (folder ? mkdir(at, 0700) < 0 && errno != EEXIST : made < 0)
		return -1;
	if (mount(from, at, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) <
		    0 ||
	    /* in TREE too, for those who look there */
	    mount(at, from, NULL, MS_BIND, NULL) < 0)
		return -1;
	ro = open(at, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (ro < 0)
		return -1;
	close(*fd);
	*fd = ro;
	return 0;
}

/* --------------------------------------------------------------- a volume */

static size_t look_up(void *arg, char *text, int *fd)
{
	const struct source *src = arg;
	struct stat st;

	*fd = look_patiently(src->path, text + 1, &st);
	if (*fd >= 0 && tp_strv_has(&src->m->read_only, text + 1) &&
	    make_read_only(src, S_ISDIR(st.st_mode), fd) < 0) {
		int e = errno;

		tp_close_p(fd);
		errno = e;
	}
	if (*fd < 0)
		return (size_t)snprintf(text, WORKER_TEXT_MAX, "%c%s", NOTHING, strerror(errno));
	text[0] = S_ISDIR(st.st_mode) ? FOLDER : FILE_;
	return 1 + strlen(text + 1);
}

static void one_is_done(struct mounts *m)
{
	if (++m->looked_up == m->n_sources + m->hidden.n && !m->failed)
		mounts_ready(m);
}

static void looked_up(void *arg, const char *text, size_t n, int fd)
{
	struct source *src = arg;
	struct tp_err err = { 0 };

	if (text && text[0] != NOTHING && fd >= 0) {
		src->folder = text[0] == FOLDER;
		src->canon = tp_strndup(text + 1, n - 1);
		src->ro = tp_strv_has(&src->m->read_only, src->canon);
		src->fd = fd;
		one_is_done(src->m);
		return;
	}
	tp_close_p(&fd);
	if (text)
		tp_err_set(&err, TP_ERR_FAILED, "the pod's volume at %s cannot be reached: %.*s",
			   src->path, (int)n - 1, text + 1);
	else
		tp_err_set(&err, TP_ERR_TIMEOUT,
			   "the pod's volume at %s cannot be reached: no answer within %d s",
			   src->path, BLOCKED_MS / 1000);
	mounts_failed(src->m, &err);
}

/* ------------------------------------------------------- the agent's own */

struct hiding {
	struct mounts *m;
	const char *path;
};

/* Its host key and who is let in are nobody's volume. */
static size_t hide(void *arg, char *text, int *fd)
{
	const struct hiding *h = arg;
	struct stat st;
	int at = look_patiently(h->path, text, &st);
	tp_autofree char *path = tp_asprintf("/proc/self/fd/%d", at);

	(void)fd;
	if (at >= 0 && mount(MOUNT_SOURCE, path, "tmpfs",
			     MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0555,size=4k") < 0)
		return (size_t)snprintf(text, WORKER_TEXT_MAX, "%c%s", NOTHING, strerror(errno));
	text[0] = FOLDER; /* or it cannot be seen anyhow */
	return 1;
}

static void is_hidden(void *arg, const char *text, size_t n, int fd)
{
	struct hiding *h = arg;
	struct mounts *m = h->m;
	struct tp_err err = { 0 };

	tp_close_p(&fd);
	if (text && text[0] == FOLDER) {
		one_is_done(m);
	} else {
		tp_err_set(&err, TP_ERR_FAILED, "the agent's folder %s cannot be covered: %.*s",
			   h->path, text ? (int)n - 1 : 9, text ? text + 1 : "no answer");
		mounts_failed(m, &err);
	}
	free(h);
}

void sources_look_up(struct mounts *m)
{
	struct tp_err err = { 0 };
	int rc = 0;

	if (mkdir(READ_ONLY_DIR, 0700) < 0 && errno != EEXIST)
		rc = tp_err_errno(&err, errno, "cannot make " READ_ONLY_DIR);
	for (size_t i = 0; !rc && i < m->n_sources; i++)
		rc = worker_start(m->loop, look_up, looked_up, &m->sources[i], BLOCKED_MS, &err);
	for (size_t i = 0; !rc && i < m->hidden.n; i++) {
		struct hiding *h = tp_malloc(sizeof(*h));

		*h = (struct hiding){ m, m->hidden.v[i] };
		rc = worker_start(m->loop, hide, is_hidden, h, BLOCKED_MS, &err);
	}
	if (rc)
		mounts_failed(m, &err);
	else if (!m->n_sources && !m->hidden.n)
		mounts_ready(m);
}
