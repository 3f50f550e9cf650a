/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the copies into the container: for each volume one tar stream to
 * the engine, which unpacks it below the deepest folder that is there.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "common/gate.h"
#include "docker/inside.h"
#include "session/copytar.h"
#include "session/volcopy_internal.h"

#define TRIES	  3 /* of a volume that changes meanwhile */
#define NOTES_MAX 10

struct put {
	struct tp_volcopy *v;
	const struct tp_volcopy_target *t;
	struct tp_inside inside;
	struct tp_strv own; /* the user's mounts, where they really are */
	struct tp_owner_map owners;
	struct tp_strv links; /* volumes that TELEPRESENCE_ROOT gets a link to */
};

/* A stream under way: its own failure is the better reason than the engine's. */
struct stream {
	struct tp_copytar *tar;
	struct tp_err err;
};

static ssize_t produce(void *arg, void *p, size_t n)
{
	struct stream *s = arg;

	return tp_copytar_read(s->tar, p, n, &s->err);
}

static int look_inside(void *arg, const char *path, struct tp_engine_file *f, struct tp_err *err)
{
	const struct put *p = arg;

	return tp_engine_file(p->t->engine, p->t->container, path, f, p->v->cancel, err);
}

/* The folders that NAME takes, but for its last part. */
static int put_parents(struct tp_copytar *tar, const char *name, struct tp_err *err)
{
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		tp_autofree char *part = tp_strndup(name, (size_t)(slash - name));

		if (tp_copytar_folder(tar, part, err))
			return -1;
	}
	return 0;
}

static int unpack(struct put *p, const char *folder, struct stream *s, struct tp_err *err)
{
	if (!tp_engine_unpack(p->t->engine, p->t->container, folder, produce, s, p->v->cancel, err))
		return 0;
	if (s->err.kind)
		*err = s->err;
	return -1;
}

/* ---------------------------------------------------------------- volumes */

static int put_tree(struct put *p, struct tp_tree *t, const struct tp_place *to, struct tp_err *err)
{
	struct tp_tree_reader *r = tp_tree_reader_new(p->v->sftp, t);
	struct stream s = { .tar = tp_copytar_new() };
	int rc = put_parents(s.tar, to->name, err);

	tp_copytar_tree(s.tar, to->name, r, &p->owners);
	if (!rc)
		rc = unpack(p, to->folder, &s, err);
	tp_copytar_free(s.tar);
	tp_tree_reader_free(r);
	/* Answers that nobody waits for any more may be on their way. */
	if (rc)
		tp_volcopy_hang_up(p->v);
	return rc;
}

/* Again, if files went while they were looked at and read: a config map that is updated has a new folder each time. */
static int put_volume(struct put *p, size_t i, const struct tp_place *to, struct tp_err *err)
{
	struct tp_volcopy *v = p->v;

	for (int n = 0; n < TRIES; n++) {
		v->used_ms = tp_now_ms();
		if (n && tp_volcopy_look_at(v, i, err))
			return -1;
		v->trees[i].vanished = 0;
		if (put_tree(p, &v->trees[i], to, err))
			return -1;
		if (!v->trees[i].vanished)
			return 0;
	}
	tp_warn("the pod's volume %s keeps changing; its copy may be of different moments",
		v->mounts.v[i]);
	return 0;
}

static bool is_own(const struct put *p, const struct tp_place *at)
{
	return tp_strv_has(&p->own, at->path);
}

/* A place inside a mount of the user's, other than the volume's own. */
static const char *inside_of(const struct put *p, const char *path)
{
	for (size_t i = 0; i < p->own.n; i++)
		if (tp_path_is_in(path, p->own.v[i]))
			return p->own.v[i];
	return NULL;
}

static int check_place(const struct put *p, const struct tp_tree *t, const struct tp_place *to,
		       struct tp_err *err)
{
	const char *own = inside_of(p, to->path);

	if (own)
		return tp_err_set(err, TP_ERR_FAILED, "%s is in %s, which is a mount of yours",
				  to->path, own);
	if (to->exists && to->is_folder != S_ISDIR(t->v[0].mode))
		return tp_err_set(err, TP_ERR_FAILED, "in the container %s is a %s", to->path,
				  to->is_folder ? "folder" : "file");
	return 0;
}

static bool in_a_linked_one(const struct put *p, const char *path)
{
	for (size_t i = 0; i < p->links.n; i++)
		if (tp_path_is_in(path, p->links.v[i]))
			return true;
	return false;
}

static int copy_volume(struct put *p, size_t i, struct tp_err *err)
{
	const char *path = p->v->mounts.v[i];
	tp_autofree char *below_root = tp_asprintf("%s%s", p->v->root, path);
	tp_autoclean(tp_place_free) struct tp_place to = { 0 };
	char size[TP_SIZE_TEXT];

	if (tp_inside_find(&p->inside, path, &to, err))
		return -1;
	if (is_own(p, &to)) {
		if (in_a_linked_one(p, path))
			return 0; /* there is no place of its own for it */
		tp_place_free(&to);
		if (tp_inside_find(&p->inside, below_root, &to, err))
			return -1;
	} else if (!in_a_linked_one(p, path)) {
		tp_strv_add(&p->links, path);
	}
	if (check_place(p, &p->v->trees[i], &to, err))
		return -1;
	tp_verbose("copying the pod's volume %s (%s) to %s", path,
		   tp_size_print(p->v->trees[i].bytes, size), to.path);
	return put_volume(p, i, &to, err);
}

