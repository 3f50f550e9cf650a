// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/base64.h"
#include "kube/kubeconfig_internal.h"

#define PEM_MAX (1u << 20)

static int bad(const struct tp_kubeconfig_entry *e, int node, const char *key, const char *what,
	       struct tp_err *err)
{
	return tp_err_set(err, TP_ERR_PROTOCOL, "%s: line %u: %s \"%s\": %s %s", e->file,
			  tp_kyaml_line(e->y, node), e->kind, e->name, key, what);
}

static int string_at(const struct tp_kubeconfig_entry *e, int parent, const char *key, char **out,
		     struct tp_err *err)
{
	int node = tp_kyaml_get(e->y, parent, key);
	const char *s = tp_kyaml_str(e->y, node);

	free(*out);
	*out = NULL;
	if (tp_kyaml_is_null(e->y, node))
		return 0;
	if (!s)
		return bad(e, node, key, "is not a string", err);
	*out = *s ? tp_strdup(s) : NULL;
	return 0;
}

int tp_kubeconfig_string(const struct tp_kubeconfig_entry *e, const char *key, char **out,
			 struct tp_err *err)
{
	return string_at(e, e->node, key, out, err);
}

static int bool_at(const struct tp_kubeconfig_entry *e, int parent, const char *key, bool *out,
		   struct tp_err *err)
{
	int node = tp_kyaml_get(e->y, parent, key);
	const char *s = tp_kyaml_str(e->y, node);

	*out = false;
	if (tp_kyaml_is_null(e->y, node))
		return 0;
	if (s && (!strcasecmp(s, "true") || !strcasecmp(s, "yes") || !strcasecmp(s, "on")))
		*out = true;
	else if (!s || (strcasecmp(s, "false") && strcasecmp(s, "no") && strcasecmp(s, "off")))
		return bad(e, node, key, "is neither true nor false", err);
	return 0;
}

static int list_at(const struct tp_kubeconfig_entry *e, int parent, const char *key,
		   struct tp_strv *out, struct tp_err *err)
{
	int node = tp_kyaml_get(e->y, parent, key);

	if (tp_kyaml_is_null(e->y, node))
		return 0;
	if (!tp_kyaml_is_list(e->y, node))
		return bad(e, node, key, "is not a list", err);
	for (unsigned i = 0; i < tp_kyaml_len(e->y, node); i++) {
		const char *s = tp_kyaml_str(e->y, tp_kyaml_at(e->y, node, i));

		if (!s)
			return bad(e, node, key, "is not a list of strings", err);
		tp_strv_add(out, s);
	}
	return 0;
}

static char *absolute(const struct tp_kubeconfig_entry *e, const char *path)
{
	if (path[0] == '/' || !e->dir || !*e->dir)
		return tp_strdup(path);
	return tp_asprintf("%s/%s", e->dir, path);
}

int tp_kubeconfig_read(const char *path, char **out, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(PEM_MAX);
	struct stat st;

	/* A pipe or a device might never end. */
	if (stat(path, &st))
		return tp_err_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return tp_err_set(err, TP_ERR_FAILED, "%s: not a regular file", path);
	if (tp_read_file(path, &b))
		return tp_err_errno(err, errno, "%s", path);
	*out = tp_buf_steal(&b);
	return 0;
}

/* KEY-data holds base64 of a PEM text, KEY the name of a file with it; the data wins. */
static int pem_at(const struct tp_kubeconfig_entry *e, const char *key, char **out,
		  struct tp_strv *files, struct tp_err *err)
{
	tp_autofree char *data_key = tp_asprintf("%s-data", key);
	tp_autofree char *path = NULL;
	char *data = NULL;

	if (string_at(e, e->node, data_key, &data, err))
		return -1;
	if (data) {
		size_t n;

		*out = tp_base64_decode(data, &n);
		tp_free_secret(data);
		if (!*out || strlen(*out) != n) {
			tp_free_secret(tp_steal(out));
			return bad(e, tp_kyaml_get(e->y, e->node, data_key), data_key,
				   "is not base64 of a text", err);
		}
		return 0;
	}
	if (string_at(e, e->node, key, &path, err))
		return -1;
	if (!path)
		return 0;

	tp_autofree char *full = absolute(e, path);

	if (tp_kubeconfig_read(full, out, err))
		return tp_err_prefix(err, "%s: %s \"%s\": %s", e->file, e->kind, e->name, key);
	tp_strv_add(files, full);
	return 0;
}

static bool is_url(const char *s, const char *scheme)
{
	size_t n = strlen(scheme);

	/* a host must follow, and nothing that would end a header line */
	return !strncasecmp(s, scheme, n) && s[n] && !strchr("/:?#", s[n]) &&
	       !s[strcspn(s, " \t\r\n\"<>\\^`{|}\177")];
}

