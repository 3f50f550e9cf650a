/* SPDX-License-Identifier: Apache-2.0 */
/* Image mode: also a dev container that is built from a Dockerfile. */
#include <string.h>

#include "base/mem.h"
#include "common/gate.h"
#include "devcontainer/internal.h"
#include "devcontainer/jsonc.h"
#include "session/record.h"

#define PATH(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* One for each dev container on this machine, known to the editor and to the command that it runs. */
#define SESSION	      "${devcontainerId}"
#define CONTAINER     "tpdocker-" SESSION
#define GATE_ADDRESS  TP_GATE_NAME "/dev"
#define DEFAULT_IMAGE "mcr.microsoft.com/devcontainers/base:bookworm"

/* docker run's flags that the engine refuses, or that mean nothing, in another container's network. */
static const struct {
	const char *flag;
	bool is_short;
} network_flags[] = {
	{ "--network", false },
	{ "--net", false },
	{ "--publish", false },
	{ "-p", true },
	{ "--publish-all", false },
	{ "-P", true },
	{ "--hostname", false },
	{ "-h", true },
	{ "--domainname", false },
	{ "--add-host", false },
	{ "--dns", false },
	{ "--dns-search", false },
	{ "--dns-option", false },
	{ "--dns-opt", false },
	{ "--link", false },
	{ "--mac-address", false },
	{ "--ip", false },
	{ "--ip6", false },
	{ "--network-alias", false },
	{ "--net-alias", false },
	{ "--expose", false },
};

/* Which of them WORD is, or NULL. */
static const char *network_flag(const char *word)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(network_flags); i++) {
		size_t n = strlen(network_flags[i].flag);

		if (strncmp(word, network_flags[i].flag, n))
			continue;
		if (!word[n] || word[n] == '=' || network_flags[i].is_short)
			return network_flags[i].flag;
	}
	return NULL;
}

static int check(const struct tp_json *doc, struct tp_err *err)
{
	const struct tp_json *args = tp_json_get(doc, "runArgs");

	if (tp_json_get(doc, "appPort")) {
		tp_err_set(
			err, TP_ERR_USAGE,
			"it has \"appPort\": the container shares its network with the session's, "
			"and cannot publish ports of its own");
		return tp_err_hint(err, "Use \"forwardPorts\" instead.");
	}
	for (size_t i = 0; i < tp_json_len(args); i++) {
		const char *word = tp_json_str(tp_json_at(args, i));
		const char *flag = word ? network_flag(word) : NULL;

		if (!flag || !strcmp(word, "--network=container:" CONTAINER))
			continue;
		tp_err_set(
			err, TP_ERR_USAGE,
			"\"runArgs\" has %s: the container shares its network with the session's",
			word);
		return tp_err_hint(err, "Take it out. What goes for the session's network is an "
					"option of `tpdocker up`, in \"initializeCommand\".");
	}
	return 0;
}

static void option(struct tp_strv *words, const char *name, const char *value)
{
	if (value)
		tp_strv_addf(words, "--%s=%s", name, value);
}

static int set_initialize(struct tp_buf *text, const struct tp_devcontainer_spec *s,
			  struct tp_err *err)
{
	TP_AUTO_STRV words = { 0 };

	tp_strv_add(&words, "tpdocker");
	tp_strv_add(&words, "up");
	tp_strv_add(&words, SESSION);
	option(&words, "swap-deployment", s->workload);
	option(&words, "context", s->context);
	option(&words, "namespace", s->namespace);
	option(&words, "volumes", s->volumes);
	option(&words, "image", s->image);
	tp_strv_add(&words, "--reuse"); /* this runs whenever the editor starts */
	option(&words, "gate", TP_GATE_NAME);
	/* nothing tells a session that the editor is gone, but nobody is in its network then */
	option(&words, "idle-timeout", "5m");
	return tp_devcontainer_command(text, "initializeCommand", &words, err);
}

/* Names of the user's own variables, which the pod's do not replace. */
static char *own_names(const struct tp_json *doc)
{
	const struct tp_json *env = tp_json_get(doc, "containerEnv");
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 16);

	for (size_t i = 0; tp_json_type(env) == TP_JSON_OBJECT && i < tp_json_len(env); i++) {
		const char *name = tp_json_key(env, i);

		if (strcmp(name, TP_GATE_VAR) && strcmp(name, TP_GATE_VAR_OWN))
			tp_buf_printf(&b, "%s%s", b.len ? "," : "", name);
	}
	return tp_buf_steal(&b);
}

static int set_container(struct tp_buf *text, const struct tp_json *doc,
			 const struct tp_devcontainer_spec *s, struct tp_err *err)
{
	tp_autofree char *own = own_names(doc), *names = tp_devcontainer_json_string(own);
	tp_autofree char *profile = tp_asprintf(
		"\"type=bind,source=${localWorkspaceFolder}/%s%s" TP_DEVCONTAINER_PROFILE
		",target=/etc/profile.d/tpdocker.sh,readonly\"",
		s->folder, *s->folder ? "/" : "");
	int rc[7], changed = 0;
	bool image = tp_json_get(doc, "image") || tp_json_get(doc, "build") ||
		     tp_json_get(doc, "dockerFile");

	rc[0] = image ? 0 : tp_jsonc_set(text, PATH("image"), "\"" DEFAULT_IMAGE "\"", err);
	rc[1] = rc[0] < 0 ? -1 :
			    tp_jsonc_add(text, PATH("runArgs"),
					 "\"--network=container:" CONTAINER "\"", err);
	rc[2] = rc[1] < 0 ? -1 :
			    tp_jsonc_set(text, PATH("containerEnv", TP_GATE_VAR),
					 "\"" GATE_ADDRESS "\"", err);
	rc[3] = rc[2] < 0 ? -1 :
		*own || tp_json_path(doc, "containerEnv." TP_GATE_VAR_OWN) ?
			    tp_jsonc_set(text, PATH("containerEnv", TP_GATE_VAR_OWN), names, err) :
			    0;
	rc[4] = rc[3] < 0 ? -1 :
			    tp_jsonc_add(text, PATH("mounts"),
					 "\"type=volume,source=" CONTAINER ",target=" TP_GATE_DIR
					 ",readonly\"",
					 err);
	rc[5] = rc[4] < 0 ? -1 : tp_jsonc_add(text, PATH("mounts"), profile, err);
	/* session/outsiders.h */
	rc[6] = rc[5] < 0 ? -1 :
			    tp_jsonc_add(text, PATH("runArgs"),
					 "\"--label=" TP_LABEL_JOINS "=" SESSION "\"", err);
	for (size_t i = 0; i < TP_ARRAY_SIZE(rc); i++) {
		if (rc[i] < 0)
			return -1;
		changed |= rc[i];
	}
	return changed;
}

static int set_start(struct tp_buf *text, struct tp_err *err)
{
	TP_AUTO_STRV words = { 0 };

	tp_strv_add(&words, TP_GATE_PROGRAM);
	tp_strv_add(&words, "-");
	tp_strv_add(&words, "true");
	return tp_devcontainer_command(text, "postStartCommand", &words, err);
}

int tp_devcontainer_image(struct tp_buf *text, const struct tp_json *doc,
			  const struct tp_devcontainer_spec *s, struct tp_err *err)
{
	int a, b, c;

	if (check(doc, err))
		return -1;
	a = set_initialize(text, s, err);
	b = a < 0 ? -1 : set_container(text, doc, s, err);
	c = b < 0 ? -1 : set_start(text, err);
	return c < 0 ? -1 : a || b || c;
}
