/* SPDX-License-Identifier: Apache-2.0 */
#include "complete/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "docker/flags.h"

/* What completes the values of docker run's flags. */
static const struct {
	const char *flag, *kind;
} docker_kinds[] = {
	{ "attach", "stdin|stdout|stderr" },
	{ "cgroupns", "host|private" },
	{ "cidfile", "file" },
	{ "device", "file" },
	{ "env", "variable" },
	{ "env-file", "file" },
	{ "gpus", "all" },
	{ "ipc", "host|none|private|shareable" },
	{ "label-file", "file" },
	{ "link", "container" },
	{ "log-driver", "json-file|local|journald|syslog|none" },
	{ "net", "network" },
	{ "network", "network" },
	{ "pid", "host" },
	{ "platform", "linux/amd64|linux/arm64|linux/arm/v7" },
	{ "pull", "always|missing|never" },
	{ "restart", "no|on-failure|always|unless-stopped" },
	{ "security-opt",
	  "no-new-privileges|apparmor=unconfined|label=disable|seccomp=unconfined" },
	{ "stop-signal", "SIGTERM|SIGINT|SIGQUIT|SIGHUP|SIGKILL|SIGUSR1|SIGUSR2" },
	{ "userns", "host" },
	{ "uts", "host" },
	{ "volume", "volume" },
	{ "volumes-from", "container" },
};

/* An option as it is met in a command line. */
struct met {
	const char *name;
	bool takes_value;
	const char *kind; /* of the value, also of a flag's "=value" */
};

static const char *docker_kind(const char *flag)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(docker_kinds); i++)
		if (!strcmp(docker_kinds[i].flag, flag))
			return docker_kinds[i].kind;
	return NULL;
}

static bool from_docker(const struct tp_flag *f, struct met *m)
{
	*m = (struct met){ f->name, f->takes_value,
			   f->takes_value ? docker_kind(f->name) : "true|false" };
	return true;
}

static bool meet_long(const struct tp_cmd *cmd, const char *name, size_t n, struct met *m)
{
	const struct tp_opt *o = cmd->options ? tp_opt_find(cmd->options, name, n) : NULL;

	if (o) {
		*m = (struct met){ o->name, o->type != TP_OPT_FLAG,
				   o->type == TP_OPT_FLAG ? "true|false" : o->complete };
		return true;
	}
	for (const struct tp_flag *f = tp_docker_flags; cmd->docker_flags && f->name; f++)
		if (strlen(f->name) == n && !memcmp(f->name, name, n))
			return from_docker(f, m);
	return false;
}

/* The letter that takes a value from the next word: "-itp 80:80" is p's. */
static bool meet_letters(const struct tp_cmd *cmd, const char *word, struct met *m)
{
	for (const char *c = word + 1; cmd->docker_flags && *c; c++)
		for (const struct tp_flag *f = tp_docker_flags; f->name; f++) {
			if (f->short_name != *c)
				continue;
			if (f->takes_value || c[1] == '=')
				return from_docker(f, m) && f->takes_value && !c[1];
		}
	return false;
}

/* Without the shell's quoting, as far as it can be known without running anything. */
static char *unquote(const char *s)
{
	const char *home = getenv("HOME");
	TP_AUTO_BUF b = TP_BUF_INIT(1u << 20);
	char quote = '\0';

	if (s[0] == '~' && (s[1] == '/' || !s[1]) && home) {
		tp_buf_puts(&b, home);
		s++;
	}
	for (; *s; s++) {
		if (!quote && (*s == '\'' || *s == '"'))
			quote = *s;
		else if (quote && *s == quote)
			quote = '\0';
		else if (*s == '\\' && quote != '\'' && s[1])
			tp_buf_putc(&b, *++s);
		else
			tp_buf_putc(&b, *s);
	}
	return tp_buf_steal(&b);
}

