/* SPDX-License-Identifier: Apache-2.0 */
#include "devcontainer/init.h"

#include <string.h>

#include "base/mem.h"
#include "devcontainer/internal.h"
#include "devcontainer/jsonc.h"

/* Where our own listeners are: sidecar/capture.c and dnsclient.c take ports
 * above those that the kernel gives out by itself. */
#define OUR_PORTS "61320-63399"

#define PATH(...) ((const char *const[]){ __VA_ARGS__, NULL })

const char tp_devcontainer_profile[] =
	"# The pod's environment and volumes, for shells that are started when the container runs.\n"
	"# Written by `tpdocker devcontainer init`.\n"
	"if [ -n \"$TPDOCKER_GATE\" ] && [ -x /tpdocker/bin/gate ]; then\n"
	"  [ -e /tpdocker/root/etc ] || /tpdocker/bin/gate - true\n"
	"  eval \"$(/tpdocker/bin/gate - --export)\"\n"
	"fi\n";

char *tp_devcontainer_from_top(const char *folder, const char *path)
{
	tp_autofree char *joined =
		*path == '/' || !*folder ? tp_strdup(path) : tp_asprintf("%s/%s", folder, path);
	TP_AUTO_STRV parts = { 0 };
	TP_AUTO_BUF out = TP_BUF_INIT(1u << 16);
	char *save = NULL;

	if (*path == '/')
		return tp_steal(&joined);
	for (char *w = strtok_r(joined, "/", &save); w; w = strtok_r(NULL, "/", &save)) {
		if (!strcmp(w, "."))
			continue;
		if (strcmp(w, "..")) {
			tp_strv_add(&parts, w);
			continue;
		}
		if (!parts.n)
			return NULL;
		free(parts.v[--parts.n]);
		parts.v[parts.n] = NULL;
	}
	for (size_t i = 0; i < parts.n; i++)
		tp_buf_printf(&out, "%s%s", i ? "/" : "", parts.v[i]);
	return tp_buf_steal(&out);
}

char *tp_devcontainer_json_words(const struct tp_strv *words)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_array(w, NULL);
	for (size_t i = 0; i < words->n; i++)
		tp_jw_str(w, NULL, words->v[i]);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, NULL);
}

char *tp_devcontainer_json_string(const char *s)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_str(w, NULL, s);
	return tp_jw_finish(w, NULL, NULL);
}

/* A lifecycle command is one string, the words of one, or an object of
 * several that run side by side: ours is one of those, unless it is alone. */
int tp_devcontainer_command(struct tp_buf *text, const char *name, const struct tp_strv *words,
			    struct tp_err *err)
{
	TP_AUTO_JSON *doc = tp_jsonc_json(text->data, text->len, err);
	const struct tp_json *old = tp_json_get(doc, name);
	enum tp_json_type type = tp_json_type(old);
	tp_autofree char *value = tp_devcontainer_json_words(words);
	bool ours;
	int rc;

	if (!doc)
		return -1;
	ours = type == TP_JSON_ARRAY && tp_devcontainer_is_ours(tp_json_str(tp_json_at(old, 0)));
	if (type == TP_JSON_NULL || ours)
		return tp_jsonc_set(text, PATH(name), value, err);
	if (type != TP_JSON_OBJECT && tp_jsonc_wrap(text, PATH(name), "project", err) < 0)
		return -1;
	rc = tp_jsonc_set(text, PATH(name, "tpdocker"), value, err);
	return rc < 0 ? -1 : rc || type != TP_JSON_OBJECT;
}

bool tp_devcontainer_is_ours(const char *program)
{
	const char *base = program ? strrchr(program, '/') : NULL;

	return program && (!strcmp(base ? base + 1 : program, "tpdocker") ||
			   !strcmp(program, "/tpdocker/bin/gate"));
}

static int hide_ports(struct tp_buf *text, struct tp_err *err)
{
	int a = tp_jsonc_set(text, PATH("portsAttributes", OUR_PORTS, "label"), "\"tpdocker\"",
			     err);
	int b = a < 0 ? -1 :
			tp_jsonc_set(text, PATH("portsAttributes", OUR_PORTS, "onAutoForward"),
				     "\"ignore\"", err);

	return a < 0 || b < 0 ? -1 : a || b;
}

int tp_devcontainer_init(struct tp_buf *text, const struct tp_devcontainer_spec *s,
			 struct tp_err *err)
{
	TP_AUTO_BUF new = TP_BUF_INIT(TP_JSONC_MAX);
	TP_AUTO_JSON *doc = NULL;
	bool compose;
	int rc, ports;

	if (!text->len) {
		tp_autofree char *name = tp_devcontainer_json_string(s->project);

		tp_buf_printf(&new, "{\n\t\"name\": %s\n}\n", name ? name : "\"dev\"");
		tp_buf_put(text, new.data, new.len);
	}
	doc = tp_jsonc_json(text->data, text->len, err);
	if (!doc)
		return -1;
	if (tp_json_type(doc) != TP_JSON_OBJECT)
		return tp_err_set(err, TP_ERR_PROTOCOL, "it is no object");
	compose = tp_json_get(doc, "dockerComposeFile") || s->service;
	rc = compose ? tp_devcontainer_compose(text, doc, s, err) :
		       tp_devcontainer_image(text, doc, s, err);
	ports = rc < 0 ? -1 : hide_ports(text, err);
	return ports < 0 ? -1 : rc || ports || new.len;
}
