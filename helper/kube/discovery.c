// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/workload_internal.h"

struct search {
	struct tp_kube *k;
	const char *word;  /* without the group */
	const char *group; /* NULL: any */
	struct tp_workload_ref *r;
	bool seen; /* such a resource exists, though without scale */
	struct tp_cancel *c;
};

static bool matches(const struct tp_json *res, const char *word)
{
	const char *plural = tp_json_str_at(res, "name");
	const char *singular = tp_json_str_at(res, "singularName");
	const char *kind = tp_json_str_at(res, "kind");
	const struct tp_json *shorts = tp_json_get(res, "shortNames");

	if (!plural || !kind || strchr(plural, '/'))
		return false;
	if (!strcasecmp(plural, word) || !strcasecmp(kind, word) ||
	    (singular && !strcasecmp(singular, word)))
		return true;
	for (size_t i = 0; i < tp_json_len(shorts); i++) {
		const char *s = tp_json_str(tp_json_at(shorts, i));

		if (s && !strcasecmp(s, word))
			return true;
	}
	return false;
}

static bool has_scale(const struct tp_json *list, const char *plural)
{
	tp_autofree char *scale = tp_asprintf("%s/scale", plural);

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *n = tp_json_str_at(tp_json_at(list, i), "name");

		if (n && strcmp(n, scale) == 0)
			return true;
	}
	return false;
}

/* 1 found, 0 not in this group and version. A group whose server is down does
 * not keep us from the others. */
static int look_in(struct search *s, const char *group, const char *version)
{
	tp_autofree char *path = *group ? tp_asprintf("/apis/%s/%s", group, version) :
					  tp_asprintf("/api/%s", version);
	TP_AUTO_JSON *doc =
		tp_kube_request(s->k, "GET", path, NULL, NULL, "the API's resources", s->c, NULL);
	const struct tp_json *list = tp_json_get(doc, "resources");

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *res = tp_json_at(list, i);
		const char *plural = tp_json_str_at(res, "name");

		if (!matches(res, s->word) || !tp_json_bool_at(res, "namespaced", false))
			continue;
		s->seen = true;
		if (!has_scale(list, plural))
			continue;
		s->r->kind = tp_strdup(tp_json_str_at(res, "kind"));
		s->r->group = tp_strdup(group);
		s->r->version = tp_strdup(version);
		s->r->resource = tp_strdup(plural);
		return 1;
	}
	return 0;
}

/* The preferred version first, then the others. */
static int look_in_group(struct search *s, const struct tp_json *g)
{
	const char *name = tp_json_str_at(g, "name");
	const char *preferred = tp_json_str_at(g, "preferredVersion.version");
	const struct tp_json *versions = tp_json_get(g, "versions");

	/* it becomes a part of a path */
	if (!name || !*name || name[strcspn(name, "/?#% ")] ||
	    (s->group && strcasecmp(name, s->group) != 0))
		return 0;
	if (preferred && !preferred[strcspn(preferred, "/?#% ")] && look_in(s, name, preferred))
		return 1;
	for (size_t i = 0; i < tp_json_len(versions); i++) {
		const char *v = tp_json_str_at(tp_json_at(versions, i), "version");

		if (!v || v[strcspn(v, "/?#% ")] || (preferred && strcmp(v, preferred) == 0))
			continue;
		if (look_in(s, name, v))
			return 1;
	}
	return 0;
}

int tp_workload_discover(struct tp_kube *k, const char *word, struct tp_workload_ref *r,
			 struct tp_cancel *c, struct tp_err *err)
{
	const char *dot = strchr(word, '.');
	tp_autofree char *name = tp_strndup(word, dot ? (size_t)(dot - word) : strlen(word));
	struct search s = { .k = k, .word = name, .group = dot ? dot + 1 : NULL, .r = r, .c = c };
	TP_AUTO_JSON *groups = NULL;
	const struct tp_json *list;

	if (!s.group && look_in(&s, "", "v1"))
		return 0;
	groups = tp_kube_request(k, "GET", "/apis", NULL, NULL, "the API's groups", c, err);
	if (!groups)
		return -1;
	list = tp_json_get(groups, "groups");
	for (size_t i = 0; i < tp_json_len(list) && i < 1000; i++) {
		if (tp_cancel_is_set(c))
			return tp_err_set(err, TP_ERR_CANCELLED, "cancelled");
		if (look_in_group(&s, tp_json_at(list, i)))
			return 0;
	}
	if (s.seen)
		return tp_err_set(err, TP_ERR_NOT_FOUND,
				  "\"%s\" has no scale subresource, so it cannot be swapped", word);
	tp_err_set(err, TP_ERR_NOT_FOUND, "the cluster has no kind of workload \"%s\"", word);
	return tp_err_hint(
		err,
		"Known everywhere: deployment, statefulset, replicaset, "
		"replicationcontroller; and whatever the cluster has with a scale subresource.");
}
