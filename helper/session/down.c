/* SPDX-License-Identifier: Apache-2.0 */
/* Ending a background session from outside (up.h). */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/cleanup.h"
#include "session/ctlsock.h"
#include "session/known.h"
#include "session/up.h"

#define END_MS	 90000 /* a session gives up after less, and says so */
#define GONE_MS	 60000
#define AGAIN_MS 100

/* Somebody else is at it. */
static int wait_gone(const struct tp_record *r, struct tp_err *err)
{
	for (long long until = tp_now_ms() + GONE_MS; tp_now_ms() < until;) {
		struct tp_record now;
		struct tp_err e = { 0 };

		if (tp_record_load(r->id, &now, &e) && e.kind == TP_ERR_NOT_FOUND)
			return 0;
		tp_record_free(&now);
		tp_cancel_poll(NULL, -1, 0, AGAIN_MS, NULL);
	}
	return tp_err_set(err, TP_ERR_TIMEOUT, "it is not undone after %d s", GONE_MS / 1000);
}

static int undo_dead(struct tp_record *r, struct tp_err *err)
{
	int got = tp_record_lock(r, false, err);

	if (got < 0)
		return -1;
	tp_info("the process of session %s died; undoing what is left", r->name ? r->name : r->id);
	if (!got)
		return wait_gone(r, err); /* its guardian */
	return tp_cleanup_record(r, tp_now_ms() + GONE_MS / 2, NULL, err);
}

/* Containers that were not started by `run --session` stay, of no use: that is said. */
static void warn_joined(const struct tp_known *k)
{
	struct tp_docker_endpoint ep;
	struct tp_err e = { 0 };
	struct tp_engine *engine = tp_known_engine(&k->record, &ep, NULL, &e);
	tp_autofree char *container = tp_asprintf("tpdocker-%s", tp_known_name(k));
	TP_AUTO_STRV names = { 0 };

	if (engine && !tp_known_joined(engine, tp_json_str_at(k->live, "sidecar"), container,
				       &names, NULL, &e))
		for (size_t i = 0; i < names.n; i++)
			tp_warn("%s is still joined to session %s, which ends now", names.v[i],
				tp_known_name(k));
	tp_engine_free(engine);
	tp_docker_endpoint_free(&ep);
}

static int ask_down(struct tp_known *k, struct tp_err *err)
{
	tp_autofree char *path = tp_record_path(k->record.id, TP_CTL_SUFFIX, err);
	TP_AUTO_BUF none = TP_BUF_INIT(TP_ERR_MAX);

	if (!path)
		return -1;
	warn_joined(k);
	if (!tp_ctl_ask(path, "down", &none, END_MS, NULL, err))
		return 0;
	/* It died while it was asked: its guardian has it now. */
	return err->kind == TP_ERR_FAILED ? -1 : wait_gone(&k->record, err);
}

int tp_down(const char *name, const char *owner, struct tp_err *err)
{
	struct tp_known k;
	int rc = tp_known_find(name, &k, err);

	if (rc)
		return -1;
	if (owner && !tp_strv_has(&k.record.settings, owner)) {
		tp_err_set(err, TP_ERR_CONFLICT, "the session %s is not %s", name, owner);
		tp_known_free(&k);
		return -1;
	}
	switch (k.state) {
	case TP_KNOWN_RUNNING:
		rc = tp_err_set(
			err, TP_ERR_USAGE,
			"the session %s is that of a `tpdocker run`, process %d: it ends when its "
			"container does",
			name, k.record.pid);
		break;
	case TP_KNOWN_DEAD:
		rc = undo_dead(&k.record, err);
		break;
	case TP_KNOWN_STARTING:
		kill(k.record.pid, SIGTERM);
		rc = wait_gone(&k.record, err);
		break;
	case TP_KNOWN_READY:
	case TP_KNOWN_RECONNECTING:
	case TP_KNOWN_ENDING:
		rc = ask_down(&k, err);
		break;
	}
	if (rc && err->kind != TP_ERR_USAGE)
		tp_err_prefix(err, "session %s", name);
	tp_known_free(&k);
	return rc;
}
