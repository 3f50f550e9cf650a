/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain process of this machine in the place of a container: `tpdocker connect -- PROGRAM`. It has our terminal, is in our
 * process group, and its signals are its own:
 *
 *   SIGINT            passed on (from the terminal it has it anyway); a third one kills it
 *   SIGTERM, SIGHUP   passed on, and it is killed if it has not ended 10 s later
 */
#ifndef TP_SESSION_PROGRAM_H
#define TP_SESSION_PROGRAM_H

#include "session/session.h"

/* Runs ARGV with the pod's environment on top of ours, in a session that is ready. 0 and *CODE, its own; -1 ERR:
 * it could not be started, or the session broke under it. */
int tp_program_run(struct tp_session *s, char *const *argv, int *code, struct tp_err *err);
/* A signal of ours while it runs. */
void tp_program_signal(struct tp_session *s, int sig);

#endif
