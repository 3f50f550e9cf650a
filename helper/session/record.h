/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's record on disk: what there is to undo, written before each
 * thing is made, so that any later tpdocker can clean up after a killed one.
 * It holds no secret. Lives in $XDG_STATE_HOME/tpdocker/sessions (default
 * ~/.local/state), one file and one lock a session, mode 0600.
 */
#ifndef TP_SESSION_RECORD_H
#define TP_SESSION_RECORD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "kube/workload.h"

#define TP_SESSION_ID_MAX 16

enum tp_session_mode { TP_MODE_NEW, TP_MODE_SWAP, TP_MODE_EXISTING };

/* Labels of our containers and pods. */
#define TP_LABEL_SESSION "dev.tpdocker.session" /* containers: the session's id */
#define TP_LABEL_ROLE	 "dev.tpdocker.role"	/* "sidecar" or "user" */
#define TP_LABEL_RUN	 "dev.tpdocker.run"	/* user's containers: one `tpdocker run` */
#define TP_LABEL_KEEP	 "dev.tpdocker.keep"	/* the user wants the stopped container kept */
#define TP_LABEL_OWNER	 "dev.tpdocker.owner"	/* "user@host" */
#define TP_LABEL_JOINS \
	"dev.tpdocker.joins" /* others' containers: a session's name, in whose network they are */
#define TP_POD_LABEL_SESSION "tpdocker.dev/session"
#define TP_POD_ANNOTATION_BY "tpdocker.dev/by"

struct tp_record {
	char id[TP_SESSION_ID_MAX];
	enum tp_session_mode mode;
	long long started; /* seconds since 1970 */
	char *by;	   /* "user@host" */
	char *name;	   /* a background session's, unique among this user's; NULL: of `run` */
	char *gate;	   /* where others' entry gates ask (`up --gate`); NULL: nowhere */
	struct tp_strv settings; /* what it was asked to be (session/reuse.h); empty: of `run` */
	char *method;		 /* common/method.h */
	char *data_engine;	 /* its engine; NULL: written by an older tpdocker */
	int pid; /* the process that has the session (session/known.h tells whether it lives) */

	/* how to reach the cluster again */
	char *kubeconfig;     /* --kubeconfig, absolute; or NULL */
	char *kubeconfig_env; /* KUBECONFIG, its paths absolute; or NULL */
	char *context, *namespace;
	/* the folder of the link's socket */
	char *link_dir;
	/* and the engine; docker_host NULL: the session has none */
	char *docker_host, *docker_context, *docker_config;
	/* docker's own --tls*, when docker calls us: as in struct tp_docker_globals, paths absolute */
	int docker_tls, docker_tls_verify;
	char *docker_tls_ca, *docker_tls_cert, *docker_tls_key;

	struct tp_workload_ref workload; /* swap; existing: kind and name only */
	char *pod;			 /* the agent pod */
	char *pod_container;		 /* the agent's container in it */
	char *authorized_key;		 /* existing: the public key to revoke */
	char *service;			 /* new: the Service in front of the agent; or NULL */

	int lock_fd; /* -1: not held by us */
};
#define TP_RECORD_INIT ((struct tp_record){ .lock_fd = -1 })

/* The docker volume that brings the entry gate to containers: of the session, or, where others have to know what it is
 * called, of its name. The caller's. */
char *tp_record_volume(const struct tp_record *r);

/* A fresh id: a letter and 9 letters or digits, at random. */
void tp_record_new_id(char id[TP_SESSION_ID_MAX]);
/* "user@host" of this process, owned by the caller. */
char *tp_record_whoami(void);

/* A colon-separated list of paths with those that are relative made absolute;
 * the caller's. NULL for NULL or an empty list. */
char *tp_record_absolute(const char *list);

/* The folder, created 0700 if absent; the caller's. */
char *tp_record_dir(struct tp_err *err);
/* The file ID.SUFFIX in it ("log"). */
char *tp_record_path(const char *id, const char *suffix, struct tp_err *err);

/* Takes the session's lock (held until tp_record_free or our death), then writes the file atomically. */
int tp_record_create(struct tp_record *r, struct tp_err *err);
/* Writes it again. */
int tp_record_save(const struct tp_record *r, struct tp_err *err);
/* Reads it; NOT_FOUND if there is none. */
int tp_record_load(const char *id, struct tp_record *r, struct tp_err *err);
/* Takes the lock of a loaded record: 1 got it (its owner is dead), 0 somebody lives, -1 ERR. WAIT: until it is free. */
int tp_record_lock(struct tp_record *r, bool wait, struct tp_err *err);
/* All is undone: removes file, log and lock. */
void tp_record_remove(struct tp_record *r);
/* The same for a record that was never whole. */
void tp_record_remove_files(const char *id);
/* Ids of all records there are. Makes no folder. */
int tp_record_list(struct tp_strv *ids, struct tp_err *err);
void tp_record_free(struct tp_record *r);

/* The text of a record, apart for tests. */
char *tp_record_print(const struct tp_record *r, struct tp_err *err);
int tp_record_parse(const char *text, size_t n, struct tp_record *r, struct tp_err *err);

#endif
