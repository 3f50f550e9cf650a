/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "session/record.h"

#define RECORD_MAX (256u << 10)

static const char *const mode_names[] = { "new", "swap", "existing" };

void tp_record_new_id(char id[TP_SESSION_ID_MAX])
{
	/* No vowels, and nothing that looks like another character. */
	static const char alphabet[] = "bcdfghjkmnpqrstvwxz23456789";
	unsigned char rnd[10];

	while (getrandom(rnd, sizeof(rnd), 0) != (ssize_t)sizeof(rnd))
		;
	for (size_t i = 0; i < sizeof(rnd); i++)
		id[i] = alphabet[rnd[i] % (i ? sizeof(alphabet) - 1 : 19)];
	id[sizeof(rnd)] = '\0';
}

char *tp_record_volume(const struct tp_record *r)
{
	return tp_asprintf("tpdocker-%s", r->gate && r->name ? r->name : r->id);
}

char *tp_record_whoami(void)
{
	char host[256] = "localhost";
	struct passwd pw, *res = NULL;
	char buf[4096];

	gethostname(host, sizeof(host) - 1);
	if (!getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &res) && res)
		return tp_asprintf("%s@%s", res->pw_name, host);
	return tp_asprintf("%u@%s", (unsigned)geteuid(), host);
}

char *tp_record_absolute(const char *list)
{
	tp_autofree char *cwd = getcwd(NULL, 0);
	TP_AUTO_BUF b = TP_BUF_INIT(RECORD_MAX);

	if (!list || !*list)
		return NULL;
	for (const char *p = list, *end;; p = end + 1) {
		end = strchrnul(p, ':');
		if (end > p && *p != '/' && cwd)
			tp_buf_printf(&b, "%s/", cwd);
		tp_buf_put(&b, p, (size_t)(end - p));
		if (!*end)
			return tp_buf_steal(&b);
		tp_buf_putc(&b, ':');
	}
}

static int mkdirs(const char *path, struct tp_err *err)
{
	tp_autofree char *p = tp_strdup(path);

	for (char *s = p + 1;; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = '\0';
		if (mkdir(p, 0700) && errno != EEXIST)
			return tp_err_errno(err, errno, "cannot make the folder %s", p);
		if (!c)
			return 0;
		*s = c;
	}
}

static char *dir_name(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/')
		return tp_asprintf("%s/tpdocker/sessions", state);
	if (home && *home == '/')
		return tp_asprintf("%s/.local/state/tpdocker/sessions", home);
	return tp_asprintf("/tmp/tpdocker-%u/state", (unsigned)geteuid());
}

char *tp_record_dir(struct tp_err *err)
{
	tp_autofree char *dir = dir_name();

	if (mkdirs(dir, err))
		return NULL;
	return tp_steal(&dir);
}

char *tp_record_path(const char *id, const char *suffix, struct tp_err *err)
{
	tp_autofree char *dir = tp_record_dir(err);

	return dir ? tp_asprintf("%s/%s.%s", dir, id, suffix) : NULL;
}

