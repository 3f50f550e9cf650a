/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker's options are parsed as pflag does it there: --x=v, --x v, -xv, -x v, -x=v,
 * and letters in clusters (-DH unix:///s).
 */
#include "docker/plugin.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum kind { TEXT, SWITCH };

struct global {
	const char *name;
	char letter;
	enum kind kind;
	void *to; /* const char ** or int *: 0 not given, 1, -1 for =false */
};

struct parser {
	struct tp_plugin *p;
	const char *host, *config, *context; /* as given, if empty */
	int debug, help, version;
	int argc;
	char *const *argv;
	int i;
	struct tp_err *err;
};

#define N_GLOBALS 12

static void globals_of(struct parser *s, struct global out[N_GLOBALS])
{
	struct tp_docker_globals *g = &s->p->globals;
	const struct global all[N_GLOBALS] = {
		{ "config", 0, TEXT, &s->config },
		{ "context", 'c', TEXT, &s->context },
		{ "host", 'H', TEXT, &s->host },
		{ "log-level", 'l', TEXT, &g->log_level },
		{ "tlscacert", 0, TEXT, &g->tls_ca },
		{ "tlscert", 0, TEXT, &g->tls_cert },
		{ "tlskey", 0, TEXT, &g->tls_key },
		{ "tls", 0, SWITCH, &g->tls },
		{ "tlsverify", 0, SWITCH, &g->tls_verify },
		{ "debug", 'D', SWITCH, &s->debug },
		{ "help", 'h', SWITCH, &s->help },
		{ "version", 'v', SWITCH, &s->version },
	};

	memcpy(out, all, sizeof(all));
}

/* As Go's strconv.ParseBool. */
static int parse_bool(const char *s, int *out)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(yes); i++) {
		if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
			*out = strcmp(s, yes[i]) ? -1 : 1;
			return 0;
		}
	}
	return -1;
}

static int set(struct parser *s, const struct global *g, const char *value)
{
	if (g->kind == SWITCH) {
		*(int *)g->to = 1;
		if (value && parse_bool(value, g->to))
			return tp_err_set(s->err, TP_ERR_USAGE,
					  "docker's --%s takes true or false, not \"%s\"", g->name,
					  value);
		return 0;
	}
	if (!value) {
		if (s->i + 1 >= s->argc)
			return tp_err_set(s->err, TP_ERR_USAGE, "docker's --%s needs a value",
					  g->name);
		value = s->argv[++s->i];
	}
	if (g->to == &s->host && s->host)
		return tp_err_set(s->err, TP_ERR_USAGE, "docker's --host may be given only once");
	*(const char **)g->to = value;
	return 0;
}

static int unknown(struct parser *s, const char *word)
{
	return tp_err_set(s->err, TP_ERR_USAGE,
			  "docker was given %s, an option that this version of tpdocker does "
			  "not know",
			  word);
}

static int parse_long(struct parser *s, const struct global *all, const char *word)
{
	size_t n = strcspn(word + 2, "=");
	const char *value = word[2 + n] ? word + 2 + n + 1 : NULL;

	for (size_t i = 0; i < N_GLOBALS; i++)
		if (strlen(all[i].name) == n && !memcmp(all[i].name, word + 2, n))
			return set(s, &all[i], value);
	return unknown(s, word);
}

static int parse_letters(struct parser *s, const struct global *all, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct global *g = NULL;
		const char *value = NULL;

		for (size_t i = 0; i < N_GLOBALS; i++)
			if (all[i].letter == *c)
				g = &all[i];
		if (!g)
			return unknown(s, word);
		/* pflag looks for "=" only if something stands behind it. */
		if (c[1] == '=' && c[2])
			value = c + 2;
		else if (c[1] && g->kind == TEXT)
			value = c + 1;
		if (set(s, g, value))
			return -1;
		if (value || g->kind == TEXT)
			return 0;
	}
	return 0;
}

/* Empty values mean what they mean to docker. */
static int settle(struct parser *s)
{
	static const char *const levels[] = { "debug", "info", "warn", "error", "fatal", "panic" };
	struct tp_docker_globals *g = &s->p->globals;
	bool known = !g->log_level;

	g->config = s->config && *s->config ? s->config : NULL;
	g->context = s->context && *s->context ? s->context : NULL;
	g->host = s->host && !*s->host ? "unix://" : s->host;
	g->debug = s->debug > 0;
	for (size_t i = 0; !known && i < TP_ARRAY_SIZE(levels); i++)
		known = !strcmp(levels[i], g->log_level);
	if (known)
		return 0;
	return tp_err_set(s->err, TP_ERR_USAGE,
			  "docker's --log-level is one of debug, info, warn, error and fatal, not "
			  "\"%s\"",
			  g->log_level);
}

