/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is captured by a method that does not capture all (TP_CAPTURED_SCOPE): the cluster's
 * pods and Services, as given (--pod-cidr, --service-cidr) or found (kube/cidrs.h), and --also-proxy.
 */
#ifndef TP_SESSION_SCOPE_H
#define TP_SESSION_SCOPE_H

#include "kube/cidrs.h"
#include "session/options.h"

struct tp_scope {
	struct tp_cidrs pods, services;
	struct tp_strv capture; /* all ranges, for TP_CTL_CAPTURE */
	struct tp_strv
		names; /* of --also-proxy, for TP_CTL_CAPTURE_NAME: the agent resolves them */
	struct tp_strv
		kept; /* addresses in the ranges that stay as they are: the API server's, a proxy's */
};

/* --pod-cidr, --service-cidr and --also-proxy by themselves. BY_NAME: names are taken as well. 0 or -1 ERR (USAGE). */
int tp_scope_check(const struct tp_session_opts *o, bool by_name, struct tp_err *err);
/* 0 or -1 ERR, with what to give where something cannot be found. */
int tp_scope_find(struct tp_kube *k, const struct tp_session_opts *o, struct tp_scope *s,
		  struct tp_cancel *c, struct tp_err *err);
/* One line: "pods 10.244.0.0/16 (nodes), services 10.96.0.0/12 (given), also db.example.com". The caller's. */
char *tp_scope_text(const struct tp_scope *s, const struct tp_session_opts *o);
void tp_scope_free(struct tp_scope *s);

#endif
