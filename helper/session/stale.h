/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Swaps of whoever that nobody is left to undo, and how they are told from
 * those of a session that lives.
 *
 * A dead session's agent pod ends by itself. But a pod that is gone does not
 * mean that its session is: it may be making the pod again (remake.c), and
 * says so in the swap's record every few seconds (tp_workload_claim). So a
 * swap is a leftover when for TP_STALE_WATCH_MS its agent has been gone and its
 * record has not changed; and it is undone on condition that this is still so.
 * Nobody's clock has to agree with anybody else's for that.
 */
#ifndef TP_SESSION_STALE_H
#define TP_SESSION_STALE_H

#include "kube/workload.h"

/* A session that makes its agent again notices within 5 s that it has to, and then
 * claims the workload at least every TP_STALE_CLAIM_MS. */
#define TP_STALE_WATCH_MS (15 * 1000)
#define TP_STALE_CLAIM_MS (5 * 1000)

/* Restores the workload REF, whose record is S, if the session behind it is dead: 1 it was, and is restored; 0
 * it lives; -1 ERR. May take TP_STALE_WATCH_MS, and says so then. */
int tp_stale_restore(struct tp_kube *k, const struct tp_workload_ref *ref,
		     const struct tp_swap_record *s, struct tp_cancel *c, struct tp_err *err);

/* Restores it whether or not it lives. */
int tp_stale_force(struct tp_kube *k, const struct tp_workload_ref *ref,
		   const struct tp_swap_record *s, struct tp_cancel *c, struct tp_err *err);

#endif
