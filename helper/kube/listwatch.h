/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All objects of a kind, and every change of them from then on: a list, page by page, and a watch from its
 * resourceVersion, with bookmarks (Kubernetes API concepts, "Efficient detection of changes").
 */
#ifndef TP_KUBE_LISTWATCH_H
#define TP_KUBE_LISTWATCH_H

#include "kube/client.h"

struct tp_listwatch_events {
	/* All there is follows; what was told before and does not come again before END is gone. */
	void (*begin)(void *arg);
	void (*put)(void *arg, const struct tp_json *object);
	void (*gone)(void *arg, const struct tp_json *object);
	void (*end)(void *arg);
	void *arg;
};

/* An event of a watch, in one line. */
enum tp_watch_event {
	TP_WATCH_BROKEN = -1, /* no event at all */
	TP_WATCH_PUT,
	TP_WATCH_GONE,
	TP_WATCH_BOOKMARK,
	TP_WATCH_EXPIRED, /* list again (410) */
	TP_WATCH_ERROR,
};
/* *DOC: the line's document, the caller's, in every case; *OBJECT within it. */
enum tp_watch_event tp_watch_event_parse(const char *line, size_t n, struct tp_json **doc,
					 const struct tp_json **object);

/* Blocks until cancelled: -1 ERR, CANCELLED; or FORBIDDEN, NOT_FOUND when the first list is refused. Whatever else fails
 * is tried again, ever later up to 30 s. PATH: "/api/v1/services". */
int tp_kube_listwatch(struct tp_kube *k, const char *path, const struct tp_listwatch_events *ev,
		      struct tp_cancel *c, struct tp_err *err);

#endif
