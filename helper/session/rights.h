/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether we may do what a session needs, asked before anything is made.
 */
#ifndef TP_SESSION_RIGHTS_H
#define TP_SESSION_RIGHTS_H

#include "kube/client.h"

struct tp_right {
	const char *verb, *group, *resource, *subresource; /* subresource NULL: none */
	const char *name;				   /* NULL: any */
	const char *or_verb;				   /* this one will do as well; or NULL */
};

/* One SelfSubjectRulesReview; what it does not plainly allow is asked for one by one. 0, or -1 ERR
 * (FORBIDDEN) that names every right that is missing, with the remedy. A cluster that cannot tell counts as a yes. */
int tp_rights_check(struct tp_kube *k, const struct tp_right *rights, size_t n, struct tp_cancel *c,
		    struct tp_err *err);

/* Whether the rules (status of a SelfSubjectRulesReview) allow R. Apart for tests. */
bool tp_rights_allow(const struct tp_json *status, const struct tp_right *r, const char *verb);

#endif
