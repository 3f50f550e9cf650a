// SPDX-License-Identifier: Apache-2.0
/*
 * Precedence as in client-go: a token file, a token, a name with a password,
 * and the plugin only where none of them is given.
 */
#include "kube/credential.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/base64.h"
#include "kube/rfc3339.h"

#define PLUGIN_MS	      60000
#define PLUGIN_INTERACTIVE_MS 300000 /* a person has to log in somewhere */
#define PLUGIN_OUTPUT_MAX     (1u << 20)
#define PLUGIN_STDERR_MAX     1000
#define TOKEN_FILE_MAX	      (64u << 10)
#define EARLY_S		      10

struct tp_credential {
	const struct tp_kubeconfig *kc;
	pthread_mutex_t lock; /* all below; held while the plugin runs: one run serves all */
	bool have;	      /* the plugin has answered */
	char *token, *cert, *key;
	long long expires; /* 0 = never */
	/* Certificates and keys of before: tp_credential_cert lends them out, and
	 * another thread may have the plugin run again at any time. */
	struct tp_strv lent;
};

struct tp_credential *tp_credential_new(const struct tp_kubeconfig *kc)
{
	struct tp_credential *c = tp_calloc(1, sizeof(*c));

	c->kc = kc;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void forget(struct tp_credential *c)
{
	tp_free_secret(tp_steal(&c->token));
	if (c->cert) {
		tp_strv_take(&c->lent, tp_steal(&c->cert));
		tp_strv_take(&c->lent, tp_steal(&c->key));
	}
	c->have = false;
	c->expires = 0;
}

void tp_credential_free(struct tp_credential *c)
{
	if (!c)
		return;
	forget(c);
	for (size_t i = 0; i < c->lent.n; i++)
		tp_wipe(c->lent.v[i], strlen(c->lent.v[i]));
	tp_strv_free(&c->lent);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* A line break in a header's value would start another header. */
static bool header_safe(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

int tp_credential_parse(const char *text, size_t n, const char *api_version, char **token,
			char **cert_pem, char **key_pem, long long *expires, struct tp_err *err)
{
	TP_AUTO_JSON *doc = tp_json_parse(text, n, err);
	const char *kind = tp_json_str_at(doc, "kind");
	const char *version = tp_json_str_at(doc, "apiVersion");
	const struct tp_json *status = tp_json_get(doc, "status");
	const char *t = tp_json_str_at(status, "token");
	const char *cert = tp_json_str_at(status, "clientCertificateData");
	const char *key = tp_json_str_at(status, "clientKeyData");
	const char *when = tp_json_str_at(status, "expirationTimestamp");

	*token = *cert_pem = *key_pem = NULL;
	*expires = 0;
	if (!doc)
		return tp_err_prefix(err, "its answer");
	if (!kind || strcmp(kind, "ExecCredential") != 0)
		return tp_err_set(err, TP_ERR_PROTOCOL, "its answer is no ExecCredential");
	if (!version || strcmp(version, api_version) != 0)
		return tp_err_set(
			err, TP_ERR_PROTOCOL,
			"it answered in apiVersion \"%s\", and the kubeconfig asks for \"%s\"",
			version ? version : "", api_version);
	if (tp_json_type(status) != TP_JSON_OBJECT)
		return tp_err_set(err, TP_ERR_PROTOCOL, "its answer has no status");
	if (t && !*t)
		t = NULL;
	if (cert && !*cert)
		cert = NULL;
	if (key && !*key)
		key = NULL;
	if (!cert != !key)
		return tp_err_set(err, TP_ERR_PROTOCOL, "its answer has a client %s without a %s",
				  cert ? "certificate" : "key", cert ? "key" : "certificate");
	if (!t && !cert)
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "its answer has neither a token nor a client certificate");
	if (t && !header_safe(t))
		return tp_err_set(err, TP_ERR_PROTOCOL, "its token has control characters in it");
	if (when && tp_kube_time_parse(when, expires))
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "its expirationTimestamp \"%.40s\" is not an RFC 3339 time",
				  when);
	*token = tp_strdup(t);
	*cert_pem = tp_strdup(cert);
	*key_pem = tp_strdup(key);
	return 0;
}

static void put_cluster(struct tp_jw *w, const struct tp_kubeconfig *kc)
{
	TP_AUTO_JSON *config = NULL;

	tp_jw_object(w, "cluster");
	tp_jw_str(w, "server", kc->server);
	if (kc->tls_server_name)
		tp_jw_str(w, "tls-server-name", kc->tls_server_name);
	if (kc->insecure)
		tp_jw_bool(w, "insecure-skip-tls-verify", true);
	if (kc->ca_pem) {
		tp_autofree char *b = tp_base64_encode(kc->ca_pem, strlen(kc->ca_pem));

		tp_jw_str(w, "certificate-authority-data", b);
	}
	if (kc->proxy_url)
		tp_jw_str(w, "proxy-url", kc->proxy_url);
	if (kc->exec.cluster_config)
		config = tp_json_parse(kc->exec.cluster_config, strlen(kc->exec.cluster_config),
				       NULL);
	if (config)
		tp_jw_value(w, "config", config);
	tp_jw_end(w);
}

/* The value of KUBERNETES_EXEC_INFO: what the plugin is asked for. */
static char *exec_info(const struct tp_kubeconfig *kc, bool interactive, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_str(w, "kind", "ExecCredential");
	tp_jw_str(w, "apiVersion", kc->exec.api_version);
	tp_jw_object(w, "spec");
	if (kc->exec.provide_cluster_info)
		put_cluster(w, kc);
	tp_jw_bool(w, "interactive", interactive);
	tp_jw_end(w);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

static int add_hint(const struct tp_kube_exec *x, struct tp_err *err)
{
	if (x->install_hint)
		tp_err_hint(err, "%s", x->install_hint);
	return -1;
}

static char *last_lines(const struct tp_buf *b)
{
	size_t n = b->len;

	while (n && strchr(" \t\r\n", b->data[n - 1]))
		n--;
	return tp_strndup(b->data ? b->data : "", n);
}

static int ended_badly(const struct tp_kube_exec *x, int status, const struct tp_buf *errtext,
		       struct tp_err *err)
{
	tp_autofree char *said = last_lines(errtext);
	int code = tp_status_code(status);

	tp_err_set(err, TP_ERR_FORBIDDEN,
		   "the credential plugin %s of the kubeconfig failed with exit code %d%s%s",
		   x->command, code, *said ? ":\n" : "", said);
	return code == 127 ? add_hint(x, err) : -1;
}

static int run_plugin(struct tp_credential *c, struct tp_cancel *cancel, struct tp_err *err)
{
	const struct tp_kube_exec *x = &c->kc->exec;
	const char *mode = x->interactive_mode ? x->interactive_mode : "IfAvailable";
	bool interactive = strcmp(mode, "Never") != 0 && isatty(STDIN_FILENO);
	TP_AUTO_STRV argv = { 0 };
	TP_AUTO_STRV env = { 0 };
	TP_AUTO_BUF out = TP_BUF_INIT(PLUGIN_OUTPUT_MAX);
	TP_AUTO_BUF said = TP_BUF_INIT(PLUGIN_STDERR_MAX);
	tp_autofree char *info = NULL;
	int status;

	if (strcmp(mode, "Always") == 0 && !interactive)
		return tp_err_set(
			err, TP_ERR_FORBIDDEN,
			"the credential plugin %s wants to talk to you (interactiveMode: Always), "
			"and stdin is not a terminal",
			x->command);
	info = exec_info(c->kc, interactive, err);
	if (!info)
		return -1;
	tp_strv_add(&argv, x->command);
	for (size_t i = 0; i < x->args.n; i++)
		tp_strv_add(&argv, x->args.v[i]);
	for (size_t i = 0; i < x->env.n; i++)
		tp_strv_add(&env, x->env.v[i]);
	tp_strv_addf(&env, "KUBERNETES_EXEC_INFO=%s", info);

	struct tp_child_opts o = {
		.argv = argv.v,
		.env_add = env.v,
		.in = interactive ? TP_STDIO_INHERIT : TP_STDIO_NULL,
		/* What a person must read ("open this page") cannot wait for the end. */
		.err = interactive ? TP_STDIO_INHERIT : TP_STDIO_PIPE,
	};

	if (tp_child_run(&o, NULL, 0, &out, interactive ? NULL : &said,
			 interactive ? PLUGIN_INTERACTIVE_MS : PLUGIN_MS, &status, cancel, err)) {
		bool missing = err && err->kind == TP_ERR_NOT_FOUND;

		tp_err_prefix(err, "the credential plugin of the kubeconfig");
		return missing ? add_hint(x, err) : -1;
	}
	if (status)
		return ended_badly(x, status, &said, err);
	if (tp_credential_parse(out.data ? out.data : "", out.len, x->api_version, &c->token,
				&c->cert, &c->key, &c->expires, err))
		return tp_err_prefix(err, "the credential plugin %s", x->command);
	c->have = true;
	return 0;
}

/* With the lock held. */
static int have_plugin_answer(struct tp_credential *c, struct tp_cancel *cancel, struct tp_err *err)
{
	if (c->have && c->expires && c->expires - EARLY_S <= (long long)time(NULL))
		forget(c);
	if (c->have)
		return 0;
	return run_plugin(c, cancel, err);
}

static int bearer(struct tp_strv *headers, const char *token, const char *from, struct tp_err *err)
{
	if (!header_safe(token))
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "the token in %s has control characters in it", from);
	tp_strv_addf(headers, "Authorization: Bearer %s", token);
	return 0;
}

/* Read each time: whoever renews it (a kubelet does every hour) replaces the file. */
static int token_file(const char *path, struct tp_strv *headers, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(TOKEN_FILE_MAX);

	if (tp_read_file(path, &b))
		return tp_err_errno(err, errno, "token file %s", path);
	while (b.len && strchr(" \t\r\n", b.data[b.len - 1]))
		b.data[--b.len] = '\0';
	if (!b.len || strlen(b.data) != b.len)
		return tp_err_set(err, TP_ERR_FAILED, "token file %s: no token in it", path);
	return bearer(headers, b.data, path, err);
}

static void basic(const struct tp_kubeconfig *kc, struct tp_strv *headers)
{
	char *plain = tp_asprintf("%s:%s", kc->username, kc->password ? kc->password : "");
	char *b = tp_base64_encode(plain, strlen(plain));

	tp_strv_addf(headers, "Authorization: Basic %s", b);
	tp_free_secret(plain);
	tp_free_secret(b);
}

static int impersonate(const struct tp_kubeconfig *kc, struct tp_strv *headers, struct tp_err *err)
{
	size_t first = headers->n;

	if (!kc->as_user)
		return 0;
	tp_strv_addf(headers, "Impersonate-User: %s", kc->as_user);
	if (kc->as_uid)
		tp_strv_addf(headers, "Impersonate-Uid: %s", kc->as_uid);
	for (size_t i = 0; i < kc->as_groups.n; i++)
		tp_strv_addf(headers, "Impersonate-Group: %s", kc->as_groups.v[i]);
	for (size_t i = 0; i < kc->as_extra.n; i++) {
		const char *kv = kc->as_extra.v[i];
		size_t key = strcspn(kv, "=");

		tp_strv_addf(headers, "Impersonate-Extra-%.*s: %s", (int)key, kv,
			     kv[key] ? kv + key + 1 : "");
	}
	for (; first < headers->n; first++)
		if (!header_safe(headers->v[first]))
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "control characters in the kubeconfig's as-user, as-uid, "
					  "as-groups or as-user-extra");
	return 0;
}

