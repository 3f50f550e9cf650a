/* SPDX-License-Identifier: Apache-2.0 */
/* Compose mode. */
#include <string.h>

#include "base/mem.h"
#include "compose/projectfile.h"
#include "devcontainer/internal.h"
#include "devcontainer/jsonc.h"

#define OVERRIDE  TP_PROJECT_FOLDER "/compose.yaml"
#define PATH(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* OVERRIDE as devcontainer.json names it. */
static char *from_folder(const char *folder, const char *path)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 16);

	if (*folder) {
		tp_buf_puts(&b, "../");
		for (const char *s = folder; *s; s++)
			if (*s == '/' && s[1])
				tp_buf_puts(&b, "../");
	}
	tp_buf_puts(&b, path);
	return tp_buf_steal(&b);
}

/* The project's own files, from the workspace's top. */
static int own_files(const struct tp_json *doc, const struct tp_devcontainer_spec *s,
		     struct tp_strv *out, struct tp_err *err)
{
	const struct tp_json *v = tp_json_get(doc, "dockerComposeFile");
	size_t n = tp_json_type(v) == TP_JSON_ARRAY ? tp_json_len(v) : v ? 1 : 0;

	for (size_t i = 0; !v && i < s->compose_files->n; i++)
		tp_strv_add(out, s->compose_files->v[i]);
	for (size_t i = 0; i < n; i++) {
		const char *file =
			tp_json_str(tp_json_type(v) == TP_JSON_ARRAY ? tp_json_at(v, i) : v);
		tp_autofree char *there = file ? tp_devcontainer_from_top(s->folder, file) : NULL;

		if (!file)
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "\"dockerComposeFile\" is no string and no list of them");
		if (!there)
			return tp_err_set(err, TP_ERR_USAGE,
					  "\"dockerComposeFile\": %s is outside of the workspace",
					  file);
		if (strcmp(there, OVERRIDE))
			tp_strv_take(out, tp_steal(&there));
	}
	if (out->n)
		return 0;
	tp_err_set(err, TP_ERR_USAGE, "there is no compose file here that has a service %s",
		   s->service ? s->service : "");
	return tp_err_hint(err, "Make compose.yaml first, or run this where it is.");
}

static int check(const struct tp_json *doc, const struct tp_devcontainer_spec *s,
		 const char **service, struct tp_err *err)
{
	static const char *const image_mode[] = { "image", "build", "dockerFile", "appPort",
						  "runArgs" };
	const char *theirs = tp_json_str(tp_json_get(doc, "service"));
	bool compose = tp_json_get(doc, "dockerComposeFile");

	for (size_t i = 0; i < TP_ARRAY_SIZE(image_mode) && !compose; i++) {
		if (!tp_json_get(doc, image_mode[i]))
			continue;
		tp_err_set(err, TP_ERR_USAGE,
			   "--service %s: this dev container is not made by Compose: it has \"%s\"",
			   s->service, image_mode[i]);
		return tp_err_hint(err, "Leave out --service to have it in the cluster as it is.");
	}
	if (s->service && theirs && strcmp(s->service, theirs)) {
		tp_err_set(err, TP_ERR_USAGE,
			   "--service %s: the dev container is the service %s, and that is the one "
			   "that is put in the cluster",
			   s->service, theirs);
		return tp_err_hint(err, "Leave out --service, or change \"service\" first.");
	}
	*service = s->service ? s->service : theirs;
	if (!*service)
		return tp_err_set(err, TP_ERR_USAGE,
				  "it has a dockerComposeFile, but does not say which \"service\" "
				  "is the dev container: name it with --service");
	if (tp_json_bool_at(tp_json_get(doc, "overrideCommand"), "", false)) {
		tp_err_set(err, TP_ERR_USAGE,
			   "\"overrideCommand\" is true: it takes away the service's entrypoint, "
			   "where the pod's environment and volumes come in");
		return tp_err_hint(err, "Take it out, and give the service a command that lasts: "
					"command: sleep infinity");
	}
	return 0;
}

static void option(struct tp_strv *words, const char *name, const char *value)
{
	if (value)
		tp_strv_addf(words, "--%s=%s", name, value);
}

static int set_command(struct tp_buf *text, const struct tp_devcontainer_spec *s,
		       const char *service, const struct tp_strv *files, struct tp_err *err)
{
	TP_AUTO_STRV words = { 0 };

	tp_strv_add(&words, "tpdocker");
	tp_strv_add(&words, "compose");
	tp_strv_add(&words, "override");
	for (size_t i = 0; i < files->n; i++)
		option(&words, "file", files->v[i]);
	if (s->workload)
		tp_strv_addf(&words, "--service=%s=%s", service, s->workload);
	else
		option(&words, "service", service);
	option(&words, "context", s->context);
	option(&words, "namespace", s->namespace);
	option(&words, "volumes", s->volumes);
	option(&words, "image", s->image);
	tp_strv_add(&words, "--get-images");
	option(&words, "output", OVERRIDE);
	return tp_devcontainer_command(text, "initializeCommand", &words, err);
}

/* The override behind the project's own. */
static int set_files(struct tp_buf *text, const struct tp_json *doc,
		     const struct tp_devcontainer_spec *s, const struct tp_strv *files,
		     struct tp_err *err)
{
	const struct tp_json *v = tp_json_get(doc, "dockerComposeFile");
	tp_autofree char *override = from_folder(s->folder, OVERRIDE);
	tp_autofree char *quoted = tp_devcontainer_json_string(override), *list = NULL;
	TP_AUTO_STRV all = { 0 };

	if (tp_json_type(v) == TP_JSON_ARRAY) {
		for (size_t i = 0; i < tp_json_len(v); i++) {
			const char *file = tp_json_str(tp_json_at(v, i));
			tp_autofree char *there =
				file ? tp_devcontainer_from_top(s->folder, file) : NULL;

			if (there && !strcmp(there, OVERRIDE))
				return 0;
		}
		return tp_jsonc_add(text, PATH("dockerComposeFile"), quoted, err);
	}
	for (size_t i = 0; !v && i < files->n; i++)
		tp_strv_take(&all, from_folder(s->folder, files->v[i]));
	if (v)
		tp_strv_add(&all, tp_json_str(v)); /* to the letter */
	tp_strv_add(&all, override);
	list = tp_devcontainer_json_words(&all);
	return tp_jsonc_set(text, PATH("dockerComposeFile"), list, err);
}

int tp_devcontainer_compose(struct tp_buf *text, const struct tp_json *doc,
			    const struct tp_devcontainer_spec *s, struct tp_err *err)
{
	TP_AUTO_STRV files = { 0 };
	const char *service = NULL;
	int rc, changed;

	if (check(doc, s, &service, err) || own_files(doc, s, &files, err))
		return -1;
	changed = rc = set_files(text, doc, s, &files, err);
	if (rc >= 0 && !tp_json_get(doc, "service")) {
		tp_autofree char *quoted = tp_devcontainer_json_string(service);

		rc = tp_jsonc_set(text, PATH("service"), quoted, err);
		changed |= rc > 0;
	}
	if (rc >= 0) {
		rc = set_command(text, s, service, &files, err);
		changed |= rc > 0;
	}
	return rc < 0 ? -1 : changed;
}
