// SPDX-License-Identifier: Apache-2.0
/*
 * Merging follows client-go's clientcmd: of the files in KUBECONFIG the first
 * that defines an entry gives it whole; an entry of the same name in a later
 * file adds nothing. The same for current-context.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/kubeconfig_internal.h"

#define FILES_MAX 64

struct source {
	char *path, *dir;
	struct tp_kyaml *y;
};

struct sources {
	struct source s[FILES_MAX];
	size_t n;
	bool any; /* a file was there */
};

static void sources_free(struct sources *ss)
{
	for (size_t i = 0; i < ss->n; i++) {
		free(ss->s[i].path);
		free(ss->s[i].dir);
		tp_kyaml_free(ss->s[i].y);
	}
	ss->n = 0;
}

static const struct {
	const char *list, *kind;
} kinds[] = {
	{ "clusters", "cluster" },
	{ "users", "user" },
	{ "contexts", "context" },
};

/* kubectl refuses a list with one name twice, so there is no "first" to take. */
static int check_lists(const struct source *s, struct tp_err *err)
{
	for (size_t k = 0; k < TP_ARRAY_SIZE(kinds); k++) {
		int list = tp_kyaml_get(s->y, tp_kyaml_root(s->y), kinds[k].list);
		unsigned n = tp_kyaml_len(s->y, list);

		if (tp_kyaml_is_null(s->y, list))
			continue;
		if (!tp_kyaml_is_list(s->y, list))
			return tp_err_set(err, TP_ERR_PROTOCOL, "%s: line %u: %s is not a list",
					  s->path, tp_kyaml_line(s->y, list), kinds[k].list);
		if (n > 4096)
			return tp_err_set(err, TP_ERR_PROTOCOL, "%s: more than 4096 %s", s->path,
					  kinds[k].list);
		for (unsigned i = 0; i < n; i++) {
			int e = tp_kyaml_at(s->y, list, i);
			const char *name = tp_kyaml_str(s->y, tp_kyaml_get(s->y, e, "name"));

			if (!name)
				return tp_err_set(err, TP_ERR_PROTOCOL,
						  "%s: line %u: a %s without a name", s->path,
						  tp_kyaml_line(s->y, e), kinds[k].kind);
			for (unsigned j = 0; j < i; j++) {
				int o = tp_kyaml_at(s->y, list, j);
				const char *other =
					tp_kyaml_str(s->y, tp_kyaml_get(s->y, o, "name"));

				if (other && strcmp(other, name) == 0)
					return tp_err_set(
						err, TP_ERR_PROTOCOL,
						"%s: line %u: the %s \"%s\" is there twice",
						s->path, tp_kyaml_line(s->y, e), kinds[k].kind,
						name);
			}
		}
	}
	return 0;
}

