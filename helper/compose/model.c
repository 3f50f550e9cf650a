/* SPDX-License-Identifier: Apache-2.0 */
#include "compose/model.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/child.h"
#include "base/log.h"
#include "base/mem.h"

#define MODEL_MAX  (16u << 20)
#define TIMEOUT_MS 60000

int tp_compose_version_cmp(const char *a, const char *b)
{
	const char *const text[2] = { a, b };
	unsigned int v[2][3];

	for (size_t i = 0; i < 2; i++) {
		const char *s = text[i];

		if (*s == 'v')
			s++;
		if (sscanf(s, "%4u.%4u.%4u", &v[i][0], &v[i][1], &v[i][2]) != 3)
			return INT_MIN;
	}
	for (size_t i = 0; i < 3; i++)
		if (v[0][i] != v[1][i])
			return v[0][i] < v[1][i] ? -1 : 1;
	return 0;
}

static void trim(struct tp_buf *b)
{
	while (b->len && strchr(" \r\n\t", b->data[b->len - 1]))
		b->data[--b->len] = '\0';
}

static void copy(const struct tp_strv *from, struct tp_strv *to)
{
	for (size_t i = 0; i < from->n; i++)
		tp_strv_add(to, from->v[i]);
}

/* The version of the compose that PROGRAM starts, or NULL. */
static char *version_of(const struct tp_strv *program)
{
	TP_AUTO_BUF out = TP_BUF_INIT(4096);
	TP_AUTO_STRV argv = { 0 };
	struct tp_child_opts o = { .in = TP_STDIO_NULL, .err = TP_STDIO_NULL };
	struct tp_err ignored;
	int status;

	copy(program, &argv);
	tp_strv_add(&argv, "version");
	tp_strv_add(&argv, "--short");
	o.argv = argv.v;
	if (tp_child_run(&o, NULL, 0, &out, NULL, TIMEOUT_MS, &status, NULL, &ignored) ||
	    tp_status_code(status))
		return NULL;
	trim(&out);
	if (!out.len || tp_compose_version_cmp(out.data, TP_COMPOSE_LEAST) == INT_MIN)
		return NULL;
	return tp_buf_steal(&out);
}

static void candidate(const struct tp_docker_endpoint *ep, bool plugin, struct tp_strv *program)
{
	tp_strv_free(program);
	if (!plugin) {
		tp_strv_add(program, "docker-compose");
		return;
	}
	tp_strv_add(program, ep->cli);
	for (size_t i = 0; i < ep->cli_globals.n; i++)
		tp_strv_add(program, ep->cli_globals.v[i]);
	tp_strv_add(program, "compose");
}

static int find_program(const struct tp_docker_endpoint *ep, struct tp_strv *program,
			char **version, struct tp_err *err)
{
	tp_autofree char *old = NULL;

	for (int plugin = 1; plugin >= 0; plugin--) {
		tp_autofree char *v = NULL;

		candidate(ep, plugin, program);
		v = version_of(program);
		if (!v)
			continue;
		if (tp_compose_version_cmp(v, TP_COMPOSE_LEAST) >= 0) {
			*version = tp_steal(&v);
			return 0;
		}
		if (!old)
			old = tp_asprintf("%s is version %s",
					  plugin ? "docker compose" : "docker-compose", v);
	}
	if (old)
		tp_err_set(err, TP_ERR_FAILED,
			   "%s, which is too old: version " TP_COMPOSE_LEAST
			   " or later is needed, the first that an override can take things "
			   "away from a service with",
			   old);
	else
		tp_err_set(err, TP_ERR_NOT_FOUND,
			   "there is no docker compose: neither `%s compose version` nor "
			   "`docker-compose version` works",
			   ep->cli);
	return tp_err_hint(err, "Install Docker's compose plugin, version " TP_COMPOSE_LEAST
				" or later (package docker-compose-plugin, or docker-compose "
				"of a recent distribution).");
}

/* Without the logger's own frame: level=warning msg="...". */
static void say_notes(const struct tp_buf *text)
{
	if (text->len)
		tp_verbose("docker compose says:\n%s", text->data);
}

