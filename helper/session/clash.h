/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether what is to be captured in a machine's own network namespace is something that the machine
 * reaches already: its routes, its own addresses, the engine's networks. All of it is named
 * before anything is made.
 */
#ifndef TP_SESSION_CLASH_H
#define TP_SESSION_CLASH_H

#include "docker/engine.h"
#include "session/scope.h"

#define TP_NETS_MAX 512

struct tp_nets {
	struct {
		struct tp_cidr net;
		char what[160]; /* "the docker network lab, 10.99.0.0/16" */
	} v[TP_NETS_MAX];
	size_t n;
};

/* /proc/net/route, and what GET /networks of the engine tells. Default routes (and their halves, as VPNs set them) count for nothing. */
void tp_nets_of_routes(const char *text, struct tp_nets *out);
void tp_nets_of_engine(const struct tp_json *networks, struct tp_nets *out);

/* A range of S that holds one of NETS, or is one, is refused (CONFLICT), with all that clash; one that lies within a wider
 * route is only warned of: from now on the cluster has it. NEVER: --never-proxy, which settles it. */
int tp_clash_judge(const struct tp_scope *s, const struct tp_nets *nets,
		   const struct tp_strv *never, struct tp_err *err);
/* Whether there is a default route: without a way for it, a packet never comes as far as the filter. */
bool tp_nets_default_route(const char *text);
/* The same with what there is. LOCAL: the engine's machine is this one. */
int tp_clash_check(const struct tp_scope *s, struct tp_engine *e, bool local,
		   const struct tp_strv *never, struct tp_cancel *c, struct tp_err *err);

#endif
