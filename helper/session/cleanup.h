/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoing a session, from its record alone. Everything here may be done
 * twice and by whoever comes first: the session itself, its guardian, a later tpdocker.
 */
#ifndef TP_SESSION_CLEANUP_H
#define TP_SESSION_CLEANUP_H

#include "docker/engine.h"
#include "session/record.h"

/* The cluster's side: agent pod deleted, workload restored, key revoked. Each step on its own: the error, if
 * any, is the first one's. UNREACHABLE may be tried again. */
int tp_cleanup_cluster(struct tp_kube *k, const struct tp_record *r, struct tp_cancel *c,
		       struct tp_err *err);

/* Containers with LABEL ("key=value"): removed, or stopped if the user wanted to KEEP them. */
int tp_cleanup_containers(struct tp_engine *e, const char *label, bool *kept, struct tp_cancel *c,
			  struct tp_err *err);

/* The engine's side: the session's containers removed (stopped, if the user wanted to keep them), then its volume
 * (unless a container that is kept, or another's, has it), if its record R is known; else tp_cleanup_volumes does that. */
int tp_cleanup_engine(struct tp_engine *e, const char *session, const struct tp_record *r,
		      struct tp_cancel *c, struct tp_err *err);

/* Volumes of OWNER's sessions that have no record any more: those whose kept container the user has removed since. */
void tp_cleanup_volumes(struct tp_engine *e, const char *owner, struct tp_cancel *c);

/* Removes the volumes with the entry gate that compose projects left and no container has: they hold nothing but
 * what the image has. */
void tp_cleanup_compose_volumes(struct tp_engine *e, struct tp_cancel *c);

/* Both, connecting as the record says; on success the record is removed. UNTIL: as tp_now_ms; what cannot be reached is tried again with
 * backoff until then. The record's lock must be held. */
int tp_cleanup_record(struct tp_record *r, long long until, struct tp_cancel *c,
		      struct tp_err *err);

/* One round of the same, failures only logged, the record kept. */
void tp_cleanup_once(struct tp_record *r);

/* All records of this user whose owner is dead; says what it undid. The number that could not be undone. */
int tp_cleanup_stale(struct tp_cancel *c);

#endif
