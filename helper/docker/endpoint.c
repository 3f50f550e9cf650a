/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/endpoint.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "docker/context.h"
#include "docker/plugin.h"

#define DEFAULT_HOST "unix:///var/run/docker.sock"

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static const char *home(void)
{
	const char *h = env("HOME");
	struct passwd *pw;

	if (h)
		return h;
	pw = getpwuid(getuid());
	return pw && pw->pw_dir ? pw->pw_dir : "/";
}

/* The options that were given to us, for the CLI. What came from the
 * environment or from docker's files it finds there itself. */
static void keep_globals(const struct tp_docker_globals *g, struct tp_strv *out)
{
	const struct {
		const char *name, *value;
	} valued[] = {
		{ "--config", g->config },	 { "--context", g->context },
		{ "--host", g->host },		 { "--tlscacert", g->tls_ca },
		{ "--tlscert", g->tls_cert },	 { "--tlskey", g->tls_key },
		{ "--log-level", g->log_level },
	};

	for (size_t i = 0; i < TP_ARRAY_SIZE(valued); i++)
		if (valued[i].value)
			tp_strv_addf(out, "%s=%s", valued[i].name, valued[i].value);
	if (g->tls)
		tp_strv_add(out, g->tls > 0 ? "--tls" : "--tls=false");
	if (g->tls_verify)
		tp_strv_add(out, g->tls_verify > 0 ? "--tlsverify" : "--tlsverify=false");
	if (g->debug)
		tp_strv_add(out, "--debug");
}

static int read_one(char **to, const char *given, const char *dir, const char *file, bool optional,
		    struct tp_err *err)
{
	*to = given ? tp_docker_read_pem(NULL, given, false, err) :
		      tp_docker_read_pem(dir, file, optional, err);
	return *to || err->kind == TP_ERR_NONE ? 0 : -1;
}

/* --tls*, DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH. As with docker, the
 * names of files alone turn nothing on, and --tlsverify, true or false, does. */
static int find_tls(const struct tp_docker_globals *g, struct tp_docker_endpoint *ep,
		    struct tp_err *err)
{
	const char *dir = env("DOCKER_CERT_PATH");
	bool verify = g->tls_verify ? g->tls_verify > 0 : env("DOCKER_TLS_VERIFY") != NULL;
	bool tls = g->tls ? g->tls > 0 : env("DOCKER_TLS") != NULL;

	ep->tls = tls || verify || g->tls_verify;
	if (!ep->tls)
		return 0;
	ep->skip_verify = !verify;
	if (!dir)
		dir = ep->config_dir;
	if (verify && read_one(&ep->ca_pem, g->tls_ca, dir, "ca.pem", false, err) < 0)
		return -1;
	if (read_one(&ep->cert_pem, g->tls_cert, dir, "cert.pem", true, err) < 0 ||
	    read_one(&ep->key_pem, g->tls_key, dir, "key.pem", true, err) < 0)
		return -1;
	return 0;
}

static int find_host(const struct tp_docker_globals *g, struct tp_docker_endpoint *ep,
		     struct tp_err *err)
{
	tp_autofree char *context = NULL;

	if (g->context && g->host)
		return tp_err_set(err, TP_ERR_USAGE, "--context and --host exclude each other");
	if (g->context)
		context = tp_strdup(g->context);
	else if (!g->host && !env("DOCKER_HOST"))
		context = tp_strdup(env("DOCKER_CONTEXT"));
	if (!context && !g->host && !env("DOCKER_HOST") &&
	    tp_docker_current_context(ep->config_dir, &context, err) < 0)
		return -1;
	if (context && strcmp(context, "default") != 0) {
		ep->context = tp_steal(&context);
		return tp_docker_context_load(ep, ep->context, err);
	}
	ep->host = tp_strdup(g->host		? g->host :
			     env("DOCKER_HOST") ? env("DOCKER_HOST") :
						  DEFAULT_HOST);
	return 0;
}

static int bad_host(const struct tp_docker_endpoint *ep, const char *why, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_USAGE, "the docker host \"%s\" %s", ep->host, why);
	return tp_err_hint(err, "unix:///path, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT]");
}

/* Puts the host into the form that the header promises. */
static int settle_host(struct tp_docker_endpoint *ep, bool from_context, struct tp_err *err)
{
	const char *h = ep->host, *sep = strstr(h, "://");

	for (const char *p = h; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return bad_host(ep, "has characters that cannot be", err);
	if (!sep) {
		char *tcp = tp_asprintf("tcp://%s", h);

		free(ep->host);
		ep->host = tcp;
		h = tcp;
		sep = strstr(h, "://");
	}
	size_t n = (size_t)(sep - h);
	const char *rest = sep + 3;
	if (n == 4 && memcmp(h, "unix", 4) == 0) {
		ep->socket_path = tp_strdup(*rest ? rest : &DEFAULT_HOST[strlen("unix://")]);
		return ep->socket_path[0] == '/' ? 0 : bad_host(ep, "is not an absolute path", err);
	}
	if (n == 3 && memcmp(h, "ssh", 3) == 0) {
		const char *host = strchr(rest, '@') ? strchr(rest, '@') + 1 : rest;

		if (!*host || *host == '-' || *rest == '-' || *host == ':')
			return bad_host(ep, "names no host", err);
		if (host > rest && memchr(rest, ':', (size_t)(host - rest)))
			return bad_host(ep, "holds a password, which ssh does not take", err);
		return 0;
	}
	if ((n == 3 && memcmp(h, "tcp", 3) == 0) ||
	    (from_context && n == 4 && memcmp(h, "http", 4) == 0) ||
	    (from_context && n == 5 && memcmp(h, "https", 5) == 0)) {
		if (memcmp(h, "https", n) == 0 && n == 5)
			ep->tls = true;
		if (strchr(rest, '@'))
			return bad_host(ep, "is not an address", err);
		return 0;
	}
	return bad_host(ep, "is of a kind that tpdocker cannot use", err);
}

char *tp_docker_config_dir(const struct tp_docker_globals *g)
{
	const char *dir = g->config ? g->config : env("DOCKER_CONFIG");

	return dir ? tp_strdup(dir) : tp_asprintf("%s/.docker", home());
}

int tp_docker_endpoint_find(const struct tp_docker_globals *g, struct tp_docker_endpoint *ep,
			    struct tp_err *err)
{
	static const struct tp_docker_globals none = { 0 };
	struct tp_err spare;

	if (!g)
		g = &none;
	if (!err)
		err = &spare;
	*ep = (struct tp_docker_endpoint){ 0 };
	ep->config_dir = tp_docker_config_dir(g);
	const char *cli = g->docker_path ? g->docker_path : env(TP_PLUGIN_CLI);
	if (!cli)
		cli = env("TPDOCKER_DOCKER");
	ep->cli = tp_strdup(cli ? cli : "docker");
	keep_globals(g, &ep->cli_globals);
	if (find_host(g, ep, err) == 0 && (ep->context || find_tls(g, ep, err) == 0) &&
	    settle_host(ep, ep->context != NULL, err) == 0)
		return 0;
	tp_docker_endpoint_free(ep);
	return -1;
}

void tp_docker_endpoint_free(struct tp_docker_endpoint *ep)
{
	free(ep->host);
	free(ep->context);
	free(ep->config_dir);
	free(ep->socket_path);
	free(ep->ca_pem);
	free(ep->cert_pem);
	tp_free_secret(ep->key_pem);
	free(ep->cli);
	tp_strv_free(&ep->cli_globals);
	*ep = (struct tp_docker_endpoint){ 0 };
}
