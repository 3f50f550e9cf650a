// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/kubeconfig_internal.h"

#define ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

static void trim_end(char *s)
{
	size_t n = strlen(s);

	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
}

int tp_kubeconfig_incluster(struct tp_kubeconfig *kc, struct tp_err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	/* for our own tests: nobody else has a reason to move it */
	const char *dir = getenv("TPDOCKER_SERVICEACCOUNT_DIR");
	tp_autofree char *token = NULL, *ca = NULL, *ns = NULL;

	if (!dir)
		dir = ACCOUNT_DIR;
	token = tp_asprintf("%s/token", dir);
	ca = tp_asprintf("%s/ca.crt", dir);
	ns = tp_asprintf("%s/namespace", dir);
	if (!host || !*host || !port || !*port || access(token, F_OK))
		return 0;
	if (strspn(port, "0123456789") != strlen(port) || host[strcspn(host, "/@?# \t\r\n")])
		return tp_err_set(
			err, TP_ERR_FAILED,
			"KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not an address");
	kc->context = tp_strdup("in-cluster");
	kc->cluster_name = tp_strdup("in-cluster");
	kc->user_name = tp_strdup("service account");
	kc->source = tp_strdup(dir);
	/* an IPv6 address needs brackets in a URL */
	if (strchr(host, ':'))
		kc->server = tp_asprintf("https://[%s]:%s", host, port);
	else
		kc->server = tp_asprintf("https://%s:%s", host, port);
	kc->token_file = tp_steal(&token);
	if (!access(ca, F_OK) && tp_kubeconfig_read(ca, &kc->ca_pem, err))
		return -1;
	if (!access(ns, F_OK)) {
		if (tp_kubeconfig_read(ns, &kc->namespace, err))
			return -1;
		trim_end(kc->namespace);
	}
	return 1;
}
