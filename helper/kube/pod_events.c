// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/pod_internal.h"

#define SHOWN	   4
#define TIMEOUT_MS 3000 /* it only explains: not worth a long wait */

static const char *when(const struct tp_json *e)
{
	const char *t = tp_json_str_at(e, "lastTimestamp");

	if (!t)
		t = tp_json_str_at(e, "eventTime");
	return t ? t : "";
}

static int by_time(const void *a, const void *b)
{
	return strcmp(when(*(const struct tp_json *const *)a),
		      when(*(const struct tp_json *const *)b));
}

static void say(const struct tp_json *items, struct tp_err *err)
{
	size_t n = tp_json_len(items), from;
	const struct tp_json **list;

	if (!n)
		return;
	list = tp_calloc(n, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i] = tp_json_at(items, i);
	qsort(list, n, sizeof(*list), by_time);
	from = n > SHOWN ? n - SHOWN : 0;
	tp_err_hint(err, "Its latest events:");
	for (size_t i = from; i < n; i++) {
		const char *type = tp_json_str_at(list[i], "type");
		const char *reason = tp_json_str_at(list[i], "reason");
		const char *message = tp_json_str_at(list[i], "message");

		tp_err_hint(err, "  %s %s: %.300s", type ? type : "", reason ? reason : "",
			    message ? message : "");
	}
	free(list);
}

void tp_pod_explain(struct tp_kube *k, const char *name, const char *uid, struct tp_cancel *c,
		    struct tp_err *err)
{
	tp_autoclean(tp_http_response_free) struct tp_http_response resp = { 0 };
	tp_autofree char *ns = tp_http_escape(tp_kube_namespace(k));
	tp_autofree char *sel = tp_asprintf("involvedObject.name=%s%s%s", name,
					    uid ? ",involvedObject.uid=" : "", uid ? uid : "");
	tp_autofree char *esc = tp_http_escape(sel);
	tp_autofree char *path =
		tp_asprintf("/api/v1/namespaces/%s/events?fieldSelector=%s&limit=50", ns, esc);
	struct tp_http_request req = { .method = "GET", .path = path, .timeout_ms = TIMEOUT_MS };
	TP_AUTO_JSON *doc = NULL;

	if (tp_kube_do(k, &req, &resp, c, NULL) || resp.status != 200 || !resp.body.len)
		return;
	doc = tp_json_parse(resp.body.data, resp.body.len, NULL);
	say(tp_json_get(doc, "items"), err);
}
