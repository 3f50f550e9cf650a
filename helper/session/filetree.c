/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a tree. Each folder goes
 *
 *   OPENDIR --handle--> READDIR (several at once) --the first EOF, all answered--> CLOSE
 *
 * and every link is asked for its target. Entries are appended as they are
 * told of; the walk takes them from there, in that order.
 */
#include "session/filetree_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define READDIRS  4 /* at once for one folder: one answer has a hundred names */
#define NOTES_MAX 100

struct walk {
	struct tp_sftp *s;
	struct tp_tree *t;
	const struct tp_strv *leave_out;
	const struct tp_tree_limits *limits;
	size_t room; /* of t->v */
	size_t next; /* entry that was not gone into yet */
	struct job *jobs;
};

/* A folder or a link that the server is being asked about. */
struct job {
	struct walk *w;
	struct job *next, **prev;
	size_t entry;
	/* a folder's */
	char handle[256];
	size_t handle_len;
	unsigned asked; /* READDIRs under way */
	bool eof;
};

char *tp_tree_full_path(const struct tp_tree *t, const char *path)
{
	if (!*path)
		return tp_strdup(t->root);
	return tp_asprintf("%s/%s", strcmp(t->root, "/") ? t->root : "", path);
}

static void note(struct tp_tree *t, const char *path, const char *why)
{
	tp_autofree char *full = tp_tree_full_path(t, path);

	if (t->passed_over.n < NOTES_MAX)
		tp_strv_addf(&t->passed_over, "%s: %s", full, why);
}

/* What became of a request that need not succeed. 0 noted; -1 ERR it must not be ignored. */
int tp_tree_pass_over(struct tp_tree *t, const char *path, const struct tp_sftp_reply *r,
		      struct tp_err *err)
{
	tp_autofree char *full = tp_tree_full_path(t, path);
	struct tp_err e = { 0 };

	tp_sftp_error(r, full, &e);
	if (e.kind == TP_ERR_PROTOCOL) {
		*err = e;
		return -1;
	}
	if (e.kind == TP_ERR_NOT_FOUND)
		t->vanished++;
	else
		note(t, path, e.kind == TP_ERR_FORBIDDEN ? "permission denied" : "cannot be read");
	return 0;
}

static size_t depth_of(const char *path)
{
	size_t n = *path ? 1 : 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static bool is_left_out(const struct walk *w, const char *path)
{
	tp_autofree char *full = tp_tree_full_path(w->t, path);

	return w->leave_out && tp_strv_has(w->leave_out, full);
}

static const char *special(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
		return NULL;
	case S_IFIFO:
		return "a named pipe";
	case S_IFSOCK:
		return "a socket";
	case S_IFBLK:
	case S_IFCHR:
		return "a device";
	default:
		return "neither a file nor a folder nor a link";
	}
}

/* PATH is taken. */
static int add(struct walk *w, char *path, const struct tp_sftp_attrs *a, struct tp_err *err)
{
	struct tp_tree *t = w->t;
	tp_autofree char *own = path;
	struct tp_tree_entry *e;

	if (!a->has_mode || !a->has_size || !a->has_ids || !a->has_times)
		return tp_err_set(err, TP_ERR_PROTOCOL, "the SFTP server tells too little about %s",
				  own);
	if (special(a->mode)) {
		note(t, own, special(a->mode));
		return 0;
	}
	if (is_left_out(w, own))
		return 0;
	if (depth_of(own) > TP_TREE_DEPTH_MAX)
		return tp_err_set(err, TP_ERR_FAILED,
				  "%s has more than %d folders within each other", t->root,
				  TP_TREE_DEPTH_MAX);
	if (t->n >= w->limits->entries)
		return tp_err_set(err, TP_ERR_FAILED, "%s has more than %zu files", t->root,
				  w->limits->entries);
	if (t->n == w->room) {
		w->room = w->room ? 2 * w->room : 64;
		t->v = tp_realloc(t->v, w->room * sizeof(*t->v));
	}
	e = &t->v[t->n++];
	*e = (struct tp_tree_entry){ .path = tp_steal(&own),
				     .mode = a->mode,
				     .uid = a->uid,
				     .gid = a->gid,
				     .mtime = a->mtime };
	if (S_ISREG(a->mode)) {
		e->size = a->size;
		t->bytes = t->bytes + a->size < t->bytes ? UINT64_MAX : t->bytes + a->size;
	}
	t->too_large = t->too_large || t->bytes > w->limits->bytes;
	return 0;
}

static void job_free(struct job *j)
{
	*j->prev = j->next;
	if (j->next)
		j->next->prev = j->prev;
	free(j);
}

/* Asks the server for TYPE of the entry's path. */
static int job_start(struct walk *w, size_t entry, enum tp_sftp_type type, tp_sftp_fn *fn,
		     struct tp_err *err)
{
	tp_autofree char *path = tp_tree_full_path(w->t, w->t->v[entry].path);
	struct job *j = tp_calloc(1, sizeof(*j));

	j->w = w;
	j->entry = entry;
	j->next = w->jobs;
	j->prev = &w->jobs;
	if (j->next)
		j->next->prev = &j->next;
	w->jobs = j;
	return tp_sftp_ask(w->s, type, path, strlen(path), fn, j, err);
}

/* ---------------------------------------------------------------- folders */

static int on_names(void *arg, struct tp_sftp_reply *r, struct tp_err *err);

