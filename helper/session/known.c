/* SPDX-License-Identifier: Apache-2.0 */
#include "session/known.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/ctlsock.h"

#define NAME_MAX_LEN 63
#define ASK_MS	     5000

static const char *const state_words[] = { "starting", "ready",	  "reconnecting",
					   "ending",   "running", "dead" };

int tp_known_name_check(const char *name, struct tp_err *err)
{
	size_t n = strlen(name);
	bool ok = n > 0 && n <= NAME_MAX_LEN && isalnum((unsigned char)name[0]);

	for (size_t i = 0; ok && i < n; i++)
		ok = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]);
	if (ok)
		return 0;
	return tp_err_set(
		err, TP_ERR_USAGE,
		"\"%s\" cannot be a session's name: a container is named after it (at most %d "
		"of a-z, A-Z, 0-9, _, . and -, a letter or digit first)",
		name, NAME_MAX_LEN);
}

int tp_known_names_lock(struct tp_err *err)
{
	tp_autofree char *dir = tp_record_dir(err);
	tp_autoclose int fd = -1;

	if (!dir)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX))
		if (errno != EINTR)
			tp_close_p(&fd);
	if (fd < 0)
		return tp_err_errno(err, errno, "cannot lock %s", dir);
	return tp_steal_fd(&fd);
}

/* A zombie whose parent does not care, as PID 1 of some containers, is no process any more. */
static bool process_lives(int pid)
{
	tp_autofree char *path = tp_asprintf("/proc/%d/stat", pid);
	TP_AUTO_BUF b = TP_BUF_INIT(4096);
	const char *state;

	if (kill(pid, 0) && errno != EPERM)
		return false;
	if (tp_read_file(path, &b))
		return true;
	state = strrchr(b.data, ')');
	return !state || (strncmp(state, ") Z", 3) && strncmp(state, ") X", 3));
}

/* Whether the process of R has it: by its lock, which its guardian may have taken over. */
static bool is_alive(const struct tp_record *r)
{
	tp_autofree char *path = tp_record_path(r->id, "lock", NULL);
	tp_autoclose int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

	if (fd < 0 || !flock(fd, LOCK_SH | LOCK_NB))
		return false;
	return !r->pid || process_lives(r->pid);
}

static void ask(struct tp_known *k)
{
	tp_autofree char *path = tp_record_path(k->record.id, TP_CTL_SUFFIX, NULL);
	TP_AUTO_BUF b = TP_BUF_INIT(TP_CTL_ANSWER_MAX);
	struct tp_err err = { 0 };
	const char *state;

	if (!path || tp_ctl_ask(path, "status", &b, ASK_MS, NULL, &err)) {
		tp_verbose("session %s: %s", tp_known_name(k), err.msg);
		if (err.kind == TP_ERR_UNREACHABLE)
			k->state = TP_KNOWN_DEAD;
		return;
	}
	k->live = tp_json_parse(b.data ? b.data : "", b.len, &err);
	state = tp_json_str_at(k->live, "state");
	for (size_t i = 0; state && i < TP_ARRAY_SIZE(state_words); i++)
		if (!strcmp(state, state_words[i]))
			k->state = (enum tp_known_state)i;
}

int tp_known_load(const char *id, struct tp_known *k, struct tp_err *err)
{
	*k = (struct tp_known){ 0 };
	if (tp_record_load(id, &k->record, err))
		return -1;
	if (!is_alive(&k->record))
		k->state = TP_KNOWN_DEAD;
	else if (!k->record.name)
		k->state = TP_KNOWN_RUNNING;
	else
		ask(k);
	return 0;
}

void tp_known_free(struct tp_known *k)
{
	tp_record_free(&k->record);
	tp_json_free(k->live);
	k->live = NULL;
}

/* The id of the session NAME, among the records: the caller's, or NULL. */
static char *find_id(const char *name)
{
	TP_AUTO_STRV ids = { 0 };
	struct tp_err err = { 0 };

	if (tp_record_list(&ids, &err))
		return NULL;
	for (size_t i = 0; i < ids.n; i++) {
		struct tp_record r;
		bool it;

		if (tp_record_load(ids.v[i], &r, &err))
			continue;
		it = r.name && !strcmp(r.name, name);
		tp_record_free(&r);
		if (it)
			return tp_strdup(ids.v[i]);
	}
	for (size_t i = 0; i < ids.n; i++)
		if (!strcmp(ids.v[i], name))
			return tp_strdup(name);
	return NULL;
}

int tp_known_name_free(const char *name, struct tp_err *err)
{
	tp_autofree char *id = find_id(name);
	struct tp_known k;
	char since[32];

	if (!id || tp_known_load(id, &k, err))
		return 0;
	tp_known_time(k.record.started, since);
	tp_err_set(err, TP_ERR_CONFLICT, "there is a session %s already, of %s since %s (%s)", name,
		   k.record.by, since, tp_known_state_word(k.state));
	if (k.state == TP_KNOWN_DEAD)
		tp_err_hint(err, "its process died; `%s cleanup` undoes what is left",
			    tp_program());
	else
		tp_err_hint(err,
			    "join it (%s run --session %s), end it (%s down %s), or give another "
			    "name",
			    tp_program(), name, tp_program(), name);
	tp_known_free(&k);
	return -1;
}

