/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TP_COMMON_SIGNALS_H
#define TP_COMMON_SIGNALS_H

/* What a supervisor hears of: SIGCHLD, SIGTERM and SIGINT are blocked and arrive at the descriptor that is returned
 * (signalfd, non-blocking, close-on-exec; the caller's). SIGPIPE is ignored. Children have to undo both. -1 errno. */
int tp_signals_open(void);

#endif
