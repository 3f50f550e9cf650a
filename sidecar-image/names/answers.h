/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions for names of the cluster, answered from the store as the cluster's own DNS does
 * (Kubernetes DNS-Based Service Discovery, version 1.1.0): A, AAAA, SRV and PTR of Services, of their endpoints and of pods.
 *
 * What the store cannot tell is not guessed: ExternalName Services, namespaces that may not be watched, and whatever
 * else lies below the cluster's domain are the agent's to answer.
 */
#ifndef TP_NAMES_ANSWERS_H
#define TP_NAMES_ANSWERS_H

#include <stdint.h>

#include "names/store.h"

#define TP_NAMES_TTL 5 /* seconds, as the cluster's own has it */

enum tp_names_word {
	TP_NAMES_ANSWERED, /* OUT has the answer */
	TP_NAMES_AGENTS,   /* below the cluster's domain, and not known here */
	TP_NAMES_OUTSIDE,  /* no name of the cluster's */
};

/* The query Q of QN bytes. DOMAIN: the cluster's ("cluster.local"). OUT takes MAX bytes; *N: those of the answer. What does
 * not fit is AGENTS. */
enum tp_names_word tp_names_answer(const struct tp_namestore *s, const char *domain,
				   const uint8_t *q, size_t qn, uint8_t *out, size_t max,
				   size_t *n);

#endif
