/* SPDX-License-Identifier: Apache-2.0 */
#include "session/companion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "session/hostless.h"
#include "session/session.h"
#include "session/timings.h"

#define LOG_MAX (8u << 10)

char *tp_companion_door(const char *session)
{
	unsigned char rnd[16];
	char token[2 * sizeof(rnd) + 1];

	if (getrandom(rnd, sizeof(rnd), 0) != (ssize_t)sizeof(rnd))
		abort(); /* 16 bytes are given at once or not at all */
	for (size_t i = 0; i < sizeof(rnd); i++)
		snprintf(token + 2 * i, 3, "%02x", rnd[i]);
	return tp_asprintf("tpdocker-%s-door %s", session, token);
}

/* ------------------------------------------------------------ the container */

static void write_list(struct tp_jw *w, const char *key, const char *const *v)
{
	tp_jw_array(w, key);
	for (; *v; v++)
		tp_jw_str(w, NULL, *v);
	tp_jw_end(w);
}

static void write_host_config(struct tp_jw *w, const struct tp_sidecar_spec *s,
			      const char *sidecar_id)
{
	/* SYS_ADMIN and SYS_CHROOT: mount(2), and setns(2) to a mount namespace.
	 * DAC_OVERRIDE: a place for a mount in a folder of another user's. */
	static const char *const add[] = { "SYS_ADMIN", "SYS_CHROOT", "DAC_OVERRIDE", NULL };
	static const char *const drop[] = { "ALL", NULL };
	/* Docker's AppArmor profile and SELinux's type for containers forbid mounts. */
	static const char *const security[] = { "no-new-privileges", "apparmor=unconfined",
						"label=disable", NULL };
	tp_autofree char *mode = tp_asprintf("container:%s", sidecar_id);

	tp_jw_object(w, "HostConfig");
	tp_jw_bool(w, "AutoRemove", true);
	tp_jw_str(w, "NetworkMode", mode);
	tp_jw_bool(w, "ReadonlyRootfs", true);
	write_list(w, "CapDrop", drop);
	write_list(w, "CapAdd", add);
	write_list(w, "SecurityOpt", security);
	tp_jw_array(w, "Devices");
	tp_jw_object(w, NULL);
	tp_jw_str(w, "PathOnHost", "/dev/fuse");
	tp_jw_str(w, "PathInContainer", "/dev/fuse");
	tp_jw_str(w, "CgroupPermissions", "rw");
	tp_jw_end(w);
	tp_jw_end(w);
	/* The control channel carries the door's token: it must not reach a log. */
	tp_jw_object(w, "LogConfig");
	tp_jw_str(w, "Type", "none");
	tp_jw_end(w);
	tp_jw_object(w, "Tmpfs");
	tp_jw_str(w, TP_AGENT_DIR, "mode=0700,size=1m");
	tp_jw_end(w);
	if (s->args->userns)
		tp_jw_str(w, "UsernsMode", s->args->userns);
	tp_jw_end(w);
}

