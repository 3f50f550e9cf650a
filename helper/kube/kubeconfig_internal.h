/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kubeconfig.c (which files, which context) and kubeconfig_entry.c (what
 * one entry says) share.
 */
#ifndef TP_KUBE_KUBECONFIG_INTERNAL_H
#define TP_KUBE_KUBECONFIG_INTERNAL_H

#include "kube/kubeconfig.h"
#include "kube/kubeconfig_yaml.h"

/* An entry of "clusters", "users" or "contexts", and the file it is from. */
struct tp_kubeconfig_entry {
	const struct tp_kyaml *y;
	const char *file; /* for messages */
	const char *dir;  /* relative paths start here */
	const char *kind; /* "cluster", "user", "context" */
	const char *name;
	int node; /* the mapping below "cluster:", "user:" or "context:"; 0 if empty */
};

int tp_kubeconfig_cluster(const struct tp_kubeconfig_entry *e, struct tp_kubeconfig *kc,
			  struct tp_err *err);
int tp_kubeconfig_user(const struct tp_kubeconfig_entry *e, struct tp_kubeconfig *kc,
		       struct tp_err *err);
/* A string member; *OUT (freed first) stays NULL if it is absent or empty. */
int tp_kubeconfig_string(const struct tp_kubeconfig_entry *e, const char *key, char **out,
			 struct tp_err *err);

/* A regular file, whole. */
int tp_kubeconfig_read(const char *path, char **out, struct tp_err *err);

/* The service account of the pod that we run in: 1 filled, 0 not in a cluster, -1 ERR. */
int tp_kubeconfig_incluster(struct tp_kubeconfig *kc, struct tp_err *err);

#endif
