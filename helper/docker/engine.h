/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Docker Engine API, what a session needs of it. The version is
 * negotiated (from 1.24 on; Debian's 20.10 speaks at most 1.41, Docker 29 at
 * least 1.44). Every call blocks, may be made from any thread, and is
 * bounded. Errors carry the daemon's own message.
 */
#ifndef TP_DOCKER_ENGINE_H
#define TP_DOCKER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/loop.h"
#include "docker/endpoint.h"

struct tp_engine;

/* Pings and agrees on a version. UNREACHABLE with the remedy (is an engine
 * running, may you use its socket) when there is none. Takes no ownership of EP, which must outlive it. */
struct tp_engine *tp_engine_open(const struct tp_docker_endpoint *ep, struct tp_cancel *c,
				 struct tp_err *err);
void tp_engine_free(struct tp_engine *e);
const char *tp_engine_api_version(const struct tp_engine *e); /* "1.41" */

/* The container to make: the Engine API's create body, built by the caller. NAME may be NULL.
 * ID: 65 bytes. NOT_FOUND: no such image. WARNINGS go to the verbose log. */
int tp_engine_create(struct tp_engine *e, const char *name, const char *body, char id[65],
		     struct tp_cancel *c, struct tp_err *err);
int tp_engine_start(struct tp_engine *e, const char *id, struct tp_cancel *c, struct tp_err *err);
/* SIG by name ("TERM"). Not running or gone is success. */
int tp_engine_kill(struct tp_engine *e, const char *id, const char *sig, struct tp_cancel *c,
		   struct tp_err *err);
/* TERM, GRACE_S seconds, KILL. Not running or gone is success. */
int tp_engine_stop(struct tp_engine *e, const char *id, int grace_s, struct tp_cancel *c,
		   struct tp_err *err);
/* Removes, by force, with its anonymous volumes; gone already is success, "removal in progress" is waited for. */
int tp_engine_remove(struct tp_engine *e, const char *id, struct tp_cancel *c, struct tp_err *err);
/* Waits until it is not running; *CODE its exit code. No bound but C. NOT_FOUND if it is gone. */
int tp_engine_wait(struct tp_engine *e, const char *id, int *code, struct tp_cancel *c,
		   struct tp_err *err);
/* GET /containers/ID/json. NULL ERR. */
struct tp_json *tp_engine_inspect(struct tp_engine *e, const char *id, struct tp_cancel *c,
				  struct tp_err *err);
/* All containers (stopped ones too) with LABEL ("key" or "key=value"): an array as /containers/json gives it. */
struct tp_json *tp_engine_list(struct tp_engine *e, const char *label, struct tp_cancel *c,
			       struct tp_err *err);
/* All running containers, whoever's. */
struct tp_json *tp_engine_running(struct tp_engine *e, struct tp_cancel *c, struct tp_err *err);
/* GET /images/NAME/json; NULL with NOT_FOUND if it is not there. */
struct tp_json *tp_engine_image(struct tp_engine *e, const char *image, struct tp_cancel *c,
				struct tp_err *err);
/* GET /volumes/NAME; NULL with NOT_FOUND if it is not there. */
struct tp_json *tp_engine_volume(struct tp_engine *e, const char *name, struct tp_cancel *c,
				 struct tp_err *err);
/* Removes a named volume. Gone already is success; CONFLICT: a container still has it. */
int tp_engine_volume_remove(struct tp_engine *e, const char *name, struct tp_cancel *c,
			    struct tp_err *err);
/* All volumes with LABEL ("key" or "key=value"): an object whose Volumes (null if there are none) have Name and Labels. */
struct tp_json *tp_engine_volumes(struct tp_engine *e, const char *label, struct tp_cancel *c,
				  struct tp_err *err);
/* All networks: an array as GET /networks gives it. */
struct tp_json *tp_engine_networks(struct tp_engine *e, struct tp_cancel *c, struct tp_err *err);
struct tp_json *tp_engine_info(struct tp_engine *e, struct tp_cancel *c, struct tp_err *err);

/* Attaches to stdin, stdout, stderr of a container without a terminal that was
 * created with OpenStdin: the returned stream writes to its stdin (half-close ends it) and reads its
 * stdout, frames taken apart; stderr is given to ON_STDERR (may be NULL) as it comes. */
struct tp_stream *tp_engine_attach(struct tp_engine *e, const char *id,
				   void (*on_stderr)(void *arg, const char *p, size_t n), void *arg,
				   struct tp_cancel *c, struct tp_err *err);
/* Runs ARGV in a running container, its stdio as such a stream (the
 * exec-stream link). EXEC_ID (may be NULL): 65 bytes. */
struct tp_stream *tp_engine_exec(struct tp_engine *e, const char *id, const char *const *argv,
				 void (*on_stderr)(void *arg, const char *p, size_t n), void *arg,
				 char exec_id[65], struct tp_cancel *c, struct tp_err *err);

/* A path inside a container, running or not. */
struct tp_engine_file {
	bool folder, link;
	char *target; /* where a link leads, in the end: absolute; may not be there. Else NULL */
};
void tp_engine_file_free(struct tp_engine_file *f);
/* Looks at PATH, absolute; links in its folders are followed as the container would, the last part's is not. NOT_FOUND if it is not
 * there, or one of its folders is none. */
int tp_engine_file(struct tp_engine *e, const char *id, const char *path, struct tp_engine_file *f,
		   struct tp_cancel *c, struct tp_err *err);
/* Unpacks a tar stream in the folder PATH of a container. PRODUCE gives its bytes (> 0, 0 at the end, -1 fails). FORBIDDEN: it must not be written
 * (a read-only root or volume). Not bounded but by C, PRODUCE and a stalled engine. */
int tp_engine_unpack(struct tp_engine *e, const char *id, const char *path,
		     ssize_t (*produce)(void *arg, void *p, size_t n), void *arg,
		     struct tp_cancel *c, struct tp_err *err);
/* PATH of a container as a tar stream, into OUT. */
int tp_engine_pack(struct tp_engine *e, const char *id, const char *path, struct tp_buf *out,
		   struct tp_cancel *c, struct tp_err *err);

/* The frames of attach and exec without a terminal: 8 bytes {type,0,0,0,length big endian}.
 * Apart for tests and the fuzzer. */
struct tp_stdcopy {
	unsigned char head[8];
	size_t have;   /* bytes of head */
	uint32_t left; /* payload bytes still to come */
	int type;      /* 0 stdin, 1 stdout, 2 stderr, 3 daemon error */
};
/* Finds the next piece of payload in P: moves *P and *N past what was used;
 * 1: *DATA, *LEN are payload of D->type; 0: all used; -1: not such a stream. */
int tp_stdcopy_next(struct tp_stdcopy *d, const char **p, size_t *n, const char **data,
		    size_t *len);

#endif
