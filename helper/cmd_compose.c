/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "cmd_provider.h"
#include "compose/make.h"
#include "compose/projectfile.h"

#define OVERRIDE_MAX (32u << 20)

struct compose_opts {
	struct tp_session_opts session; /* first: TP_SESSION_OPT wants it */
	struct tp_compose_make make;
	char *output;
};

#define OPT(n, t, a, h, field, cmpl)                                             \
	{                                                                        \
		.name = n, .type = t, .arg = a, .help = h,                       \
		.offset = offsetof(struct compose_opts, field), .complete = cmpl \
	}

/* clang-format off */
static const struct tp_opt table[] = {
	OPT("service", TP_OPT_LIST, "SERVICE[=[[NAMESPACE/]KIND/]NAME[:CONTAINER]]", "put this service in the place of the workload, or beside what runs; may be given more than once", make.services, NULL),
	OPT("output", TP_OPT_STRING, "FILE", "write the override to this file instead of to standard output", output, "file"),
	OPT("file", TP_OPT_LIST, "FILE", "a compose file of the project, as docker compose has it (-f too)", make.project.files, "file"),
	OPT("project-name", TP_OPT_STRING, "NAME", "the project's name, as docker compose has it (-p too)", make.project.project_name, NULL),
	OPT("project-directory", TP_OPT_STRING, "FOLDER", "the project's folder, as docker compose has it", make.project.project_directory, "file"),
	OPT("env-file", TP_OPT_LIST, "FILE", "a file with the project's variables, as docker compose has it", make.project.env_files, "file"),
	OPT("get-images", TP_OPT_FLAG, NULL, "build or pull a service's image first if the engine does not have it yet", make.get_images, NULL),
	OPT("volumes", TP_OPT_STRING, "sshfs|off", "the pod's volumes: mounted in the service (the default), or left out", make.volumes, "sshfs|off"),
	TP_SESSION_OPT("serviceaccount", TP_OPT_STRING, "NAME", "the service account of a new agent pod", serviceaccount, NULL),
	TP_SESSION_OPT("image", TP_OPT_STRING, "IMAGE", "the image of sidecar and agent (default: " TP_IMAGE ")", image, NULL),
	TP_SESSION_OPT("also-proxy", TP_OPT_LIST, "CIDR", "reach this range through the cluster although it is one of the container's own networks", also_proxy, NULL),
	TP_SESSION_OPT("never-proxy", TP_OPT_LIST, "CIDR", "reach this range from this machine, not through the cluster", never_proxy, NULL),
	TP_WHERE_OPTS,
	TP_OPT_END,
};
/* clang-format on */

static void opts_free(struct compose_opts *o)
{
	tp_session_opts_free(&o->session);
	tp_strv_free(&o->make.services);
	tp_strv_free(&o->make.project.files);
	tp_strv_free(&o->make.project.env_files);
	free(o->make.project.project_name);
	free(o->make.project.project_directory);
	free(o->make.volumes);
	free(o->output);
}

/* docker compose's short forms, as ours are long: "-f X", "-fX", "-p X". */
static void lengthen(int argc, char **argv, struct tp_strv *out)
{
	for (int i = 0; i < argc; i++) {
		const char *name = !strncmp(argv[i], "-f", 2) ? "--file" :
				   !strncmp(argv[i], "-p", 2) ? "--project-name" :
				   !strncmp(argv[i], "-o", 2) ? "--output" :
								NULL;

		if (!i || !name)
			tp_strv_add(out, argv[i]);
		else if (argv[i][2])
			tp_strv_addf(out, "%s=%s", name, argv[i] + 2 + (argv[i][2] == '='));
		else
			tp_strv_add(out, name);
	}
}

/* Options may stand on both sides of "override"; those behind a provider's word are the provider's. */
static int parse(struct compose_opts *o, const struct tp_strv *args, const char **word, int *at,
		 struct tp_err *err)
{
	int argc = (int)args->n;

	*word = NULL;
	for (int i = 1; i < argc;) {
		i = tp_opt_parse(table, o, argc, args->v, i, err);
		if (i < 0)
			return -1;
		if (i == argc)
			break;
		if (*word)
			return tp_err_set(err, TP_ERR_USAGE,
					  "compose override: \"%s\" is no option", args->v[i]);
		*at = i;
		*word = args->v[i++];
		if (tp_is_provider_word(*word))
			break;
	}
	return 0;
}

static int override(struct compose_opts *o, struct tp_err *err)
{
	TP_AUTO_BUF text = TP_BUF_INIT(OVERRIDE_MAX);
	int rc;

	if (tp_session_opts_check(&o->session, err))
		return -1;
	tp_session_opts_apply(&o->session);
	o->make.session = &o->session;
	if (tp_compose_make(&o->make, &text, err))
		return -1;
	if (!o->output || !strcmp(o->output, "-")) {
		if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout))
			return tp_err_set(err, TP_ERR_FAILED,
					  "the override cannot be written to standard output");
		return 0;
	}
	rc = tp_project_file_write(o->output, text.data, text.len, err);
	if (rc > 0)
		tp_info("wrote %s", o->output);
	else if (!rc)
		tp_verbose("%s is as it should be already", o->output);
	return rc < 0 ? -1 : 0;
}

static int run_compose(int argc, char **argv, struct tp_err *err)
{
	struct compose_opts o = { 0 };
	TP_AUTO_STRV args = { 0 };
	const char *word;
	int rc, at = 0;

	lengthen(argc, argv, &args);
	rc = parse(&o, &args, &word, &at, err);
	if (!rc && o.session.help)
		tp_cmd_usage(&tp_cmd_compose);
	else if (!rc && word && tp_is_provider_word(word))
		rc = tp_provider(o.make.project.project_name, (int)args.n - at, args.v + at, err);
	else if (!rc && !word)
		rc = tp_err_set(err, TP_ERR_USAGE,
				"what about the project? `tpdocker compose "
				"override` writes an override for it");
	else if (!rc && strcmp(word, "override"))
		rc = tp_err_set(err, TP_ERR_USAGE,
				"there is no command \"compose %s\"; there is \"compose override\"",
				word);
	else if (!rc)
		rc = override(&o, err);
	opts_free(&o);
	return rc;
}

static const char *const examples[] = {
	"compose override --service web=deployment/web --output .tpdocker/web.yaml",
	"then: docker compose -f compose.yaml -f .tpdocker/web.yaml up",
	"compose override --service web=shop/deployment/web --service jobs=batch/statefulset/jobs:main",
	"two services, in the places of workloads of two namespaces",
	NULL,
};

const struct tp_cmd tp_cmd_compose = {
	.name = "compose",
	.synopsis = "override [OPTIONS]",
	.summary = "Write an override that puts services of a compose project into the cluster.",
	.examples = examples,
	.options = table,
	.notes = "For a service with `provider: {type: tpdocker}` docker compose itself calls\n"
		 "`compose metadata`, `compose up` and `compose down`, with options of `up`.",
	.run = run_compose,
};
