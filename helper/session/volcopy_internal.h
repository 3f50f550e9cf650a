/* SPDX-License-Identifier: Apache-2.0 */
/* The copy of a session's volumes, as looking (volcopy.c) and putting (volcopy_put.c) share it. */
#ifndef TP_SESSION_VOLCOPY_INTERNAL_H
#define TP_SESSION_VOLCOPY_INTERNAL_H

#include "session/filetree.h"
#include "session/volcopy.h"

struct tp_volcopy {
	/* the spec, ours */
	enum tp_forward_kind forward;
	struct tp_kube *kube;
	char *pod, *private_key;
	struct tp_agent_ready agent;
	struct tp_strv mounts, own, hidden;
	char *root;
	uint64_t limit;

	struct tp_cancel *cancel;
	struct tp_agentssh *ssh; /* with SFTP open; NULL: to be dialled */
	struct tp_sftp *sftp;
	long long used_ms; /* when it was used last */

	struct tp_tree *trees; /* one for each of mounts */
	uint32_t uid;	       /* the agent's */
	uint32_t *gids;
	size_t n_gids;
};

/* Makes sure that there is a connection that the agent has not given up. */
int tp_volcopy_connect(struct tp_volcopy *v, struct tp_err *err);
void tp_volcopy_hang_up(struct tp_volcopy *v);

/* Who the agent is, from its /proc/PID/status. */
int tp_volcopy_take_ids(struct tp_volcopy *v, const char *text, struct tp_err *err);

/* Looks at volume I (again); the limit is that of all. */
int tp_volcopy_look_at(struct tp_volcopy *v, size_t i, struct tp_err *err);

#endif
