/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cluster has of names, told to the sidecar as it changes (TP_CTL_NAMES): three watches, of Services, EndpointSlices and
 * Pods, of all namespaces where that is allowed, else of the session's own. What may not be watched, the agent answers.
 */
#ifndef TP_SESSION_NAMEFEED_H
#define TP_SESSION_NAMEFEED_H

#include "session/session.h"

struct tp_namefeed;

/* NULL where the method does not answer names by itself, or the session is another process' own. Threads run until it is stopped. Loop's thread. */
struct tp_namefeed *tp_namefeed_start(struct tp_session *s);
/* Waits for the threads; the loop runs meanwhile. Frees it. NULL is allowed. */
void tp_namefeed_stop(struct tp_namefeed *f);

#endif
