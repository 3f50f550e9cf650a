/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "common/control.h"
#include "docker/inside.h"
#include "session/volcopy_internal.h"

#define IDLE_MS	    (30 * 1000) /* of a connection that ought to bring something */
#define STALE_MS    5000	/* an agent hangs up on who has not answered it for 10 s */
#define ENTRIES_MAX 200000
#define GIDS_MAX    4096

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void copy_list(struct tp_strv *to, const struct tp_strv *from)
{
	for (size_t i = 0; from && i < from->n; i++)
		tp_strv_add(to, from->v[i]);
}

struct tp_volcopy *tp_volcopy_new(const struct tp_volcopy_spec *spec)
{
	struct tp_volcopy *v = tp_calloc(1, sizeof(*v));
	const struct tp_agentssh_target *agent = &spec->agent;

	v->forward = agent->forward;
	v->kube = agent->kube;
	v->pod = tp_strdup(agent->pod);
	v->private_key = tp_strdup(agent->private_key);
	v->agent = (struct tp_agent_ready){ .port = agent->agent->port,
					    .user = tp_strdup(agent->agent->user),
					    .hostkey = tp_strdup(agent->agent->hostkey) };
	copy_list(&v->mounts, spec->mounts);
	/* One that is inside of another comes behind it. */
	if (v->mounts.n)
		qsort(v->mounts.v, v->mounts.n, sizeof(*v->mounts.v), by_path);
	tp_strv_add(&v->hidden, TP_AGENT_DIR);
	if (spec->agent_dir)
		tp_strv_add(&v->hidden, spec->agent_dir);
	v->root = tp_strdup(spec->root);
	v->limit = spec->limit;
	v->cancel = tp_cancel_new();
	v->trees = tp_calloc(v->mounts.n + 1, sizeof(*v->trees));
	return v;
}

void tp_volcopy_cancel(struct tp_volcopy *v)
{
	tp_cancel_trigger(v->cancel);
}

void tp_volcopy_free(struct tp_volcopy *v)
{
	if (!v)
		return;
	tp_volcopy_hang_up(v);
	for (size_t i = 0; i < v->mounts.n; i++)
		tp_tree_free(&v->trees[i]);
	free(v->trees);
	free(v->pod);
	tp_free_secret(v->private_key);
	tp_agent_ready_free(&v->agent);
	tp_strv_free(&v->mounts);
	tp_strv_free(&v->own);
	tp_strv_free(&v->hidden);
	free(v->root);
	free(v->gids);
	tp_cancel_free(v->cancel);
	free(v);
}

/* ------------------------------------------------------------- connection */

static int sftp_write(void *arg, const void *p, size_t n, struct tp_err *err)
{
	return tp_agentssh_write(arg, p, n, err);
}

static ssize_t sftp_read(void *arg, void *p, size_t n, struct tp_err *err)
{
	return tp_agentssh_read(arg, p, n, err);
}

void tp_volcopy_hang_up(struct tp_volcopy *v)
{
	tp_sftp_free(tp_steal(&v->sftp));
	tp_agentssh_close(tp_steal(&v->ssh));
}

/* The number behind KEY and a tab in a file like /proc/PID/status; -1 if there is none. */
static int take_id(const char *text, const char *key, uint32_t *id)
{
	const char *p = strstr(text, key);

	if (!p || !isdigit((unsigned char)p[strlen(key)]))
		return -1;
	*id = (uint32_t)strtoul(p + strlen(key), NULL, 10);
	return 0;
}

int tp_volcopy_take_ids(struct tp_volcopy *v, const char *text, struct tp_err *err)
{
	static const char groups[] = "\nGroups:\t";
	const char *p = strstr(text, groups);
	char *end;

	v->gids = tp_realloc(v->gids, GIDS_MAX * sizeof(*v->gids));
	v->n_gids = 0;
	if (take_id(text, "\nUid:\t", &v->uid) || take_id(text, "\nGid:\t", &v->gids[0]))
		return tp_err_set(err, TP_ERR_PROTOCOL, "the agent does not tell who it is");
	v->n_gids = 1;
	for (p = p ? p + strlen(groups) : ""; v->n_gids < GIDS_MAX; p = end) {
		p += strspn(p, " ");
		if (!isdigit((unsigned char)*p))
			break;
		v->gids[v->n_gids++] = (uint32_t)strtoul(p, &end, 10);
	}
	return 0;
}

/* The SFTP server is the agent's user itself, and says so where a process does. */
static int ask_ids(struct tp_volcopy *v, struct tp_err *err)
{
	TP_AUTO_BUF out = TP_BUF_INIT(64u << 10);

	if (tp_sftp_read_file(v->sftp, "/proc/self/status", &out, err))
		return -1;
	return tp_volcopy_take_ids(v, out.data ? out.data : "", err);
}

