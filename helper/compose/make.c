/* SPDX-License-Identifier: Apache-2.0 */
#include "compose/make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "compose/access.h"
#include "compose/override.h"
#include "docker/engine.h"
#include "kube/kubeconfig.h"

#define SERVICES_MAX 64

/* All that an override is made from, owned. */
struct work {
	struct tp_compose_join joins[SERVICES_MAX];
	struct tp_json *images[SERVICES_MAX];
	struct tp_docker_endpoint ep;
	struct tp_compose_model model;
	struct tp_compose_access access;
	struct tp_compose_plan plan;
};

static void work_free(struct work *k)
{
	for (size_t i = 0; i < SERVICES_MAX; i++) {
		tp_compose_join_free(&k->joins[i]);
		tp_json_free(k->images[i]);
	}
	tp_docker_endpoint_free(&k->ep);
	tp_compose_model_free(&k->model);
	tp_compose_access_free(&k->access);
}

static int find_joins(const struct tp_compose_make *m, struct work *k, struct tp_err *err)
{
	if (!m->services.n) {
		tp_err_set(err, TP_ERR_USAGE, "which service is to be in the cluster?");
		return tp_err_hint(err,
				   "--service web=deployment/web puts the service web in the "
				   "place of the deployment web; it may be given more than once.");
	}
	if (m->services.n > SERVICES_MAX)
		return tp_err_set(err, TP_ERR_USAGE, "--service is given more than %d times",
				  SERVICES_MAX);
	for (size_t i = 0; i < m->services.n; i++)
		if (tp_compose_join_parse(m->services.v[i], &k->joins[i], err))
			return -1;
	k->plan.joins = k->joins;
	k->plan.n = m->services.n;
	return 0;
}

static int find_access(const struct tp_compose_make *m, struct work *k, struct tp_err *err)
{
	const struct tp_session_opts *o = m->session;
	tp_autoclean(tp_kubeconfig_free) struct tp_kubeconfig kc = { 0 };
	tp_autofree char *cwd = getcwd(NULL, 0);
	bool own_image = strcmp(o->image, TP_IMAGE) != 0;

	if (!cwd)
		return tp_err_errno(err, errno, "the current folder");
	if (tp_kubeconfig_load(o->kubeconfig, o->context, o->namespace, &kc, err))
		return -1;
	if (tp_compose_access_find(&kc, own_image, cwd, &k->access, err))
		return -1;
	k->plan.files = &k->access.files;
	k->plan.kubeconfigs = &k->access.kubeconfigs;
	k->plan.home = getenv("HOME");
	return 0;
}

static struct tp_json *find_image(struct work *k, struct tp_engine *e, size_t i, const char *image,
				  bool get, struct tp_err *err)
{
	const char *service = k->joins[i].service;
	bool build = tp_json_get(tp_compose_service(k->model.resolved, service), "build");
	struct tp_json *found = tp_engine_image(e, image, NULL, err);

	if (found || err->kind != TP_ERR_NOT_FOUND)
		return found;
	if (get) {
		if (tp_compose_get_image(&k->model, service, build, err))
			return NULL;
		return tp_engine_image(e, image, NULL, err);
	}
	tp_err_set(err, TP_ERR_NOT_FOUND,
		   "the engine does not have the image %s of the service %s yet, and what it "
		   "starts has to be known",
		   image, service);
	tp_err_hint(err, "Get it first: docker compose %s %s (or with --get-images).",
		    build ? "build" : "pull", service);
	return NULL;
}

static int find_images(const struct tp_compose_make *m, struct work *k, struct tp_err *err)
{
	struct tp_engine *e = NULL;
	int rc = 0;

	for (size_t i = 0; i < k->plan.n && !rc; i++) {
		tp_autofree char *image = tp_compose_image_wanted(&k->plan, i);

		if (!image)
			continue;
		if (!e)
			e = tp_engine_open(&k->ep, NULL, err);
		k->images[i] = e ? find_image(k, e, i, image, m->get_images, err) : NULL;
		rc = k->images[i] ? 0 : -1;
	}
	tp_engine_free(e);
	k->plan.images = (const struct tp_json *const *)k->images;
	return rc;
}

static int make(const struct tp_compose_make *m, struct work *k, struct tp_buf *out,
		struct tp_err *err)
{
	const struct tp_session_opts *o = m->session;
	struct tp_docker_globals g;

	if (m->volumes && strcmp(m->volumes, "sshfs") && strcmp(m->volumes, "off")) {
		tp_err_set(err, TP_ERR_USAGE, "--volumes %s: it is sshfs or off here", m->volumes);
		return strcmp(m->volumes, "copy") ?
			       -1 :
			       tp_err_hint(err, "Copying takes a program beside the engine; "
						"`tpdocker run --volumes copy` is one.");
	}
	if (find_joins(m, k, err) || find_access(m, k, err))
		return -1;
	tp_session_opts_docker(o, &g);
	if (tp_docker_endpoint_find(&g, &k->ep, err) ||
	    tp_compose_load(&m->project, &k->ep, &k->model, err))
		return -1;
	k->plan.raw = k->model.raw;
	k->plan.resolved = k->model.resolved;
	k->plan.image = o->image;
	k->plan.mounts = !m->volumes || strcmp(m->volumes, "off");
	k->plan.context = o->context;
	k->plan.namespace = o->namespace;
	k->plan.serviceaccount = o->serviceaccount;
	k->plan.also_proxy = &o->also_proxy;
	k->plan.never_proxy = &o->never_proxy;
	if (tp_compose_check(&k->plan, err) || find_images(m, k, err))
		return -1;
	return tp_compose_write(&k->plan, out, err);
}

int tp_compose_make(const struct tp_compose_make *m, struct tp_buf *out, struct tp_err *err)
{
	struct work *k = tp_calloc(1, sizeof(*k));
	int rc = make(m, k, out, err);

	work_free(k);
	free(k);
	return rc;
}
