/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers that others make, and that are in a session by what they were
 * told (`up --gate`): a dev container. They join the network of the
 * container tpdocker-NAME, mount the volume tpdocker-NAME with the entry gate,
 * and have the label TP_LABEL_JOINS=NAME.
 *
 * The engine turns the name of the network's container into its ID when it makes
 * a container. One that was made for an earlier session of that name can therefore not be
 * started any more.
 */
#ifndef TP_SESSION_OUTSIDERS_H
#define TP_SESSION_OUTSIDERS_H

#include "session/session.h"

/* Before the session S is made: those that can never be started again are removed, so that they are made anew; one
 * that still runs without a network, and a volume that is not ours, are refused (CONFLICT). Blocking; 0 or -1 ERR. */
int tp_outsiders_prepare(struct tp_session *s, struct tp_cancel *c, struct tp_err *err);

/* The container whose network LISTED (of the engine's list) joined by its ID, or NULL. Apart for tests. */
const char *tp_outsiders_joined(const struct tp_json *listed);

#endif