/* ------------------------------------------------------------------- root */

static int put_links(struct put *p, struct tp_err *err)
{
	tp_autoclean(tp_place_free) struct tp_place root = { 0 };
	struct stream s = { 0 };
	const char *own;
	int rc = 0;

	if (!p->links.n)
		return 0;
	/* A volume's own copy may have made it meanwhile. */
	tp_inside_free(&p->inside);
	if (tp_inside_find(&p->inside, p->v->root, &root, err))
		return -1;
	own = inside_of(p, root.path);
	if (own)
		return tp_err_set(err, TP_ERR_FAILED,
				  "%s (TELEPRESENCE_ROOT) is in %s, which is a mount of yours",
				  p->v->root, own);
	s.tar = tp_copytar_new();
	rc = put_parents(s.tar, root.name, err);
	if (!rc && !root.exists)
		rc = tp_copytar_folder(s.tar, root.name, err);
	for (size_t i = 0; !rc && i < p->links.n; i++) {
		tp_autofree char *inner = tp_strdup(p->links.v[i] + 1);
		tp_autofree char *name = tp_asprintf("%s/%s", root.name, inner);

		for (char *slash = strchr(inner, '/'); !rc && slash;
		     slash = strchr(slash + 1, '/')) {
			tp_autofree char *folder =
				tp_asprintf("%s/%.*s", root.name, (int)(slash - inner), inner);

			rc = tp_copytar_folder(s.tar, folder, err);
		}
		if (!rc)
			rc = tp_copytar_link(s.tar, name, p->links.v[i], err);
	}
	if (!rc)
		rc = unpack(p, root.folder, &s, err);
	tp_copytar_free(s.tar);
	return rc ? tp_err_prefix(err, "%s (TELEPRESENCE_ROOT)", p->v->root) : 0;
}

/* -------------------------------------------------------------- container */

static void add_own(const char *path, const struct tp_strv *image_volumes, struct tp_strv *out)
{
	if (path && strcmp(path, TP_GATE_DIR) &&
	    !(image_volumes && tp_strv_has(image_volumes, path)))
		tp_strv_add(out, path);
}

void tp_volcopy_own_mounts(const struct tp_json *in, const struct tp_strv *image_volumes,
			   struct tp_strv *out)
{
	const struct tp_json *mounts = tp_json_get(in, "Mounts");
	const struct tp_json *tmpfs = tp_json_path(in, "HostConfig.Tmpfs");

	for (size_t i = 0; i < tp_json_len(mounts); i++)
		add_own(tp_json_str_at(tp_json_at(mounts, i), "Destination"), image_volumes, out);
	for (size_t i = 0; i < tp_json_len(tmpfs); i++)
		add_own(tp_json_key(tmpfs, i), NULL, out);
}

static int find_own(struct put *p, struct tp_err *err)
{
	for (size_t i = 0; i < p->t->own->n; i++) {
		struct tp_place at;

		if (tp_inside_find(&p->inside, p->t->own->v[i], &at, err))
			return -1;
		tp_strv_add(&p->own, at.path);
		tp_place_free(&at);
	}
	return 0;
}

static void say_passed_over(const struct tp_volcopy *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->mounts.n; i++) {
		const struct tp_strv *l = &v->trees[i].passed_over;

		for (size_t k = 0; k < l->n; k++)
			if (n++ < NOTES_MAX)
				tp_warn("not copied: %s", l->v[k]);
	}
	if (n > NOTES_MAX)
		tp_warn("not copied: %zu more", n - NOTES_MAX);
}

static int put_all(struct put *p, struct tp_err *err)
{
	struct tp_volcopy *v = p->v;

	if (find_own(p, err) || tp_volcopy_connect(v, err))
		return -1;
	p->owners = (struct tp_owner_map){ .from_uid = v->uid,
					   .to_uid = p->t->uid,
					   .to_gid = p->t->gid,
					   .from_gids = v->gids,
					   .n_gids = v->n_gids };
	for (size_t i = 0; i < v->mounts.n; i++)
		if (copy_volume(p, i, err))
			return tp_err_prefix(err, "the pod's volume %s cannot be copied",
					     v->mounts.v[i]);
	if (put_links(p, err))
		return -1;
	say_passed_over(v);
	return 0;
}

int tp_volcopy_put(struct tp_volcopy *v, const struct tp_volcopy_target *t, struct tp_err *err)
{
	struct put p = { .v = v, .t = t, .inside = { .look = look_inside, .arg = &p } };
	int rc = v->mounts.n ? put_all(&p, err) : 0;

	tp_inside_free(&p.inside);
	tp_strv_free(&p.own);
	tp_strv_free(&p.links);
	return rc;
}
