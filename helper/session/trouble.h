/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong while a session is being kept up: whether it passes.
 */
#ifndef TP_SESSION_TROUBLE_H
#define TP_SESSION_TROUBLE_H

#include <stdbool.h>

#include "base/err.h"

/* An API server that has just started knows no roles and no accounts yet, and
 * says "forbidden" to everybody: what looks final must go on for this long. */
#define TP_TROUBLE_FINAL_MS (10 * 1000)

/* Whether ERR is one that trying again does not mend: a right that was taken
 * away, a pod that admission refuses. A full quota may be emptied, a server may come
 * back, and somebody who was logged out can log in again if RENEWABLE (the
 * credentials come from a program or a file). */
bool tp_trouble_is_final(const struct tp_err *err, bool renewable);

/* A row of failures of one thing that is tried again and again. All zero to begin with. */
struct tp_trouble {
	long long final_ms; /* since when it has looked final, tp_now_ms; 0: it does not */
};
/* One more: true when there is no hope left. NOW as tp_now_ms. */
bool tp_trouble_note(struct tp_trouble *t, const struct tp_err *err, bool renewable, long long now);
/* It went well. */
void tp_trouble_over(struct tp_trouble *t);

#endif
