/* SPDX-License-Identifier: Apache-2.0 */
#include "session/reuse.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/run_network.h"
#include "session/known.h"

#define AGAIN_MS     200
#define GONE_MS	     90000 /* a session that ends gives up after less */
#define SETTINGS_MAX (64u << 10)

/* They say how it is told or found, not what it is. */
static const char *const others[] = { "timings",	"verbose",    "quiet",	   "help",
				      "kubeconfig",	"context",    "namespace", "host",
				      "docker-context", "docker-path" };

static bool is_other(const char *name)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(others); i++)
		if (!strcmp(name, others[i]))
			return true;
	return false;
}

static void add_list(struct tp_strv *out, const char *name, const struct tp_strv *values)
{
	for (size_t i = 0; i < values->n; i++)
		tp_strv_addf(out, "--%s=%s", name, values->v[i]);
}

static void add_one(struct tp_strv *out, const char *name, const char *value)
{
	if (value)
		tp_strv_addf(out, "--%s=%s", name, value);
}

/* "web" is the deployment web. */
static void add_workload(struct tp_strv *out, const char *name, const char *spec)
{
	tp_strv_addf(out, "--%s=%s%s", name, strchr(spec, '/') ? "" : "deployment/", spec);
}

static void add_option(struct tp_strv *out, const struct tp_opt *o, const void *base)
{
	const void *target = (const char *)base + o->offset;
	const char *text;

	switch (o->type) {
	case TP_OPT_FLAG:
		if (*(const bool *)target)
			tp_strv_addf(out, "--%s", o->name);
		break;
	case TP_OPT_STRING:
		text = *(char *const *)target;
		if (text && !strcmp(o->name, "swap-deployment"))
			add_workload(out, o->name, text);
		else
			add_one(out, o->name, text);
		break;
	case TP_OPT_LIST:
		add_list(out, o->name, target);
		break;
	}
}

void tp_reuse_settings(const struct tp_session *s, struct tp_strv *out)
{
	TP_OPT_FOREACH(o, tp_session_opt_table)
	if (!is_other(o->name))
		add_option(out, o, s->opts);
	tp_run_network_flags(s->args, out);
	add_one(out, "userns", s->args->userns);
	add_one(out, "context", s->kc.context);
	add_one(out, "namespace", s->kc.namespace);
	if (s->kc.server)
		tp_strv_addf(out, "the cluster at %s", s->kc.server);
	if (s->ep.host)
		tp_strv_addf(out, "the engine at %s", s->ep.host);
}

static void list_missing(struct tp_buf *b, const char *what, const struct tp_strv *from,
			 const struct tp_strv *in)
{
	size_t n = 0;

	for (size_t i = 0; i < from->n; i++) {
		if (tp_strv_has(in, from->v[i]))
			continue;
		if (n++)
			tp_buf_puts(b, ", ");
		else
			tp_buf_printf(b, "%s%s ", b->len ? ", " : "", what);
		tp_buf_puts(b, from->v[i]);
	}
}

char *tp_reuse_difference(const struct tp_strv *has, const struct tp_strv *wants)
{
	TP_AUTO_BUF b = TP_BUF_INIT(SETTINGS_MAX);

	list_missing(&b, "started with", has, wants);
	list_missing(&b, b.len ? "and without" : "started without", wants, has);
	/* twice the same, or the order of such as may be given more than once */
	if (!b.len && has->n == wants->n)
		for (size_t i = 0; !b.len && i < has->n; i++)
			if (strcmp(has->v[i], wants->v[i]))
				tp_buf_puts(&b, "started with the same in another order");
	if (!b.len && has->n != wants->n)
		tp_buf_puts(&b, "started with one of these more or less often");
	return b.len ? tp_buf_steal(&b) : NULL;
}

static int judge(const struct tp_known *k, const struct tp_session *s, struct tp_err *err)
{
	tp_autofree char *what = tp_reuse_difference(&k->record.settings, &s->record.settings);
	char since[32];

	if (!what)
		return 0;
	tp_known_time(k->record.started, since);
	tp_err_set(err, TP_ERR_CONFLICT, "there is another session %s since %s (%s), %s",
		   tp_known_name(k), since, tp_known_state_word(k->state), what);
	return tp_err_hint(err, "End it (%s down %s), or give another name.", tp_program(),
			   tp_known_name(k));
}

int tp_reuse(const struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	long long until = tp_now_ms() + GONE_MS;
	bool said = false;

	for (;;) {
		struct tp_known k;
		struct tp_err e = { 0 };
		enum tp_known_state state;
		int rc;

		if (tp_known_find(s->record.name, &k, &e))
			return e.kind == TP_ERR_NOT_FOUND ? 0 : (*err = e, -1);
		state = k.state;
		rc = state == TP_KNOWN_DEAD || state == TP_KNOWN_ENDING ? 0 : judge(&k, s, err);
		if (!rc && !said && state != TP_KNOWN_READY)
			tp_info("waiting for the session %s, which is %s", tp_known_name(&k),
				tp_known_state_word(state));
		said = true;
		tp_known_free(&k);
		if (rc)
			return -1;
		switch (state) {
		case TP_KNOWN_READY:
		case TP_KNOWN_RECONNECTING:
			return 1;
		case TP_KNOWN_STARTING:
			until = tp_now_ms() + GONE_MS; /* its `up` ends it, if need be */
			break;
		default:
			if (tp_now_ms() > until)
				return tp_err_set(err, TP_ERR_TIMEOUT,
						  "the session %s is not undone after %d s",
						  s->record.name, GONE_MS / 1000);
		}
		if (tp_cancel_poll(c, -1, 0, AGAIN_MS, err) < 0)
			return -1;
	}
}
