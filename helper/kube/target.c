// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "kube/client_internal.h"

#define PARTS 8

/* The path's parts up to the query, at most PARTS of them. */
static size_t split(const char *path, const char *part[PARTS], int len[PARTS])
{
	const char *end = path + strcspn(path, "?");
	size_t n = 0;

	while (path < end && n < PARTS) {
		size_t l;

		path += *path == '/';
		l = strcspn(path, "/?");
		if (l) {
			part[n] = path;
			len[n++] = (int)l;
		}
		path += l;
	}
	return n;
}

static bool is(const char *part, int len, const char *word)
{
	return (size_t)len == strlen(word) && memcmp(part, word, (size_t)len) == 0;
}

void tp_kube_target(const char *path, struct tp_kube_target *t)
{
	const char *p[PARTS];
	int l[PARTS];
	size_t n = split(path, p, l), i;

	memset(t, 0, sizeof(*t));
	if (n >= 3 && is(p[0], l[0], "api")) {
		i = 2;
	} else if (n >= 4 && is(p[0], l[0], "apis")) {
		snprintf(t->group, sizeof(t->group), "%.*s", l[1], p[1]);
		i = 3;
	} else {
		return;
	}
	/* .../namespaces/NS alone is the namespace itself */
	if (n > i + 2 && is(p[i], l[i], "namespaces")) {
		t->namespaced = true;
		i += 2;
	}
	t->one = n > i + 1;
	if (n > i + 2)
		snprintf(t->resource, sizeof(t->resource), "%.*s/%.*s", l[i], p[i], l[i + 2],
			 p[i + 2]);
	else
		snprintf(t->resource, sizeof(t->resource), "%.*s", l[i], p[i]);
}

const char *tp_kube_verb(const char *method, const char *path, const struct tp_kube_target *t)
{
	const char *query = strchr(path, '?');

	if (strcmp(method, "POST") == 0)
		return "create";
	if (strcmp(method, "PUT") == 0)
		return "update";
	if (strcmp(method, "PATCH") == 0)
		return "patch";
	if (strcmp(method, "DELETE") == 0)
		return "delete";
	if (query && strstr(query, "watch=1"))
		return "watch";
	return t->one || !t->resource[0] ? "get" : "list";
}
