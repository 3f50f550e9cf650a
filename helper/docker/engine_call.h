/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's calls are made of. */
#ifndef TP_DOCKER_ENGINE_CALL_H
#define TP_DOCKER_ENGINE_CALL_H

#include "docker/engine.h"

struct tp_http_client *tp_engine_http(struct tp_engine *e);
/* PATH with the version in front. */
char *tp_engine_path(const struct tp_engine *e, const char *path);

/* An answer of 4xx or 5xx as ERR, with the daemon's words; -1. */
int tp_engine_error(int status, const struct tp_buf *body, const char *what, struct tp_err *err);

/* One request. The status, or -1 ERR; R is to be freed if not -1. WHAT is for
 * messages: "create the container". */
int tp_engine_call(struct tp_engine *e, const char *method, const char *path, const char *body,
		   int timeout_ms, const char *what, struct tp_http_response *r,
		   struct tp_cancel *c, struct tp_err *err);

/* One request whose answer is JSON. NULL ERR, also for a status of 300 and more. */
struct tp_json *tp_engine_json(struct tp_engine *e, const char *method, const char *path,
			       const char *body, const char *what, struct tp_cancel *c,
			       struct tp_err *err);

#endif
