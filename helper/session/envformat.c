/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "docker/launch_env.h"
#include "session/envformat.h"

#define TEXT_MAX (64u << 20)

static const char *const words[] = {
	[TP_ENV_PLAIN] = "env",	      [TP_ENV_SHELL] = "shell",	  [TP_ENV_JSON] = "json",
	[TP_ENV_COMPOSE] = "compose", [TP_ENV_DOCKER] = "docker",
};

int tp_env_format_find(const char *word, enum tp_env_format *f, struct tp_err *err)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], word))
			continue;
		*f = (enum tp_env_format)i;
		return 0;
	}
	return tp_err_set(err, TP_ERR_USAGE,
			  "--format %s: it is one of env, json, shell, compose and docker", word);
}

/* ------------------------------------------------------------------ names */

/* What every shell takes as a name. The locale must not have a say. */
static bool is_identifier(const char *s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *s && strchr(letters, *s) && !s[strspn(s, all)];
}

/* Compose takes these two besides, and a digit in front. */
static bool is_compose_name(const char *s)
{
	static const char all[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-";

	return *s && !s[strspn(s, all)];
}

/*
 * Variables that bash or dash keep for themselves. Some are read-only, and a
 * shell in POSIX mode ends at an assignment to them; some take numbers only, and end it as well;
 * the others forget what they were given.
 */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {
		"_",
		"UID",
		"EUID",
		"PPID",
		"GROUPS",
		"SHELLOPTS",
		"BASHOPTS",
		"BASHPID",
		"BASH_VERSINFO",
		"BASH_ALIASES",
		"BASH_ARGC",
		"BASH_ARGV",
		"BASH_ARGV0",
		"BASH_CMDS",
		"BASH_COMMAND",
		"BASH_LINENO",
		"BASH_REMATCH",
		"BASH_SOURCE",
		"BASH_SUBSHELL",
		"FUNCNAME",
		"DIRSTACK",
		"PIPESTATUS",
		"OPTIND",
		"LINENO",
		"RANDOM",
		"SRANDOM",
		"SECONDS",
		"EPOCHSECONDS",
		"EPOCHREALTIME",
		"HISTCMD",
		"COMP_WORDBREAKS",
	};

	for (size_t i = 0; i < TP_ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* ----------------------------------------------------------------- values */

/* Stands for itself in a shell as well as in Compose's files. (Not so: a
 * tilde, which both home directories and ":~" begin with.) */
static bool is_plain(const char *s)
{
	return !s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789_./:@%+,-")];
}

/* Between single quotes a shell reads everything as it is; one that is part
 * of the value is written outside of them. */
static int put_shell(struct tp_buf *b, const char *value)
{
	int rc;

	if (is_plain(value))
		return tp_buf_puts(b, value);
	rc = tp_buf_putc(b, '\'');
	for (const char *p = value; *p; p++)
		rc |= *p == '\'' ? tp_buf_puts(b, "'\\''") : tp_buf_putc(b, *p);
	return rc | tp_buf_putc(b, '\'');
}

/*
 * Compose reads \' between single quotes as a quote and every other
 * backslash as itself. So a quote in the value, or the closing one, must not
 * come behind a backslash that would take it along: one that is not the
 * second of a pair.
 */
static bool fits_single_quotes(const char *value)
{
	bool odd = false;

	for (const char *p = value;; p++) {
		if (odd && (*p == '\'' || !*p))
			return false;
		if (!*p)
			return true;
		odd = *p == '\\' && !odd;
	}
}

static int put_compose(struct tp_buf *b, const char *value)
{
	bool single = fits_single_quotes(value);
	char quote = single ? '\'' : '"';
	int rc;

	if (is_plain(value))
		return tp_buf_puts(b, value);
	rc = tp_buf_putc(b, quote);
	for (const char *p = value; *p; p++) {
		if (single ? *p == '\'' : strchr("\\\"$", *p) != NULL)
			rc |= tp_buf_putc(b, '\\');
		rc |= tp_buf_putc(b, *p);
	}
	return rc | tp_buf_putc(b, quote);
}

/* ---------------------------------------------------------------- formats */

static int print_shell(struct tp_env_text *t, const char *before, const char *name,
		       const char *value)
{
	if (!is_identifier(name)) {
		tp_strv_add(&t->bad_names, name);
		return 0;
	}
	if (is_reserved(name)) {
		tp_strv_add(&t->reserved, name);
		return 0;
	}
	return tp_buf_printf(&t->text, "%s%s=", before, name) | put_shell(&t->text, value) |
	       tp_buf_putc(&t->text, '\n');
}

static int print_compose(struct tp_env_text *t, const char *name, const char *value)
{
	if (!is_compose_name(name)) {
		tp_strv_add(&t->bad_names, name);
		return 0;
	}
	if (!tp_utf8_valid(value, strlen(value))) {
		tp_strv_add(&t->bad_values, name);
		return 0;
	}
	return tp_buf_printf(&t->text, "%s=", name) | put_compose(&t->text, value) |
	       tp_buf_putc(&t->text, '\n');
}

/* docker has no quotes: a line is a value as it is, or a name alone. That
 * one has to be exported by a shell. */
static int print_docker(struct tp_env_text *t, const char *kv, const char *name, const char *value)
{
	if (tp_env_fits_line(kv, strlen(name), strlen(kv)))
		return tp_buf_printf(&t->text, "%s\n", kv);
	if (!is_identifier(name)) {
		tp_strv_add(&t->bad_names, name);
		return 0;
	}
	if (!tp_utf8_valid(value, strlen(value))) {
		tp_strv_add(&t->bad_values, name);
		return 0;
	}
	if (is_reserved(name)) {
		tp_strv_add(&t->reserved, name);
		return 0;
	}
	tp_strv_add(&t->bare, name);
	return tp_buf_printf(&t->text, "%s\n", name);
}

static void print_json(struct tp_env_text *t, struct tp_jw *w, const char *name, const char *value)
{
	if (!tp_utf8_valid(name, strlen(name)))
		tp_strv_add(&t->bad_names, name);
	else if (!tp_utf8_valid(value, strlen(value)))
		tp_strv_add(&t->bad_values, name);
	else
		tp_jw_str(w, name, value);
}

static int print_one(enum tp_env_format f, struct tp_env_text *t, struct tp_jw *w, const char *kv)
{
	const char *value = strchr(kv, '=') + 1;
	tp_autofree char *name = tp_strndup(kv, (size_t)(value - kv) - 1);

	switch (f) {
	case TP_ENV_PLAIN:
		return print_shell(t, "", name, value);
	case TP_ENV_SHELL:
		return print_shell(t, "export ", name, value);
	case TP_ENV_COMPOSE:
		return print_compose(t, name, value);
	case TP_ENV_DOCKER:
		return print_docker(t, kv, name, value);
	case TP_ENV_JSON:
		print_json(t, w, name, value);
	}
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What a container would be given, in order: two looks can be compared. The array is the caller's, the strings are not. */
static const char **given(const char *const *env, size_t *n)
{
	const char **list;
	size_t all = 0;

	while (env[all])
		all++;
	list = tp_calloc(all + 1, sizeof(*list));
	*n = 0;
	for (size_t i = 0; i < all; i++)
		if (tp_env_is_given(env, i))
			list[(*n)++] = env[i];
	qsort(list, *n, sizeof(*list), by_text);
	return list;
}

int tp_env_format_print(enum tp_env_format f, const char *const *env, struct tp_env_text *out,
			struct tp_err *err)
{
	TP_AUTO_JW *w = f == TP_ENV_JSON ? tp_jw_new() : NULL;
	char *json = NULL;
	size_t len = 0, n;
	tp_autofree const char **list = given(env, &n);
	int rc = 0;

	*out = (struct tp_env_text){ .text = TP_BUF_INIT(TEXT_MAX) };
	if (w)
		tp_jw_object(w, NULL);
	for (size_t i = 0; i < n; i++)
		rc |= print_one(f, out, w, list[i]);
	if (w) {
		tp_jw_end(w);
		json = tp_jw_finish(w, &len, err);
		if (!json)
			return -1;
		rc = tp_buf_put(&out->text, json, len) | tp_buf_putc(&out->text, '\n');
		tp_free_secret(json);
	}
	return rc ? tp_err_set(err, TP_ERR_FAILED, "the environment is larger than %u MiB",
			       TEXT_MAX >> 20) :
		    0;
}

void tp_env_text_free(struct tp_env_text *t)
{
	tp_buf_free(&t->text);
	tp_strv_free(&t->bad_names);
	tp_strv_free(&t->reserved);
	tp_strv_free(&t->bad_values);
	tp_strv_free(&t->bare);
}
