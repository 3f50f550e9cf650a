/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/engine_call.h"

/* What these calls were written for; an engine that speaks less is spoken to
 * in its own version, one that demands more in the least it takes. */
#define API_MAJOR     1
#define API_MINOR     51
#define API_MINOR_MIN 24

struct tp_engine {
	const struct tp_docker_endpoint *ep;
	struct tp_http_client *http;
	char version[16];
};

static int parse_version(const char *s, int *minor)
{
	int major, used = 0;

	if (!s || sscanf(s, "%1d.%4d%n", &major, minor, &used) != 2 || s[used] ||
	    major != API_MAJOR || *minor < 0)
		return -1;
	return 0;
}

/* Why nobody answers at a unix socket, in words of what to do. */
static int explain(const struct tp_docker_endpoint *ep, struct tp_err *err)
{
	const char *path = ep->socket_path;

	if (err->kind != TP_ERR_UNREACHABLE)
		return -1;
	tp_err_prefix(err, "no docker engine answers");
	if (!path)
		return tp_err_hint(err, "Is an engine running at %s?", ep->host);
	if (access(path, F_OK) < 0)
		return tp_err_hint(err, "Is a docker engine running here? There is no %s.", path);
	if (access(path, R_OK | W_OK) < 0)
		return tp_err_hint(err,
				   "You may not use %s. Members of the group that owns it may, "
				   "usually \"docker\":\n  sudo usermod -aG docker $USER  "
				   "(then log in again)",
				   path);
	return tp_err_hint(err, "Is the docker engine running? %s is there, but nobody listens.",
			   path);
}

struct tp_engine *tp_engine_open(const struct tp_docker_endpoint *ep, struct tp_cancel *c,
				 struct tp_err *err)
{
	struct tp_engine *e = tp_calloc(1, sizeof(*e));
	TP_AUTO_JSON *v = NULL;
	struct tp_err spare;
	int theirs, least = API_MINOR_MIN;

	if (!err)
		err = &spare;
	e->ep = ep;
	e->http = tp_docker_endpoint_client(ep, err);
	if (!e->http)
		goto fail;
	/* The one path that needs no version, in every engine and podman. */
	v = tp_engine_json(e, "GET", "/version", NULL, "version", c, err);
	if (!v) {
		explain(ep, err);
		goto fail;
	}
	if (parse_version(tp_json_str_at(v, "ApiVersion"), &theirs) < 0) {
		tp_err_set(err, TP_ERR_PROTOCOL, "%s is no docker engine: it names no API version",
			   ep->host);
		goto fail;
	}
	if (parse_version(tp_json_str_at(v, "MinAPIVersion"), &least) < 0)
		least = API_MINOR_MIN;
	if (theirs < API_MINOR_MIN) {
		tp_err_set(err, TP_ERR_FAILED,
			   "the docker engine is too old: its API is 1.%d, at least 1.%d is needed",
			   theirs, API_MINOR_MIN);
		goto fail;
	}
	int minor = theirs < API_MINOR ? theirs : API_MINOR;
	if (minor < least)
		minor = least;
	snprintf(e->version, sizeof(e->version), "%d.%d", API_MAJOR, minor);
	tp_verbose("docker engine at %s, API %s", ep->host, e->version);
	return e;
fail:
	tp_engine_free(e);
	return NULL;
}

void tp_engine_free(struct tp_engine *e)
{
	if (!e)
		return;
	tp_http_client_free(e->http);
	free(e);
}

const char *tp_engine_api_version(const struct tp_engine *e)
{
	return e->version;
}

char *tp_engine_path(const struct tp_engine *e, const char *path)
{
	return e->version[0] ? tp_asprintf("/v%s%s", e->version, path) : tp_strdup(path);
}

struct tp_http_client *tp_engine_http(struct tp_engine *e)
{
	return e->http;
}

int tp_engine_error(int status, const struct tp_buf *body, const char *what, struct tp_err *err)
{
	struct tp_err ignored;
	TP_AUTO_JSON *j = body->len ? tp_json_parse(body->data, body->len, &ignored) : NULL;
	const char *msg = tp_json_str_at(j, "message");
	enum tp_err_kind kind = status == 404		       ? TP_ERR_NOT_FOUND :
				status == 409		       ? TP_ERR_CONFLICT :
				status == 401 || status == 403 ? TP_ERR_FORBIDDEN :
								 TP_ERR_FAILED;

	/* Podman's body is {"cause", "message"}; a proxy's may be text. */
	if (msg && *msg)
		return tp_err_set(err, kind, "docker: %s: %s", what, msg);
	if (body->len && !memchr(body->data, '<', body->len))
		return tp_err_set(err, kind, "docker: %s: status %d: %.300s", what, status,
				  body->data);
	return tp_err_set(err, kind, "docker: %s: status %d", what, status);
}

int tp_engine_call(struct tp_engine *e, const char *method, const char *path, const char *body,
		   int timeout_ms, const char *what, struct tp_http_response *r,
		   struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *full = tp_engine_path(e, path);
	struct tp_http_request req = { .method = method,
				       .path = full,
				       .body = body,
				       .body_len = body ? strlen(body) : 0,
				       .timeout_ms = timeout_ms };

	if (tp_http_do(e->http, &req, r, c, err) < 0)
		return tp_err_prefix(err, "docker: %s", what);
	return r->status;
}

struct tp_json *tp_engine_json(struct tp_engine *e, const char *method, const char *path,
			       const char *body, const char *what, struct tp_cancel *c,
			       struct tp_err *err)
{
	struct tp_http_response r;
	struct tp_json *j = NULL;
	int status = tp_engine_call(e, method, path, body, 60000, what, &r, c, err);

	if (status < 0)
		return NULL;
	if (status >= 300) {
		tp_engine_error(status, &r.body, what, err);
	} else {
		j = tp_json_parse(r.body.data ? r.body.data : "", r.body.len, err);
		if (!j)
			tp_err_prefix(err, "docker: %s", what);
	}
	tp_http_response_free(&r);
	return j;
}
