/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session without a container of its own: `tpdocker up`. In the place of
 * the container's phase (run.c) its process goes to the background, serves the control socket
 * (ctlsock.h) and waits for one of its ends:
 *
 *   `tpdocker down`, SIGTERM, SIGINT, SIGHUP; the sidecar is gone (`docker
 *   stop`); nobody was joined for the idle timeout; the session broke
 *
 * Each undoes the session. What `status` is answered, besides the record's part: "state", "link",
 * "bytesToCluster", "bytesFromCluster", "reconnects", "idleTimeout" (seconds or null), "volumes" (sshfs or off), "volumesRoot" (or null), "mounts", "sidecar" (the container's ID).
 */
#ifndef TP_SESSION_SUPERVISE_H
#define TP_SESSION_SUPERVISE_H

#include "session/session.h"

/* S is ready (tp_session_start). IDLE_MS 0: no idle timeout. 1 in the caller's process, which then has to leave by _exit; 0 in the
 * background process when S has ended and tp_session_end was called; -1 ERR: S is still to be ended. */
int tp_supervise(struct tp_session *s, long long idle_ms, struct tp_err *err);

/* The same without a background process and an idle timeout, for a session that is in a container itself. 0 and S was ended, its
 * reason in ERR: CANCELLED if it was asked to; -1 ERR: S is still to be ended. */
int tp_supervise_here(struct tp_session *s, struct tp_err *err);

#endif
