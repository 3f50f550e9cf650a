/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --volumes copy: the pod's volumes as they are now, copied into the user's
 * container while its entry gate holds it. No mount, no privilege.
 *
 *   tp_volcopy_look   before the container is launched: what there is, and whether it may be that much
 *   tp_volcopy_put    while the gate waits: copies
 *
 * Each volume goes to its own path, and TELEPRESENCE_ROOT gets a link to it there. Where the
 * user has a mount of their own at that path, theirs stays, and the copy is below TELEPRESENCE_ROOT.
 */
#ifndef TP_SESSION_VOLCOPY_H
#define TP_SESSION_VOLCOPY_H

#include "docker/engine.h"
#include "session/agentssh.h"

struct tp_volcopy;

struct tp_volcopy_spec {
	struct tp_agentssh_target agent;
	const struct tp_strv *mounts; /* the volumes' paths, clean */
	const char *agent_dir;	      /* the agent's own folder, besides the usual one; or NULL */
	const char *root;	      /* TELEPRESENCE_ROOT */
	uint64_t limit;		      /* bytes */
};

/* Copies the spec (the kube client must outlive it); does nothing yet. */
struct tp_volcopy *tp_volcopy_new(const struct tp_volcopy_spec *spec);
/* From any thread: what is under way fails, and whatever follows. */
void tp_volcopy_cancel(struct tp_volcopy *v);
void tp_volcopy_free(struct tp_volcopy *v); /* no call may be under way; NULL is allowed */

/* Both block. -1 ERR: a reason for the user, that names the volume. OWN: the targets of the user's own mounts, clean. */
int tp_volcopy_look(struct tp_volcopy *v, const struct tp_strv *own, struct tp_err *err);

struct tp_volcopy_target {
	struct tp_engine *engine;
	const char *container; /* ID; it runs */
	const struct tp_strv
		*own;	   /* the targets of the user's own mounts (tp_volcopy_own_mounts) */
	uint32_t uid, gid; /* what runs in it */
};
int tp_volcopy_put(struct tp_volcopy *v, const struct tp_volcopy_target *t, struct tp_err *err);

/* A container's mounts (inspected: IN) that are its user's own, into OUT: not those of the image, nor ours. */
void tp_volcopy_own_mounts(const struct tp_json *in, const struct tp_strv *image_volumes,
			   struct tp_strv *out);

#endif
