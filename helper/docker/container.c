/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's calls about containers and images. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/engine_call.h"
#include "docker/stdcopy.h"

#define START_MS  120000
#define REMOVE_MS 60000

/* "/containers/ID/TAIL" */
static char *container_path(const char *id, const char *tail)
{
	tp_autofree char *esc = tp_http_escape(id);

	return tp_asprintf("/containers/%s%s", esc, tail);
}

/* A POST or DELETE whose answer has no content that matters. The statuses
 * OK1 and OK2 count as success as well as 2xx. */
static int act(struct tp_engine *e, const char *method, const char *path, int ok1, int ok2, int ms,
	       const char *what, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_http_response r;
	int status = tp_engine_call(e, method, path, NULL, ms, what, &r, c, err);

	if (status < 0)
		return -1;
	int rc = status < 300 || status == ok1 || status == ok2 ?
			 0 :
			 tp_engine_error(status, &r.body, what, err);
	tp_http_response_free(&r);
	return rc;
}

static int take_id(const struct tp_json *j, char id[65], struct tp_err *err)
{
	const char *s = tp_json_str_at(j, "Id");

	if (!s || !*s || strlen(s) > 64 || s[strspn(s, "0123456789abcdef")])
		return tp_err_set(err, TP_ERR_PROTOCOL, "docker: the engine gave no usable ID");
	snprintf(id, 65, "%s", s);
	return 0;
}

int tp_engine_create(struct tp_engine *e, const char *name, const char *body, char id[65],
		     struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *esc = name ? tp_http_escape(name) : NULL;
	tp_autofree char *path =
		tp_asprintf("/containers/create%s%s", esc ? "?name=" : "", esc ? esc : "");
	TP_AUTO_JSON *j = tp_engine_json(e, "POST", path, body, "create a container", c, err);

	if (!j || take_id(j, id, err) < 0)
		return -1;
	const struct tp_json *w = tp_json_get(j, "Warnings");
	for (size_t i = 0; i < tp_json_len(w); i++)
		tp_verbose("docker: %s", tp_json_str(tp_json_at(w, i)) ?: "");
	return 0;
}

int tp_engine_start(struct tp_engine *e, const char *id, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = container_path(id, "/start");

	return act(e, "POST", path, 304, 0, START_MS, "start a container", c, err);
}

int tp_engine_kill(struct tp_engine *e, const char *id, const char *sig, struct tp_cancel *c,
		   struct tp_err *err)
{
	tp_autofree char *esc = tp_http_escape(sig);
	tp_autofree char *tail = tp_asprintf("/kill?signal=%s", esc);
	tp_autofree char *path = container_path(id, tail);

	return act(e, "POST", path, 404, 409, 0, "signal a container", c, err);
}

int tp_engine_stop(struct tp_engine *e, const char *id, int grace_s, struct tp_cancel *c,
		   struct tp_err *err)
{
	tp_autofree char *tail = tp_asprintf("/stop?t=%d", grace_s);
	tp_autofree char *path = container_path(id, tail);

	return act(e, "POST", path, 404, 304, (grace_s + 30) * 1000, "stop a container", c, err);
}

/* Somebody else removes it: until they are done. */
static int wait_removed(struct tp_engine *e, const char *id, struct tp_cancel *c,
			struct tp_err *err)
{
	tp_autofree char *path = container_path(id, "/wait?condition=removed");

	return act(e, "POST", path, 404, 0, REMOVE_MS, "wait for a container's removal", c, err);
}

int tp_engine_remove(struct tp_engine *e, const char *id, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = container_path(id, "?force=1&v=1");
	int rc = act(e, "DELETE", path, 404, 0, REMOVE_MS, "remove a container", c, err);

	if (rc < 0 && err && err->kind == TP_ERR_CONFLICT && strstr(err->msg, "in progress"))
		return wait_removed(e, id, c, err);
	return rc;
}

int tp_engine_wait(struct tp_engine *e, const char *id, int *code, struct tp_cancel *c,
		   struct tp_err *err)
{
	static const char what[] = "wait for a container";
	tp_autofree char *path = container_path(id, "/wait");
	struct tp_http_response r;
	int64_t exit_code;
	int rc = 0, status = tp_engine_call(e, "POST", path, NULL, -1, what, &r, c, err);

	if (status < 0)
		return -1;
	if (status >= 300) {
		rc = tp_engine_error(status, &r.body, what, err);
	} else {
		TP_AUTO_JSON *j = tp_json_parse(r.body.data ? r.body.data : "", r.body.len, err);
		const char *msg = tp_json_str_at(j, "Error.Message");

		if (msg && *msg)
			rc = tp_err_set(err, TP_ERR_FAILED, "docker: %s: %s", what, msg);
		else if (!j || tp_json_int(tp_json_get(j, "StatusCode"), &exit_code) < 0)
			rc = tp_err_set(err, TP_ERR_PROTOCOL, "docker: %s: no exit code", what);
		else
			*code = (int)exit_code;
	}
	tp_http_response_free(&r);
	return rc;
}

struct tp_json *tp_engine_inspect(struct tp_engine *e, const char *id, struct tp_cancel *c,
				  struct tp_err *err)
{
	tp_autofree char *path = container_path(id, "/json");

	return tp_engine_json(e, "GET", path, NULL, "inspect a container", c, err);
}

/* {"label":["LABEL"]}, escaped for a query; the caller's. */
static char *label_filter(const char *label, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_array(w, "label");
	tp_jw_str(w, NULL, label);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_autofree char *filters = tp_jw_finish(w, NULL, err);

	return filters ? tp_http_escape(filters) : NULL;
}

