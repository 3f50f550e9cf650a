/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "compose/override.h"
#include "compose/projectfile.h"
#include "devcontainer/init.h"
#include "devcontainer/jsonc.h"
#include "session/options.h"

struct devcontainer_opts {
	struct tp_session_opts session; /* first: TP_SESSION_OPT wants it */
	char *service, *workspace, *config, *volumes;
};

#define OPT(n, a, h, field, cmpl)                                                     \
	{                                                                             \
		.name = n, .type = TP_OPT_STRING, .arg = a, .help = h,                \
		.offset = offsetof(struct devcontainer_opts, field), .complete = cmpl \
	}

/* clang-format off */
static const struct tp_opt table[] = {
	OPT("service", "SERVICE", "Compose mode: the service that is the dev container", service, NULL),
	TP_SESSION_OPT("swap-deployment", TP_OPT_STRING, "[KIND/]NAME[:CONTAINER]", "put the dev container in the place of this workload", swap_deployment, "workload"),
	OPT("workspace-folder", "FOLDER", "the project's folder (default: the current one)", workspace, "file"),
	OPT("config", "FILE", "the devcontainer.json, if there is more than one", config, "file"),
	OPT("volumes", "sshfs|off", "the pod's volumes: mounted (the default), or left out", volumes, "sshfs|off"),
	TP_SESSION_OPT("image", TP_OPT_STRING, "IMAGE", "the image of sidecar and agent (default: " TP_IMAGE ")", image, NULL),
	TP_SESSION_OPT("context", TP_OPT_STRING, "NAME", "the kubeconfig context to write down", context, "context"),
	TP_SESSION_OPT("namespace", TP_OPT_STRING, "NAME", "the namespace to write down", namespace, "namespace"),
	TP_TALK_OPTS,
	TP_OPT_END,
};
/* clang-format on */

static void opts_free(struct devcontainer_opts *o)
{
	tp_session_opts_free(&o->session);
	free(o->service);
	free(o->workspace);
	free(o->config);
	free(o->volumes);
}

static int parse(struct devcontainer_opts *o, int argc, char **argv, const char **word,
		 struct tp_err *err)
{
	*word = NULL;
	for (int i = 1; i < argc;) {
		i = tp_opt_parse(table, o, argc, argv, i, err);
		if (i < 0)
			return -1;
		if (i == argc)
			break;
		if (*word)
			return tp_err_set(err, TP_ERR_USAGE, "devcontainer %s: \"%s\" is no option",
					  *word, argv[i]);
		*word = argv[i++];
	}
	return 0;
}

static bool is_there(const char *dir, const char *leaf)
{
	tp_autofree char *path = tp_asprintf("%s/%s", dir, leaf);

	return !access(path, F_OK);
}

/* .devcontainer/NAME/devcontainer.json: several, of which the editor lets its user choose. */
static void list_named(const char *top, struct tp_strv *out)
{
	tp_autofree char *path = tp_asprintf("%s/.devcontainer", top);
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		tp_autofree char *leaf = tp_asprintf("%s/devcontainer.json", e->d_name);

		if (e->d_name[0] != '.' && is_there(path, leaf))
			tp_strv_addf(out, ".devcontainer/%s", leaf);
	}
	if (dir)
		closedir(dir);
}

/* Which file, relative to TOP: as editors look for it. */
static int find_config(const struct devcontainer_opts *o, const char *top, char **file,
		       struct tp_err *err)
{
	TP_AUTO_STRV named = { 0 };

	*file = NULL;
	if (o->config) {
		tp_autofree char *cwd_path = realpath(o->config, NULL);
		size_t n = strlen(top);

		if (!cwd_path)
			return tp_err_errno(err, errno, "--config %s", o->config);
		if (strncmp(cwd_path, top, n) || cwd_path[n] != '/')
			return tp_err_set(err, TP_ERR_USAGE,
					  "--config %s is not in the workspace folder %s",
					  o->config, top);
		*file = tp_strdup(cwd_path + n + 1);
		return 0;
	}
	if (is_there(top, ".devcontainer/devcontainer.json"))
		*file = tp_strdup(".devcontainer/devcontainer.json");
	else if (is_there(top, ".devcontainer.json"))
		*file = tp_strdup(".devcontainer.json");
	else
		list_named(top, &named);
	if (!*file && named.n > 1) {
		tp_err_set(err, TP_ERR_USAGE, "there is more than one dev container here");
		return tp_err_hint(err, "Name one with --config: %s, %s%s", named.v[0], named.v[1],
				   named.n > 2 ? ", ..." : "");
	}
	if (!*file)
		*file = tp_strdup(named.n ? named.v[0] : ".devcontainer/devcontainer.json");
	return 0;
}