static void add_project(const struct tp_compose_opts *o, struct tp_strv *argv)
{
	for (size_t i = 0; i < o->files.n; i++) {
		tp_strv_add(argv, "--file");
		tp_strv_add(argv, o->files.v[i]);
	}
	for (size_t i = 0; i < o->env_files.n; i++) {
		tp_strv_add(argv, "--env-file");
		tp_strv_add(argv, o->env_files.v[i]);
	}
	if (o->project_name)
		tp_strv_addf(argv, "--project-name=%s", o->project_name);
	if (o->project_directory)
		tp_strv_addf(argv, "--project-directory=%s", o->project_directory);
	/* A service that no profile turns on is not told of otherwise, nor is
	 * one that depends on it valid. */
	tp_strv_add(argv, "--profile=*");
}

static struct tp_json *config(const struct tp_strv *program, bool raw, struct tp_err *err)
{
	TP_AUTO_BUF out = TP_BUF_INIT(MODEL_MAX), text = TP_BUF_INIT(1500);
	TP_AUTO_STRV argv = { 0 };
	struct tp_child_opts run = { .in = TP_STDIO_NULL };
	struct tp_json *j;
	int status;

	copy(program, &argv);
	tp_strv_add(&argv, "config");
	tp_strv_add(&argv, "--format=json");
	if (raw) {
		tp_strv_add(&argv, "--no-interpolate");
		tp_strv_add(&argv, "--no-env-resolution");
	}
	run.argv = argv.v;
	if (tp_child_run(&run, NULL, 0, &out, &text, TIMEOUT_MS, &status, NULL, err)) {
		tp_err_prefix(err, "docker compose config");
		return NULL;
	}
	trim(&text);
	if (tp_status_code(status)) {
		tp_err_set(err, TP_ERR_FAILED, "docker compose config: %s",
			   text.len ? text.data : "it failed, and does not say why");
		return NULL;
	}
	if (!raw)
		say_notes(&text);
	j = tp_json_parse(out.data ? out.data : "", out.len, err);
	if (!j)
		tp_err_prefix(err, "what docker compose config printed");
	return j;
}

int tp_compose_load(const struct tp_compose_opts *o, const struct tp_docker_endpoint *ep,
		    struct tp_compose_model *m, struct tp_err *err)
{
	*m = (struct tp_compose_model){ 0 };
	if (find_program(ep, &m->program, &m->version, err) == 0) {
		add_project(o, &m->program);
		m->resolved = config(&m->program, false, err);
		m->raw = m->resolved ? config(&m->program, true, err) : NULL;
	}
	if (m->raw)
		return 0;
	tp_compose_model_free(m);
	return -1;
}

int tp_compose_get_image(const struct tp_compose_model *m, const char *service, bool build,
			 struct tp_err *err)
{
	TP_AUTO_STRV argv = { 0 };
	struct tp_child_opts run = { .in = TP_STDIO_NULL, .out = TP_STDIO_NULL };
	TP_AUTO_CHILD child = TP_CHILD_INIT;
	int status;

	copy(&m->program, &argv);
	tp_strv_add(&argv, build ? "build" : "pull");
	tp_strv_add(&argv, service);
	run.argv = argv.v;
	if (tp_child_start(&child, &run, err) || tp_child_wait(&child, -1, &status, NULL, err))
		return tp_err_prefix(err, "docker compose");
	if (!tp_status_code(status))
		return 0;
	return tp_err_set(err, TP_ERR_FAILED, "docker compose %s %s failed (see above)",
			  build ? "build" : "pull", service);
}

void tp_compose_model_free(struct tp_compose_model *m)
{
	free(m->version);
	tp_strv_free(&m->program);
	tp_json_free(m->raw);
	tp_json_free(m->resolved);
	*m = (struct tp_compose_model){ 0 };
}

const struct tp_json *tp_compose_service(const struct tp_json *model, const char *name)
{
	return tp_json_get(tp_json_get(model, "services"), name);
}
