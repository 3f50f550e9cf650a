/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "base/mem.h"
#include "session/environ.h"

#define ENV_MAX 100000 /* variables: a namespace with thousands of Services has many */

static int parse_env(const char *p, size_t n, struct tp_remote *r, struct tp_err *err)
{
	while (n) {
		const char *nul = memchr(p, '\0', n), *eq;
		size_t len = nul ? (size_t)(nul - p) : n;

		eq = memchr(p, '=', len);
		if (!nul || !eq || eq == p || r->env.n >= ENV_MAX)
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "the agent's environment cannot be read");
		tp_strv_take(&r->env, tp_strndup(p, len));
		p += len + 1;
		n -= len + 1;
	}
	return 0;
}

/* Lines; of mounts, only paths. */
static void parse_lines(const char *p, size_t n, bool paths, struct tp_strv *out)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;

		if (len && (!paths || *p == '/'))
			tp_strv_take(out, tp_strndup(p, len));
		len += nl ? 1 : 0;
		p += len;
		n -= len;
	}
}

int tp_remote_parse(const char *p, size_t n, struct tp_remote *r, struct tp_err *err)
{
	bool env = false;

	memset(r, 0, sizeof(*r));
	while (n) {
		struct tp_frame f;
		ssize_t used = tp_frame_parse(p, n, &f);

		if (used <= 0)
			goto bad;
		if (!strcmp(f.name, "env")) {
			if (parse_env(f.data, f.len, r, err))
				goto fail;
			env = true;
		} else if (!strcmp(f.name, "hostname")) {
			free(r->hostname);
			r->hostname = tp_strndup(f.data, strcspn(f.data, "\n") < f.len ?
								 strcspn(f.data, "\n") :
								 f.len);
		} else if (!strcmp(f.name, "mounts")) {
			parse_lines(f.data, f.len, true, &r->mounts);
		} else if (!strcmp(f.name, "ports")) {
			parse_lines(f.data, f.len, false, &r->ports);
		} else if (!strcmp(f.name, "mounts-read-only")) {
			parse_lines(f.data, f.len, true, &r->read_only);
		} else if (!strcmp(f.name, "agent-dir") && f.len && f.data[0] == '/') {
			free(r->agent_dir);
			r->agent_dir = tp_strndup(f.data, f.len);
		}
		p += used;
		n -= (size_t)used;
	}
	if (env)
		return 0;
bad:
	tp_err_set(err, TP_ERR_PROTOCOL,
		   "the agent's description cannot be read; is its image of "
		   "the same version as this program?");
fail:
	tp_remote_free(r);
	return -1;
}

static void env_set(struct tp_strv *env, const char *name, const char *value)
{
	tp_autofree char *kv = tp_asprintf("%s=%s", name, value);
	size_t len = strlen(name) + 1;

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], kv, len))
			continue;
		free(env->v[i]);
		env->v[i] = tp_steal(&kv);
		return;
	}
	tp_strv_take(env, tp_steal(&kv));
}

static void env_unset(struct tp_strv *env, const char *name)
{
	size_t len = strlen(name), kept = 0;

	for (size_t i = 0; i < env->n; i++) {
		if (!strncmp(env->v[i], name, len) && env->v[i][len] == '=')
			free(env->v[i]);
		else
			env->v[kept++] = env->v[i];
	}
	env->n = kept;
	if (env->v)
		env->v[kept] = NULL;
}

void tp_remote_add_telepresence(struct tp_remote *r, const char *container, const char *pod,
				const char *method, const char *root)
{
	TP_AUTO_BUF mounts = TP_BUF_INIT(1u << 20);

	for (size_t i = 0; root && i < r->mounts.n; i++)
		tp_buf_printf(&mounts, "%s%s", i ? ":" : "", r->mounts.v[i]);
	env_set(&r->env, "TELEPRESENCE_CONTAINER", container);
	env_set(&r->env, "TELEPRESENCE_POD", pod);
	env_set(&r->env, "TELEPRESENCE_METHOD", method);
	if (root)
		env_set(&r->env, "TELEPRESENCE_ROOT", root);
	else
		env_unset(&r->env, "TELEPRESENCE_ROOT");
	env_set(&r->env, "TELEPRESENCE_MOUNTS", mounts.data ? mounts.data : "");
}

void tp_remote_free(struct tp_remote *r)
{
	tp_strv_free(&r->env);
	tp_strv_free(&r->mounts);
	tp_strv_free(&r->ports);
	tp_strv_free(&r->read_only);
	free(r->agent_dir);
	r->agent_dir = NULL;
	free(r->hostname);
	r->hostname = NULL;
}
