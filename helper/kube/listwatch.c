/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/listwatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/client_internal.h"

#define PAGE	  500
#define RETRY_MS  200
#define RETRY_MAX 30000

struct watching {
	struct tp_kube *k;
	const char *path;
	const struct tp_listwatch_events *ev;
	struct tp_cancel *c;
	char *version; /* where to watch from; NULL: list */
	bool moved;    /* this try has brought something */
	bool listed;   /* once, at least */
};

static void set_version(struct watching *w, const struct tp_json *object)
{
	const char *v = tp_json_str_at(object, "metadata.resourceVersion");

	if (!v || !*v)
		return;
	free(w->version);
	w->version = tp_strdup(v);
}

/* ----------------------------------------------------------------- list */

static struct tp_json *page(struct watching *w, const char *next, struct tp_err *err)
{
	tp_autofree char *esc = tp_http_escape(next ? next : "");
	tp_autofree char *path =
		tp_asprintf("%s?limit=%d%s%s", w->path, PAGE, next ? "&continue=" : "", esc);

	return tp_kube_request(w->k, "GET", path, NULL, NULL, strrchr(w->path, '/') + 1, w->c, err);
}

static int list(struct watching *w, struct tp_err *err)
{
	tp_autofree char *next = NULL;

	w->ev->begin(w->ev->arg);
	do {
		TP_AUTO_JSON *doc = page(w, next, err);
		const struct tp_json *items = tp_json_get(doc, "items");
		const char *more = tp_json_str_at(doc, "metadata.continue");

		if (!doc)
			return -1;
		for (size_t i = 0; i < tp_json_len(items); i++)
			w->ev->put(w->ev->arg, tp_json_at(items, i));
		free(next);
		next = more && *more ? tp_strdup(more) : NULL;
		if (!next)
			set_version(w, doc);
	} while (next);
	if (!w->version)
		return tp_err_set(err, TP_ERR_PROTOCOL, "%s: the list has no resourceVersion",
				  w->path);
	w->ev->end(w->ev->arg);
	w->listed = w->moved = true;
	return 0;
}

/* ---------------------------------------------------------------- watch */

enum tp_watch_event tp_watch_event_parse(const char *line, size_t n, struct tp_json **doc,
					 const struct tp_json **object)
{
	struct tp_err e = { 0 };
	const char *type;

	*doc = tp_json_parse(line, n, &e);
	*object = tp_json_get(*doc, "object");
	type = tp_json_str_at(*doc, "type");
	if (!type || tp_json_type(*object) != TP_JSON_OBJECT)
		return TP_WATCH_BROKEN;
	if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED"))
		return TP_WATCH_PUT;
	if (!strcmp(type, "DELETED"))
		return TP_WATCH_GONE;
	if (!strcmp(type, "BOOKMARK"))
		return TP_WATCH_BOOKMARK;
	if (strcmp(type, "ERROR"))
		return TP_WATCH_BROKEN;
	return tp_json_int_at(*object, "code", 0) == 410 ? TP_WATCH_EXPIRED : TP_WATCH_ERROR;
}

static void expired(struct watching *w)
{
	free(w->version);
	w->version = NULL;
}

/* 1 ends the watch. */
static int on_line(void *arg, char *line, size_t n)
{
	struct watching *w = arg;
	const struct tp_json *object;
	struct tp_json *doc;
	enum tp_watch_event event = tp_watch_event_parse(line, n, &doc, &object);

	if (event == TP_WATCH_PUT)
		w->ev->put(w->ev->arg, object);
	else if (event == TP_WATCH_GONE)
		w->ev->gone(w->ev->arg, object);
	else if (event == TP_WATCH_EXPIRED)
		expired(w);
	if (event == TP_WATCH_PUT || event == TP_WATCH_GONE || event == TP_WATCH_BOOKMARK) {
		set_version(w, object);
		w->moved = true;
	}
	tp_json_free(doc);
	return event == TP_WATCH_EXPIRED || event == TP_WATCH_ERROR || event == TP_WATCH_BROKEN;
}

static int watch(struct watching *w, struct tp_err *err)
{
	tp_autoclean(tp_http_response_free) struct tp_http_response resp = { 0 };
	tp_autofree char *version = tp_http_escape(w->version);
	tp_autofree char *path = tp_asprintf(
		"%s?watch=1&allowWatchBookmarks=true&resourceVersion=%s", w->path, version);
	struct tp_http_request req = {
		.method = "GET", .path = path, .timeout_ms = -1, .line = on_line, .line_arg = w
	};

	if (tp_kube_do(w->k, &req, &resp, w->c, err))
		return -1;
	if (resp.status == 200)
		return 0;
	if (resp.status == 410)
		expired(w);
	return tp_kube_fail(w->k, "GET", path, NULL, resp.status,
			    resp.body.data ? resp.body.data : "", resp.body.len, err);
}

/* -------------------------------------------------------------- the two */

static bool is_final(const struct watching *w, const struct tp_err *err)
{
	return err->kind == TP_ERR_CANCELLED ||
	       (!w->listed && (err->kind == TP_ERR_FORBIDDEN || err->kind == TP_ERR_NOT_FOUND));
}

int tp_kube_listwatch(struct tp_kube *k, const char *path, const struct tp_listwatch_events *ev,
		      struct tp_cancel *c, struct tp_err *err)
{
	struct watching w = { .k = k, .path = path, .ev = ev, .c = c };
	int pause = 0, rc;

	for (;;) {
		struct tp_err e = { 0 };

		w.moved = false;
		rc = w.version ? watch(&w, &e) : list(&w, &e);
		if (rc && is_final(&w, &e)) {
			*err = e;
			break;
		}
		if (rc)
			tp_verbose("the watch of %s: %s", path, e.msg);
		/* A version that the server knows nothing of any more is no failure. */
		pause = w.moved || (!rc && !w.version) ? 0 : pause ? pause * 2 : RETRY_MS;
		if (pause > RETRY_MAX)
			pause = RETRY_MAX;
		rc = tp_cancel_poll(c, -1, 0, pause, err);
		if (rc < 0)
			break;
	}
	free(w.version);
	return -1;
}
