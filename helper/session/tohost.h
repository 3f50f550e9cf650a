/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's end of --container-to-host: connects to this machine's
 * loopback what the sidecar's listeners took in, at the ports that the user
 * named and at no other. All of it comes over one stream (base/channels.h),
 * which the sidecar asks for: at the link's socket, or as a `docker exec`.
 */
#ifndef TP_SESSION_TOHOST_H
#define TP_SESSION_TOHOST_H

#include "base/loop.h"
#include "base/stream.h"
#include "docker/engine.h"
#include "session/ports.h"

struct tp_tohost;

/* PORTS, of which those of TP_PORT_TO_HOST count, must outlive it. UNDIALLED: an exec could not be opened, and the
 * sidecar waits for it. */
struct tp_tohost *tp_tohost_new(struct tp_loop *l, const struct tp_ports *ports,
				void (*undialled)(void *arg), void *arg);
/* Closes everything; runs the loop if an exec is just being opened. NULL is allowed. */
void tp_tohost_free(struct tp_tohost *t);

/* A stream, owned from now on; it takes the place of an earlier one. */
void tp_tohost_serve(struct tp_tohost *t, struct tp_stream *s);
/* Opens the stream itself: `tpdocker-sidecar link host` in that container. */
void tp_tohost_dial_exec(struct tp_tohost *t, struct tp_engine *e, const char *sidecar_id);
/* Gives up an exec that is being opened and waits for its thread, as before a fork: the sidecar will
 * ask again. Not from a handler. */
void tp_tohost_settle(struct tp_tohost *t);

#endif
