/* SPDX-License-Identifier: Apache-2.0 */
/* What the pieces of the override share. */
#ifndef TP_COMPOSE_INTERNAL_H
#define TP_COMPOSE_INTERNAL_H

#include "compose/override.h"
#include "compose/yaml.h"

/* Joined services with the same workload share a sidecar: the index of the first of I's. */
size_t tp_compose_owner(const struct tp_compose_plan *p, size_t i);
/* The sidecar service's name. */
char *tp_compose_sidecar_name(const struct tp_compose_plan *p, size_t i);
/* Which join the service NAME is, or -1. */
int tp_compose_joined(const struct tp_compose_plan *p, const char *name);
/* Whether more than one service has I's sidecar. */
bool tp_compose_is_shared(const struct tp_compose_plan *p, size_t i);

/* Member KEY of service I as it is copied: raw, so that variables stay variables; of services that share a
 * sidecar resolved, since what is merged has to have one form. */
const struct tp_json *tp_compose_member(const struct tp_compose_plan *p, size_t i, const char *key);

/* Whether V is there and says anything: not null, "", [] or {}. */
bool tp_compose_says(const struct tp_json *v);

/* S as a literal: Compose takes $ for a variable unless it is written twice. */
char *tp_compose_literal(const char *s);

/* "net.core.somaxconn=1024" or KEY with a value: whether it belongs to the network namespace. */
bool tp_compose_is_net_sysctl(const char *s);

/* "SERVICE[:ALIAS]" of a service's links, as it has to be with the override; the caller frees it. */
char *tp_compose_link(const struct tp_compose_plan *p, const char *link);

/* The volume with the gate: of this version of it. */
#define TP_COMPOSE_VOLUME  "tpdocker-bin-" TP_VERSION
#define TP_COMPOSE_PROFILE "tpdocker-profile" /* what login shells read */

/* The sidecar of join I and of those that share it. */
void tp_compose_write_sidecar(const struct tp_compose_plan *p, size_t i, struct tp_yw *w);
/* What changes in the joined service I. */
int tp_compose_write_service(const struct tp_compose_plan *p, size_t i, struct tp_yw *w,
			     struct tp_err *err);
/* What changes in all the others: those that name a joined one's network. */
void tp_compose_write_others(const struct tp_compose_plan *p, struct tp_yw *w);

#endif
