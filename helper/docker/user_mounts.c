/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/user_mounts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

char *tp_path_clean(const char *path)
{
	char *out = tp_malloc(strlen(path) + 2);
	size_t n = 0;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len && !(len == 1 && path[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len + (path[len] == '/');
	}
	if (!n)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

static void add(struct tp_strv *out, const char *path, size_t n)
{
	tp_autofree char *text = tp_strndup(path, n);

	if (text[0] == '/')
		tp_strv_take(out, tp_path_clean(text));
}

/* [SOURCE:]TARGET[:OPTIONS]; an anonymous volume is its target alone. */
static void of_volume(const char *spec, struct tp_strv *out)
{
	size_t n = strcspn(spec, ":");

	if (!spec[n]) {
		add(out, spec, n);
		return;
	}
	spec += n + 1;
	add(out, spec, strcspn(spec, ":"));
}

/* A field of CSV, quotes taken off, "" for a quote inside them. The rest, or NULL at the end. */
static const char *csv_field(const char *p, struct tp_buf *out)
{
	bool quoted = *p == '"';

	tp_buf_reset(out);
	for (p += quoted; *p; p++) {
		if (quoted && *p == '"') {
			if (p[1] != '"') {
				quoted = false;
				continue;
			}
			p++;
		} else if (!quoted && *p == ',') {
			return p + 1;
		}
		tp_buf_putc(out, *p);
	}
	return NULL;
}

static void of_mount(const char *spec, struct tp_strv *out)
{
	static const char *const names[] = { "target=", "destination=", "dst=" };
	TP_AUTO_BUF field = TP_BUF_INIT(64u << 10);

	while (spec) {
		spec = csv_field(spec, &field);
		for (size_t i = 0; field.data && i < TP_ARRAY_SIZE(names); i++) {
			size_t n = strlen(names[i]);

			if (!strncasecmp(field.data, names[i], n))
				add(out, field.data + n, field.len - n);
		}
	}
}

void tp_user_mounts(const struct tp_run_args *a, struct tp_strv *out)
{
	for (size_t i = 0; i < a->volumes.n; i++)
		of_volume(a->volumes.v[i], out);
	for (size_t i = 0; i < a->mounts.n; i++)
		of_mount(a->mounts.v[i], out);
	for (size_t i = 0; i < a->tmpfs.n; i++)
		add(out, a->tmpfs.v[i], strcspn(a->tmpfs.v[i], ":"));
}

static int of_container(const char *spec, struct tp_engine *e, struct tp_strv *out,
			struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *name = tp_strndup(spec, strcspn(spec, ":"));
	TP_AUTO_JSON *ctr = tp_engine_inspect(e, name, c, err);
	const struct tp_json *mounts = tp_json_get(ctr, "Mounts");

	if (!ctr)
		return tp_err_prefix(err, "--volumes-from %s", spec);
	for (size_t i = 0; i < tp_json_len(mounts); i++) {
		const char *at = tp_json_str_at(tp_json_at(mounts, i), "Destination");

		if (at)
			add(out, at, strlen(at));
	}
	return 0;
}

int tp_image_volumes(const struct tp_run_args *a, const struct tp_json *image, struct tp_engine *e,
		     struct tp_strv *out, struct tp_cancel *c, struct tp_err *err)
{
	const struct tp_json *volumes = tp_json_path(image, "Config.Volumes");
	TP_AUTO_STRV users = { 0 };

	tp_user_mounts(a, &users);
	for (size_t i = 0; i < a->volumes_from.n; i++)
		if (of_container(a->volumes_from.v[i], e, &users, c, err) < 0)
			return -1;
	for (size_t i = 0; i < tp_json_len(volumes); i++) {
		tp_autofree char *path = tp_path_clean(tp_json_key(volumes, i));

		if (!tp_strv_has(&users, path))
			tp_strv_add(out, path);
	}
	return 0;
}
