/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "complete/source.h"
#include "kube/client_internal.h"

static bool is_controlled(const struct tp_json *object)
{
	const struct tp_json *owners = tp_json_path(object, "metadata.ownerReferences");

	for (size_t i = 0; i < tp_json_len(owners); i++)
		if (tp_json_bool_at(tp_json_at(owners, i), "controller", false))
			return true;
	return false;
}

int tp_complete_kube_names(struct tp_kube *k, const char *path, bool free, struct tp_strv *names)
{
	static const char *const headers[] = {
		"Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,"
		"application/json;q=0.9",
		NULL
	};
	tp_autofree char *limited = tp_asprintf("%s?limit=500", path);
	tp_autoclean(tp_http_response_free) struct tp_http_response r = { 0 };
	struct tp_http_request req = { .method = "GET", .path = limited, .headers = headers };
	const struct tp_json *items;
	TP_AUTO_JSON *doc = NULL;

	if (tp_kube_do(k, &req, &r, NULL, NULL) || r.status != 200 || !r.body.len)
		return -1;
	doc = tp_json_parse(r.body.data, r.body.len, NULL);
	items = tp_json_get(doc, "items");
	for (size_t i = 0; i < tp_json_len(items); i++) {
		const struct tp_json *object = tp_json_at(items, i);
		const char *name = tp_json_str_at(object, "metadata.name");

		if (name && !(free && is_controlled(object)))
			tp_strv_add(names, name);
	}
	return doc ? 0 : -1;
}
