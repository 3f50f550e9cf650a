/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A context lies in contexts/meta/<sha256 of its name>/meta.json, its
 * certificates in contexts/tls/<the same>/docker. The folders are few: all
 * are looked at for the name, which needs no hash.
 */
#include "docker/context.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define FILE_MAX (1u << 20)

char *tp_docker_read_pem(const char *dir, const char *file, bool optional, struct tp_err *err)
{
	tp_autofree char *path = dir ? tp_asprintf("%s/%s", dir, file) : tp_strdup(file);
	struct tp_buf b = TP_BUF_INIT(FILE_MAX);

	err->kind = TP_ERR_NONE;
	if (tp_read_file(path, &b) < 0) {
		if (!(optional && errno == ENOENT))
			tp_err_errno(err, errno, "cannot read %s", path);
		tp_buf_free(&b);
		return NULL;
	}
	return tp_buf_steal(&b);
}

static struct tp_json *read_json(const char *path, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(FILE_MAX);

	if (tp_read_file(path, &b) < 0) {
		tp_err_errno(err, errno, "cannot read %s", path);
		return NULL;
	}
	struct tp_json *j = tp_json_parse(b.data ? b.data : "", b.len, err);
	if (!j)
		tp_err_prefix(err, "%s", path);
	return j;
}

int tp_docker_current_context(const char *config_dir, char **name, struct tp_err *err)
{
	tp_autofree char *path = tp_asprintf("%s/config.json", config_dir);
	TP_AUTO_JSON *j = read_json(path, err);

	*name = NULL;
	if (!j)
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	const char *s = tp_json_str_at(j, "currentContext");
	if (s && *s)
		*name = tp_strdup(s);
	return 0;
}

static int read_tls(struct tp_docker_endpoint *ep, const char *id, struct tp_err *err)
{
	static const char *const files[] = { "ca.pem", "cert.pem", "key.pem" };
	char **const to[] = { &ep->ca_pem, &ep->cert_pem, &ep->key_pem };
	tp_autofree char *dir = tp_asprintf("%s/contexts/tls/%s/docker", ep->config_dir, id);

	for (size_t i = 0; i < TP_ARRAY_SIZE(files); i++) {
		*to[i] = tp_docker_read_pem(dir, files[i], true, err);
		if (!*to[i] && err->kind != TP_ERR_NONE)
			return -1;
		if (*to[i])
			ep->tls = true;
	}
	return 0;
}

static int use(struct tp_docker_endpoint *ep, const struct tp_json *meta, const char *id,
	       struct tp_err *err)
{
	const struct tp_json *d = tp_json_path(meta, "Endpoints.docker");
	const char *host = tp_json_str_at(d, "Host");

	if (!host || !*host)
		return tp_err_set(err, TP_ERR_FAILED,
				  "the docker context \"%s\" has no docker endpoint",
				  tp_json_str_at(meta, "Name"));
	ep->host = tp_strdup(host);
	ep->skip_verify = tp_json_bool_at(d, "SkipTLSVerify", false);
	if (ep->skip_verify)
		ep->tls = true;
	return read_tls(ep, id, err);
}

int tp_docker_context_load(struct tp_docker_endpoint *ep, const char *name, struct tp_err *err)
{
	tp_autofree char *meta_dir = tp_asprintf("%s/contexts/meta", ep->config_dir);
	TP_AUTO_BUF known = TP_BUF_INIT(1024);
	DIR *d = opendir(meta_dir);
	struct dirent *e;
	int rc = 1;

	while (d && rc > 0 && (e = readdir(d))) {
		struct tp_err ignored;

		if (e->d_name[0] == '.')
			continue;
		tp_autofree char *path = tp_asprintf("%s/%s/meta.json", meta_dir, e->d_name);
		TP_AUTO_JSON *meta = read_json(path, &ignored);
		const char *found = tp_json_str_at(meta, "Name");

		if (found && strcmp(found, name) == 0)
			rc = use(ep, meta, e->d_name, err);
		else if (found)
			tp_buf_printf(&known, "%s%s", known.len ? ", " : "", found);
	}
	if (d)
		closedir(d);
	if (rc <= 0)
		return rc;
	tp_err_set(err, TP_ERR_NOT_FOUND, "there is no docker context \"%s\"", name);
	return tp_err_hint(err, "There are: default%s%s", known.len ? ", " : "",
			   known.len ? known.data : "");
}

void tp_docker_context_names(const char *config_dir, struct tp_strv *names)
{
	tp_autofree char *meta_dir = tp_asprintf("%s/contexts/meta", config_dir);
	DIR *d = opendir(meta_dir);
	struct dirent *e;

	tp_strv_add(names, "default");
	while (d && (e = readdir(d))) {
		tp_autofree char *path = tp_asprintf("%s/%s/meta.json", meta_dir, e->d_name);
		struct tp_err ignored;
		TP_AUTO_JSON *meta = e->d_name[0] == '.' ? NULL : read_json(path, &ignored);
		const char *name = tp_json_str_at(meta, "Name");

		if (name && *name)
			tp_strv_add(names, name);
	}
	if (d)
		closedir(d);
}
