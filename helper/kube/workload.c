// SPDX-License-Identifier: Apache-2.0
/*
 * Swapping out and restoring. Each change is one merge patch that names the
 * resourceVersion it was decided on: what somebody else changed in between
 * makes it fail with a conflict, and the decision is made anew.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/workload_internal.h"

#define MERGE_PATCH "application/merge-patch+json"
#define SWAP_TRIES  3
/* A controller writes the status of what it is scaling many times a second. */
#define RESTORE_TRIES 20
#define RETRY_MS      25
#define ALNUM	      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* What Kubernetes takes as a label's value: 63 of [A-Za-z0-9-_.], a letter or
 * digit at both ends. */
static char *label_value(const char *text)
{
	tp_autofree char *v = NULL;
	const char *at = strrchr(text, '@');
	size_t n;

	v = at ? tp_asprintf("%.*s_at_%s", (int)(at - text), text, at + 1) : tp_strdup(text);
	n = strnlen(v, 63);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)v[i]) && !strchr("-_.", v[i]))
			v[i] = '-';
	while (n && !isalnum((unsigned char)v[n - 1]))
		n--;
	v[n] = '\0';
	memmove(v, v + strcspn(v, ALNUM), strlen(v + strcspn(v, ALNUM)) + 1);
	return tp_steal(&v);
}

/* The record's labels, or, without one, their removal. */
static void write_record(struct tp_jw *w, const struct tp_swap_record *s)
{
	tp_autofree char *by = s && s->by ? label_value(s->by) : NULL;
	tp_autofree char *since = s ? tp_asprintf("%lld", s->since) : NULL;
	tp_autofree char *replicas = s ? tp_asprintf("%lld", (long long)s->replicas) : NULL;

	tp_jw_object(w, "labels");
	tp_jw_str(w, TP_SWAP_LABEL, s ? s->session : NULL);
	tp_jw_str(w, TP_SWAP_LABEL_BY, by);
	tp_jw_str(w, TP_SWAP_LABEL_SINCE, since);
	tp_jw_str(w, TP_SWAP_LABEL_REPLICAS, replicas);
	tp_jw_str(w, TP_SWAP_LABEL_POD, s ? s->pod : NULL);
	tp_jw_str(w, TP_SWAP_LABEL_SEEN, NULL);
	tp_jw_end(w);
}

/* One PATCH of the object: the record (NULL: removed) and, if REPLICAS is
 * not negative, spec.replicas, on condition that VERSION is still the current one. */
static int patch(struct tp_kube *k, const struct tp_workload_ref *r, const char *version,
		 const struct tp_swap_record *s, int64_t replicas, struct tp_cancel *c,
		 struct tp_err *err)
{
	tp_autofree char *path = tp_workload_path(k, r, r->name, NULL);
	tp_autofree char *what = tp_workload_what(r);
	tp_autofree char *body = NULL;
	TP_AUTO_JW *w = tp_jw_new();
	TP_AUTO_JSON *doc = NULL;

	tp_jw_object(w, NULL);
	tp_jw_object(w, "metadata");
	tp_jw_str(w, "resourceVersion", version);
	write_record(w, s);
	tp_jw_end(w);
	if (replicas >= 0) {
		tp_jw_object(w, "spec");
		tp_jw_int(w, "replicas", replicas);
		tp_jw_end(w);
	}
	tp_jw_end(w);
	body = tp_jw_finish(w, NULL, err);
	if (!body)
		return -1;
	doc = tp_kube_request(k, "PATCH", path, MERGE_PATCH, body, what, c, err);
	return doc ? 0 : -1;
}

static int get_scale(struct tp_kube *k, const struct tp_workload_ref *r, int64_t *replicas,
		     struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = tp_workload_path(k, r, r->name, "scale");
	tp_autofree char *what = tp_workload_what(r);
	TP_AUTO_JSON *doc = tp_kube_request(k, "GET", path, NULL, NULL, what, c, err);

	if (!doc)
		return -1;
	*replicas = tp_json_int_at(doc, "spec.replicas", 0);
	return 0;
}

