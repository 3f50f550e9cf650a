/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts role: the pod's files, mounted into user containers that have no
 * right to mount anything.
 *
 * It needs SYS_ADMIN, SYS_CHROOT, DAC_OVERRIDE, /dev/fuse, and the network namespace that
 * the user's containers are in, and speaks frames (common/control.h) on stdin
 * and stdout: in a container of its own, whose stdio is the helper's, or as a
 * child of whoever else starts it.
 *
 *   1. One sshfs, mounted at TREE in our own mount namespace. Its connections
 *      come through the sidecar's door (door.c), when there is a link.
 *   2. Each of the pod's volumes is looked up in TREE, once (sources.c): what it
 *      is, and a descriptor of it. Read-only ones are made so. This goes over the network.
 *   3. A gate brings its container's mount namespace: copies of those mounts
 *      (open_tree) are put there (place.c), which does not. Then it goes.
 *
 * sshfs outlives containers; a container that is started again comes to the
 * gate again. Everything that may block is a worker's (worker.h).
 */
#ifndef TP_SIDECAR_MOUNTS_H
#define TP_SIDECAR_MOUNTS_H

#include <limits.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "common/mountinfo.h"
#include "sidecar/gates.h"

#define MOUNTS_DIR    "/run/tpdocker"
#define TREE	      MOUNTS_DIR "/pod"	 /* the pod's files */
#define READ_ONLY_DIR MOUNTS_DIR "/ro"	 /* read-only mounts of some of them, by number */
#define DOOR_FILE     MOUNTS_DIR "/door" /* "NAME TOKEN": for sshfs's ssh */
#define MOUNT_SOURCE  "tpdocker"	 /* how our mounts are known in mountinfo */
#define MAX_SOURCES   256
#define BLOCKED_MS    20000 /* longer than a dead link takes to be noticed */

struct channel;
struct mounts;

/* One of the pod's volumes. */
struct source {
	struct mounts *m;
	char *path;  /* as the pod's spec has it */
	char *canon; /* in TREE, without links */
	bool folder; /* or a file */
	bool ro;
	int fd; /* O_PATH; of the read-only mount if it is one */
};

struct mounts {
	struct tp_loop *loop;
	int signals;
	struct channel *channel;
	pid_t sshfs;

	/* settings */
	char *root;		      /* where the whole tree goes in the container */
	struct tp_strv read_only;     /* of the pod's mounts, as the agent sees them */
	struct tp_strv hidden;	      /* folders of the agent's own */
	struct tp_strv image_volumes; /* mounts at these paths are the image's, not the user's */
	bool image_known;	      /* that list is all of them */
	struct source sources[MAX_SOURCES];
	size_t n_sources;

	size_t looked_up;
	bool complete; /* the list of sources is */
	bool ready;    /* all are there */
	bool failed;   /* told so */
	struct gates *gates;
	struct waiting *waiting; /* gates that came too early */
};

/* sshfs.c: mounts TREE and starts sshfs for it. */
int sshfs_start(struct mounts *m, struct tp_err *err);
/* Once it answers: makes the kernel read ahead as a network needs it. */
void sshfs_read_ahead(struct mounts *m);

/* sources.c: looks up all sources; then mounts_ready, or mounts_failed. */
void sources_look_up(struct mounts *m);

/* place.c, in a worker: puts everything into the mount namespace NS. */
int place(struct mounts *m, int ns, struct tp_err *err);
/* Copies of mounts; -1 errno. */
int tree_copy(int dir, const char *path);
int tree_attach(int tree, int target);

/* links.c: a folder of links at the path AT (in the mount namespace that we
 * are in), to the entries of the folder FROM, which the container sees at
 * LINK. NESTED: paths below it that are to be mount points instead of links,
 * N of them; FOLDERS says of each whether it is one. */
int links_make(const char *at, int from, const char *link, char **nested, bool *folders, size_t n,
	       struct tp_err *err);

/* mounts.c */
void mounts_ready(struct mounts *m);
void mounts_failed(struct mounts *m, const struct tp_err *err);

#endif
