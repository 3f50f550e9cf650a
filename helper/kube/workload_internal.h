/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about workloads share. */
#ifndef TP_KUBE_WORKLOAD_INTERNAL_H
#define TP_KUBE_WORKLOAD_INTERNAL_H

#include "kube/workload.h"

/* Asks the API's discovery for WORD (a resource, singular, short name or kind, maybe
 * with ".group") with a scale subresource. Fills kind, group, version, resource of R. */
int tp_workload_discover(struct tp_kube *k, const char *word, struct tp_workload_ref *r,
			 struct tp_cancel *c, struct tp_err *err);

/* "/apis/apps/v1/namespaces/NS/deployments/NAME/SUB"; NAME and SUB may be NULL. */
char *tp_workload_path(struct tp_kube *k, const struct tp_workload_ref *r, const char *name,
		       const char *sub);
/* "deployment/web" */
char *tp_workload_what(const struct tp_workload_ref *r);

#endif
