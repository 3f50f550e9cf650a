/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd.h"
#include "session/join.h"
#include "session/session.h"
#include "session/timings.h"

struct run_opts {
	struct tp_session_opts session; /* first: its table wants it */
	char *join;
};

static const struct tp_opt table[] = {
	{ .name = "session",
	  .type = TP_OPT_STRING,
	  .arg = "NAME",
	  .help = "join this session, which `tpdocker up` started, instead of starting one",
	  .complete = "session",
	  .offset = offsetof(struct run_opts, join) },
	TP_OPT_MORE(tp_session_opt_table),
};

/* 128+n for a signal that ended us before the container had an exit code. */
static int exit_code(int rc, int code, int signalled, const struct tp_err *err)
{
	if (!rc)
		return code;
	return signalled && err->kind == TP_ERR_CANCELLED ? 128 + signalled : -1;
}

/* JOIN: a session that is there; or NULL. */
static int run_session(struct tp_session_opts *o, struct tp_run_args *args, const char *join,
		       struct tp_err *err)
{
	struct tp_session s;
	int code = TP_EXIT_FAILED, rc;

	tp_session_init(&s, o, args);
	rc = join ? tp_join(&s, join, err) : tp_session_prepare(&s, err);
	if (!rc && !join)
		rc = tp_session_start(&s, err);
	if (!rc)
		rc = tp_session_run(&s, &code, err);
	code = exit_code(rc, code, s.signalled, err);
	if (code < 0 && s.recorded) {
		tp_error("%s", err->msg); /* before the cleaning up, which may take a moment */
		code = TP_EXIT_FAILED;
	}
	tp_session_end(&s);
	tp_timings_mark("end");
	tp_session_free(&s);
	if (o->timings)
		tp_timings_print(stderr);
	return code;
}

static int run_run(int argc, char **argv, struct tp_err *err)
{
	struct run_opts o = { 0 };
	struct tp_run_args args = { 0 };
	int code = -1, rc = tp_run_args_parse(&args, table, &o, argc, argv, 1, err);

	if (o.session.help) {
		tp_cmd_usage(&tp_cmd_run);
		code = 0;
	} else if (!rc && !tp_session_opts_check(&o.session, err) &&
		   (!o.join || !tp_join_check(&o.session, &args, o.join, err))) {
		tp_session_opts_apply(&o.session);
		code = run_session(&o.session, &args, o.join, err);
	}
	free(o.join);
	tp_run_args_free(&args);
	tp_session_opts_free(&o.session);
	return code;
}

static const char *const examples[] = {
	"run -it --rm debian bash",
	"a shell in a new pod's place: names, services and pods of the cluster are there",
	"run --swap-deployment web -p 8080:8080 my/web:dev",
	"my build of web instead of the cluster's, until it ends; its port on localhost too",
	"run --swap-deployment statefulset/db:postgres --context staging --namespace shop my/db",
	"one container of a StatefulSet, in another cluster and namespace",
	"run --session web -it debian bash",
	"in the session web that `tpdocker up web` started, beside what else is in it",
	NULL,
};

const struct tp_cmd tp_cmd_run = {
	.name = "run",
	.synopsis = "[OPTIONS] [DOCKER RUN OPTIONS] IMAGE [COMMAND [ARG...]]",
	.summary = "Run a container on this machine as if it ran in the cluster.",
	.examples = examples,
	.options = table,
	.notes =
		"Every option of `docker run` may be given too, in any order, before the image:\n"
		"-it, -d, -e, -v, -p, --name and so on mean what they mean there. Those that belong\n"
		"to the network namespace (-p, -P, --hostname, --dns*, --add-host, --network NAME,\n"
		"...) are given to the sidecar, which owns it. What follows the image is the\n"
		"container's command. The container is removed at its end unless --rm=false.\n\n"
		"Exit code: the container's own; 125 if tpdocker fails, 126 and 127 as docker has\n"
		"them, 128+n for signal n.",
	.complete = "image",
	.options_first = true,
	.docker_flags = TP_DOCKER_RUN_FLAGS,
	.run = run_run,
};