char *tp_record_print(const struct tp_record *r, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_int(w, "version", 1);
	tp_jw_str(w, "id", r->id);
	tp_jw_str(w, "mode", mode_names[r->mode]);
	tp_jw_int(w, "started", r->started);
	tp_jw_str(w, "by", r->by);
	tp_jw_str(w, "name", r->name);
	tp_jw_str(w, "gate", r->gate);
	tp_jw_array(w, "settings");
	for (size_t i = 0; i < r->settings.n; i++)
		tp_jw_str(w, NULL, r->settings.v[i]);
	tp_jw_end(w);
	tp_jw_str(w, "method", r->method);
	tp_jw_str(w, "engine", r->data_engine);
	tp_jw_int(w, "pid", r->pid);
	tp_jw_str(w, "kubeconfig", r->kubeconfig);
	tp_jw_str(w, "kubeconfigEnv", r->kubeconfig_env);
	tp_jw_str(w, "context", r->context);
	tp_jw_str(w, "namespace", r->namespace);
	tp_jw_str(w, "linkDir", r->link_dir);
	tp_jw_str(w, "dockerHost", r->docker_host);
	tp_jw_str(w, "dockerContext", r->docker_context);
	tp_jw_str(w, "dockerConfig", r->docker_config);
	tp_jw_int(w, "dockerTls", r->docker_tls);
	tp_jw_int(w, "dockerTlsVerify", r->docker_tls_verify);
	tp_jw_str(w, "dockerTlsCa", r->docker_tls_ca);
	tp_jw_str(w, "dockerTlsCert", r->docker_tls_cert);
	tp_jw_str(w, "dockerTlsKey", r->docker_tls_key);
	if (r->workload.name) {
		tp_jw_object(w, "workload");
		tp_jw_str(w, "kind", r->workload.kind);
		tp_jw_str(w, "group", r->workload.group);
		tp_jw_str(w, "version", r->workload.version);
		tp_jw_str(w, "resource", r->workload.resource);
		tp_jw_str(w, "name", r->workload.name);
		tp_jw_bool(w, "builtin", r->workload.builtin);
		tp_jw_end(w);
	}
	tp_jw_str(w, "pod", r->pod);
	tp_jw_str(w, "podContainer", r->pod_container);
	tp_jw_str(w, "authorizedKey", r->authorized_key);
	tp_jw_str(w, "service", r->service);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

static char *dup_at(const struct tp_json *j, const char *path)
{
	return tp_strdup(tp_json_str_at(j, path));
}

int tp_record_parse(const char *text, size_t n, struct tp_record *r, struct tp_err *err)
{
	TP_AUTO_JSON *j = tp_json_parse(text, n, err);
	const char *id = tp_json_str_at(j, "id"), *mode = tp_json_str_at(j, "mode");
	const struct tp_json *settings = tp_json_get(j, "settings");

	*r = TP_RECORD_INIT;
	if (!j)
		return -1;
	if (tp_json_int_at(j, "version", 0) != 1)
		return tp_err_set(err, TP_ERR_PROTOCOL, "written by another version of tpdocker");
	if (!id || !*id || strlen(id) >= sizeof(r->id) || strchr(id, '/'))
		return tp_err_set(err, TP_ERR_PROTOCOL, "not a session's record");
	strcpy(r->id, id);
	for (size_t i = 0; mode && i < TP_ARRAY_SIZE(mode_names); i++)
		if (!strcmp(mode, mode_names[i]))
			r->mode = (enum tp_session_mode)i;
	r->started = tp_json_int_at(j, "started", 0);
	r->by = dup_at(j, "by");
	r->name = dup_at(j, "name");
	r->gate = dup_at(j, "gate");
	for (size_t i = 0; i < tp_json_len(settings); i++)
		if (tp_json_str(tp_json_at(settings, i)))
			tp_strv_add(&r->settings, tp_json_str(tp_json_at(settings, i)));
	r->method = dup_at(j, "method");
	r->data_engine = dup_at(j, "engine");
	r->pid = (int)tp_json_int_at(j, "pid", 0);
	r->kubeconfig = dup_at(j, "kubeconfig");
	r->kubeconfig_env = dup_at(j, "kubeconfigEnv");
	r->context = dup_at(j, "context");
	r->namespace = dup_at(j, "namespace");
	r->link_dir = dup_at(j, "linkDir");
	r->docker_host = dup_at(j, "dockerHost");
	r->docker_context = dup_at(j, "dockerContext");
	r->docker_config = dup_at(j, "dockerConfig");
	r->docker_tls = (int)tp_json_int_at(j, "dockerTls", 0);
	r->docker_tls_verify = (int)tp_json_int_at(j, "dockerTlsVerify", 0);
	r->docker_tls_ca = dup_at(j, "dockerTlsCa");
	r->docker_tls_cert = dup_at(j, "dockerTlsCert");
	r->docker_tls_key = dup_at(j, "dockerTlsKey");
	r->workload.kind = dup_at(j, "workload.kind");
	r->workload.group = dup_at(j, "workload.group");
	r->workload.version = dup_at(j, "workload.version");
	r->workload.resource = dup_at(j, "workload.resource");
	r->workload.name = dup_at(j, "workload.name");
	r->workload.builtin = tp_json_bool_at(j, "workload.builtin", false);
	r->pod = dup_at(j, "pod");
	r->pod_container = dup_at(j, "podContainer");
	r->authorized_key = dup_at(j, "authorizedKey");
	r->service = dup_at(j, "service");
	if (r->workload.name && (!r->workload.kind || !r->workload.group || !r->workload.version ||
				 !r->workload.resource)) {
		tp_record_free(r);
		return tp_err_set(err, TP_ERR_PROTOCOL, "not a session's record");
	}
	return 0;
}

int tp_record_save(const struct tp_record *r, struct tp_err *err)
{
	tp_autofree char *path = tp_record_path(r->id, "json", err), *tmp = NULL, *text = NULL;
	tp_autoclose int fd = -1;

	if (!path)
		return -1;
	text = tp_record_print(r, err);
	if (!text)
		return tp_err_prefix(err, "cannot write the session's record");
	tmp = tp_asprintf("%s.tmp", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || tp_write_all(fd, text, strlen(text)) || rename(tmp, path))
		return tp_err_errno(err, errno, "cannot write the session's record %s", path);
	return 0;
}

static int lock_open(struct tp_record *r, struct tp_err *err)
{
	tp_autofree char *path = NULL;

	if (r->lock_fd >= 0)
		return 0;
	path = tp_record_path(r->id, "lock", err);
	if (!path)
		return -1;
	r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->lock_fd < 0)
		return tp_err_errno(err, errno, "cannot open %s", path);
	return 0;
}

