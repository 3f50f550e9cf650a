/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --volumes copy in a session: looks at the pod's volumes while the session
 * starts, so that too much is refused before a container is launched, and
 * copies them into each container whose entry gate asks.
 *
 *   gate --> job: look (unless that was just done), put --> the gate is answered
 *
 * A container that is started again has its copies still: its gate is
 * answered at once. All of this is called in the loop.
 */
#ifndef TP_SESSION_COPYING_H
#define TP_SESSION_COPYING_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct tp_session;

struct tp_copying {
	struct tp_volcopy *first; /* looked at already, for the session's own container */
	bool looking;
	struct tp_copying_job *jobs;
	struct tp_strv done; /* tags of containers that have their copies */
	char *refusal;	     /* why the session's own container was not let go on */
};

/* The agent and its volumes, MOUNTS, are known. */
void tp_copying_begin(struct tp_session *s, const struct tp_strv *mounts);
/* Whether the session's own container was let go on. */
bool tp_copying_passed(const struct tp_session *s);
/* A signal for the container came. While files are put into it the engine does nothing else with it, signals included: so that is given up. */
void tp_copying_interrupt(struct tp_session *s);
/* Gives up what is under way; tp_copying_stop also waits for that. */
void tp_copying_cancel(struct tp_session *s);
void tp_copying_stop(struct tp_session *s);
void tp_copying_free(struct tp_copying *c); /* after tp_copying_stop */

#endif
