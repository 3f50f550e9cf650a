/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates that have to be asked for: of the cluster, of the engine, of files.
 * Each adds those of KIND that fit P to A, and says nothing when there are
 * none or nobody answers. They block; complete/bounded.h makes that bearable.
 */
#ifndef TP_COMPLETE_SOURCE_H
#define TP_COMPLETE_SOURCE_H

#include "complete/answer.h"
#include "complete/cursor.h"

/* "context", "namespace", "serviceaccount", "workload", "agent" */
void tp_complete_cluster(const char *kind, const struct tp_cursor *p, struct tp_answer *a);
/* "docker-context", "image", "container", "network", "volume" */
void tp_complete_engine(const char *kind, const struct tp_cursor *p, struct tp_answer *a);
/* "session" */
void tp_complete_sessions(const char *kind, const struct tp_cursor *p, struct tp_answer *a);

/* Names of the objects at PATH (of a collection) that the API server has; of those that
 * nothing else controls, if FREE. No more than their metadata is asked for, as
 * objects can be large and many. 0, or -1: it did not say. */
struct tp_kube;
int tp_complete_kube_names(struct tp_kube *k, const char *path, bool free, struct tp_strv *names);

#endif
