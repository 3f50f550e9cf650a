/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as kubeconfig files use it: one document as a tree of node numbers.
 * 0 stands for "not there" everywhere and is passed on, so that chains need
 * one check. kubeconfig_yaml.c is the only file that names the YAML library.
 */
#ifndef TP_KUBE_KUBECONFIG_YAML_H
#define TP_KUBE_KUBECONFIG_YAML_H

#include <stdbool.h>

#include "base/err.h"

struct tp_kyaml;

/* Parses the first document of TEXT; NAME is for messages. NULL and ERR (PROTOCOL,
 * with the line) for bad syntax, a root that is no mapping, a node that
 * contains itself, aliases that blow the document up, too deep nesting. */
struct tp_kyaml *tp_kyaml_load(const char *text, size_t n, const char *name, struct tp_err *err);
void tp_kyaml_free(struct tp_kyaml *y); /* wipes every scalar */

int tp_kyaml_root(const struct tp_kyaml *y); /* 0 for an empty file */
int tp_kyaml_get(const struct tp_kyaml *y, int node, const char *key);
bool tp_kyaml_is_map(const struct tp_kyaml *y, int node);
bool tp_kyaml_is_list(const struct tp_kyaml *y, int node);
bool tp_kyaml_is_null(const struct tp_kyaml *y, int node);	 /* absent counts */
unsigned tp_kyaml_len(const struct tp_kyaml *y, int node);	 /* members or elements */
int tp_kyaml_at(const struct tp_kyaml *y, int node, unsigned i); /* element or member i */
const char *tp_kyaml_key(const struct tp_kyaml *y, int node, unsigned i);
/* A scalar's text; NULL for null, absent, or anything else. As long as Y. */
const char *tp_kyaml_str(const struct tp_kyaml *y, int node);
unsigned tp_kyaml_line(const struct tp_kyaml *y, int node); /* from 1 */

/* The subtree as JSON, plain scalars typed as YAML does. NULL and ERR. */
char *tp_kyaml_to_json(const struct tp_kyaml *y, int node, struct tp_err *err);

#endif