int tp_record_lock(struct tp_record *r, bool wait, struct tp_err *err)
{
	if (lock_open(r, err))
		return -1;
	while (flock(r->lock_fd, LOCK_EX | (wait ? 0 : LOCK_NB))) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK) {
			tp_close_p(&r->lock_fd);
			return 0;
		}
		return tp_err_errno(err, errno, "cannot lock the session %s", r->id);
	}
	return 1;
}

int tp_record_create(struct tp_record *r, struct tp_err *err)
{
	int got = tp_record_lock(r, false, err);

	if (got < 0)
		return -1;
	if (!got)
		return tp_err_set(err, TP_ERR_CONFLICT, "the session %s exists already", r->id);
	return tp_record_save(r, err);
}

int tp_record_load(const char *id, struct tp_record *r, struct tp_err *err)
{
	tp_autofree char *path = tp_record_path(id, "json", err);
	TP_AUTO_BUF b = TP_BUF_INIT(RECORD_MAX);

	*r = TP_RECORD_INIT;
	if (!path)
		return -1;
	if (tp_read_file(path, &b))
		return tp_err_errno(err, errno, "cannot read the session's record %s", path);
	if (tp_record_parse(b.data ? b.data : "", b.len, r, err))
		return tp_err_prefix(err, "%s", path);
	return 0;
}

void tp_record_remove_files(const char *id)
{
	static const char *const suffixes[] = { "json", "log", "json.tmp", "sock", "lock" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(suffixes); i++) {
		tp_autofree char *path = tp_record_path(id, suffixes[i], NULL);

		if (path)
			unlink(path);
	}
}

void tp_record_remove(struct tp_record *r)
{
	tp_record_remove_files(r->id);
	tp_close_p(&r->lock_fd);
}

int tp_record_list(struct tp_strv *ids, struct tp_err *err)
{
	tp_autofree char *dir = dir_name();
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return tp_err_errno(err, errno, "cannot read %s", dir);
	while ((e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n <= 5 || n - 5 >= TP_SESSION_ID_MAX || strcmp(e->d_name + n - 5, ".json"))
			continue;
		tp_strv_take(ids, tp_strndup(e->d_name, n - 5));
	}
	closedir(d);
	return 0;
}

void tp_record_free(struct tp_record *r)
{
	char **strings[] = {
		&r->name,	    &r->by,	   &r->kubeconfig,    &r->kubeconfig_env,
		&r->context,	    &r->namespace, &r->docker_host,   &r->docker_context,
		&r->docker_config,  &r->pod,	   &r->pod_container, &r->authorized_key,
		&r->service,	    &r->link_dir,  &r->docker_tls_ca, &r->docker_tls_cert,
		&r->docker_tls_key, &r->gate,	   &r->method,	      &r->data_engine
	};

	for (size_t i = 0; i < TP_ARRAY_SIZE(strings); i++) {
		free(*strings[i]);
		*strings[i] = NULL;
	}
	tp_strv_free(&r->settings);
	tp_workload_ref_free(&r->workload);
	tp_close_p(&r->lock_fd);
}