int tp_credential_headers(struct tp_credential *c, struct tp_strv *headers,
			  struct tp_cancel *cancel, struct tp_err *err)
{
	const struct tp_kubeconfig *kc = c->kc;
	int rc = 0;

	if (kc->token_file) {
		rc = token_file(kc->token_file, headers, err);
		/* client-go goes on with the other one, too */
		if (rc && kc->token)
			rc = bearer(headers, kc->token, kc->source, err);
	} else if (kc->token) {
		rc = bearer(headers, kc->token, kc->source, err);
	} else if (kc->username) {
		basic(kc, headers);
	} else if (kc->exec.command) {
		pthread_mutex_lock(&c->lock);
		rc = have_plugin_answer(c, cancel, err);
		if (!rc && c->token)
			tp_strv_addf(headers, "Authorization: Bearer %s", c->token);
		pthread_mutex_unlock(&c->lock);
	}
	return rc ? rc : impersonate(kc, headers, err);
}

bool tp_credential_refused(struct tp_credential *c)
{
	bool again = c->kc->token_file != NULL;

	pthread_mutex_lock(&c->lock);
	if (c->have) {
		forget(c);
		again = true;
	}
	pthread_mutex_unlock(&c->lock);
	return again;
}

int tp_credential_cert(struct tp_credential *c, const char **cert_pem, const char **key_pem,
		       struct tp_cancel *cancel, struct tp_err *err)
{
	int rc;

	*cert_pem = *key_pem = NULL;
	if (!c->kc->exec.command)
		return 0;
	pthread_mutex_lock(&c->lock);
	rc = have_plugin_answer(c, cancel, err);
	if (!rc) {
		*cert_pem = c->cert;
		*key_pem = c->key;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}