static int set_scale(struct tp_kube *k, const struct tp_workload_ref *r, int64_t replicas,
		     struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = tp_workload_path(k, r, r->name, "scale");
	tp_autofree char *what = tp_workload_what(r);
	tp_autofree char *body = tp_asprintf("{\"spec\":{\"replicas\":%lld}}", (long long)replicas);
	TP_AUTO_JSON *doc = tp_kube_request(k, "PATCH", path, MERGE_PATCH, body, what, c, err);

	return doc ? 0 : -1;
}

static int current_replicas(struct tp_kube *k, const struct tp_workload_ref *r,
			    const struct tp_json *workload, int64_t *replicas, struct tp_cancel *c,
			    struct tp_err *err)
{
	if (!r->builtin)
		return get_scale(k, r, replicas, c, err);
	*replicas = tp_json_int_at(workload, "spec.replicas", 1); /* the API's default */
	return 0;
}

static int swap_once(struct tp_kube *k, const struct tp_workload_ref *r, struct tp_swap_record *s,
		     struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *w = tp_workload_get(k, r, c, err);
	const char *version = tp_json_str_at(w, "metadata.resourceVersion");
	bool done;

	if (!w || tp_workload_check(w, r, err) || current_replicas(k, r, w, &s->replicas, c, err))
		return -1;
	if (!version)
		return tp_err_set(err, TP_ERR_PROTOCOL, "%s \"%s\" has no resourceVersion", r->kind,
				  r->name);
	if (patch(k, r, version, s, r->builtin ? 0 : -1, c, err))
		return -1;
	if (r->builtin || set_scale(k, r, 0, c, err) == 0)
		return 0;
	/* Noted, but not scaled: take the note back; ERR stays the one of the scaling. */
	tp_workload_restore(k, r, s->session, NULL, &done, NULL, NULL);
	return -1;
}

int tp_workload_swap(struct tp_kube *k, const struct tp_workload_ref *r, struct tp_swap_record *s,
		     struct tp_cancel *c, struct tp_err *err)
{
	struct tp_err own = { 0 };

	for (int i = 0; i < SWAP_TRIES; i++) {
		if (swap_once(k, r, s, c, &own) == 0)
			return 0;
		/* The check's own CONFLICT (somebody has swapped it) comes again next time
		 * and is not worth a try: the record tells them apart. */
		if (own.kind != TP_ERR_CONFLICT || strstr(own.msg, "is swapped already"))
			break;
		if (tp_cancel_poll(c, -1, 0, RETRY_MS, &own) < 0)
			break;
	}
	if (err)
		*err = own;
	return -1;
}

/* Whose record may be undone. */
struct whose {
	const char *session; /* NULL: anybody's */
	long long seen;	     /* -1: whenever */
};

/* 1 undone, 0 nothing to do, -1 ERR. */
static int restore_once(struct tp_kube *k, const struct tp_workload_ref *r,
			const struct whose *whose, struct tp_swap_record *s, struct tp_cancel *c,
			struct tp_err *err)
{
	tp_autofree char *path = tp_workload_path(k, r, r->name, NULL);
	tp_autofree char *what = tp_workload_what(r);
	TP_AUTO_JSON *w = tp_kube_request(k, "GET", path, NULL, NULL, what, c, err);
	const char *version = tp_json_str_at(w, "metadata.resourceVersion");
	int64_t now, then;
	int rc;

	if (!w)
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	tp_swap_record_free(s);
	rc = tp_swap_record_read(w, s, err);
	if (rc <= 0)
		return rc;
	if (whose->session && strcmp(whose->session, s->session) != 0)
		return 0;
	if (whose->seen >= 0 && whose->seen != s->seen)
		return 0;
	if (current_replicas(k, r, w, &now, c, err))
		return -1;
	/* Somebody wants another count by now; theirs is the later word. */
	then = now != 0 ? -1 : s->replicas;
	/* The scale first: after a crash in between the record is still there
	 * and the same restore finds nothing more to scale. */
	if (!r->builtin && then > 0 && set_scale(k, r, then, c, err))
		return -1;
	if (!r->builtin && then > 0) {
		tp_json_free(w);
		w = tp_kube_request(k, "GET", path, NULL, NULL, what, c, err);
		version = tp_json_str_at(w, "metadata.resourceVersion");
		if (!w)
			return -1;
	}
	if (patch(k, r, version, NULL, r->builtin ? then : -1, c, err))
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	return 1;
}

