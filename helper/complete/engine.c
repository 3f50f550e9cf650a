/* SPDX-License-Identifier: Apache-2.0 */
/* What the docker engine has. */
#include <string.h>

#include "base/mem.h"
#include "complete/source.h"
#include "docker/context.h"
#include "docker/engine_call.h"
#include "docker/plugin.h"
#include "session/record.h"

#define HEX "0123456789abcdef"

/* A part of a session is nothing to be given to another container. */
static bool is_ours(const struct tp_json *object)
{
	return tp_json_get(tp_json_get(object, "Labels"), TP_LABEL_SESSION) != NULL;
}

static void add_images(const struct tp_json *list, struct tp_answer *a)
{
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *tags = tp_json_get(tp_json_at(list, i), "RepoTags");

		for (size_t j = 0; j < tp_json_len(tags); j++) {
			const char *tag = tp_json_str(tp_json_at(tags, j));

			if (tag && tag[0] != '<') /* "<none>:<none>" */
				tp_answer_add(a, tag, NULL);
		}
	}
}

static void add_containers(const struct tp_json *list, struct tp_answer *a)
{
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *c = tp_json_at(list, i);
		const char *name = tp_json_str_at(c, "Names[0]");

		if (name && !is_ours(c))
			tp_answer_add(a, name + (name[0] == '/'), tp_json_str_at(c, "Image"));
	}
}

/* But for those that a session refuses. */
static void add_networks(const struct tp_json *list, struct tp_answer *a)
{
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *n = tp_json_at(list, i);
		const char *name = tp_json_str_at(n, "Name");

		if (name && strcmp(name, "host") != 0 && strcmp(name, "none") != 0)
			tp_answer_add(a, name, tp_json_str_at(n, "Driver"));
	}
}

static void add_volumes(const struct tp_json *doc, struct tp_answer *a)
{
	const struct tp_json *list = tp_json_get(doc, "Volumes");

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *v = tp_json_at(list, i);
		const char *name = tp_json_str_at(v, "Name");

		/* nobody types the name of an anonymous one */
		if (name && !is_ours(v) && (strlen(name) != 64 || name[strspn(name, HEX)]))
			tp_answer_add(a, name, NULL);
	}
}

static const struct {
	const char *kind, *path;
	void (*add)(const struct tp_json *answer, struct tp_answer *a);
} asked[] = {
	{ "image", "/images/json", add_images },
	{ "container", "/containers/json?all=1", add_containers },
	{ "network", "/networks", add_networks },
	{ "volume", "/volumes", add_volumes },
};

void tp_complete_engine(const char *kind, const struct tp_cursor *p, struct tp_answer *a)
{
	struct tp_docker_globals g = *tp_plugin_globals();
	struct tp_docker_endpoint ep;
	struct tp_engine *e = NULL;

	if (!strcmp(kind, "docker-context")) {
		tp_autofree char *dir = tp_docker_config_dir(&g);
		TP_AUTO_STRV names = { 0 };

		tp_docker_context_names(dir, &names);
		for (size_t i = 0; i < names.n; i++)
			tp_answer_add(a, names.v[i], NULL);
		return;
	}
	if (p->docker_host || p->docker_context) {
		g.host = p->docker_host;
		g.context = p->docker_context;
	}
	if (tp_docker_endpoint_find(&g, &ep, NULL))
		return;
	/* Logging in somewhere is nothing that pressing a key should do: it takes
	 * longer than there is time, and may ask for a touch of a security key. */
	if (strncmp(ep.host, "ssh://", 6) != 0)
		e = tp_engine_open(&ep, NULL, NULL);
	for (size_t i = 0; e && i < TP_ARRAY_SIZE(asked); i++) {
		if (strcmp(asked[i].kind, kind) != 0)
			continue;
		TP_AUTO_JSON *doc =
			tp_engine_json(e, "GET", asked[i].path, NULL, "complete", NULL, NULL);

		asked[i].add(doc, a);
	}
	tp_engine_free(e);
	tp_docker_endpoint_free(&ep);
}
