/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's calls about files in a container. */
#include <string.h>

#include "base/mem.h"
#include "docker/engine_call.h"
#include "base/base64.h"

/* Bits of a mode as Go's os.FileMode has them. */
#define GO_MODE_DIR	(1LL << 31)
#define GO_MODE_SYMLINK (1LL << 27)

static char *archive_path(const char *id, const char *path, const char *more)
{
	tp_autofree char *id_esc = tp_http_escape(id), *path_esc = tp_http_escape(path);

	return tp_asprintf("/containers/%s/archive?path=%s%s", id_esc, path_esc, more);
}

void tp_engine_file_free(struct tp_engine_file *f)
{
	free(f->target);
	memset(f, 0, sizeof(*f));
}

/* The header is JSON in base 64: {"name", "size", "mode", "mtime", "linkTarget"}. */
static int take_stat(const struct tp_strv *headers, struct tp_engine_file *f, struct tp_err *err)
{
	static const char name[] = "x-docker-container-path-stat: ";
	struct tp_err ignored;
	int64_t mode;

	for (size_t i = 0; i < headers->n; i++) {
		tp_autofree char *text = NULL;
		TP_AUTO_JSON *j = NULL;
		const char *target;
		size_t len;

		if (strncmp(headers->v[i], name, sizeof(name) - 1))
			continue;
		text = tp_base64_decode(headers->v[i] + sizeof(name) - 1, &len);
		j = text ? tp_json_parse(text, len, &ignored) : NULL;
		if (!j || tp_json_int(tp_json_get(j, "mode"), &mode))
			break;
		target = tp_json_str_at(j, "linkTarget");
		f->folder = mode & GO_MODE_DIR;
		f->link = mode & GO_MODE_SYMLINK;
		if (f->link && target && *target)
			f->target = tp_strdup(target);
		return 0;
	}
	return tp_err_set(err, TP_ERR_PROTOCOL,
			  "docker: the engine does not tell what a path in the container is");
}

int tp_engine_file(struct tp_engine *e, const char *id, const char *path, struct tp_engine_file *f,
		   struct tp_cancel *c, struct tp_err *err)
{
	static const char what[] = "look at a path in a container";
	tp_autofree char *tail = archive_path(id, path, ""), *full = tp_engine_path(e, tail);
	TP_AUTO_STRV headers = { 0 };
	struct tp_http_request req = { .method = "HEAD", .path = full, .answer_headers = &headers };
	struct tp_http_response r;
	int rc;

	memset(f, 0, sizeof(*f));
	if (tp_http_do(tp_engine_http(e), &req, &r, c, err) < 0)
		return tp_err_prefix(err, "docker: %s", what);
	rc = r.status < 300 ? take_stat(&headers, f, err) :
			      tp_engine_error(r.status, &r.body, what, err);
	tp_http_response_free(&r);
	return rc;
}

int tp_engine_unpack(struct tp_engine *e, const char *id, const char *path,
		     ssize_t (*produce)(void *arg, void *p, size_t n), void *arg,
		     struct tp_cancel *c, struct tp_err *err)
{
	static const char what[] = "put files into a container";
	tp_autofree char *tail = archive_path(id, path, "&noOverwriteDirNonDir=1");
	tp_autofree char *full = tp_engine_path(e, tail);
	struct tp_http_request req = { .method = "PUT",
				       .path = full,
				       .content_type = "application/x-tar",
				       .produce = produce,
				       .produce_arg = arg,
				       .timeout_ms = -1 };
	struct tp_http_response r;
	int rc = 0;

	if (tp_http_do(tp_engine_http(e), &req, &r, c, err) < 0)
		return tp_err_prefix(err, "docker: %s", what);
	if (r.status >= 300)
		rc = tp_engine_error(r.status, &r.body, what, err);
	tp_http_response_free(&r);
	return rc;
}

int tp_engine_pack(struct tp_engine *e, const char *id, const char *path, struct tp_buf *out,
		   struct tp_cancel *c, struct tp_err *err)
{
	static const char what[] = "read a file in a container";
	tp_autofree char *tail = archive_path(id, path, "");
	struct tp_http_response r;
	int status = tp_engine_call(e, "GET", tail, NULL, 60000, what, &r, c, err), rc = 0;

	if (status < 0)
		return -1;
	if (status >= 300)
		rc = tp_engine_error(status, &r.body, what, err);
	else if (tp_buf_put(out, r.body.data ? r.body.data : "", r.body.len))
		rc = tp_err_set(err, TP_ERR_PROTOCOL,
				"%s in the container is larger than %zu bytes", path, out->max);
	tp_http_response_free(&r);
	return rc;
}