static void remember(struct tp_cursor *p, const char *name, const char *value)
{
	const struct {
		const char *name;
		char **to;
	} wanted[] = {
		{ "context", &p->context },
		{ "namespace", &p->namespace },
		{ "kubeconfig", &p->kubeconfig },
		{ "host", &p->docker_host },
		{ "docker-context", &p->docker_context },
	};

	tp_strv_add(&p->given, name);
	for (size_t i = 0; i < TP_ARRAY_SIZE(wanted); i++) {
		if (strcmp(wanted[i].name, name) != 0)
			continue;
		free(*wanted[i].to);
		*wanted[i].to = tp_strdup(value);
	}
}

static void at_value(struct tp_cursor *p, const char *kind, const char *begun)
{
	char *copy = tp_strdup(begun); /* it may be a part of the old one */

	p->what = TP_CURSOR_VALUE;
	p->kind = tp_strdup(kind);
	free(p->begun);
	p->begun = copy;
}

/* The N-th argument, from 0. */
static void at_argument(struct tp_cursor *p, int n)
{
	const char *kind = p->cmd->complete;
	size_t len = kind ? strlen(kind) : 0;
	bool each = len > 3 && !strcmp(kind + len - 3, "...");

	if (!kind || (n && !each))
		return;
	p->what = TP_CURSOR_VALUE;
	p->kind = tp_strndup(kind, each ? len - 3 : len);
}

/* The word at the cursor, when it begins as an option. */
static void at_option(struct tp_cursor *p)
{
	const char *equals = strchr(p->begun, '=');
	struct met m;

	if (!equals)
		p->what = p->begun[1] && p->begun[1] != '-' ? TP_CURSOR_NOWHERE : TP_CURSOR_OPTION;
	else if (!strncmp(p->begun, "--", 2) &&
		 meet_long(p->cmd, p->begun + 2, (size_t)(equals - p->begun) - 2, &m))
		at_value(p, m.kind, equals + 1);
}

static void find_in_command(struct tp_cursor *p, int n, char *const *words)
{
	const struct tp_cmd *cmd = p->cmd;
	bool options = true; /* may still come */
	int arguments = 0;

	for (int i = 0; i + 1 < n; i++) {
		const char *word = words[i];
		size_t len = strcspn(word, "=");
		struct met m;
		bool is_long = word[0] == '-' && word[1] == '-';

		if (!options || word[0] != '-' || !word[1]) {
			arguments++;
			options = options && !cmd->options_first;
		} else if (!strcmp(word, "--")) {
			options = false;
		} else if (is_long ? !meet_long(cmd, word + 2, len - 2, &m) :
				     !meet_letters(cmd, word, &m)) {
			continue; /* unknown, or letters that take nothing more */
		} else if (word[len] && is_long) {
			remember(p, m.name, word + len + 1);
		} else if (m.takes_value && i + 2 == n) {
			at_value(p, m.kind, p->begun);
			return;
		} else {
			remember(p, m.name, m.takes_value ? words[++i] : NULL);
		}
	}
	if (options && p->begun[0] == '-')
		at_option(p);
	else
		at_argument(p, arguments);
}

void tp_cursor_find(struct tp_cursor *p, const struct tp_cmd *const *commands, int n,
		    char *const *words)
{
	TP_AUTO_STRV plain = { 0 };

	*p = (struct tp_cursor){ 0 };
	for (int i = 0; i < n; i++)
		tp_strv_take(&plain, unquote(words[i]));
	p->begun = tp_strdup(plain.v[n - 1]);
	if (n == 1) {
		p->what = TP_CURSOR_COMMAND;
		return;
	}
	for (; *commands; commands++)
		if (!(*commands)->hidden && !strcmp((*commands)->name, plain.v[0]))
			p->cmd = *commands;
	if (p->cmd)
		find_in_command(p, n - 1, plain.v + 1);
}

void tp_cursor_free(struct tp_cursor *p)
{
	char *const strings[] = { p->begun,	 p->context,	 p->namespace,	   p->kind,
				  p->kubeconfig, p->docker_host, p->docker_context };

	for (size_t i = 0; i < TP_ARRAY_SIZE(strings); i++)
		free(strings[i]);
	tp_strv_free(&p->given);
	*p = (struct tp_cursor){ 0 };
}
