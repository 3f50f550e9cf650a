/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "session/known.h"
#include "session/record.h"
#include "session/timings.h"
#include "session/up.h"

struct up_opts {
	struct tp_session_opts session; /* first: its table wants it */
	char *idle_timeout, *gate;
	bool reuse;
};

static const struct tp_opt table[] = {
	{ .name = "idle-timeout",
	  .type = TP_OPT_STRING,
	  .arg = "DURATION",
	  .help = "end the session when no container was joined for so long (90s, 10m, 1h30m)",
	  .offset = offsetof(struct up_opts, idle_timeout) },
	{ .name = "reuse",
	  .type = TP_OPT_FLAG,
	  .help = "if the session is there already, and was started with the same options, that is fine: for what is run again and again",
	  .offset = offsetof(struct up_opts, reuse) },
	{ .name = "gate",
	  .type = TP_OPT_STRING,
	  .arg = "NAME",
	  .help = "let containers that others make (a dev container) have the pod's environment and volumes: their entry gates ask at this abstract socket",
	  .offset = offsetof(struct up_opts, gate) },
	TP_OPT_MORE(tp_session_opt_table),
};

/* The caller's. */
static char *default_name(const struct tp_session_opts *o)
{
	const char *spec = o->swap_deployment ? o->swap_deployment : o->deployment;
	tp_autofree char *kind = NULL, *container = NULL;
	char *name = NULL, id[TP_SESSION_ID_MAX];
	struct tp_err e;

	if (spec && !tp_workload_split(spec, &kind, &name, &container, &e))
		return name;
	if (o->new_deployment)
		return tp_strdup(o->new_deployment);
	tp_record_new_id(id);
	return tp_strdup(id);
}

/* The name in front of the options, or behind them. */
static int take_name(int argc, char **argv, int behind, char **name, struct tp_err *err)
{
	for (int i = behind; i < argc; i++) {
		if (*name) {
			tp_err_set(err, TP_ERR_USAGE, "what is \"%s\" for?", argv[i]);
			return tp_err_hint(err,
					   "`up` takes one name, and no image: containers join it "
					   "with %s run --session %s IMAGE",
					   tp_program(), *name);
		}
		*name = tp_strdup(argv[i]);
	}
	return *name ? tp_known_name_check(*name, err) : 0;
}

static void failing(const struct tp_err *err)
{
	tp_error("%s", err->msg);
}

static int up_session(const struct tp_up *up, struct tp_err *err)
{
	int code, rc = tp_up(up, &code, err);

	if (rc > 0) {
		printf("%s\n", up->name);
		if (up->opts->timings)
			tp_timings_print(stderr);
		/* All else is the background process's now. */
		_exit(fflush(stdout) ? TP_EXIT_FAILED : 0);
	}
	return rc ? rc : code;
}

static int run_up(int argc, char **argv, struct tp_err *err)
{
	struct up_opts o = { 0 };
	struct tp_run_args args = { 0 };
	tp_autofree char *name = NULL;
	long long idle_ms = 0;
	int code = -1, first = 1, behind;

	if (argc > 1 && argv[1][0] != '-')
		name = tp_strdup(argv[first++]);
	behind = tp_run_flags_parse(&args, table, &o, argc, argv, first, err);
	if (o.session.help) {
		tp_cmd_usage(&tp_cmd_up);
		code = 0;
	} else if (behind >= 0 && !take_name(argc, argv, behind, &name, err) &&
		   !tp_session_opts_check(&o.session, err) && !tp_up_flags_check(&args, err) &&
		   !tp_up_gate_check(o.gate, &o.session, err) &&
		   !tp_up_idle_parse(o.idle_timeout, &idle_ms, err)) {
		if (!name)
			name = default_name(&o.session);
		tp_session_opts_apply(&o.session);
		code = up_session(&(struct tp_up){ .opts = &o.session,
						   .args = &args,
						   .name = name,
						   .idle_ms = idle_ms,
						   .gate = o.gate,
						   .reuse = o.reuse,
						   .failing = failing },
				  err);
	}
	free(o.idle_timeout);
	free(o.gate);
	tp_run_args_free(&args);
	tp_session_opts_free(&o.session);
	return code;
}

static const char *const examples[] = {
	"up web --swap-deployment web -p 8080:8080",
	"a session that any container can join: docker run --network container:tpdocker-web ...",
	"up --idle-timeout 10m --network dev_default",
	"next to a network here, until nobody was joined for ten minutes",
	NULL,
};

const struct tp_cmd tp_cmd_up = {
	.name = "up",
	.synopsis = "[NAME] [OPTIONS] [DOCKER'S NETWORK OPTIONS]",
	.summary = "Start a session in the background, for containers to join.",
	.examples = examples,
	.options = table,
	.notes =
		"It returns when the session is ready, and prints its name: NAME, else the\n"
		"workload's, else a generated one. Containers join the network of the container\n"
		"tpdocker-NAME. Docker's options that belong to a network namespace may be given\n"
		"(-p, --network, --hostname, --dns*, --add-host, --ip, --mac-address, ...). It ends\n"
		"by `tpdocker down NAME`, `docker stop tpdocker-NAME` or --idle-timeout.",
	.docker_flags = TP_DOCKER_NETWORK_FLAGS,
	.run = run_up,
};