/* What is asked of us, behind docker's options: false if nothing is. */
static bool take_words(struct parser *s)
{
	static const char *const in_front[] = { "help", "__complete", "__completeNoDesc" };
	struct tp_strv *args = &s->p->args;
	const char *word = s->i < s->argc ? s->argv[s->i] : "";
	const char *first = s->version > 0 ? "version" : s->help > 0 ? "help" : NULL;

	for (size_t i = 0; i < TP_ARRAY_SIZE(in_front); i++) {
		if (strcmp(word, in_front[i]) != 0)
			continue;
		first = word;
		word = s->i + 1 < s->argc ? s->argv[++s->i] : "";
		break;
	}
	if (strcmp(word, s->p->name) != 0)
		return false;
	if (first)
		tp_strv_add(args, first);
	for (s->i++; s->i < s->argc && s->version <= 0; s->i++)
		tp_strv_add(args, s->argv[s->i]);
	return true;
}

static int parse(struct parser *s)
{
	struct global all[N_GLOBALS];

	globals_of(s, all);
	for (; s->i < s->argc; s->i++) {
		const char *word = s->argv[s->i];
		int rc;

		if (word[0] != '-' || !word[1])
			break;
		if (!strcmp(word, "--")) {
			s->i++;
			break;
		}
		rc = word[1] == '-' ? parse_long(s, all, word) : parse_letters(s, all, word);
		if (rc)
			return -1;
	}
	if (settle(s))
		return -1;
	s->p->called = take_words(s);
	return 0;
}

int tp_plugin_parse(struct tp_plugin *p, int argc, char *const *argv, const char *cli,
		    struct tp_err *err)
{
	struct parser s = { .p = p, .argc = argc, .argv = argv, .i = 1, .err = err };
	const char *base = argc ? strrchr(argv[0], '/') : NULL;
	static const char prefix[] = "docker-";

	*p = (struct tp_plugin){ 0 };
	tp_strv_add(&p->args, argc ? argv[0] : "tpdocker");
	base = base ? base + 1 : argc ? argv[0] : "";
	if (cli && *cli && !strncmp(base, prefix, strlen(prefix))) {
		p->name = tp_strdup(base + strlen(prefix));
		if (parse(&s)) {
			tp_plugin_free(p);
			return -1;
		}
	}
	if (p->called)
		return 0;
	/* The variable is inherited: something below a plugin of docker's has
	 * called us by this name, on its own account. */
	free(tp_steal(&p->name));
	p->globals = (struct tp_docker_globals){ 0 };
	for (int i = 1; i < argc; i++)
		tp_strv_add(&p->args, argv[i]);
	return 0;
}

void tp_plugin_free(struct tp_plugin *p)
{
	free(p->name);
	tp_strv_free(&p->args);
	*p = (struct tp_plugin){ 0 };
}

void tp_plugin_print_metadata(void)
{
	/* Every docker before 28.4.1 takes no other SchemaVersion. */
	puts("{\"SchemaVersion\":\"0.1.0\",\"Vendor\":\"the tpdocker project\",\"Version\":"
	     "\"" TP_VERSION "\",\"ShortDescription\":\"Run containers here as if they ran in a "
	     "Kubernetes cluster\"}");
}

static const struct tp_plugin *in_use;

void tp_plugin_use(const struct tp_plugin *p)
{
	if (!p->called)
		return;
	in_use = p;
	tp_log_set_program(tp_asprintf("docker %s", p->name));
	tp_log_set_level(tp_plugin_log_level());
}

const struct tp_docker_globals *tp_plugin_globals(void)
{
	static const struct tp_docker_globals none;

	return in_use ? &in_use->globals : &none;
}

enum tp_log_level tp_plugin_log_level(void)
{
	const struct tp_docker_globals *g = tp_plugin_globals();

	if (g->debug || (g->log_level && !strcmp(g->log_level, "debug")))
		return TP_LOG_VERBOSE;
	return g->log_level && strcmp(g->log_level, "info") != 0 ? TP_LOG_QUIET : TP_LOG_NORMAL;
}
