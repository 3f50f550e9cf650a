/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/outfile.h"
#include "cmd.h"
#include "session/envformat.h"
#include "session/envlook.h"

struct env_opts {
	struct tp_session_opts where; /* first: TP_SESSION_OPT wants it */
	char *format, *output;
	char *workload; /* the word that is no option */
};

#define OPT(n, a, h, field, cmpl)                                            \
	{                                                                    \
		.name = n, .type = TP_OPT_STRING, .arg = a, .help = h,       \
		.offset = offsetof(struct env_opts, field), .complete = cmpl \
	}

/* clang-format off */
static const struct tp_opt table[] = {
	OPT("format", "env|json|shell|compose|docker", "how it is written (default: env)", format, "env|json|shell|compose|docker"),
	OPT("output", "FILE", "write it to this file, with mode 0600, instead of to standard output", output, "file"),
	TP_SESSION_OPT("deployment", TP_OPT_STRING, "NAME[:CONTAINER]", "ask an agent that runs already, and make no pod", deployment, "agent"),
	TP_SESSION_OPT("image", TP_OPT_STRING, "IMAGE", "the image of the agent (default: " TP_IMAGE ")", image, "image"),
	TP_FORWARD_OPT,
	TP_CLUSTER_OPTS,
	TP_TALK_OPTS,
	TP_OPT_END,
};
/* clang-format on */

static void opts_free(struct env_opts *o)
{
	tp_session_opts_free(&o->where);
	free(o->format);
	free(o->output);
	free(o->workload);
}

/* Options may stand on both sides of the workload. */
static int parse(struct env_opts *o, int argc, char **argv, struct tp_err *err)
{
	for (int i = 1; i < argc;) {
		i = tp_opt_parse(table, o, argc, argv, i, err);
		if (i < 0)
			return -1;
		if (i == argc)
			break;
		if (o->workload)
			return tp_err_set(err, TP_ERR_USAGE,
					  "one workload at a time: \"%s\" or \"%s\"", o->workload,
					  argv[i]);
		o->workload = tp_strdup(argv[i++]);
	}
	return 0;
}

static int check(struct env_opts *o, enum tp_env_format *f, struct tp_err *err)
{
	tp_autofree char *kind = NULL, *name = NULL, *container = NULL;

	if (tp_session_opts_check(&o->where, err) ||
	    tp_env_format_find(o->format ? o->format : "env", f, err))
		return -1;
	if (o->workload && o->where.deployment)
		return tp_err_set(err, TP_ERR_USAGE,
				  "a workload (%s) and --deployment exclude each other",
				  o->workload);
	if (o->workload && tp_workload_split(o->workload, &kind, &name, &container, err))
		return -1;
	if (o->output && strcmp(o->output, "-") && tp_outfile_check(o->output, err))
		return tp_err_prefix(err, "--output");
	return 0;
}

static void say_names(const struct tp_strv *names, const char *why, const char *remedy)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 20);

	if (!names->n)
		return;
	for (size_t i = 0; i < names->n; i++)
		tp_buf_printf(&b, "%s%s", i ? ", " : "", names->v[i]);
	tp_warn("%s: %s%s", why, b.data, remedy);
}

/* The command line that exports the values which docker's file has not. */
static char *shell_command(const struct env_opts *o)
{
	const struct tp_session_opts *w = &o->where;
	const char *const words[][2] = { { " --context ", w->context },
					 { " --namespace ", w->namespace },
					 { " --kubeconfig ", w->kubeconfig },
					 { " --deployment ", w->deployment },
					 { " ", o->workload } };
	TP_AUTO_BUF b = TP_BUF_INIT(64u << 10);

	tp_buf_puts(&b, "tpdocker env --format shell");
	for (size_t i = 0; i < TP_ARRAY_SIZE(words); i++)
		if (words[i][1])
			tp_buf_printf(&b, "%s%s", words[i][0], words[i][1]);
	return tp_buf_steal(&b);
}

