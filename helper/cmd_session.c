/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "common/gate.h"
#include "session/hostless.h"
#include "session/supervise.h"
#include "session/timings.h"
#include "session/up.h"

struct here_opts {
	struct tp_session_opts session; /* first: its table wants it */
	char *gate;
};

static const struct tp_opt table[] = {
	{ .name = "gate",
	  .type = TP_OPT_STRING,
	  .arg = "NAME",
	  .help = "where entry gates of containers that join ask for the session: an abstract socket (default: " TP_GATE_NAME
		  ")",
	  .offset = offsetof(struct here_opts, gate) },
	TP_OPT_MORE(tp_session_opt_table),
};

/* Docker's flags that are not the engine's to carry out. */
static int check_flags(const struct tp_run_args *a, struct tp_err *err)
{
	bool other = a->docker_args.n || a->publish.n || a->publish_all || a->networks.n ||
		     a->hostname || a->domainname || a->mac_address || a->ip || a->ip6 ||
		     a->add_hosts.n || a->links.n || a->network_aliases.n || a->link_local_ips.n ||
		     a->net_sysctls.n;

	if (!other)
		return 0;
	tp_err_set(
		err, TP_ERR_USAGE,
		"of docker's options only --dns, --dns-search and --dns-option are for `session`");
	return tp_err_hint(err, "The others go before the image, to `docker run` itself.");
}

/* What cannot be done in a container without a host's programs and files. */
static void other_way(struct tp_err *err)
{
	if (strstr(err->msg, "no such program") || strstr(err->msg, "No such file"))
		tp_err_hint(
			err,
			"What the kubeconfig names must be in this container too. The other way "
			"is `tpdocker up` on the host, which has it.");
}

static int run_here(const struct here_opts *here, const struct tp_run_args *args,
		    struct tp_err *err)
{
	const struct tp_session_opts *o = &here->session;
	struct tp_session s;
	int rc, code;

	tp_session_init(&s, o, args);
	s.hostless = true;
	tp_hostless_gates(&s, here->gate ? here->gate : TP_GATE_NAME);
	if (s.volumes == TP_VOLUMES_SSHFS && !o->volumes) {
		tp_autofree char *lacks = tp_hostless_lacks();

		if (lacks)
			s.volumes = TP_VOLUMES_OFF; /* said when the pod is known to have any */
	}
	s.record.name = tp_strdup("session"); /* the only one in here */
	rc = tp_session_prepare(&s, err);
	if (rc)
		other_way(err);
	if (!rc)
		rc = tp_session_start(&s, err);
	if (!rc && o->timings)
		tp_timings_print(stderr);
	if (!rc)
		rc = tp_supervise_here(&s, err);
	code = err->kind != TP_ERR_CANCELLED ? TP_EXIT_FAILED : rc ? 128 + s.signalled : 0;
	if (rc) {
		tp_error("%s", err->msg);
		tp_session_end(&s);
	}
	tp_session_free(&s);
	return code;
}

static int run_session(int argc, char **argv, struct tp_err *err)
{
	struct here_opts o = { 0 };
	struct tp_run_args args = { 0 };
	int code = -1, behind = tp_run_flags_parse(&args, table, &o, argc, argv, 1, err);

	if (o.session.help) {
		tp_cmd_usage(&tp_cmd_session);
		code = 0;
	} else if (behind >= 0 && behind < argc) {
		tp_err_set(err, TP_ERR_USAGE, "what is \"%s\" for? `session` takes options alone",
			   argv[behind]);
	} else if (behind >= 0 && !tp_session_opts_check(&o.session, err) &&
		   !tp_up_gate_check(o.gate, &o.session, err) && !check_flags(&args, err) &&
		   !tp_hostless_check(&o.session, err)) {
		tp_session_opts_apply(&o.session);
		code = run_here(&o, &args, err);
	}
	free(o.gate);
	tp_run_args_free(&args);
	tp_session_opts_free(&o.session);
	return code;
}

const struct tp_cmd tp_cmd_session = {
	.name = "session",
	.synopsis = "[OPTIONS]",
	.summary = "Hold a session in the sidecar's own container, without an engine.",
	.options = table,
	.notes =
		"It is PID 1 of a container of the sidecar's image, and needs nothing of the host but\n"
		"a kubeconfig:\n\n"
		"  docker run -d --name web-net --user 0 --cap-add NET_ADMIN \\\n"
		"      --tmpfs /run/tpdocker:mode=0700,exec -v ~/.kube:/kube:ro \\\n"
		"      " TP_IMAGE " session --swap-deployment web\n"
		"  docker run --network container:web-net my/web:dev\n\n"
		"docker stop (with -t 40) ends it and restores the workload. Its health is what\n"
		"`tpdocker-sidecar health` tells. Containers that join through an entry gate have the\n"
		"pod's environment, and its volumes if this one may mount: docs/sessions.md.",
	.run = run_session,
};