char *tp_companion_body(const struct tp_sidecar_spec *s, const char *sidecar_id, struct tp_err *err)
{
	static const char *const entrypoint[] = { TP_SIDECAR_PROGRAM, NULL };
	static const char *const cmd[] = { "mounts", NULL };
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_str(w, "Image", s->image);
	tp_jw_str(w, "User", "0:0");
	write_list(w, "Entrypoint", entrypoint);
	write_list(w, "Cmd", cmd);
	tp_jw_bool(w, "AttachStdin", true);
	tp_jw_bool(w, "AttachStdout", true);
	tp_jw_bool(w, "AttachStderr", true);
	tp_jw_bool(w, "OpenStdin", true);
	/* Its stdin ends when we do: that is how it knows. */
	tp_jw_bool(w, "StdinOnce", true);
	tp_jw_object(w, "Labels");
	tp_jw_str(w, TP_LABEL_SESSION, s->session);
	tp_jw_str(w, TP_LABEL_ROLE, "mounts");
	tp_jw_str(w, TP_LABEL_OWNER, s->by);
	tp_jw_end(w);
	write_host_config(w, s, sidecar_id);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

/* ---------------------------------------------------------------- the loop */

static void on_stderr(void *arg, const char *p, size_t n)
{
	struct tp_session *s = arg;
	struct tp_buf *log = &s->companion.log;

	if (n > log->max / 2)
		n = log->max / 2;
	if (log->len + n > log->max)
		tp_buf_consume(log, log->len + n - log->max);
	tp_buf_put(log, p, n);
	while (n && p[n - 1] == '\n')
		n--;
	if (n)
		tp_verbose("volumes: %.*s", (int)n, p);
}

/* "TAG" or "TAG REASON" */
static void gate_frame(struct tp_session *s, const struct tp_frame *f, bool passed)
{
	tp_autofree char *tag = tp_strndup(f->data, f->len);
	char *why = passed ? NULL : strchr(tag, ' ');

	if (why)
		*why++ = '\0';
	s->companion.passed += passed;
	if (!passed) {
		free(s->companion.refusal);
		s->companion.refusal = tp_strdup(why ? why : "its gate was refused");
	}
	if (s->gate_told)
		s->gate_told(s->gate_told_arg, tag, passed ? NULL : s->companion.refusal);
}

static void on_frame(void *arg, const struct tp_frame *f)
{
	struct tp_session *s = arg;
	struct tp_companion *c = &s->companion;
	struct tp_err e = { 0 };

	if (!strcmp(f->name, TP_CTL_TIMING)) {
		tp_timings_frame("companion", f->data, f->len);
	} else if (!strcmp(f->name, TP_CTL_MOUNTED)) {
		c->mounted = true;
	} else if (!strcmp(f->name, TP_CTL_GATE_PASSED)) {
		gate_frame(s, f, true);
	} else if (!strcmp(f->name, TP_CTL_GATE_REFUSED)) {
		gate_frame(s, f, false);
	} else if (!strcmp(f->name, TP_CTL_FAIL)) {
		tp_err_set(&e, TP_ERR_FAILED, "%.*s", (int)f->len, f->data);
		tp_session_fail(s, &e);
		return;
	}
	tp_loop_stop(s->loop, 0); /* somebody may wait for this */
}

static void on_end(void *arg, const char *reason)
{
	struct tp_session *s = arg;
	struct tp_err e = { 0 };

	if (s->ending || s->companion.stopped)
		return;
	tp_err_set(&e, TP_ERR_FAILED, "the %s that mounts the pod's volumes is gone: %s",
		   s->hostless ? "process" : "container", reason);
	if (s->companion.log.len)
		tp_err_hint(&e, "the end of its log:\n%s", s->companion.log.data);
	tp_session_fail(s, &e);
}

void tp_companion_describe(struct tp_session *s)
{
	struct tp_companion *c = &s->companion;
	const struct tp_strv *mounts = &s->remote.mounts;

	if (s->volumes != TP_VOLUMES_SSHFS || !s->described || c->told)
		return;
	if (!mounts->n && !s->opts->volumes && !s->gate_name) {
		/* Nobody asked for it, and there is nothing to mount. (Others' gates are answered by it all the same.) */
		s->volumes = TP_VOLUMES_OFF;
		tp_companion_stop(s);
		return;
	}
	if (c->failed) {
		tp_session_fail(s, &c->err);
		return;
	}
	/* Gates that wait there already go to where the tunnel has to be. */
	if (!c->control || (s->hostless && !s->tunnel_ready))
		return;
	c->told = true;
	if (s->gate_name)
		tp_volumes_described(s);
	tp_control_send_list(c->control, TP_CTL_READ_ONLY, &s->remote.read_only);
	if (s->user_image) {
		tp_control_sends(c->control, TP_CTL_IMAGE_KNOWN, "");
		tp_control_send_list(c->control, TP_CTL_IMAGE_VOLUME, &s->image_volumes);
	}
	if (s->remote.agent_dir)
		tp_control_sends(c->control, TP_CTL_HIDDEN, s->remote.agent_dir);
	tp_control_send_list(c->control, TP_CTL_VOLUME, mounts);
	tp_control_sends(c->control, TP_CTL_VOLUMES, "");
}

static void started(void *arg)
{
	struct tp_session *s = arg;
	struct tp_companion *c = &s->companion;
	struct tp_control_events ev = { on_frame, on_end, s };
	tp_autofree char *gates = tp_volumes_gate_name(s->record.id);

	if (s->hostless)
		tp_hostless_listen(s, &c->child_err, &c->child, on_stderr);
	c->control = tp_control_new(s->loop, tp_steal(&c->stream), &ev);
	if (s->opts->verbose)
		tp_control_sends(c->control, TP_CTL_VERBOSE, "yes");
	tp_control_sends(c->control, TP_CTL_DOOR, c->door);
	if (!s->hostless)
		tp_control_sends(c->control, TP_CTL_GATES, gates);
	if (s->gate_name)
		tp_control_sends(c->control, TP_CTL_GATES_OUTSIDE, s->gate_name);
	tp_control_sends(c->control, TP_CTL_VOLUMES_ROOT, tp_volumes_root(s));
	if (c->stopped)
		tp_control_sends(c->control, TP_CTL_STOP, "");
	else
		tp_companion_describe(s);
}

static void not_started(void *arg)
{
	struct tp_session *s = arg;

	s->companion.failed = true;
	tp_companion_describe(s);
}

/* ---------------------------------------------------------------- the task */

static void explain(struct tp_err *err)
{
	bool fuse = strstr(err->msg, "/dev/fuse") != NULL;

	tp_err_prefix(err, "the pod's volumes cannot be mounted");
	if (fuse)
		tp_err_hint(err, "The engine's machine lacks FUSE; there, as root: modprobe fuse. "
				 "Or use --volumes copy, or off, which need none.");
}

void tp_companion_start(struct tp_session *s, const struct tp_sidecar_spec *spec,
			struct tp_cancel *cancel)
{
	struct tp_companion *c = &s->companion;
	tp_autofree char *name = tp_asprintf("tpdocker-%s-mounts", spec->session);
	tp_autofree char *body = tp_companion_body(spec, s->sidecar_id, &c->err);

	c->log = TP_BUF_INIT(LOG_MAX);
	/* As with the sidecar: the creation is not to be cancelled. */
	if (!body || tp_cancel_poll(cancel, -1, 0, 0, &c->err) < 0 ||
	    tp_engine_create(s->engine, name, body, c->id, NULL, &c->err))
		goto failed;
	c->stream = tp_engine_attach(s->engine, c->id, on_stderr, s, cancel, &c->err);
	if (!c->stream || tp_engine_start(s->engine, c->id, cancel, &c->err))
		goto failed;
	tp_timings_mark("companion started");
	tp_loop_post(s->loop, started, s);
	return;
failed:
	explain(&c->err);
	tp_verbose("%s", c->err.msg);
	tp_loop_post(s->loop, not_started, s);
}

int tp_companion_start_child(struct tp_session *s, struct tp_err *err)
{
	struct tp_companion *c = &s->companion;

	c->log = TP_BUF_INIT(LOG_MAX);
	c->stream = tp_hostless_companion(s, err);
	if (!c->stream)
		return tp_err_prefix(err, "the pod's volumes cannot be mounted");
	tp_timings_mark("companion started");
	tp_loop_post(s->loop, started, s);
	return 0;
}

void tp_companion_stop(struct tp_session *s)
{
	s->companion.stopped = true;
	if (s->companion.control)
		tp_control_sends(s->companion.control, TP_CTL_STOP, "");
}

void tp_companion_free(struct tp_companion *c)
{
	tp_control_free(c->control);
	tp_stream_close(c->stream);
	tp_watch_del(c->child_err.watch);
	tp_child_free(&c->child);
	tp_buf_free(&c->log);
	tp_free_secret(c->door);
	free(c->refusal);
}