static int read_on(struct job *f, struct tp_err *err)
{
	f->asked++;
	return tp_sftp_ask(f->w->s, SSH_FXP_READDIR, f->handle, f->handle_len, on_names, f, err);
}

static int take_name(struct job *f, const char *name, size_t len, const struct tp_sftp_attrs *a,
		     struct tp_err *err)
{
	const char *parent = f->w->t->v[f->entry].path;

	if ((len == 1 && *name == '.') || (len == 2 && !memcmp(name, "..", 2)))
		return 0;
	/* such a name would lead out of the folder */
	if (!len || memchr(name, '/', len) || memchr(name, '\0', len))
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "the SFTP server sent a file's name that "
				  "none can be");
	return add(f->w, tp_asprintf("%s%s%.*s", parent, *parent ? "/" : "", (int)len, name), a,
		   err);
}

static int on_names(void *arg, struct tp_sftp_reply *r, struct tp_err *err)
{
	struct job *f = arg;
	struct tp_sftp_attrs a;
	const char *name;
	size_t len;

	f->asked--;
	if (r->type == SSH_FXP_NAME && r->count) {
		while (tp_sftp_next_name(r, &name, &len, &a))
			if (take_name(f, name, len, &a, err))
				return -1;
		if (!f->eof && !f->w->t->too_large)
			return read_on(f, err);
	} else if (r->type != SSH_FXP_STATUS || r->status != SSH_FX_EOF) {
		if (!f->eof && tp_tree_pass_over(f->w->t, f->w->t->v[f->entry].path, r, err))
			return -1;
	}
	f->eof = true;
	if (f->asked)
		return 0;
	tp_sftp_ask(f->w->s, SSH_FXP_CLOSE, f->handle, f->handle_len, NULL, NULL, err);
	job_free(f);
	return 0;
}

static int on_folder(void *arg, struct tp_sftp_reply *r, struct tp_err *err)
{
	struct job *f = arg;
	struct tp_tree *t = f->w->t;
	int rc;

	if (r->type == SSH_FXP_HANDLE && r->len <= sizeof(f->handle)) {
		memcpy(f->handle, r->data, r->len);
		f->handle_len = r->len;
		for (int i = 0; i < READDIRS; i++)
			if (read_on(f, err))
				return -1;
		return 0;
	}
	if (!f->entry)
		rc = tp_sftp_error(r, t->root, err);
	else
		rc = tp_tree_pass_over(t, t->v[f->entry].path, r, err);
	job_free(f);
	return rc;
}

/* ------------------------------------------------------------------ links */

static int on_target(void *arg, struct tp_sftp_reply *r, struct tp_err *err)
{
	struct job *l = arg;
	struct tp_tree *t = l->w->t;
	struct tp_tree_entry *e = &t->v[l->entry];
	struct tp_sftp_attrs a;
	const char *target;
	size_t len;

	job_free(l);
	if (r->type != SSH_FXP_NAME)
		return tp_tree_pass_over(t, e->path, r, err);
	if (!tp_sftp_next_name(r, &target, &len, &a) || !len || memchr(target, '\0', len))
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "the SFTP server sent a link's target that "
				  "none can be");
	e->target = tp_strndup(target, len);
	return 0;
}

/* ------------------------------------------------------------------- walk */

static int on_root(void *arg, struct tp_sftp_reply *r, struct tp_err *err)
{
	struct walk *w = arg;

	if (r->type != SSH_FXP_ATTRS)
		return tp_sftp_error(r, w->t->root, err);
	if (special(r->attrs.mode) || S_ISLNK(r->attrs.mode))
		return tp_err_set(err, TP_ERR_FAILED, "%s is neither a folder nor a file",
				  w->t->root);
	return add(w, tp_strdup(""), &r->attrs, err);
}

static int walk(struct walk *w, struct tp_err *err)
{
	struct tp_tree *t = w->t;

	if (tp_sftp_ask(w->s, SSH_FXP_LSTAT, t->root, strlen(t->root), on_root, w, err))
		return -1;
	for (;;) {
		while (!t->too_large && w->next < t->n && tp_sftp_pending(w->s) < TP_SFTP_ENOUGH) {
			size_t i = w->next++;
			int rc = 0;

			if (S_ISDIR(t->v[i].mode))
				rc = job_start(w, i, SSH_FXP_OPENDIR, on_folder, err);
			else if (S_ISLNK(t->v[i].mode))
				rc = job_start(w, i, SSH_FXP_READLINK, on_target, err);

			if (rc)
				return -1;
		}
		if (!tp_sftp_pending(w->s))
			return 0;
		if (tp_sftp_step(w->s, err))
			return -1;
	}
}

int tp_tree_look(struct tp_sftp *s, const char *root, const struct tp_strv *leave_out,
		 const struct tp_tree_limits *limits, struct tp_tree *tree, struct tp_err *err)
{
	struct walk w = { .s = s, .t = tree, .leave_out = leave_out, .limits = limits };
	int rc;

	*tree = (struct tp_tree){ .root = tp_strdup(root) };
	rc = walk(&w, err);
	while (w.jobs)
		job_free(w.jobs);
	return rc;
}

void tp_tree_free(struct tp_tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].path);
		free(t->v[i].target);
	}
	free(t->v);
	free(t->root);
	tp_strv_free(&t->passed_over);
	memset(t, 0, sizeof(*t));
}