/* Absolute, because a token file or a plugin is looked for later, when the
 * working directory may be another one. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (path[0] == '/')
		return n ? tp_strndup(path, n) : tp_strdup("/");

	tp_autofree char *cwd = getcwd(NULL, 0);

	return tp_asprintf("%s/%.*s", cwd ? cwd : ".", slash ? (int)n : 1, slash ? path : ".");
}

static int add_text(struct sources *ss, const char *path, const char *dir, const char *text,
		    size_t n, struct tp_err *err)
{
	struct source *s = &ss->s[ss->n];

	s->y = tp_kyaml_load(text, n, path, err);
	if (!s->y)
		return -1;
	s->path = tp_strdup(path);
	s->dir = dir ? tp_strdup(dir) : dir_of(path);
	ss->n++;
	ss->any = true;
	return check_lists(s, err);
}

static int add_file(struct sources *ss, const char *path, bool must, struct tp_err *err)
{
	TP_AUTO_BUF text = TP_BUF_INIT(TP_KUBECONFIG_MAX);

	if (ss->n == FILES_MAX)
		return tp_err_set(err, TP_ERR_FAILED, "KUBECONFIG names more than %d files",
				  FILES_MAX);
	for (size_t i = 0; i < ss->n; i++)
		if (strcmp(ss->s[i].path, path) == 0)
			return 0;
	if (tp_read_file(path, &text)) {
		if (errno == ENOENT && !must)
			return 0;
		if (errno == EFBIG)
			return tp_err_set(err, TP_ERR_FAILED, "kubeconfig %s is larger than %u MiB",
					  path, TP_KUBECONFIG_MAX >> 20);
		return tp_err_errno(err, errno, "kubeconfig %s", path);
	}
	return add_text(ss, path, NULL, text.data ? text.data : "", text.len, err);
}

static int add_files(struct sources *ss, const char *file, struct tp_err *err)
{
	const char *list = getenv("KUBECONFIG"), *home = getenv("HOME");

	if (file)
		return add_file(ss, file, true, err);
	if (list && *list) {
		while (*list) {
			size_t n = strcspn(list, ":");
			tp_autofree char *path = tp_strndup(list, n);

			if (n && add_file(ss, path, false, err))
				return -1;
			list += n + (list[n] == ':');
		}
		return 0;
	}
	if (home && *home) {
		tp_autofree char *path = tp_asprintf("%s/.kube/config", home);

		return add_file(ss, path, false, err);
	}
	return 0;
}

/* The first file's entry NAME in the list KIND; false if there is none. */
static bool find(const struct sources *ss, size_t kind, const char *name,
		 struct tp_kubeconfig_entry *e)
{
	for (size_t i = 0; i < ss->n; i++) {
		const struct source *s = &ss->s[i];
		int list = tp_kyaml_get(s->y, tp_kyaml_root(s->y), kinds[kind].list);

		for (unsigned j = 0; j < tp_kyaml_len(s->y, list); j++) {
			int node = tp_kyaml_at(s->y, list, j);
			const char *found = tp_kyaml_str(s->y, tp_kyaml_get(s->y, node, "name"));

			if (!found || strcmp(found, name) != 0)
				continue;
			*e = (struct tp_kubeconfig_entry){
				.y = s->y,
				.file = s->path,
				.dir = s->dir,
				.kind = kinds[kind].kind,
				.name = found,
				.node = tp_kyaml_get(s->y, node, kinds[kind].kind),
			};
			return true;
		}
	}
	return false;
}

static void names_of(const struct sources *ss, size_t kind, struct tp_strv *names)
{
	for (size_t i = 0; i < ss->n; i++) {
		const struct source *s = &ss->s[i];
		int list = tp_kyaml_get(s->y, tp_kyaml_root(s->y), kinds[kind].list);

		for (unsigned j = 0; j < tp_kyaml_len(s->y, list); j++) {
			const char *name = tp_kyaml_str(
				s->y, tp_kyaml_get(s->y, tp_kyaml_at(s->y, list, j), "name"));

			if (name && !tp_strv_has(names, name))
				tp_strv_add(names, name);
		}
	}
}

static char *joined(const struct tp_strv *l, const char *sep)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1024);

	for (size_t i = 0; i < l->n; i++) {
		if (tp_buf_puts(&b, i ? sep : "") || tp_buf_puts(&b, l->v[i])) {
			tp_buf_puts(&b, "...");
			break;
		}
	}
	return tp_buf_steal(&b);
}

static char *source_names(const struct sources *ss)
{
	TP_AUTO_STRV paths = { 0 };

	for (size_t i = 0; i < ss->n; i++)
		tp_strv_add(&paths, ss->s[i].path);
	return joined(&paths, ":");
}

