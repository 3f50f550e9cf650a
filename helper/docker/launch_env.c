/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/launch_env.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define LINE_MAX_BYTES (32u << 10)  /* docker's reader of env files stops at 64 KiB */
#define VALUE_MAX      (128u << 10) /* the kernel's limit of one string of an environment */
#define FILE_MAX       (16u << 20)
#define ENV_FILE_MAX   (16u << 20)

static bool is_one_of(const char *const *list, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = strlen(list[i]);

		/* "X*" stands for all that begin with X */
		if (list[i][k - 1] == '*' ? len >= k - 1 && memcmp(list[i], name, k - 1) == 0 :
					    len == k && memcmp(list[i], name, k) == 0)
			return true;
	}
	return false;
}

bool tp_env_is_kept_back(const char *name, size_t len)
{
	static const char *const names[] = { "HOME", "PATH", "HOSTNAME" };

	return is_one_of(names, TP_ARRAY_SIZE(names), name, len);
}

/* Names that would change what the docker CLI, its helpers or podman do. */
static bool changes_cli(const char *name, size_t len)
{
	static const char *const names[] = {
		"HOME",	       "PATH",		"USER",	       "LOGNAME",   "SHELL",
		"TERM",	       "COLORTERM",	"NO_COLOR",    "LANG",	    "LANGUAGE",
		"LC_*",	       "TMPDIR",	"TZ",	       "IFS",	    "ENV",
		"BASH_*",      "LD_*",		"GLIBC_*",     "MALLOC_*",  "GO*",
		"SSL_*",       "HTTP_PROXY",	"HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
		"ALL_PROXY",   "http_proxy",	"https_proxy", "ftp_proxy", "no_proxy",
		"all_proxy",   "DOCKER_*",	"BUILDKIT_*",  "BUILDX_*",  "COMPOSE_*",
		"CONTAINER*",  "PODMAN_*",	"REGISTRY_*",  "STORAGE_*", "XDG_*",
		"DBUS_*",      "SSH_*",		"GPG_*",       "GNUPGHOME", "PASSWORD_STORE_*",
		"AWS_*",       "GOOGLE_*",	"CLOUDSDK_*",  "AZURE_*",   "KUBECONFIG",
		"OTEL_*",      "NOTIFY_SOCKET", "LISTEN_*",    "CI",	    "RES_OPTIONS",
		"LOCALDOMAIN", "HOSTALIASES",	"TPDOCKER_*",
	};

	return is_one_of(names, TP_ARRAY_SIZE(names), name, len);
}

bool tp_env_fits_line(const char *kv, size_t name, size_t len)
{
	if (len >= LINE_MAX_BYTES || kv[0] == '#' || memchr(kv, '\n', len) ||
	    memchr(kv, '\r', len) || !tp_utf8_valid(kv, len))
		return false;
	for (size_t i = 0; i < name; i++)
		if ((unsigned char)kv[i] <= ' ' || (unsigned char)kv[i] >= 0x7f)
			return false;
	return true;
}

bool tp_env_is_given(const char *const *env, size_t i)
{
	const char *eq = strchr(env[i], '=');
	size_t name = eq ? (size_t)(eq - env[i]) : 0;

	if (name == 0 || tp_env_is_kept_back(env[i], name))
		return false;
	for (size_t k = i + 1; env[k]; k++)
		if (strncmp(env[k], env[i], name + 1) == 0)
			return false;
	return true;
}

void tp_launch_env_split(const char *const *env, const struct tp_strv *user_names,
			 struct tp_launch_env *out)
{
	*out = (struct tp_launch_env){ .file = TP_BUF_INIT(FILE_MAX) };
	for (size_t i = 0; env && env[i]; i++) {
		const char *kv = env[i];
		size_t name = strcspn(kv, "="), len = strlen(kv);

		if (!tp_env_is_given(env, i))
			continue;
		tp_autofree char *word = tp_strndup(kv, name);
		if (tp_strv_has(user_names, word))
			continue;
		if (tp_env_fits_line(kv, name, len) && tp_buf_printf(&out->file, "%s\n", kv) == 0)
			continue;
		if (changes_cli(kv, name) || len >= VALUE_MAX) {
			tp_strv_add(&out->left_out, word);
			continue;
		}
		tp_strv_add(&out->names, word);
		tp_strv_add(&out->environ, kv);
	}
}

void tp_launch_env_free(struct tp_launch_env *e)
{
	for (size_t i = 0; i < e->environ.n; i++)
		tp_wipe(e->environ.v[i], strlen(e->environ.v[i]));
	tp_buf_free(&e->file);
	tp_strv_free(&e->names);
	tp_strv_free(&e->environ);
	tp_strv_free(&e->left_out);
}

/* "K=V", or "K" alone: docker takes the value from its own environment, and
 * leaves the variable out if it is not there. The user's word counts either way. */
static void add_name(struct tp_strv *names, const char *s)
{
	tp_autofree char *word = tp_strndup(s, strcspn(s, "="));

	if (*word && !tp_strv_has(names, word))
		tp_strv_add(names, word);
}

static int names_of_file(const char *path, struct tp_strv *names, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(ENV_FILE_MAX);
	char *save = NULL;

	if (tp_read_file(path, &b) < 0)
		return tp_err_errno(err, errno, "cannot read the env file %s", path);
	if (!b.len)
		return 0;
	char *text = b.data;
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		l += strspn(l, " \t\v\f\r");
		size_t n = strlen(l);
		if (n && l[n - 1] == '\r')
			l[n - 1] = '\0';
		if (*l != '#')
			add_name(names, l);
	}
	return 0;
}

int tp_launch_user_env_names(const struct tp_run_args *a, struct tp_strv *names, struct tp_err *err)
{
	for (size_t i = 0; i < a->env.n; i++)
		add_name(names, a->env.v[i]);
	for (size_t i = 0; i < a->env_files.n; i++)
		if (names_of_file(a->env_files.v[i], names, err) < 0)
			return -1;
	return 0;
}