static int exec_extension(const struct tp_kubeconfig_entry *e, struct tp_kubeconfig *kc,
			  struct tp_err *err)
{
	int list = tp_kyaml_get(e->y, e->node, "extensions");

	for (unsigned i = 0; tp_kyaml_is_list(e->y, list) && i < tp_kyaml_len(e->y, list); i++) {
		int x = tp_kyaml_at(e->y, list, i);
		const char *name = tp_kyaml_str(e->y, tp_kyaml_get(e->y, x, "name"));
		int ext = tp_kyaml_get(e->y, x, "extension");

		if (!name || strcmp(name, "client.authentication.k8s.io/exec") != 0 || !ext)
			continue;
		kc->exec.cluster_config = tp_kyaml_to_json(e->y, ext, err);
		return kc->exec.cluster_config ? 0 : -1;
	}
	return 0;
}

int tp_kubeconfig_cluster(const struct tp_kubeconfig_entry *e, struct tp_kubeconfig *kc,
			  struct tp_err *err)
{
	if (string_at(e, e->node, "server", &kc->server, err) ||
	    string_at(e, e->node, "tls-server-name", &kc->tls_server_name, err) ||
	    string_at(e, e->node, "proxy-url", &kc->proxy_url, err) ||
	    bool_at(e, e->node, "insecure-skip-tls-verify", &kc->insecure, err) ||
	    pem_at(e, "certificate-authority", &kc->ca_pem, &kc->files, err) ||
	    exec_extension(e, kc, err))
		return -1;
	if (!kc->server)
		return tp_err_set(err, TP_ERR_PROTOCOL, "%s: cluster \"%s\" has no server", e->file,
				  e->name);
	if (!is_url(kc->server, "https://") && !is_url(kc->server, "http://"))
		return tp_err_set(
			err, TP_ERR_PROTOCOL,
			"%s: cluster \"%s\": server \"%s\" is not an https:// or http:// URL",
			e->file, e->name, kc->server);
	if (kc->proxy_url && !is_url(kc->proxy_url, "http://") &&
	    !is_url(kc->proxy_url, "https://") && !is_url(kc->proxy_url, "socks5://"))
		return tp_err_set(
			err, TP_ERR_PROTOCOL,
			"%s: cluster \"%s\": proxy-url is not an http://, https:// or socks5:// URL",
			e->file, e->name);
	if (kc->insecure && kc->ca_pem)
		return tp_err_set(
			err, TP_ERR_PROTOCOL,
			"%s: cluster \"%s\" has both a certificate authority and insecure-skip-tls-verify",
			e->file, e->name);
	return 0;
}

static int exec_env(const struct tp_kubeconfig_entry *e, int exec, struct tp_kube_exec *x,
		    struct tp_err *err)
{
	int list = tp_kyaml_get(e->y, exec, "env");

	if (tp_kyaml_is_null(e->y, list))
		return 0;
	if (!tp_kyaml_is_list(e->y, list))
		return bad(e, list, "exec.env", "is not a list", err);
	for (unsigned i = 0; i < tp_kyaml_len(e->y, list); i++) {
		int item = tp_kyaml_at(e->y, list, i);
		const char *name = tp_kyaml_str(e->y, tp_kyaml_get(e->y, item, "name"));
		const char *value = tp_kyaml_str(e->y, tp_kyaml_get(e->y, item, "value"));

		if (!name || !*name || strchr(name, '='))
			return bad(e, item, "exec.env", "has an entry without a proper name", err);
		tp_strv_addf(&x->env, "%s=%s", name, value ? value : "");
	}
	return 0;
}

static int exec_plugin(const struct tp_kubeconfig_entry *e, int exec, struct tp_kube_exec *x,
		       struct tp_err *err)
{
	tp_autofree char *command = NULL;

	if (!tp_kyaml_is_map(e->y, exec))
		return bad(e, exec, "exec", "is not a mapping", err);
	if (string_at(e, exec, "command", &command, err) ||
	    string_at(e, exec, "apiVersion", &x->api_version, err) ||
	    string_at(e, exec, "installHint", &x->install_hint, err) ||
	    string_at(e, exec, "interactiveMode", &x->interactive_mode, err) ||
	    bool_at(e, exec, "provideClusterInfo", &x->provide_cluster_info, err) ||
	    list_at(e, exec, "args", &x->args, err) || exec_env(e, exec, x, err))
		return -1;
	if (!command)
		return bad(e, exec, "exec", "has no command", err);
	if (!x->api_version)
		return bad(e, exec, "exec", "has no apiVersion", err);
	if (strcmp(x->api_version, "client.authentication.k8s.io/v1") != 0 &&
	    strcmp(x->api_version, "client.authentication.k8s.io/v1beta1") != 0) {
		tp_err_set(err, TP_ERR_PROTOCOL,
			   "%s: user \"%s\": exec.apiVersion \"%s\" is not supported", e->file,
			   e->name, x->api_version);
		return tp_err_hint(
			err,
			"Use a version of %s that speaks client.authentication.k8s.io/v1 or v1beta1.",
			command);
	}
	if (x->interactive_mode && strcmp(x->interactive_mode, "Never") != 0 &&
	    strcmp(x->interactive_mode, "IfAvailable") != 0 &&
	    strcmp(x->interactive_mode, "Always") != 0)
		return bad(e, exec, "exec.interactiveMode", "is none of Never, IfAvailable, Always",
			   err);
	/* A bare name is for PATH; anything with a slash is a file beside the kubeconfig. */
	x->command = strchr(command, '/') ? absolute(e, command) : tp_steal(&command);
	return 0;
}

