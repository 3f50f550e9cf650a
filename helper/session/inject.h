/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of method inject-tcp (common/inject.h): what goes together with it, and what the user's
 * container gets so that its programs have the library preloaded.
 */
#ifndef TP_SESSION_INJECT_H
#define TP_SESSION_INJECT_H

#include "session/session.h"

/* What torsocks complains of, its programs see as an error of the call; on their stderr it would be in the way. */
#define TP_INJECT_QUIET "TORSOCKS_LOG_LEVEL=1"

/* What the options alone say. 0 or -1 ERR (USAGE), with the method that would do. */
int tp_inject_suits(const struct tp_session_opts *o, struct tp_err *err);
/* The same for the flags of `docker run` A, which may be empty. */
int tp_inject_suits_run(const struct tp_run_args *a, struct tp_err *err);
/* The same for sessions whose containers others make: `provider`, `up --gate`, `session`. */
int tp_inject_no_others(const struct tp_session_opts *o, struct tp_err *err);
/* Variables ("K=V") that win over the user's own, an LD_PRELOAD among them: what the user, the pod or the image have there stands
 * behind ours. -1 ERR (USAGE): it is in an env file. */
int tp_inject_env(const struct tp_session *s, struct tp_strv *env, struct tp_err *err);

#endif
