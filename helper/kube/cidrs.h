/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses a cluster's pods and Services have. There is no one place that tells it
 * to everybody, so the places are asked one after another, the exact ones first; what may
 * not be read is passed over, and nothing is ever created.
 *
 *   pods       the nodes' podCIDRs, and around the addresses of pods that lie in none of them
 *   Services   ServiceCIDR objects (1.31 on); else the range that the API server names when it
 *              refuses an address outside of it, in a dry run; else around the Services that there are
 */
#ifndef TP_KUBE_CIDRS_H
#define TP_KUBE_CIDRS_H

#include "base/cidr.h"
#include "kube/client.h"

#define TP_CIDRS_MAX 64

struct tp_cidrs {
	struct {
		struct tp_cidr net;
		const char *from; /* static: "nodes", "pods' addresses" ... */
	} v[TP_CIDRS_MAX];
	size_t n;
};

/* NOT_FOUND: no place told, with what may not be read; the remedy is the caller's to say. */
int tp_kube_pod_cidrs(struct tp_kube *k, struct tp_cidrs *out, struct tp_cancel *c,
		      struct tp_err *err);
int tp_kube_service_cidrs(struct tp_kube *k, struct tp_cidrs *out, struct tp_cancel *c,
			  struct tp_err *err);

/* For tests and the fuzzer: from lists as the API server gives them, and from the message of a refusal (0: it has none). */
void tp_cidrs_of_nodes(const struct tp_json *list, struct tp_cidrs *out);
void tp_cidrs_of_pods(const struct tp_json *list, struct tp_cidrs *out);
void tp_cidrs_of_servicecidrs(const struct tp_json *list, struct tp_cidrs *out);
void tp_cidrs_of_services(const struct tp_json *list, struct tp_cidrs *out);
size_t tp_cidrs_of_refusal(const char *message, struct tp_cidrs *out);

#endif
