/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dev container whose network, environment and volumes are a pod's: what its
 * devcontainer.json has to say for that. Pure text; files are cmd_devcontainer.c's.
 *
 * Compose mode: initializeCommand, which runs on this machine before anything
 * else, writes an override (compose/override.h), and dockerComposeFile lists
 * it behind the project's own files.
 *
 * Image mode: initializeCommand starts a session in the background, and the
 * container joins its network. It has the volume with the entry gate, but
 * another's entrypoint, so the gate is run when it has started: that mounts
 * the pod's volumes. Its environment is asked for by login shells, from which
 * editors take it.
 */
#ifndef TP_DEVCONTAINER_INIT_H
#define TP_DEVCONTAINER_INIT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* Written by init beside devcontainer.json in image mode; login shells read it. */
#define TP_DEVCONTAINER_PROFILE "tpdocker.sh"
extern const char tp_devcontainer_profile[];

struct tp_devcontainer_spec {
	const char *
		service; /* Compose mode: of a new file the one that the editor is in; NULL: as the file says, or image mode */
	const char *workload; /* [KIND/]NAME[:CONTAINER] to swap; NULL: a new agent */
	const char *namespace;
	const char *context;
	const char *volumes; /* NULL: the default */
	const char *image;   /* of sidecar and agent; NULL: the program's own */
	const char *project; /* of a new file: the dev container's name */
	const char *
		folder; /* of devcontainer.json, relative to the workspace: ".devcontainer"; "" at its top */
	const struct tp_strv
		*compose_files; /* of the workspace, for a new file; relative to the workspace */
};

/* Changes TEXT (empty: a new file). 1, or 0 if it says all that already; -1 ERR: what stands in the way, by name. */
int tp_devcontainer_init(struct tp_buf *text, const struct tp_devcontainer_spec *s,
			 struct tp_err *err);

/* PATH from FOLDER of the workspace, seen from the workspace's top: "../a/b" from ".devcontainer" is
 * "a/b". NULL: it leads out of the workspace. The caller frees it. */
char *tp_devcontainer_from_top(const char *folder, const char *path);

#endif
