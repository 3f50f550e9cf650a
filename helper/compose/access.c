/* SPDX-License-Identifier: Apache-2.0 */
#include "compose/access.h"

#include <string.h>

#include "base/mem.h"

/* The host part of "https://HOST:PORT/..." is 127.x, ::1 or localhost. */
static bool is_loopback(const char *url)
{
	const char *host = strstr(url, "://"), *end;
	size_t n;

	host = host ? host + 3 : url;
	if (*host == '[')
		return !strncmp(host, "[::1]", 5);
	end = host + strcspn(host, ":/");
	n = (size_t)(end - host);
	return (n == 9 && !strncasecmp(host, "localhost", n)) ||
	       (n > 4 && !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == n);
}

static void add(struct tp_strv *l, const char *path, const char *cwd)
{
	tp_autofree char *full = *path == '/' ? tp_strdup(path) : tp_asprintf("%s/%s", cwd, path);

	if (!tp_strv_has(l, full))
		tp_strv_add(l, full);
}

int tp_compose_access_find(const struct tp_kubeconfig *kc, bool own_image, const char *cwd,
			   struct tp_compose_access *a, struct tp_err *err)
{
	static const char host_way[] =
		"Programs of this machine's can do it: start the container with `tpdocker run`.";

	*a = (struct tp_compose_access){ 0 };
	if (!kc->source)
		return tp_err_set(err, TP_ERR_USAGE,
				  "there is no kubeconfig, only this pod's own account, which the "
				  "containers of a project cannot use");
	if (is_loopback(kc->server)) {
		tp_err_set(err, TP_ERR_USAGE,
			   "the context %s has its API server at %s: that is this machine itself, "
			   "which the sidecar's container does not reach by this name",
			   kc->context, kc->server);
		return tp_err_hint(err,
				   "Name a kubeconfig with an address that containers reach "
				   "(for kind: kind get kubeconfig --internal). %s",
				   host_way);
	}
	if (kc->exec.command && !own_image) {
		tp_err_set(err, TP_ERR_USAGE,
			   "the context %s gets its credentials from the program %s, which is not "
			   "in the sidecar's image",
			   kc->context, kc->exec.command);
		return tp_err_hint(err, "Name an image that has both, with --image. %s", host_way);
	}
	for (const char *s = kc->source; *s;) {
		size_t n = strcspn(s, ":");
		tp_autofree char *path = tp_strndup(s, n);

		add(&a->kubeconfigs, path, cwd);
		add(&a->files, path, cwd);
		s += n + (s[n] == ':');
	}
	for (size_t i = 0; i < kc->files.n; i++)
		add(&a->files, kc->files.v[i], cwd);
	return 0;
}

void tp_compose_access_free(struct tp_compose_access *a)
{
	tp_strv_free(&a->files);
	tp_strv_free(&a->kubeconfigs);
}
