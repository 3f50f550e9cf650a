/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at the agent of a session whose link is down, and whatever it takes
 * to have an agent again. A task (it blocks); remake.c has it done, again and
 * again, until the link is back.
 *
 *   own pod   --runs, as it did---------------------------------------------> SAME
 *      |------runs, or will, but was started anew ------------> ready line --> ANOTHER (or SAME)
 *      '------gone, ended, ending --> claim --> clear --> create --'
 *
 *   standing  --runs--> let in --> SAME, or ANOTHER
 *      '------gone...--> find another pod of the workload --> let in --> ANOTHER
 *
 * Each step may fail: what may pass is tried again, with a look from the start;
 * what will not ends the session. Nothing waits for long without the claim
 * (stale.h) being renewed.
 */
#ifndef TP_SESSION_LOOK_H
#define TP_SESSION_LOOK_H

#include "session/session.h"

enum tp_look_result {
	TP_LOOK_SAME,	 /* the agent is as it was: the link is dialled again as it is */
	TP_LOOK_ANOTHER, /* ready says where it listens now */
	TP_LOOK_GONE,	 /* it is not there (only_look) */
};

struct tp_look {
	/* what the caller gives; neither changes while the task runs */
	struct tp_session *s;
	bool only_look; /* only tell what became of the agent; change nothing */
	/* In the task's thread: the agent is not there, and WHY ("was evicted: ..."). */
	void (*gone)(void *arg, const char *why);
	/* In the task's thread: what is waited for. */
	void (*progress)(void *arg, const char *text);
	void *arg;

	/* kept from look to look */
	char *ending_uid; /* the pod whose end is waited for, since when */
	long long ending_ms;

	/* what comes of it; the caller takes the strings, or frees them before the next look */
	enum tp_look_result result;
	bool over; /* with an error: there is no sense in another look */
	bool soon; /* with an error: only something that takes its time */
	struct tp_agent_ready ready;
	char *instance;	       /* tp_agentlook_instance, if known */
	char *pod, *container; /* standing: the one that is used from now on; also with an error */
};

/* A tp_task_fn; ARG is a struct tp_look. */
int tp_look_task(void *arg, struct tp_cancel *c, struct tp_err *err);
/* Frees what a look left. */
void tp_look_reset(struct tp_look *l);

#endif
