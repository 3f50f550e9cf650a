/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream over the frames of attach and exec. Never holds more than one
 * buffer: what is not read stays with the engine.
 */
#ifndef TP_DOCKER_STDCOPY_H
#define TP_DOCKER_STDCOPY_H

#include "docker/engine.h"

/* Owns INNER. Reads stdout; stderr goes to ON_STDERR (may be NULL); writes
 * to INNER as it is. An error frame of the daemon breaks it, its text is the reason. */
struct tp_stream *tp_stdcopy_stream(struct tp_stream *inner,
				    void (*on_stderr)(void *arg, const char *p, size_t n),
				    void *arg);

#endif
