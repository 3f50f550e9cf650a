/* SPDX-License-Identifier: Apache-2.0 */
#include "session/up.h"

#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "common/gate.h"
#include "session/hostnet.h"
#include "session/inject.h"
#include "session/session.h"
#include "session/supervise.h"

#define TRIES 2 /* with REUSE: somebody may have taken the name in between */

int tp_up_flags_check(const struct tp_run_args *a, struct tp_err *err)
{
	for (size_t i = 0; i < a->docker_args.n; i++) {
		const char *flag = a->docker_args.v[i];

		if (!strncmp(flag, "--userns=", 9))
			continue;
		tp_err_set(err, TP_ERR_USAGE, "%.*s is for a container, and `up` starts none",
			   (int)strcspn(flag, "="), flag);
		return tp_err_hint(err,
				   "Give it to the container that joins: %s run --session NAME, or "
				   "docker run --network container:tpdocker-NAME",
				   tp_program());
	}
	if (a->publish_all) {
		tp_err_set(err, TP_ERR_USAGE,
			   "-P publishes the ports of an image, and a session has none");
		return tp_err_hint(err, "Name the ports with -p.");
	}
	return 0;
}

int tp_up_idle_parse(const char *text, long long *ms, struct tp_err *err)
{
	*ms = 0;
	if (text && tp_duration_parse(text, ms))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--idle-timeout %s: write it as 90s, 10m or 1h30m", text);
	return 0;
}

int tp_up_gate_check(const char *gate, const struct tp_session_opts *o, struct tp_err *err)
{
	if (tp_hostnet_no_joining(o, err) || (gate && tp_inject_no_others(o, err)))
		return -1;
	if (gate && (!*gate || strlen(gate) > TP_GATE_NAME_MAX || strpbrk(gate, "/ \n")))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--gate %s: at most %d characters, no / and no space", gate,
				  TP_GATE_NAME_MAX);
	if (gate && o->volumes && !strcmp(o->volumes, "copy"))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--gate: --volumes copy copies into containers of tpdocker's "
				  "own alone; it is sshfs or off here");
	return 0;
}

static void add_own_settings(const struct tp_up *u, struct tp_strv *out)
{
	char text[64];

	if (u->owner)
		tp_strv_add(out, u->owner);
	if (u->gate)
		tp_strv_addf(out, "--gate=%s", u->gate);
	if (u->idle_ms) {
		tp_duration_print(u->idle_ms / 1000, text, sizeof(text));
		tp_strv_addf(out, "--idle-timeout=%s", text);
	}
}

/* As tp_up; *AGAIN: another try may find what was in the way. */
static int try_up(const struct tp_up *u, int *code, bool *again, struct tp_err *err)
{
	struct tp_session s;
	bool told = false;
	int rc;

	tp_session_init(&s, u->opts, u->args);
	s.record.name = tp_strdup(u->name);
	s.record.gate = tp_strdup(u->gate);
	s.gate_name = s.record.gate;
	s.reuse = u->reuse;
	add_own_settings(u, &s.record.settings);
	s.plain = u->plain;
	rc = tp_session_prepare(&s, err);
	*again = rc < 0 && u->reuse && err->kind == TP_ERR_CONFLICT && !s.recorded;
	if (rc > 0)
		tp_info("session %s is there already", u->name);
	if (!rc)
		rc = tp_session_start(&s, err);
	if (!rc && u->plain)
		rc = tp_hostnet_shared(err);
	if (!rc)
		rc = tp_supervise(&s, u->idle_ms, err);
	if (rc > 0 && !s.reused)
		return rc; /* all of it is the background process's now */
	*code = 0;
	if (rc < 0 && s.signalled && err->kind == TP_ERR_CANCELLED) {
		*code = 128 + s.signalled;
		rc = 0;
	} else if (rc < 0 && s.recorded && u->failing) {
		u->failing(err);
		told = true;
	}
	tp_session_end(&s);
	tp_session_free(&s);
	if (!told)
		return rc;
	*code = TP_EXIT_FAILED;
	return 0;
}

int tp_up(const struct tp_up *u, int *code, struct tp_err *err)
{
	for (int i = 1;; i++) {
		bool again;
		int rc = try_up(u, code, &again, err);

		if (!again || i == TRIES)
			return rc;
	}
}