static void say(const struct env_opts *o, enum tp_env_format f, const struct tp_env_text *t)
{
	tp_autofree char *shell = shell_command(o);
	tp_autofree char *remedy = tp_asprintf(
		"\nOnly the names are written, and docker takes the values from its own "
		"environment:\n  (eval \"$(%s)\" && docker run --env-file %s ...)",
		shell, o->output ? o->output : "FILE");

	say_names(&t->bad_names, "left out, as this format cannot have such names",
		  f == TP_ENV_JSON ? "" : "\n--format json has them.");
	say_names(&t->reserved, "left out, as shells keep these variables for themselves",
		  "\n--format json has them.");
	say_names(&t->bad_values, "left out, as this format cannot have values that are not UTF-8",
		  "\n--format env and shell have them.");
	say_names(&t->bare,
		  "docker's files cannot have values of several lines (or very long ones)", remedy);
}

static int put_out(const struct env_opts *o, const struct tp_buf *text, struct tp_err *err)
{
	const char *p = text->data ? text->data : "";

	if (o->output && strcmp(o->output, "-"))
		return tp_outfile_write(o->output, p, text->len, err);
	if (tp_write_all(STDOUT_FILENO, p, text->len))
		return tp_err_errno(err, errno, "cannot write to standard output");
	return 0;
}

static int show(const struct env_opts *o, enum tp_env_format f, const struct tp_remote *r,
		struct tp_err *err)
{
	static const char *const none[] = { NULL };
	struct tp_env_text t;
	int rc = tp_env_format_print(f, r->env.v ? (const char *const *)r->env.v : none, &t, err);

	if (!rc)
		rc = put_out(o, &t.text, err);
	if (!rc)
		say(o, f, &t);
	tp_env_text_free(&t);
	return rc;
}

static int look(const struct env_opts *o, enum tp_env_format f, struct tp_err *err)
{
	struct tp_session s;
	int rc;

	tp_session_init(&s, &o->where, NULL);
	rc = tp_envlook_prepare(&s, o->workload, err);
	if (!rc)
		rc = tp_envlook_ask(&s, err);
	/* First the pod goes, so that nothing is left whatever becomes of the output. */
	tp_session_end(&s);
	if (!rc)
		rc = show(o, f, &s.remote, err);
	if (rc && s.signalled && err->kind == TP_ERR_CANCELLED)
		rc = 128 + s.signalled;
	tp_session_free(&s);
	return rc;
}

static int run_env(int argc, char **argv, struct tp_err *err)
{
	struct env_opts o = { 0 };
	enum tp_env_format f = TP_ENV_PLAIN;
	int rc = parse(&o, argc, argv, err);

	if (o.where.help) {
		tp_cmd_usage(&tp_cmd_env);
		rc = 0;
	} else if (!rc) {
		rc = check(&o, &f, err);
		if (!rc) {
			tp_session_opts_apply(&o.where);
			rc = look(&o, f, err);
		}
	}
	opts_free(&o);
	return rc;
}

static const char *const examples[] = {
	"env web",
	"the variables of a container of web; web itself is left alone",
	"env --format compose --output web.env statefulset/db:postgres",
	"one container's, in a file that a Compose file names with env_file",
	NULL,
};

const struct tp_cmd tp_cmd_env = {
	.name = "env",
	.synopsis = "[OPTIONS] [[KIND/]NAME[:CONTAINER]]",
	.summary = "Print the environment that a container has in the cluster.",
	.examples = examples,
	.options = table,
	.notes =
		"A pod is made from the workload's template for as long as the question takes: the\n"
		"one container, as the agent, without volumes; no Service sends it traffic. Without\n"
		"a workload it is a new agent's environment. No engine is needed.\n\n"
		"HOME, PATH and HOSTNAME are left out, as in the container of `tpdocker run`.\n"
		"What a format cannot have is left out and named on standard error.",
	.complete = "workload",
	.run = run_env,
};
