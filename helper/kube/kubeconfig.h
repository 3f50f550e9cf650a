/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubeconfig files as kubectl reads them (client-go's clientcmd, v1): the
 * KUBECONFIG list merged (first one wins per entry), ~/.kube/config, else
 * the in-cluster service account. The only module that knows the YAML library.
 */
#ifndef TP_KUBE_KUBECONFIG_H
#define TP_KUBE_KUBECONFIG_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

#define TP_KUBECONFIG_MAX (4u << 20) /* bytes of one file */

struct tp_kube_exec {
	char *command; /* NULL: no exec plugin. Relative with a slash: to the file's folder */
	struct tp_strv args;
	struct tp_strv env; /* "K=V" */
	char *api_version;  /* client.authentication.k8s.io/v1 or v1beta1 */
	char *install_hint;
	bool provide_cluster_info;
	char *cluster_config; /* JSON of the cluster extension client.authentication.k8s.io/exec, or NULL */
	char *interactive_mode; /* Never, IfAvailable, Always; NULL */
};

/* Everything of one context, files read, paths resolved, base64 decoded. */
struct tp_kubeconfig {
	char *context; /* the name in use; "in-cluster" without a file */
	char *cluster_name, *user_name;
	char *source;	      /* the file(s) it came from, with ':' between */
	struct tp_strv files; /* those that they name in turn: certificates, keys, a token */
	char *namespace;      /* never NULL ("default") */
	char *server;	      /* "https://..." */
	char *ca_pem;	      /* NULL: the system's */
	char *tls_server_name;
	bool insecure;
	char *proxy_url;
	char *cert_pem, *key_pem;
	char *token;	  /* secret */
	char *token_file; /* read again when it changes */
	char *username, *password;
	struct tp_kube_exec exec;
	char *as_user, *as_uid;
	struct tp_strv as_groups;
	struct tp_strv as_extra; /* "key=value" */
};

/* FILE: --kubeconfig (NULL: KUBECONFIG, then ~/.kube/config, then in-cluster).
 * CONTEXT, NAMESPACE: the options, or NULL. NOT_FOUND with the remedy for: no
 * kubeconfig at all, unknown context (lists those there are), a context whose cluster or user is missing; PROTOCOL: bad YAML with file and line. auth-provider
 * entries (removed from Kubernetes 1.26) are refused by name with the remedy. */
int tp_kubeconfig_load(const char *file, const char *context, const char *namespace,
		       struct tp_kubeconfig *kc, struct tp_err *err);
void tp_kubeconfig_free(struct tp_kubeconfig *kc); /* wipes secrets */

/* Names of all contexts (completion). */
int tp_kubeconfig_contexts(const char *file, struct tp_strv *names, struct tp_err *err);

/* Namespaces that contexts name (completion). */
int tp_kubeconfig_namespaces(const char *file, struct tp_strv *names, struct tp_err *err);

/* YAML text to the same struct, apart for tests and the fuzzer. BASE_DIR resolves relative paths. */
int tp_kubeconfig_parse(const char *text, size_t n, const char *base_dir, const char *context,
			struct tp_kubeconfig *kc, struct tp_err *err);

#endif
