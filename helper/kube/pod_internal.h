/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about pods share. */
#ifndef TP_KUBE_POD_INTERNAL_H
#define TP_KUBE_POD_INTERNAL_H

#include "kube/pod.h"

/* Puts the pod's latest events behind ERR's message, as far as we may read
 * them. UID may be NULL. */
void tp_pod_explain(struct tp_kube *k, const char *name, const char *uid, struct tp_cancel *c,
		    struct tp_err *err);

#endif
