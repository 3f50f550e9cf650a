// SPDX-License-Identifier: Apache-2.0
#include "kube/pod.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client_internal.h"

static char *what_of(const char *name)
{
	return tp_asprintf("pod \"%s\"", name);
}

struct tp_json *tp_pod_create(struct tp_kube *k, const char *body, struct tp_cancel *c,
			      struct tp_err *err)
{
	tp_autofree char *path = tp_kube_pod_path(k, NULL, NULL);

	return tp_kube_request(k, "POST", path, NULL, body, "pods", c, err);
}

struct tp_json *tp_pod_get(struct tp_kube *k, const char *name, struct tp_cancel *c,
			   struct tp_err *err)
{
	tp_autofree char *path = tp_kube_pod_path(k, name, NULL);
	tp_autofree char *what = what_of(name);

	return tp_kube_request(k, "GET", path, NULL, NULL, what, c, err);
}

struct tp_json *tp_pod_list(struct tp_kube *k, const char *selector, struct tp_cancel *c,
			    struct tp_err *err)
{
	tp_autofree char *base = tp_kube_pod_path(k, NULL, NULL);
	tp_autofree char *s = tp_http_escape(selector ? selector : "");
	tp_autofree char *path = tp_asprintf("%s?labelSelector=%s", base, s);

	return tp_kube_request(k, "GET", path, NULL, NULL, "pods", c, err);
}

static char *delete_options(const char *uid, int grace_s, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "v1");
	tp_jw_str(w, "kind", "DeleteOptions");
	if (grace_s >= 0)
		tp_jw_int(w, "gracePeriodSeconds", grace_s);
	if (uid) {
		tp_jw_object(w, "preconditions");
		tp_jw_str(w, "uid", uid);
		tp_jw_end(w);
	}
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

int tp_pod_delete(struct tp_kube *k, const char *name, const char *uid, int grace_s,
		  struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = tp_kube_pod_path(k, name, NULL);
	tp_autofree char *what = what_of(name);
	tp_autofree char *body = delete_options(uid, grace_s, err);
	TP_AUTO_JSON *doc = NULL;
	struct tp_err own = { 0 };

	if (!body)
		return -1;
	doc = tp_kube_request(k, "DELETE", path, NULL, body, what, c, &own);
	if (doc || own.kind == TP_ERR_NOT_FOUND)
		return 0;
	/* Another pod has the name by now: the one that was meant is gone. */
	if (uid && own.kind == TP_ERR_CONFLICT)
		return 0;
	if (err)
		*err = own;
	return -1;
}