int tp_known_find(const char *name, struct tp_known *k, struct tp_err *err)
{
	tp_autofree char *id = find_id(name);

	*k = (struct tp_known){ .record = TP_RECORD_INIT };
	if (id && !tp_known_load(id, k, err))
		return 0;
	tp_err_set(err, TP_ERR_NOT_FOUND, "there is no session %s", name);
	return tp_err_hint(err, "`%s ps` shows those there are", tp_program());
}

const char *tp_known_name(const struct tp_known *k)
{
	return k->record.name ? k->record.name : k->record.id;
}

const char *tp_known_state_word(enum tp_known_state s)
{
	return state_words[s];
}

char *tp_known_workload(const struct tp_record *r)
{
	tp_autofree char *kind = NULL;

	if (!r->workload.name)
		return NULL;
	kind = tp_strdup(r->workload.kind);
	for (char *p = kind; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return tp_asprintf("%s/%s", kind, r->workload.name);
}

void tp_known_time(long long seconds, char text[32])
{
	time_t t = seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		strcpy(text, "?");
}

void tp_known_write(const struct tp_known *k, struct tp_jw *w)
{
	static const char *const modes[] = { "new", "swap", "existing" };
	const struct tp_record *r = &k->record;
	tp_autofree char *workload = tp_known_workload(r);
	tp_autofree char *container = tp_asprintf("tpdocker-%s", tp_known_name(k));
	char since[32];

	tp_known_time(r->started, since);
	tp_jw_str(w, "name", tp_known_name(k));
	tp_jw_str(w, "id", r->id);
	tp_jw_str(w, "kind", r->name ? "up" : "run");
	tp_jw_str(w, "state", tp_known_state_word(k->state));
	tp_jw_str(w, "since", since);
	tp_jw_int(w, "pid", r->pid);
	tp_jw_str(w, "by", r->by);
	tp_jw_str(w, "context", r->context);
	tp_jw_str(w, "namespace", r->namespace);
	tp_jw_str(w, "mode", modes[r->mode]);
	tp_jw_str(w, "method", r->method);
	tp_jw_str(w, "engine", r->data_engine);
	tp_jw_str(w, "workload", workload);
	tp_jw_str(w, "pod", r->pod);
	tp_jw_str(w, "container", container);
	for (size_t i = 0; i < tp_json_len(k->live); i++)
		if (strcmp(tp_json_key(k->live, i), "state"))
			tp_jw_value(w, tp_json_key(k->live, i), tp_json_at(k->live, i));
}

void tp_known_docker(const struct tp_record *r, struct tp_docker_globals *g)
{
	*g = (struct tp_docker_globals){ .context = r->docker_context,
					 .host = r->docker_context ? NULL : r->docker_host,
					 .config = r->docker_config,
					 .tls = r->docker_tls,
					 .tls_verify = r->docker_tls_verify,
					 .tls_ca = r->docker_tls_ca,
					 .tls_cert = r->docker_tls_cert,
					 .tls_key = r->docker_tls_key };
}

struct tp_engine *tp_known_engine(const struct tp_record *r, struct tp_docker_endpoint *ep,
				  struct tp_cancel *c, struct tp_err *err)
{
	struct tp_docker_globals g;

	*ep = (struct tp_docker_endpoint){ 0 };
	tp_known_docker(r, &g);
	if (tp_docker_endpoint_find(&g, ep, err))
		return NULL;
	return tp_engine_open(ep, c, err);
}

void tp_known_joined_in(const struct tp_json *list, const char *id, const char *name,
			struct tp_strv *names)
{
	static const char prefix[] = "container:";

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *ctr = tp_json_at(list, i);
		const char *mode = tp_json_str_at(ctr, "HostConfig.NetworkMode");
		const char *who = tp_json_str_at(ctr, "Names[0]"), *of = NULL;
		const char *role =
			tp_json_str(tp_json_get(tp_json_get(ctr, "Labels"), TP_LABEL_ROLE));

		if (mode && !strncmp(mode, prefix, strlen(prefix)))
			of = mode + strlen(prefix);
		if (!of || !((id && !strcmp(of, id)) || (name && !strcmp(of, name))))
			continue;
		if (role && strcmp(role, "user"))
			continue;
		if (!who)
			who = tp_json_str_at(ctr, "Id");
		if (who)
			tp_strv_add(names, *who == '/' ? who + 1 : who);
	}
}

int tp_known_joined(struct tp_engine *e, const char *id, const char *name, struct tp_strv *names,
		    struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_JSON *list = tp_engine_running(e, c, err);

	if (!list)
		return -1;
	tp_known_joined_in(list, id, name, names);
	return 0;
}