struct tp_json *tp_engine_list(struct tp_engine *e, const char *label, struct tp_cancel *c,
			       struct tp_err *err)
{
	tp_autofree char *esc = label_filter(label, err);

	if (!esc)
		return NULL;
	tp_autofree char *path = tp_asprintf("/containers/json?all=1&filters=%s", esc);
	return tp_engine_json(e, "GET", path, NULL, "list containers", c, err);
}

struct tp_json *tp_engine_running(struct tp_engine *e, struct tp_cancel *c, struct tp_err *err)
{
	return tp_engine_json(e, "GET", "/containers/json", NULL, "list containers", c, err);
}

int tp_engine_volume_remove(struct tp_engine *e, const char *name, struct tp_cancel *c,
			    struct tp_err *err)
{
	tp_autofree char *esc = tp_http_escape(name);
	tp_autofree char *path = tp_asprintf("/volumes/%s", esc);

	return act(e, "DELETE", path, 404, 0, REMOVE_MS, "remove a volume", c, err);
}

struct tp_json *tp_engine_volume(struct tp_engine *e, const char *name, struct tp_cancel *c,
				 struct tp_err *err)
{
	tp_autofree char *esc = tp_http_escape(name);
	tp_autofree char *path = tp_asprintf("/volumes/%s", esc);

	return tp_engine_json(e, "GET", path, NULL, "inspect a volume", c, err);
}

struct tp_json *tp_engine_volumes(struct tp_engine *e, const char *label, struct tp_cancel *c,
				  struct tp_err *err)
{
	tp_autofree char *esc = label_filter(label, err);

	if (!esc)
		return NULL;
	tp_autofree char *path = tp_asprintf("/volumes?filters=%s", esc);
	return tp_engine_json(e, "GET", path, NULL, "list volumes", c, err);
}

struct tp_json *tp_engine_networks(struct tp_engine *e, struct tp_cancel *c, struct tp_err *err)
{
	return tp_engine_json(e, "GET", "/networks", NULL, "list networks", c, err);
}

struct tp_json *tp_engine_image(struct tp_engine *e, const char *image, struct tp_cancel *c,
				struct tp_err *err)
{
	/* The slashes of a reference stand in the path as they are. */
	bool plain = !image[strspn(image, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789._-/:@")];
	tp_autofree char *esc = plain ? tp_strdup(image) : tp_http_escape(image);
	tp_autofree char *path = tp_asprintf("/images/%s/json", esc);

	return tp_engine_json(e, "GET", path, NULL, "inspect an image", c, err);
}

struct tp_json *tp_engine_info(struct tp_engine *e, struct tp_cancel *c, struct tp_err *err)
{
	return tp_engine_json(e, "GET", "/info", NULL, "ask for the engine's state", c, err);
}

/* POSTs PATH and takes the connection over. */
static struct tp_stream *hijack(struct tp_engine *e, const char *path, const char *body,
				const char *what,
				void (*on_stderr)(void *arg, const char *p, size_t n), void *arg,
				struct tp_cancel *c, struct tp_err *err)
{
	static const char *const headers[] = { "Connection: Upgrade", "Upgrade: tcp", NULL };
	tp_autofree char *full = tp_engine_path(e, path);
	TP_AUTO_BUF answer = TP_BUF_INIT(64u << 10);
	struct tp_http_request req = { .method = "POST",
				       .path = full,
				       .body = body,
				       .body_len = body ? strlen(body) : 0,
				       .headers = headers };
	int status = 0;
	struct tp_stream *s =
		tp_http_upgrade(tp_engine_http(e), &req, true, NULL, &status, &answer, c, err);

	if (s)
		return tp_stdcopy_stream(s, on_stderr, arg);
	if (status >= 400)
		tp_engine_error(status, &answer, what, err);
	else
		tp_err_prefix(err, "docker: %s", what);
	return NULL;
}

struct tp_stream *tp_engine_attach(struct tp_engine *e, const char *id,
				   void (*on_stderr)(void *arg, const char *p, size_t n), void *arg,
				   struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = container_path(id, "/attach?stream=1&stdin=1&stdout=1&stderr=1");

	return hijack(e, path, NULL, "attach to a container", on_stderr, arg, c, err);
}

struct tp_stream *tp_engine_exec(struct tp_engine *e, const char *id, const char *const *argv,
				 void (*on_stderr)(void *arg, const char *p, size_t n), void *arg,
				 char exec_id[65], struct tp_cancel *c, struct tp_err *err)
{
	static const char what[] = "run a program in a container";
	TP_AUTO_JW *w = tp_jw_new();
	char own_id[65];

	tp_jw_object(w, NULL);
	tp_jw_bool(w, "AttachStdin", true);
	tp_jw_bool(w, "AttachStdout", true);
	tp_jw_bool(w, "AttachStderr", true);
	tp_jw_bool(w, "Tty", false);
	tp_jw_array(w, "Cmd");
	for (size_t i = 0; argv[i]; i++)
		tp_jw_str(w, NULL, argv[i]);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_autofree char *body = tp_jw_finish(w, NULL, err);
	if (!body)
		return NULL;
	tp_autofree char *path = container_path(id, "/exec");
	TP_AUTO_JSON *j = tp_engine_json(e, "POST", path, body, what, c, err);
	if (!exec_id)
		exec_id = own_id;
	if (!j || take_id(j, exec_id, err) < 0)
		return NULL;
	tp_autofree char *start = tp_asprintf("/exec/%s/start", exec_id);
	return hijack(e, start, "{\"Detach\":false,\"Tty\":false}", what, on_stderr, arg, c, err);
}
