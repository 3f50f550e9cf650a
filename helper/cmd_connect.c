/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "session/hostnet.h"
#include "session/program.h"
#include "session/timings.h"
#include "session/up.h"

static const struct tp_opt disconnect_table[] = {
	TP_TALK_OPTS,
	TP_OPT_END,
};

static void failing(const struct tp_err *err)
{
	tp_error("%s", err->msg);
}

/* The method is what the command is about. */
static int check(struct tp_session_opts *o, struct tp_err *err)
{
	const struct tp_method *m;

	if (!o->method)
		o->method = tp_strdup("vpn-tcp");
	m = tp_method_of(o);
	if (m && !m->host_network) {
		tp_err_set(err, TP_ERR_USAGE, "connect is --method vpn-tcp, and no other (%s)",
			   o->method);
		return tp_err_hint(err, "`%s run` has them all.", tp_program());
	}
	return tp_session_opts_check(o, err) || tp_hostnet_free(err) ? -1 : 0;
}

/* Without a program: in the background, until `disconnect`. */
static int connect_all(const struct tp_session_opts *o, const struct tp_run_args *args,
		       struct tp_err *err)
{
	struct tp_up up = {
		.opts = o, .args = args, .name = TP_CONNECT_NAME, .plain = true, .failing = failing
	};
	int code, rc = tp_up(&up, &code, err);

	if (rc > 0) {
		if (o->timings)
			tp_timings_print(stderr);
		/* All else is the background process's now. */
		_exit(0);
	}
	return rc ? rc : code;
}

static int connect_one(const struct tp_session_opts *o, const struct tp_run_args *args,
		       char *const *program, struct tp_err *err)
{
	struct tp_session s;
	int code = TP_EXIT_FAILED, rc;

	tp_session_init(&s, o, args);
	s.plain = true;
	rc = tp_session_prepare(&s, err);
	s.plain = false;
	if (!rc)
		rc = tp_session_start(&s, err);
	if (!rc)
		rc = tp_hostnet_shared(err);
	if (!rc)
		rc = tp_program_run(&s, program, &code, err);
	if (rc && s.signalled && err->kind == TP_ERR_CANCELLED)
		code = 128 + s.signalled;
	else if (rc && s.recorded)
		tp_error("%s", err->msg); /* before the cleaning up, which may take a moment */
	else if (rc)
		code = -1;
	if (rc && s.recorded && code < 0)
		code = TP_EXIT_FAILED;
	tp_session_end(&s);
	tp_session_free(&s);
	if (o->timings)
		tp_timings_print(stderr);
	return code;
}

static int run_connect(int argc, char **argv, struct tp_err *err)
{
	struct tp_session_opts o = { 0 };
	struct tp_run_args args = { .rm = -1, .sig_proxy = true };
	int code = -1, behind = tp_opt_parse(tp_session_opt_table, &o, argc, argv, 1, err);

	if (o.help) {
		tp_cmd_usage(&tp_cmd_connect);
		code = 0;
	} else if (behind >= 0 && !check(&o, err)) {
		tp_session_opts_apply(&o);
		code = behind < argc ? connect_one(&o, &args, argv + behind, err) :
				       connect_all(&o, &args, err);
	}
	tp_session_opts_free(&o);
	return code;
}

static int run_disconnect(int argc, char **argv, struct tp_err *err)
{
	struct tp_session_opts o = { 0 };
	int first = tp_opt_parse(disconnect_table, &o, argc, argv, 1, err);
	tp_autofree char *name = NULL;

	if (first < 0)
		return -1;
	if (o.help) {
		tp_cmd_usage(&tp_cmd_disconnect);
		return 0;
	}
	if (first < argc)
		return tp_err_set(err, TP_ERR_USAGE, "what is \"%s\" for? disconnect takes no name",
				  argv[first]);
	tp_session_opts_log(&o);
	name = tp_hostnet_session(false);
	if (!name) {
		tp_err_set(err, TP_ERR_NOT_FOUND,
			   "this machine is not connected, as far as this user's sessions go");
		return tp_err_hint(err, "`%s ps` lists them.", tp_program());
	}
	return tp_down(name, NULL, err) ? -1 : 0;
}

static const char *const connect_examples[] = {
	"connect",
	"this machine's programs and containers reach the cluster's pods and Services, by name",
	"connect --swap-deployment web -- ./my-server",
	"my-server has web's environment and its traffic, until it ends",
	"connect --also-proxy db.example.com",
	"and what only the cluster reaches",
	NULL,
};

static const char *const disconnect_examples[] = {
	"disconnect",
	"all is as it was before: rules, names, and a swapped workload",
	NULL,
};

const struct tp_cmd tp_cmd_connect = {
	.name = "connect",
	.synopsis = "[OPTIONS] [-- PROGRAM [ARG...]]",
	.summary = "Let this machine's own programs and containers reach the cluster.",
	.examples = connect_examples,
	.options = tp_session_opt_table,
	.notes =
		"The cluster's pods and Services, and what --also-proxy names, are reached through\n"
		"the cluster, and the cluster's names resolve; everything else stays as it is. There\n"
		"is one such session on a machine, called " TP_CONNECT_NAME
		". Without a PROGRAM it goes on in the\n"
		"background until `tpdocker disconnect`. A PROGRAM has the pod's environment, and the\n"
		"session ends with it; the exit code is its own. docs/vpn-tcp.md tells more.",
	.options_first = true,
	.run = run_connect,
};

const struct tp_cmd tp_cmd_disconnect = {
	.name = "disconnect",
	.synopsis = "[OPTIONS]",
	.summary = "End the session that `connect` started.",
	.examples = disconnect_examples,
	.options = disconnect_table,
	.run = run_disconnect,
};