/* The key becomes a part of a header's name (Impersonate-Extra-KEY), in which
 * only these characters may stand; client-go escapes the others the same way. */
static void put_header_key(struct tp_buf *b, const char *key)
{
	for (; *key; key++) {
		unsigned char c = (unsigned char)*key;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("!#$&'*+-.^_`|~", c))
			tp_buf_putc(b, (char)c);
		else
			tp_buf_printf(b, "%%%02X", c);
	}
}

static int impersonation(const struct tp_kubeconfig_entry *e, struct tp_kubeconfig *kc,
			 struct tp_err *err)
{
	int extra = tp_kyaml_get(e->y, e->node, "as-user-extra");

	if (string_at(e, e->node, "as", &kc->as_user, err) ||
	    string_at(e, e->node, "as-uid", &kc->as_uid, err) ||
	    list_at(e, e->node, "as-groups", &kc->as_groups, err))
		return -1;
	if (!tp_kyaml_is_null(e->y, extra) && !tp_kyaml_is_map(e->y, extra))
		return bad(e, extra, "as-user-extra", "is not a mapping", err);
	for (unsigned i = 0; i < tp_kyaml_len(e->y, extra); i++) {
		const char *key = tp_kyaml_key(e->y, extra, i);
		int values = tp_kyaml_at(e->y, extra, i);

		if (!key || !*key || !tp_kyaml_is_list(e->y, values))
			return bad(e, extra, "as-user-extra", "is not a mapping of lists", err);
		for (unsigned j = 0; j < tp_kyaml_len(e->y, values); j++) {
			const char *v = tp_kyaml_str(e->y, tp_kyaml_at(e->y, values, j));
			TP_AUTO_BUF b = TP_BUF_INIT(64u << 10);

			put_header_key(&b, key);
			tp_strv_addf(&kc->as_extra, "%s=%s", b.data, v ? v : "");
		}
	}
	if (!kc->as_user && (kc->as_uid || kc->as_groups.n || kc->as_extra.n))
		return tp_err_set(
			err, TP_ERR_PROTOCOL,
			"%s: user \"%s\" has as-uid, as-groups or as-user-extra without as",
			e->file, e->name);
	return 0;
}

int tp_kubeconfig_user(const struct tp_kubeconfig_entry *e, struct tp_kubeconfig *kc,
		       struct tp_err *err)
{
	int provider = tp_kyaml_get(e->y, e->node, "auth-provider");
	int exec = tp_kyaml_get(e->y, e->node, "exec");
	tp_autofree char *token_file = NULL;

	if (!tp_kyaml_is_null(e->y, provider)) {
		const char *name = tp_kyaml_str(e->y, tp_kyaml_get(e->y, provider, "name"));

		tp_err_set(
			err, TP_ERR_FAILED,
			"%s: user \"%s\" uses the auth-provider \"%s\", which Kubernetes removed in 1.26",
			e->file, e->name, name ? name : "?");
		return tp_err_hint(
			err,
			"Use an exec credential plugin instead (gke-gcloud-auth-plugin, kubelogin, ...): "
			"the cluster's provider has a command that writes it into the kubeconfig.");
	}
	if (pem_at(e, "client-certificate", &kc->cert_pem, &kc->files, err) ||
	    pem_at(e, "client-key", &kc->key_pem, &kc->files, err) ||
	    string_at(e, e->node, "token", &kc->token, err) ||
	    string_at(e, e->node, "tokenFile", &token_file, err) ||
	    string_at(e, e->node, "username", &kc->username, err) ||
	    string_at(e, e->node, "password", &kc->password, err) || impersonation(e, kc, err))
		return -1;
	if (!kc->cert_pem != !kc->key_pem)
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "%s: user \"%s\" has a client %s without a client %s", e->file,
				  e->name, kc->cert_pem ? "certificate" : "key",
				  kc->cert_pem ? "key" : "certificate");
	if (token_file) {
		kc->token_file = absolute(e, token_file);
		tp_strv_add(&kc->files, kc->token_file);
	}
	if (!tp_kyaml_is_null(e->y, exec))
		return exec_plugin(e, exec, &kc->exec, err);
	return 0;
}