static int restore(struct tp_kube *k, const struct tp_workload_ref *r, const struct whose *whose,
		   struct tp_swap_record *record, bool *done, struct tp_cancel *c,
		   struct tp_err *err)
{
	tp_autoclean(tp_swap_record_free) struct tp_swap_record s = { 0 };
	struct tp_err own = { 0 };
	int rc = -1;

	if (done)
		*done = false;
	if (record)
		memset(record, 0, sizeof(*record));
	for (int i = 0; i < RESTORE_TRIES && rc < 0; i++) {
		rc = restore_once(k, r, whose, &s, c, &own);
		if (rc < 0 && own.kind != TP_ERR_CONFLICT)
			break;
		if (rc < 0 && tp_cancel_poll(c, -1, 0, RETRY_MS, &own) < 0)
			break;
	}
	if (rc < 0) {
		if (err)
			*err = own;
		return -1;
	}
	if (rc > 0) {
		if (done)
			*done = true;
		if (record) {
			*record = s;
			memset(&s, 0, sizeof(s));
		}
	}
	return 0;
}

int tp_workload_restore(struct tp_kube *k, const struct tp_workload_ref *r, const char *session,
			struct tp_swap_record *record, bool *done, struct tp_cancel *c,
			struct tp_err *err)
{
	const struct whose whose = { .session = session, .seen = -1 };

	return restore(k, r, &whose, record, done, c, err);
}

int tp_workload_restore_dead(struct tp_kube *k, const struct tp_workload_ref *r,
			     const struct tp_swap_record *dead, bool *done, struct tp_cancel *c,
			     struct tp_err *err)
{
	const struct whose whose = { .session = dead->session, .seen = dead->seen };

	return restore(k, r, &whose, NULL, done, c, err);
}

static int note_seen(struct tp_kube *k, const struct tp_workload_ref *r, const char *version,
		     long long time, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = tp_workload_path(k, r, r->name, NULL);
	tp_autofree char *what = tp_workload_what(r);
	tp_autofree char *seen = tp_asprintf("%lld", time);
	tp_autofree char *body = NULL;
	TP_AUTO_JW *w = tp_jw_new();
	TP_AUTO_JSON *doc = NULL;

	tp_jw_object(w, NULL);
	tp_jw_object(w, "metadata");
	tp_jw_str(w, "resourceVersion", version);
	tp_jw_object(w, "labels");
	tp_jw_str(w, TP_SWAP_LABEL_SEEN, seen);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	body = tp_jw_finish(w, NULL, err);
	if (!body)
		return -1;
	doc = tp_kube_request(k, "PATCH", path, MERGE_PATCH, body, what, c, err);
	return doc ? 0 : -1;
}

/* 1 claimed, 0 not ours (S says whose), -1 ERR. */
static int claim_once(struct tp_kube *k, const struct tp_workload_ref *r, const char *session,
		      long long time, struct tp_swap_record *s, struct tp_cancel *c,
		      struct tp_err *err)
{
	tp_autofree char *path = tp_workload_path(k, r, r->name, NULL);
	tp_autofree char *what = tp_workload_what(r);
	TP_AUTO_JSON *w = tp_kube_request(k, "GET", path, NULL, NULL, what, c, err);
	int rc;

	if (!w)
		return -1;
	tp_swap_record_free(s);
	rc = tp_swap_record_read(w, s, err);
	if (rc < 0)
		return -1;
	if (!rc || strcmp(session, s->session) != 0)
		return 0;
	if (time && note_seen(k, r, tp_json_str_at(w, "metadata.resourceVersion"), time, c, err))
		return -1;
	return 1;
}

int tp_workload_claim(struct tp_kube *k, const struct tp_workload_ref *r, const char *session,
		      long long time, struct tp_swap_record *record, struct tp_cancel *c,
		      struct tp_err *err)
{
	struct tp_err own = { 0 };
	int rc = -1;

	memset(record, 0, sizeof(*record));
	for (int i = 0; i < RESTORE_TRIES && rc < 0; i++) {
		rc = claim_once(k, r, session, time, record, c, &own);
		if (rc < 0 && own.kind != TP_ERR_CONFLICT)
			break;
		if (rc < 0 && tp_cancel_poll(c, -1, 0, RETRY_MS, &own) < 0)
			break;
	}
	if (rc < 0 && err)
		*err = own;
	if (rc)
		tp_swap_record_free(record);
	return rc;
}
