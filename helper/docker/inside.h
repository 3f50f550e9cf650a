/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a path really is inside a container: its image may have /var/run as a
 * link to /run, and so may the parent of any place that files are to be put at.
 */
#ifndef TP_DOCKER_INSIDE_H
#define TP_DOCKER_INSIDE_H

#include "docker/engine.h"

/* Looks at paths, and remembers what it saw: as tp_engine_file, of one container. */
struct tp_inside {
	int (*look)(void *arg, const char *path, struct tp_engine_file *f, struct tp_err *err);
	void *arg;
	/* its own; zero at the start */
	struct tp_inside_seen *seen;
	size_t n;
};
void tp_inside_free(struct tp_inside *in);

struct tp_place {
	char *folder; /* the deepest one that is there, without links in it: "/run" */
	char *name;   /* what comes below it, at least one part: "secrets/token"; may be there */
	char *path;   /* both together */
	bool exists, is_folder;
};

/* Finds PATH (absolute, without ".." and doubled slashes; not "/"). A link at its end is followed too, as a mount there would. -1 ERR: a part of it is a
 * file, links that go round, or the engine does not tell. */
int tp_inside_find(struct tp_inside *in, const char *path, struct tp_place *p, struct tp_err *err);
void tp_place_free(struct tp_place *p);

/* Whether PATH is DIR or in it. Both clean. */
bool tp_path_is_in(const char *path, const char *dir);

#endif