static int no_context(const struct sources *ss, const char *wanted, struct tp_err *err)
{
	TP_AUTO_STRV names = { 0 };
	tp_autofree char *from = source_names(ss), *list = NULL;

	names_of(ss, 2, &names);
	list = joined(&names, ", ");
	if (wanted)
		tp_err_set(err, TP_ERR_NOT_FOUND, "no context \"%s\" in %s", wanted, from);
	else
		tp_err_set(err, TP_ERR_NOT_FOUND, "%s has no current-context", from);
	if (!names.n)
		return tp_err_hint(err, "There is no context in it at all.");
	if (!wanted)
		return tp_err_hint(err, "Choose one with --context: %s", list);
	return tp_err_hint(err, "There are: %s", list);
}

static char *current_context(const struct sources *ss)
{
	for (size_t i = 0; i < ss->n; i++) {
		const struct source *s = &ss->s[i];
		const char *c = tp_kyaml_str(s->y, tp_kyaml_get(s->y, tp_kyaml_root(s->y),
								"current-context"));

		if (c && *c)
			return tp_strdup(c);
	}
	return NULL;
}

static int resolve(const struct sources *ss, const char *context, struct tp_kubeconfig *kc,
		   struct tp_err *err)
{
	struct tp_kubeconfig_entry e;

	kc->source = source_names(ss);
	kc->context = context && *context ? tp_strdup(context) : current_context(ss);
	if (!kc->context)
		return no_context(ss, NULL, err);
	if (!find(ss, 2, kc->context, &e)) {
		no_context(ss, kc->context, err);
		if (!context)
			tp_err_hint(err, "The file's current-context names it.");
		return -1;
	}
	if (tp_kubeconfig_string(&e, "cluster", &kc->cluster_name, err) ||
	    tp_kubeconfig_string(&e, "user", &kc->user_name, err) ||
	    tp_kubeconfig_string(&e, "namespace", &kc->namespace, err))
		return -1;
	if (!kc->cluster_name)
		return tp_err_set(err, TP_ERR_NOT_FOUND, "%s: context \"%s\" names no cluster",
				  e.file, kc->context);
	if (!find(ss, 0, kc->cluster_name, &e))
		return tp_err_set(err, TP_ERR_NOT_FOUND,
				  "context \"%s\": there is no cluster \"%s\" in %s", kc->context,
				  kc->cluster_name, kc->source);
	if (tp_kubeconfig_cluster(&e, kc, err))
		return -1;
	/* A context without a user is anonymous; one with an unknown user is a mistake. */
	if (!kc->user_name)
		return 0;
	if (!find(ss, 1, kc->user_name, &e))
		return tp_err_set(err, TP_ERR_NOT_FOUND,
				  "context \"%s\": there is no user \"%s\" in %s", kc->context,
				  kc->user_name, kc->source);
	return tp_kubeconfig_user(&e, kc, err);
}

static int load(const char *file, const char *context, const char *namespace,
		struct tp_kubeconfig *kc, struct tp_err *err)
{
	tp_autoclean(sources_free) struct sources ss = { .n = 0 };

	if (add_files(&ss, file, err))
		return -1;
	if (ss.any) {
		if (resolve(&ss, context, kc, err))
			return -1;
	} else {
		const char *list = getenv("KUBECONFIG");
		int rc = tp_kubeconfig_incluster(kc, err);

		if (rc < 0)
			return -1;
		if (rc == 0) {
			if (list && *list)
				tp_err_set(
					err, TP_ERR_NOT_FOUND,
					"no kubeconfig: KUBECONFIG is \"%s\", and there is no such file",
					list);
			else
				tp_err_set(
					err, TP_ERR_NOT_FOUND,
					"no kubeconfig: there is no ~/.kube/config, KUBECONFIG is not set, "
					"and this is not a pod");
			return tp_err_hint(err,
					   "Name one with --kubeconfig FILE, or set KUBECONFIG.");
		}
		if (context && *context && strcmp(context, kc->context) != 0)
			return tp_err_set(
				err, TP_ERR_NOT_FOUND,
				"no context \"%s\": there is no kubeconfig, only the pod's service account",
				context);
	}
	if (namespace && *namespace) {
		free(kc->namespace);
		kc->namespace = tp_strdup(namespace);
	}
	return 0;
}