/* As docker compose finds them where none is named. */
static void find_compose_files(const char *top, struct tp_strv *out)
{
	static const char *const names[] = { "compose", "docker-compose" };
	static const char *const ends[] = { ".yaml", ".yml" };

	for (int i = 0; i < 4; i++) {
		tp_autofree char *leaf = tp_asprintf("%s%s", names[i / 2], ends[i % 2]);

		if (!is_there(top, leaf))
			continue;
		tp_strv_add(out, leaf);
		for (int k = 0; k < 2; k++) {
			tp_autofree char *more =
				tp_asprintf("%s.override%s", names[i / 2], ends[k]);

			if (is_there(top, more)) {
				tp_strv_add(out, more);
				break;
			}
		}
		return;
	}
}

static int check_opts(const struct devcontainer_opts *o, struct tp_err *err)
{
	bool known = !o->volumes || !strcmp(o->volumes, "sshfs") || !strcmp(o->volumes, "off");
	struct tp_compose_join j;

	if (!known)
		return tp_err_set(err, TP_ERR_USAGE, "--volumes %s: it is sshfs or off here",
				  o->volumes);
	if (o->service) {
		if (strchr(o->service, '='))
			return tp_err_set(err, TP_ERR_USAGE,
					  "--service %s: it is the service's name alone; the "
					  "workload is --swap-deployment's",
					  o->service);
		if (tp_compose_join_parse(o->service, &j, err))
			return -1;
		tp_compose_join_free(&j);
	}
	return tp_session_opts_check(&o->session, err);
}

static int write_files(const char *top, const char *folder, const char *path,
		       const struct tp_buf *text, struct tp_err *err)
{
	tp_autofree char *dir = tp_asprintf("%s/%s", top, folder);
	tp_autofree char *profile = tp_asprintf("%s/" TP_DEVCONTAINER_PROFILE, dir);
	bool wants_profile = strstr(text->data, TP_DEVCONTAINER_PROFILE ",target=") != NULL;

	if (*folder && tp_project_subfolder(dir, err))
		return -1;
	if (wants_profile && tp_project_file_write(profile, tp_devcontainer_profile,
						   strlen(tp_devcontainer_profile), err) < 0)
		return -1;
	return tp_project_file_write(path, text->data, text->len, err);
}

static int init(const struct devcontainer_opts *o, struct tp_err *err)
{
	tp_autofree char *top = realpath(o->workspace ? o->workspace : ".", NULL);
	tp_autofree char *file = NULL, *folder = NULL, *path = NULL;
	TP_AUTO_BUF text = TP_BUF_INIT(TP_JSONC_MAX);
	TP_AUTO_STRV compose = { 0 };
	struct tp_devcontainer_spec s = { .service = o->service,
					  .workload = o->session.swap_deployment,
					  .namespace = o->session.namespace,
					  .context = o->session.context,
					  .volumes = o->volumes,
					  .image = o->session.image,
					  .compose_files = &compose };
	int rc;

	if (check_opts(o, err))
		return -1;
	if (!top)
		return tp_err_errno(err, errno, "%s", o->workspace ? o->workspace : ".");
	if (find_config(o, top, &file, err))
		return -1;
	folder = strrchr(file, '/') ? tp_strndup(file, (size_t)(strrchr(file, '/') - file)) :
				      tp_strdup("");
	path = tp_asprintf("%s/%s", top, file);
	if (tp_read_file(path, &text) && errno != ENOENT)
		return tp_err_errno(err, errno, "%s", file);
	find_compose_files(top, &compose);
	s.folder = folder;
	s.project = strrchr(top, '/') + 1;
	rc = tp_devcontainer_init(&text, &s, err);
	if (rc < 0)
		return tp_err_prefix(err, "%s", file);
	rc = write_files(top, folder, path, &text, err);
	if (rc > 0)
		tp_info("wrote %s", file);
	else if (!rc)
		tp_info("%s is as it should be already", file);
	return rc < 0 ? -1 : 0;
}

static int run_devcontainer(int argc, char **argv, struct tp_err *err)
{
	struct devcontainer_opts o = { 0 };
	const char *word;
	int rc = parse(&o, argc, argv, &word, err);

	tp_session_opts_log(&o.session);
	if (!rc && o.session.help)
		tp_cmd_usage(&tp_cmd_devcontainer);
	else if (!rc && (!word || strcmp(word, "init")))
		rc = tp_err_set(err, TP_ERR_USAGE,
				"there is one command here: `tpdocker devcontainer init`");
	else if (!rc)
		rc = init(&o, err);
	opts_free(&o);
	return rc;
}

static const char *const examples[] = {
	"devcontainer init --swap-deployment web",
	"the dev container of this folder takes the place of the deployment web",
	"devcontainer init --service web --swap-deployment web",
	"the same for the service web of the folder's compose file",
	NULL,
};

const struct tp_cmd tp_cmd_devcontainer = {
	.name = "devcontainer",
	.synopsis = "init [OPTIONS]",
	.summary =
		"Write or change a devcontainer.json so that the dev container is in the cluster.",
	.examples = examples,
	.options = table,
	.run = run_devcontainer,
};
