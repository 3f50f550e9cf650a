/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `up --reuse`: for what is run at every start of something else (a dev
 * container's initializeCommand, a Compose project's provider), whether its
 * session is there already or not. Each background session's record says, word
 * for word, what the session was asked to be; one that was asked for the same
 * is as good as a new one.
 */
#ifndef TP_SESSION_REUSE_H
#define TP_SESSION_REUSE_H

#include "session/session.h"

/* Adds to OUT what S is asked to be: options in the order of their tables,
 * docker's network options, and where it is (kubeconfig and endpoint are
 * known). The same wishes give the same words, in whatever order they came. */
void tp_reuse_settings(const struct tp_session *s, struct tp_strv *out);

/* What differs between HAS and WANTS, for people: "started with A, without B"; NULL if nothing does. The caller's. */
char *tp_reuse_difference(const struct tp_strv *has, const struct tp_strv *wants);

/* A session called S->record.name that is as S->record.settings says: one that
 * starts or ends is waited for. 1 it is ready; 0 there is none (any more); -1
 * ERR (CONFLICT): it is another one, and in what. Blocking. */
int tp_reuse(const struct tp_session *s, struct tp_cancel *c, struct tp_err *err);

#endif
