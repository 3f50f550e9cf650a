/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads: anything with a scale subresource. Reading one, swapping it out (replicas to 0, with a
 * record of what to restore in labels, in one PATCH with a
 * resourceVersion precondition), and restoring it.
 *
 *   as it was --tp_workload_swap--> swapped (labels, 0 replicas) --tp_workload_restore--> as it was
 *
 * Kinds whose replica count is not spec.replicas of the object we know (anything but the built-in ones) take two steps:
 * the labels first, then the scale subresource; a crash between them is undone by the same restore.
 */
#ifndef TP_KUBE_WORKLOAD_H
#define TP_KUBE_WORKLOAD_H

#include "kube/client.h"

/*
 * The record of a swap is a handful of labels of the workload's object and
 * not an annotation: the Deployment controller copies annotations to its
 * ReplicaSets (the StatefulSet controller to its ControllerRevisions), where
 * they stay for ever and come back with `kubectl rollout undo`. Labels are
 * copied nowhere. Their values are short and plain, so "user@host" is
 * written "user_at_host".
 */
#define TP_SWAP_LABEL \
	"tpdocker.dev/swap" /* the session's id; the others only mean something beside it */
#define TP_SWAP_LABEL_BY       "tpdocker.dev/swap-by"
#define TP_SWAP_LABEL_SINCE    "tpdocker.dev/swap-since" /* seconds since 1970 */
#define TP_SWAP_LABEL_REPLICAS "tpdocker.dev/swap-replicas"
#define TP_SWAP_LABEL_POD      "tpdocker.dev/swap-pod"
#define TP_SWAP_LABEL_SEEN \
	"tpdocker.dev/swap-seen" /* likewise: its session lives, though its agent pod is gone */

struct tp_workload_ref {
	char *kind;	/* as the API has it: "Deployment" */
	char *group;	/* "apps", "" for core */
	char *version;	/* "v1" */
	char *resource; /* plural: "deployments" */
	char *name;
	char *container; /* NULL: the first (or the annotation kubectl.kubernetes.io/default-container) */
	bool builtin; /* spec.replicas may be patched in the object itself */
};
void tp_workload_ref_free(struct tp_workload_ref *r);

/* Takes NAME[:CONTAINER] or KIND/NAME[:CONTAINER] (kinds: deployment deploy deployments[.apps],
 * statefulset sts, replicaset rs, replicationcontroller rc, deploymentconfig dc, or any resource name, singular, short name or plural.group that API
 * discovery knows and that has a scale subresource). A bare NAME is a deployment. USAGE for bad syntax; NOT_FOUND for
 * an unknown kind. Discovery is only asked for kinds not listed here. */
int tp_workload_parse(struct tp_kube *k, const char *spec, struct tp_workload_ref *r,
		      struct tp_cancel *c, struct tp_err *err);
/* The syntax alone: "kind/name:container" into its parts (KIND NULL if not given). Names are checked as DNS-1123. */
int tp_workload_split(const char *spec, char **kind, char **name, char **container,
		      struct tp_err *err);

/* GET; NOT_FOUND names kind, name, namespace and lists those there are, if that may be asked. */
struct tp_json *tp_workload_get(struct tp_kube *k, const struct tp_workload_ref *r,
				struct tp_cancel *c, struct tp_err *err);

/* Who swapped it; what the labels say. */
struct tp_swap_record {
	char *session;	  /* id */
	char *by;	  /* "user@host" */
	long long since;  /* seconds since 1970 */
	int64_t replicas; /* to restore */
	char *pod;	  /* the agent pod */
	long long seen;	  /* the last tp_workload_claim, seconds since 1970; 0: there was none */
};
void tp_swap_record_free(struct tp_swap_record *s);
/* 1 filled, 0 not swapped, -1 ERR (labels that are not ours to read). */
int tp_swap_record_read(const struct tp_json *workload, struct tp_swap_record *s,
			struct tp_err *err);

/* Refuses (ERR, nothing changed) what cannot be swapped: no pod template, no such container (lists them), a
 * ReplicaSet that a Deployment controls (names it), being deleted, swapped already (CONFLICT: by whom, since when, and how to undo: `tpdocker cleanup ...`). */
int tp_workload_check(const struct tp_json *workload, const struct tp_workload_ref *r,
		      struct tp_err *err);

/* Of these, that there is a pod template and in it REF's container, if it names one. */
int tp_workload_check_container(const struct tp_json *workload, const struct tp_workload_ref *r,
				struct tp_err *err);

/* Swaps it out. S->replicas is filled from the object. CONFLICT if somebody changed it meanwhile (tried again up to 3 times with a fresh
 * check first). */
int tp_workload_swap(struct tp_kube *k, const struct tp_workload_ref *r, struct tp_swap_record *s,
		     struct tp_cancel *c, struct tp_err *err);
/* Puts it back if its record is SESSION's (NULL: whoever's): replicas as recorded, labels removed. No record, another session's,
 * or no workload any more: success, nothing done. If somebody scaled it meanwhile from 0 to something else, that count is kept. *RECORD (may be NULL) what was undone. */
int tp_workload_restore(struct tp_kube *k, const struct tp_workload_ref *r, const char *session,
			struct tp_swap_record *record, bool *done, struct tp_cancel *c,
			struct tp_err *err);
/* The same for the very record DEAD that was judged to be a leftover: a session that has claimed it since then
 * (tp_workload_claim) lives, and nothing is done. */
int tp_workload_restore_dead(struct tp_kube *k, const struct tp_workload_ref *r,
			     const struct tp_swap_record *dead, bool *done, struct tp_cancel *c,
			     struct tp_err *err);

/* SESSION, whose agent pod is gone and which is about to make it again, says that it lives: TIME (seconds since 1970) is
 * noted in the record, on condition that the record is SESSION's. 1 noted; 0 the record is not (any more): *RECORD is what there is (session NULL: none); -1
 * ERR, NOT_FOUND if there is no such workload. TIME 0: only looks. */
int tp_workload_claim(struct tp_kube *k, const struct tp_workload_ref *r, const char *session,
		      long long time, struct tp_swap_record *record, struct tp_cancel *c,
		      struct tp_err *err);

#endif
