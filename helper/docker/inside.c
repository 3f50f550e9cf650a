/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define LINKS_MAX 40 /* as the kernel has it */

struct tp_inside_seen {
	char *path;
	bool exists;
	struct tp_engine_file file;
};

void tp_inside_free(struct tp_inside *in)
{
	for (size_t i = 0; i < in->n; i++) {
		free(in->seen[i].path);
		tp_engine_file_free(&in->seen[i].file);
	}
	free(in->seen);
	in->seen = NULL;
	in->n = 0;
}

void tp_place_free(struct tp_place *p)
{
	free(p->folder);
	free(p->name);
	free(p->path);
	memset(p, 0, sizeof(*p));
}

bool tp_path_is_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strcmp(dir, "/") || (!strncmp(path, dir, n) && (!path[n] || path[n] == '/'));
}

/* Points into IN until the next call. NULL ERR. */
static const struct tp_inside_seen *look(struct tp_inside *in, const char *path, struct tp_err *err)
{
	struct tp_inside_seen s = { .exists = true };

	for (size_t i = 0; i < in->n; i++)
		if (!strcmp(in->seen[i].path, path))
			return &in->seen[i];
	if (in->look(in->arg, path, &s.file, err)) {
		if (err->kind != TP_ERR_NOT_FOUND)
			return NULL;
		s.exists = false;
	}
	s.path = tp_strdup(path);
	in->seen = tp_realloc(in->seen, (in->n + 1) * sizeof(*in->seen));
	in->seen[in->n] = s;
	return &in->seen[in->n++];
}

/* The end of the walk: REAL is there, or (REST not empty) the first part of REST is not. */
static void arrive(struct tp_place *p, const char *real, const char *rest, bool is_folder)
{
	const char *slash = strrchr(real, '/');

	p->exists = !*rest;
	p->is_folder = p->exists && is_folder;
	if (p->exists) {
		p->folder =
			slash == real ? tp_strdup("/") : tp_strndup(real, (size_t)(slash - real));
		p->name = tp_strdup(slash + 1);
	} else {
		p->folder = tp_strdup(*real ? real : "/");
		p->name = tp_strdup(rest);
	}
	p->path = tp_asprintf("%s/%s", strcmp(p->folder, "/") ? p->folder : "", p->name);
}

/* REAL: folders without links, "" at the start. REST: still to go, without a slash in front. */
static int walk(struct tp_inside *in, const char *path, struct tp_place *p, struct tp_err *err)
{
	tp_autofree char *real = tp_strdup(""), *rest = tp_strdup(path + 1);
	int links = 0;

	for (;;) {
		size_t part = strcspn(rest, "/");
		const char *behind = rest + part + strspn(rest + part, "/");
		tp_autofree char *next = tp_asprintf("%s/%.*s", real, (int)part, rest);
		const struct tp_inside_seen *s = look(in, next, err);
		char *was = rest;

		if (!s)
			return tp_err_prefix(err, "%s", path);
		if (!s->exists) {
			arrive(p, real, rest, false);
			return 0;
		}
		if (s->file.link) {
			const char *to = s->file.target;

			if (!to || *to != '/' || ++links > LINKS_MAX)
				return tp_err_set(err, TP_ERR_FAILED,
						  "%s: the link %s leads nowhere", path, next);
			to += strspn(to, "/");
			if (!*to && !*behind)
				return tp_err_set(err, TP_ERR_FAILED,
						  "%s leads to the container's root", path);
			rest = tp_asprintf("%s%s%s", to, *to && *behind ? "/" : "", behind);
			free(was);
			free(real);
			real = tp_strdup("");
			continue;
		}
		if (!*behind) {
			arrive(p, next, "", s->file.folder);
			return 0;
		}
		if (!s->file.folder)
			return tp_err_set(err, TP_ERR_FAILED, "%s: in the container %s is a file",
					  path, next);
		rest = tp_strdup(behind);
		free(was);
		free(real);
		real = tp_steal(&next);
	}
}

int tp_inside_find(struct tp_inside *in, const char *path, struct tp_place *p, struct tp_err *err)
{
	memset(p, 0, sizeof(*p));
	if (*path != '/' || !path[1])
		return tp_err_set(err, TP_ERR_FAILED, "\"%s\" is no place in a container", path);
	return walk(in, path, p, err);
}
