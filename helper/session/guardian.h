/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guardian: a small process that outlives a killed helper. It waits for
 * the helper's end of a pipe to close; if the session's record is still
 * there then, it undoes the session. It is started before the record is
 * written: there is no moment at which a kill leaves a file behind.
 */
#ifndef TP_SESSION_GUARDIAN_H
#define TP_SESSION_GUARDIAN_H

#include "base/err.h"

/* Starts it for the session ID. *FD: our end of the pipe, to be held
 * (close-on-exec) as long as the session lives. */
int tp_guardian_start(const char *id, int *fd, struct tp_err *err);

/* Its main: stdin is the pipe. Returns the exit code. */
int tp_guardian_main(const char *id);

#endif