static int finish(int rc, struct tp_kubeconfig *kc)
{
	if (rc) {
		tp_kubeconfig_free(kc);
		return -1;
	}
	if (!kc->namespace || !*kc->namespace) {
		free(kc->namespace);
		kc->namespace = tp_strdup("default");
	}
	return 0;
}

int tp_kubeconfig_load(const char *file, const char *context, const char *namespace,
		       struct tp_kubeconfig *kc, struct tp_err *err)
{
	memset(kc, 0, sizeof(*kc));
	return finish(load(file, context, namespace, kc, err), kc);
}

static int parse(const char *text, size_t n, const char *base_dir, const char *context,
		 struct tp_kubeconfig *kc, struct tp_err *err)
{
	tp_autoclean(sources_free) struct sources ss = { .n = 0 };

	if (add_text(&ss, "kubeconfig", base_dir, text, n, err))
		return -1;
	return resolve(&ss, context, kc, err);
}

int tp_kubeconfig_parse(const char *text, size_t n, const char *base_dir, const char *context,
			struct tp_kubeconfig *kc, struct tp_err *err)
{
	memset(kc, 0, sizeof(*kc));
	return finish(parse(text, n, base_dir, context, kc, err), kc);
}

int tp_kubeconfig_contexts(const char *file, struct tp_strv *names, struct tp_err *err)
{
	tp_autoclean(sources_free) struct sources ss = { .n = 0 };

	if (add_files(&ss, file, err))
		return -1;
	names_of(&ss, 2, names);
	return 0;
}

int tp_kubeconfig_namespaces(const char *file, struct tp_strv *names, struct tp_err *err)
{
	tp_autoclean(sources_free) struct sources ss = { .n = 0 };
	TP_AUTO_STRV contexts = { 0 };

	if (add_files(&ss, file, err))
		return -1;
	names_of(&ss, 2, &contexts);
	for (size_t i = 0; i < contexts.n; i++) {
		struct tp_kubeconfig_entry e;
		tp_autofree char *namespace = NULL;

		if (find(&ss, 2, contexts.v[i], &e) &&
		    !tp_kubeconfig_string(&e, "namespace", &namespace, NULL) && namespace &&
		    !tp_strv_has(names, namespace))
			tp_strv_add(names, namespace);
	}
	return 0;
}

void tp_kubeconfig_free(struct tp_kubeconfig *kc)
{
	char *plain[] = { kc->context,
			  kc->cluster_name,
			  kc->user_name,
			  kc->source,
			  kc->namespace,
			  kc->server,
			  kc->ca_pem,
			  kc->tls_server_name,
			  kc->cert_pem,
			  kc->token_file,
			  kc->username,
			  kc->exec.command,
			  kc->exec.api_version,
			  kc->exec.install_hint,
			  kc->exec.cluster_config,
			  kc->exec.interactive_mode,
			  kc->as_user,
			  kc->as_uid };
	/* a proxy's URL may hold a password, and so may the plugin's variables */
	char *secret[] = { kc->key_pem, kc->token, kc->password, kc->proxy_url };

	for (size_t i = 0; i < TP_ARRAY_SIZE(plain); i++)
		free(plain[i]);
	for (size_t i = 0; i < TP_ARRAY_SIZE(secret); i++)
		tp_free_secret(secret[i]);
	for (size_t i = 0; i < kc->exec.env.n; i++)
		tp_wipe(kc->exec.env.v[i], strlen(kc->exec.env.v[i]));
	tp_strv_free(&kc->files);
	tp_strv_free(&kc->exec.args);
	tp_strv_free(&kc->exec.env);
	tp_strv_free(&kc->as_groups);
	tp_strv_free(&kc->as_extra);
	memset(kc, 0, sizeof(*kc));
}
