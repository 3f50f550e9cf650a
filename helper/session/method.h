/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which method (common/method.h) and which engine a session has, from its options, and
 * what does not go together.
 */
#ifndef TP_SESSION_METHOD_H
#define TP_SESSION_METHOD_H

#include "base/err.h"
#include "common/method.h"
#include "session/options.h"

/* --method and --engine: known, and for each other. 0 or -1 ERR (USAGE), with a hint at what would do. */
int tp_method_check(const struct tp_session_opts *o, struct tp_err *err);
/* The same for M, whatever O names. */
int tp_method_suits(const struct tp_method *m, const struct tp_session_opts *o, struct tp_err *err);
bool tp_method_is_auto(const struct tp_session_opts *o);
/* The method that O names; the default without one, and with "auto" until it is chosen (automethod.h). */
const struct tp_method *tp_method_of(const struct tp_session_opts *o);
/* "native" or "sshuttle"; "none" where programs bring their connections themselves. */
const char *tp_method_engine(const struct tp_method *m, const struct tp_session_opts *o);

#endif
