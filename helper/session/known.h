/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sessions of this user that there are on this machine: found by their
 * records, asked through their control sockets, with names that are unique.
 */
#ifndef TP_SESSION_KNOWN_H
#define TP_SESSION_KNOWN_H

#include "base/json.h"
#include "docker/engine.h"
#include "session/record.h"

enum tp_known_state {
	TP_KNOWN_STARTING,
	TP_KNOWN_READY,
	TP_KNOWN_RECONNECTING, /* the link is down, and dialled again */
	TP_KNOWN_ENDING,
	TP_KNOWN_RUNNING, /* of `tpdocker run`: its process lives */
	TP_KNOWN_DEAD,	  /* its process died, and it is not undone yet */
};

struct tp_known {
	struct tp_record record;
	enum tp_known_state state;
	struct tp_json *
		live; /* what its supervisor tells: see tp_supervise; NULL if it was not asked or did not answer */
};

/* What a session may be called: a container is named after it. -1 ERR (USAGE). */
int tp_known_name_check(const char *name, struct tp_err *err);
/* Keeps other processes from taking names (tp_known_name_free, then a record with the name): a descriptor to close, or -1 ERR. */
int tp_known_names_lock(struct tp_err *err);
/* -1 ERR (CONFLICT): it is in use, by whom and since when. */
int tp_known_name_free(const char *name, struct tp_err *err);

/* By its name, or its id. NOT_FOUND names those there are. */
int tp_known_find(const char *name, struct tp_known *k, struct tp_err *err);
/* Takes the record of ID; -1 ERR. */
int tp_known_load(const char *id, struct tp_known *k, struct tp_err *err);
void tp_known_free(struct tp_known *k);

const char *tp_known_name(const struct tp_known *k); /* its id, if it has none */
const char *tp_known_state_word(enum tp_known_state s);
/* "deployment/web", or NULL; the caller's. */
char *tp_known_workload(const struct tp_record *r);
/* Adds members to an open object: all that `status` tells but who is joined. */
void tp_known_write(const struct tp_known *k, struct tp_jw *w);
/* SECONDS since 1970 as "2026-11-24T21:14:13Z". */
void tp_known_time(long long seconds, char text[32]);

/* How R's engine is found again; points into R. */
void tp_known_docker(const struct tp_record *r, struct tp_docker_globals *g);
/* The engine that R's session is on; EP must outlive it, and is to be freed whatever is returned. NULL ERR. */
struct tp_engine *tp_known_engine(const struct tp_record *r, struct tp_docker_endpoint *ep,
				  struct tp_cancel *c, struct tp_err *err);
/* Names of the running containers in the network namespace of the container that has ID and NAME (each may be NULL), but for
 * our own: */
int tp_known_joined(struct tp_engine *e, const char *id, const char *name, struct tp_strv *names,
		    struct tp_cancel *c, struct tp_err *err);
/* The same from the engine's list. Apart for tests. */
void tp_known_joined_in(const struct tp_json *list, const char *id, const char *name,
			struct tp_strv *names);

#endif