int tp_volcopy_connect(struct tp_volcopy *v, struct tp_err *err)
{
	struct tp_agentssh_target t = { .forward = v->forward,
					.kube = v->kube,
					.pod = v->pod,
					.agent = &v->agent,
					.private_key = v->private_key };
	struct tp_sftp_io io = { sftp_write, sftp_read, NULL };
	long long now = tp_now_ms();

	if (v->ssh && now - v->used_ms > STALE_MS)
		tp_volcopy_hang_up(v);
	v->used_ms = now;
	if (v->ssh)
		return 0;
	v->ssh = tp_agentssh_open(&t, v->cancel, err);
	io.arg = v->ssh;
	if (!v->ssh || tp_agentssh_sftp(v->ssh, IDLE_MS, err) ||
	    !(v->sftp = tp_sftp_open(&io, err)) || ask_ids(v, err)) {
		tp_volcopy_hang_up(v);
		return -1;
	}
	return 0;
}

/* ------------------------------------------------------------------- look */

static int too_large(const struct tp_volcopy *v, size_t i, struct tp_err *err)
{
	char limit[TP_SIZE_TEXT], size[TP_SIZE_TEXT];
	TP_AUTO_BUF b = TP_BUF_INIT(1000);

	for (size_t k = 0; k <= i; k++)
		if (tp_buf_printf(&b, "%s%s%s %s", k ? ", " : "", k == i ? "more than " : "",
				  tp_size_print(v->trees[k].bytes, size), v->trees[k].root))
			break;
	tp_err_set(
		err, TP_ERR_FAILED,
		"the pod's volumes are larger than %s, which is what --volumes copy may copy: %s",
		tp_size_print(v->limit, limit), b.data ? b.data : "");
	return tp_err_hint(err,
			   "Give a larger limit (--volumes-limit 1g), mount something of your own "
			   "at the path (-v), or let them be mounted: --volumes sshfs.");
}

int tp_volcopy_look_at(struct tp_volcopy *v, size_t i, struct tp_err *err)
{
	struct tp_tree_limits limits = { .bytes = v->limit, .entries = ENTRIES_MAX };
	const char *path = v->mounts.v[i];
	TP_AUTO_STRV out = { 0 };

	/* What is mounted inside of it is looked at by itself, is the user's, or not to be seen. */
	for (size_t k = 0; k < v->mounts.n; k++) {
		if (k != i && tp_path_is_in(v->mounts.v[k], path))
			tp_strv_add(&out, v->mounts.v[k]);
		if (k != i)
			limits.bytes -=
				v->trees[k].bytes < limits.bytes ? v->trees[k].bytes : limits.bytes;
	}
	for (size_t k = 0; k < v->own.n; k++)
		if (strcmp(v->own.v[k], path))
			tp_strv_add(&out, v->own.v[k]);
	copy_list(&out, &v->hidden);
	tp_tree_free(&v->trees[i]);
	if (tp_tree_look(v->sftp, path, &out, &limits, &v->trees[i], err))
		return tp_err_prefix(err, "the pod's volume %s", path);
	return v->trees[i].too_large ? too_large(v, i, err) : 0;
}

/* A copy must not end up in what the user has mounted from elsewhere. */
static int check_own(const struct tp_volcopy *v, struct tp_err *err)
{
	for (size_t i = 0; i < v->mounts.n; i++) {
		for (size_t k = 0; k < v->own.n; k++) {
			const char *m = v->mounts.v[i], *o = v->own.v[k];

			if (!strcmp(m, o) || !tp_path_is_in(m, o) || tp_strv_has(&v->own, m))
				continue;
			tp_err_set(
				err, TP_ERR_USAGE,
				"the pod's volume %s would have to be copied into %s, which is a "
				"mount of yours",
				m, o);
			return tp_err_hint(err,
					   "Mount something of your own at %s as well, or take "
					   "--volumes sshfs or off.",
					   m);
		}
	}
	return 0;
}

int tp_volcopy_look(struct tp_volcopy *v, const struct tp_strv *own, struct tp_err *err)
{
	uint64_t bytes = 0;
	size_t entries = 0;
	char size[TP_SIZE_TEXT];

	copy_list(&v->own, own);
	if (!v->mounts.n)
		return 0;
	if (check_own(v, err))
		return -1;
	if (tp_volcopy_connect(v, err))
		return tp_err_prefix(err, "--volumes copy");
	for (size_t i = 0; i < v->mounts.n; i++) {
		if (tp_volcopy_look_at(v, i, err)) {
			tp_volcopy_hang_up(v);
			return -1;
		}
		bytes += v->trees[i].bytes;
		entries += v->trees[i].n;
	}
	v->used_ms = tp_now_ms();
	tp_verbose("the pod's volumes: %zu files, %s", entries, tp_size_print(bytes, size));
	return 0;
}
