/* SPDX-License-Identifier: Apache-2.0 */
#include "session/volumes.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/size.h"
#include "common/control.h"
#include "common/gate.h"
#include "docker/user_mounts.h"
#include "session/hostless.h"
#include "session/session.h"

#define GATE_MS 30000 /* longer than the companion takes to give up */

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

static int check_root(const char *root, struct tp_err *err)
{
	static const char *const taken[] = { TP_GATE_DIR, "/proc", "/sys", "/dev" };
	tp_autofree char *path = tp_path_clean(root);

	if (root[0] != '/' || strlen(root) > 1000 || strpbrk(root, "\n\r"))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--volumes-root %s: it is an absolute path in the container",
				  root);
	for (const char *at = root; (at = strstr(at, "/.."));) {
		at += 3;
		if (!*at || *at == '/')
			return tp_err_set(err, TP_ERR_USAGE,
					  "--volumes-root %s: no \"..\" in it, please", root);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(taken); i++)
		if (below(path, taken[i]) || below(taken[i], path) || !path[1])
			return tp_err_set(
				err, TP_ERR_USAGE,
				"--volumes-root %s: that place is taken; the usual one is %s", root,
				TP_VOLUMES_ROOT);
	return 0;
}

static const char *const kinds[] = {
	[TP_VOLUMES_OFF] = "off", [TP_VOLUMES_SSHFS] = "sshfs", [TP_VOLUMES_COPY] = "copy"
};

int tp_volumes_check(const char *kind, const char *root, const char *limit, struct tp_err *err)
{
	uint64_t bytes;

	if (kind && strcmp(kind, kinds[tp_volumes_wanted(kind)]))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--volumes %s: it is one of sshfs, copy and off", kind);
	if (limit && (tp_size_parse(limit, &bytes) || !bytes))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--volumes-limit %s: not a size; write it as "
				  "64m or 1g",
				  limit);
	if (limit && tp_volumes_wanted(kind) != TP_VOLUMES_COPY)
		return tp_err_set(err, TP_ERR_USAGE, "--volumes-limit is for --volumes copy");
	return root ? check_root(root, err) : 0;
}

enum tp_volumes tp_volumes_wanted(const char *kind)
{
	for (size_t i = 0; kind && i < TP_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kind, kinds[i]))
			return (enum tp_volumes)i;
	return TP_VOLUMES_SSHFS;
}

const char *tp_volumes_word(enum tp_volumes v)
{
	return kinds[v];
}

const char *tp_volumes_root(const struct tp_session *s)
{
	if (s->volumes == TP_VOLUMES_OFF)
		return NULL;
	if (s->volumes_root)
		return s->volumes_root;
	return s->opts->volumes_root ? s->opts->volumes_root : TP_VOLUMES_ROOT;
}

bool tp_volumes_ready(const struct tp_session *s)
{
	if (s->volumes == TP_VOLUMES_COPY)
		return !s->copying.looking;
	return s->volumes != TP_VOLUMES_SSHFS || s->companion.mounted;
}

static void gate_late(void *arg)
{
	struct tp_session *s = arg;
	struct tp_err e = { 0 };

	tp_err_set(&e, TP_ERR_TIMEOUT, "the container did not come to its entry gate within %d s",
		   GATE_MS / 1000);
	tp_session_fail(s, &e);
}

/* In a session that was joined, both are told by the session (join.c). */
static bool gate_passed(const struct tp_session *s)
{
	if (s->joined_fd >= 0)
		return s->joined_passed || !s->joined_watch;
	return s->volumes == TP_VOLUMES_COPY ? tp_copying_passed(s) : s->companion.passed > 0;
}

static const char *gate_refusal(const struct tp_session *s)
{
	if (s->joined_fd >= 0)
		return s->joined_refusal;
	return s->volumes == TP_VOLUMES_COPY ? s->copying.refusal : s->companion.refusal;
}

int tp_volumes_wait_gate(struct tp_session *s, struct tp_err *err)
{
	struct tp_timer *late = NULL;

	if (s->volumes == TP_VOLUMES_OFF)
		return 0;
	/* How long copying takes is another matter; a session that was joined tells of its end, too. */
	if (s->volumes != TP_VOLUMES_COPY || s->joined_fd < 0)
		late = tp_timer_add(s->loop, GATE_MS, gate_late, s);
	while (!s->failed && !gate_passed(s) && !gate_refusal(s)) {
		if (s->copying.jobs) /* it has come */
			tp_timer_del(tp_steal(&late));
		tp_loop_run(s->loop);
	}
	if (s->failed) {
		*err = s->err;
		return -1;
	}
	tp_timer_del(late);
	return gate_refusal(s) ? tp_err_set(err, TP_ERR_FAILED, "%s", gate_refusal(s)) : 0;
}

char *tp_volumes_gate_name(const char *session)
{
	return tp_asprintf("tpdocker-%s-gate", session);
}

bool tp_volumes_gate_frame(struct tp_session *s, const struct tp_frame *f)
{
	bool arrived = !strcmp(f->name, TP_CTL_GATE);
	tp_autofree char *text = NULL;
	struct tp_gate g = { 0 };
	int used = 0;

	if (!arrived && strcmp(f->name, TP_CTL_GATE_LEFT))
		return false;
	text = tp_strndup(f->data, f->len);
	if (arrived)
		sscanf(text, "%u %u %u %n", &g.id, &g.uid, &g.gid, &used);
	else
		sscanf(text, "%u%n", &g.id, &used);
	if (!used)
		return true;
	g.tag = text + used;
	if (arrived && s->gate_arrived)
		s->gate_arrived(s, &g);
	else if (arrived)
		tp_volumes_gate_answer(s, g.id, NULL); /* nothing to wait for */
	else if (s->gate_left)
		s->gate_left(s, g.id);
	return true;
}

void tp_volumes_gate_answer(struct tp_session *s, unsigned int id, const char *why)
{
	tp_autofree char *text = why ? tp_asprintf("%u %s", id, why) : tp_asprintf("%u", id);

	tp_control_sends(s->control, why ? TP_CTL_GATE_FAIL : TP_CTL_GATE_GO, text);
}

static void give_env(struct tp_session *s)
{
	TP_AUTO_BUF env = TP_BUF_INIT(TP_FRAME_MAX);
	bool fits = true;

	for (size_t i = 0; fits && i < s->remote.env.n; i++)
		fits = !tp_buf_put(&env, s->remote.env.v[i], strlen(s->remote.env.v[i]) + 1);
	if (!fits)
		tp_warn("the pod's environment is larger than %u MiB: containers get a part of it",
			TP_FRAME_MAX >> 20);
	/* the companion answers the gates where there is one */
	tp_control_send(s->companion.control ? s->companion.control : s->control, TP_CTL_GATE_ENV,
			env.data ? env.data : "", env.len);
}

static void tell_gates(struct tp_session *s)
{
	tp_remote_add_telepresence(&s->remote, s->record.pod_container, s->record.pod,
				   s->record.method, tp_volumes_root(s));
	give_env(s);
}

void tp_volumes_described(struct tp_session *s)
{
	if (s->hostless)
		tp_hostless_described(s);
	tell_gates(s);
}

void tp_volumes_described_again(struct tp_session *s, const char *p, size_t n)
{
	struct tp_remote now;
	struct tp_err err;

	if (tp_remote_parse(p, n, &now, &err)) {
		tp_verbose("%s", err.msg);
		return;
	}
	tp_strv_free(&s->remote.env);
	s->remote.env = now.env;
	now.env = (struct tp_strv){ 0 };
	tp_remote_free(&now);
	tell_gates(s);
}
