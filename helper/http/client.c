/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

#define CONNECT_TIMEOUT_MS 10000

/* A server that is gone without a word: asked after this much silence, then this often ... */
#define ASK_AFTER_S 5
#define ASK_EVERY_S 2
/* ... and given up after this, also when what was sent to it is not acknowledged. */
#define SILENT_MS 15000

void tp_http_global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	/* TLS writes to sockets without MSG_NOSIGNAL. Children get the
	 * default back. */
	signal(SIGPIPE, SIG_IGN);
}

/* Takes "https://host[:port][/prefix]" apart. */
static int parse_url(struct tp_http_client *c, const char *url, const char *server_name,
		     struct tp_err *err)
{
	const char *p, *end, *port;

	if (strncmp(url, "https://", 8) == 0) {
		c->https = true;
		p = url + 8;
	} else if (strncmp(url, "http://", 7) == 0) {
		p = url + 7;
	} else {
		return tp_err_set(err, TP_ERR_USAGE,
				  "the address %s starts with neither https:// nor http://", url);
	}
	end = p + strcspn(p, "/?#");
	if (end == p || memchr(p, '@', end - p) || *end == '?' || *end == '#')
		return tp_err_set(err, TP_ERR_USAGE, "\"%s\" is not a server's address", url);
	for (const char *q = p; *q; q++)
		if ((unsigned char)*q <= ' ' || *q == 0x7f)
			return tp_err_set(err, TP_ERR_USAGE, "\"%s\" is not a server's address",
					  url);
	c->server = tp_strndup(p, end - p);
	size_t plen = strlen(end);
	while (plen > 0 && end[plen - 1] == '/')
		plen--;
	c->prefix = tp_strndup(end, plen);
	c->host_header = tp_asprintf("Host: %s", c->server);

	port = strrchr(c->server, ':');
	if (port && strchr(port, ']')) /* a colon inside [::1] */
		port = NULL;
	if (server_name) {
		int hostlen = (int)(port ? (size_t)(port - c->server) : strlen(c->server));
		const char *num = port ? port + 1 : c->https ? "443" : "80";

		c->scheme_host =
			tp_asprintf("%s://%s:%s", c->https ? "https" : "http", server_name, num);
		c->connect_to = tp_asprintf("::%.*s:%s", hostlen, c->server, num);
	} else {
		c->scheme_host = tp_asprintf("%s://%s", c->https ? "https" : "http", c->server);
	}
	return 0;
}

/* A socket's path longer than a sockaddr is reached through its folder. */
static int set_socket(struct tp_http_client *c, const char *path, struct tp_err *err)
{
	struct sockaddr_un un;

	free(c->server);
	c->server = tp_strdup(path);
	if (strlen(path) < sizeof(un.sun_path)) {
		c->unix_socket = tp_strdup(path);
		return 0;
	}
	const char *base = strrchr(path, '/');
	if (!base)
		return tp_err_set(err, TP_ERR_USAGE, "the socket path %s is too long", path);
	tp_autofree char *dir = tp_strndup(path, base - path);
	c->unix_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->unix_dir < 0)
		return tp_err_errno(err, errno, "cannot open %s", dir);
	c->unix_socket = tp_asprintf("/proc/self/fd/%d%s", c->unix_dir, base);
	if (strlen(c->unix_socket) >= sizeof(un.sun_path))
		return tp_err_set(err, TP_ERR_USAGE, "the socket path %s is too long", path);
	return 0;
}

struct tp_http_client *tp_http_client_new(const struct tp_http_config *cfg, struct tp_err *err)
{
	struct tp_http_client *c = tp_calloc(1, sizeof(*c));

	c->unix_dir = -1;
	pthread_mutex_init(&c->lock, NULL);
	if (parse_url(c, cfg->url, cfg->server_name, err) < 0)
		goto fail;
	if (cfg->unix_socket && set_socket(c, cfg->unix_socket, err) < 0)
		goto fail;
	if (cfg->dial && c->https) {
		tp_err_set(err, TP_ERR_USAGE, "%s: TLS over a dialled connection", cfg->url);
		goto fail;
	}
	if (cfg->dial) {
		/* The address is never used; a number needs no resolver. */
		free(c->connect_to);
		c->connect_to = tp_strdup("::127.0.0.1:1");
	}
	if (cfg->ca_pem) {
		c->ca_len = cfg->ca_pem_len ? cfg->ca_pem_len : strlen(cfg->ca_pem);
		c->ca = tp_strndup(cfg->ca_pem, c->ca_len);
	}
	c->cert = tp_strdup(cfg->cert_pem);
	c->key = tp_strdup(cfg->key_pem);
	c->proxy = tp_strdup(cfg->dial ? "" : cfg->proxy);
	c->insecure = cfg->insecure;
	c->connect_timeout_ms =
		cfg->connect_timeout_ms ? cfg->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	c->dial = cfg->dial;
	c->dial_arg = cfg->dial_arg;
	c->auth = cfg->auth;
	c->auth_refused = cfg->auth_refused;
	c->auth_arg = cfg->auth_arg;
	return c;
fail:
	tp_http_client_free(c);
	return NULL;
}

void tp_http_drop_idle(struct tp_http_client *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->n_idle > 0)
		tp_http_slot_free(&c->idle[--c->n_idle]);
	pthread_mutex_unlock(&c->lock);
}

void tp_http_client_free(struct tp_http_client *c)
{
	if (!c)
		return;
	tp_http_drop_idle(c);
	pthread_mutex_destroy(&c->lock);
	tp_close_p(&c->unix_dir);
	free(c->scheme_host);
	free(c->prefix);
	free(c->server);
	free(c->host_header);
	free(c->connect_to);
	free(c->unix_socket);
	free(c->ca);
	free(c->cert);
	tp_free_secret(c->key);
	tp_free_secret(c->proxy); /* may hold a password */
	free(c);
}

struct tp_http_slot tp_http_slot_new(void)
{
	struct tp_http_slot s = { curl_easy_init(), curl_multi_init() };

	if (!s.easy || !s.multi)
		abort();
	return s;
}

void tp_http_slot_free(struct tp_http_slot *s)
{
	curl_multi_remove_handle(s->multi, s->easy);
	curl_easy_cleanup(s->easy);
	curl_multi_cleanup(s->multi);
	*s = (struct tp_http_slot){ 0 };
}

static uint32_t socket_mark;

void tp_http_mark(uint32_t mark)
{
	socket_mark = mark;
}

static int mark_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int family;
	socklen_t len = sizeof(family);

	(void)arg;
	(void)purpose;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) || family == AF_UNIX)
		return CURL_SOCKOPT_OK;
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &socket_mark, sizeof(socket_mark)) ?
		       CURL_SOCKOPT_ERROR :
		       CURL_SOCKOPT_OK;
}

/*
 * A socket that is connected already. The library has an option for that, but
 * 7.88 calls connect(2) on it all the same. So it gets a datagram socket,
 * whose connect succeeds at once and sends nothing, and finds the real one
 * under that number before it writes the first byte.
 */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct tp_http_transfer *t = arg;

	(void)purpose;
	tp_close_p(&t->dialled);
	t->dialled = t->c->dial(t->c->dial_arg, t->cancel, t->err);
	t->placeholder = -1;
	if (t->dialled >= 0)
		t->placeholder = socket(addr->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->placeholder < 0) {
		if (t->dialled >= 0)
			tp_err_errno(t->err, errno, "socket");
		t->dial_failed = true;
		return CURL_SOCKET_BAD;
	}
	return t->placeholder;
}

int tp_http_place_dialled(struct tp_http_transfer *t)
{
	int rc = 0;

	if (t->dialled < 0)
		return 0;
	if (fcntl(t->dialled, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
	    dup3(t->dialled, t->placeholder, O_CLOEXEC) < 0)
		rc = errno;
	tp_close_p(&t->dialled);
	return rc;
}

static int before_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	(void)remote;
	(void)local;
	(void)remote_port;
	(void)local_port;
	return tp_http_place_dialled(arg) ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* The kernel's own bounds are a quarter of an hour for data that nobody
 * acknowledges: a watch, or a port-forward, would stand still that long. */
static int socket_options(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)purpose;
#ifdef TCP_USER_TIMEOUT
	unsigned int ms = SILENT_MS;

	/* Not a TCP socket: no matter. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
#else
	(void)fd;
#endif
	return CURL_SOCKOPT_OK;
}

static void set_blob(CURL *e, CURLoption opt, const char *p, size_t n)
{
	struct curl_blob blob = { .data = (void *)(uintptr_t)p,
				  .len = n,
				  .flags = CURL_BLOB_NOCOPY };

	curl_easy_setopt(e, opt, &blob);
}

static void setup_tls(CURL *e, const struct tp_http_client *c)
{
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
	if (c->ca) {
		set_blob(e, CURLOPT_CAINFO_BLOB, c->ca, c->ca_len);
		/* Only those, not the system's folder as well. */
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (c->cert) {
		set_blob(e, CURLOPT_SSLCERT_BLOB, c->cert, strlen(c->cert));
		curl_easy_setopt(e, CURLOPT_SSLCERTTYPE, "PEM");
	}
	if (c->key) {
		set_blob(e, CURLOPT_SSLKEY_BLOB, c->key, strlen(c->key));
		curl_easy_setopt(e, CURLOPT_SSLKEYTYPE, "PEM");
	}
}

void tp_http_setup(CURL *e, struct tp_http_transfer *t, const char *path)
{
	struct tp_http_client *c = t->c;
	tp_autofree char *url = tp_asprintf("%s%s%s", c->scheme_host, c->prefix, path);

	t->text[0] = '\0';
	t->dialled = t->placeholder = -1;
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->text);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* Cancelling does not wait for a resolver's thread. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "tpdocker/" TP_VERSION);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)ASK_AFTER_S);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)ASK_EVERY_S);
	curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, socket_options);
	if (c->connect_to) {
		t->connect_to = curl_slist_append(NULL, c->connect_to);
		curl_easy_setopt(e, CURLOPT_CONNECT_TO, t->connect_to);
	}
	if (c->unix_socket)
		curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, c->unix_socket);
	if (c->proxy)
		curl_easy_setopt(e, CURLOPT_PROXY, c->proxy);
	if (socket_mark)
		curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, mark_socket);
	if (c->dial) {
		curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
		curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
		curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_request);
		curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	}
	setup_tls(e, c);
}

void tp_http_transfer_end(CURL *e, struct tp_http_transfer *t)
{
	/* These point into T, which the handle may outlive. */
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(e, CURLOPT_CONNECT_TO, NULL);
	curl_slist_free_all(t->connect_to);
	t->connect_to = NULL;
	tp_close_p(&t->dialled);
}

int tp_http_drive(struct tp_http_slot *s, struct tp_http_transfer *t, CURLcode *code)
{
	struct curl_waitfd extra = { .fd = tp_cancel_fd(t->cancel), .events = CURL_WAIT_POLLIN };
	int running = 1;

	if (curl_multi_add_handle(s->multi, s->easy) != CURLM_OK)
		abort();
	for (;;) {
		CURLMcode m = curl_multi_perform(s->multi, &running);
		CURLMsg *msg;
		int left;

		if (m != CURLM_OK)
			return tp_err_set(t->err, TP_ERR_FAILED, "%s: %s", t->c->server,
					  curl_multi_strerror(m));
		while ((msg = curl_multi_info_read(s->multi, &left))) {
			if (msg->msg == CURLMSG_DONE) {
				*code = msg->data.result;
				return 0;
			}
		}
		if (tp_cancel_is_set(t->cancel))
			return tp_err_set(t->err, TP_ERR_CANCELLED, "cancelled");
		m = curl_multi_poll(s->multi, &extra, extra.fd >= 0 ? 1 : 0, 1000, NULL);
		if (m != CURLM_OK)
			return tp_err_set(t->err, TP_ERR_FAILED, "%s: %s", t->c->server,
					  curl_multi_strerror(m));
	}
}

static int fail_tls(struct tp_http_transfer *t, CURLcode code, const char *why)
{
	const struct tp_http_client *c = t->c;

	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		tp_err_set(t->err, TP_ERR_UNREACHABLE, "the certificate of %s is not trusted: %s",
			   c->server, why);
		return tp_err_hint(t->err,
				   "Does the CA that is configured for it belong to this server, "
				   "and is the server's name or address in its certificate?");
	case CURLE_SSL_CERTPROBLEM:
		tp_err_set(t->err, TP_ERR_UNREACHABLE,
			   "the client certificate for %s cannot be used: %s", c->server, why);
		return tp_err_hint(t->err, "Do the certificate and the key belong together?");
	case CURLE_SSL_CACERT_BADFILE:
		return tp_err_set(t->err, TP_ERR_UNREACHABLE,
				  "the CA certificate for %s cannot be used: %s", c->server, why);
	default:
		tp_err_set(t->err, TP_ERR_UNREACHABLE, "no TLS connection to %s: %s", c->server,
			   why);
		if (strstr(why, "wrong version number"))
			tp_err_hint(t->err, "That server seems to speak plain HTTP on this port.");
		return -1;
	}
}

int tp_http_fail(CURL *easy, struct tp_http_transfer *t, CURLcode code)
{
	const char *server = t->c->server;
	const char *why = t->text[0] ? t->text : curl_easy_strerror(code);
	long os = 0;
	curl_off_t connected = 0;

	if (t->dial_failed)
		return -1;
	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os);
	curl_easy_getinfo(easy, t->c->https ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T,
			  &connected);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return tp_err_set(t->err, TP_ERR_UNREACHABLE, "cannot connect to %s%s: %s", server,
				  t->c->proxy && *t->c->proxy ? " through the proxy" : "",
				  os ? strerror((int)os) : why);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PROXY:
		return tp_err_set(t->err, TP_ERR_UNREACHABLE, "cannot connect to %s: %s", server,
				  why);
	case CURLE_OPERATION_TIMEDOUT:
		if (connected == 0)
			return tp_err_set(t->err, TP_ERR_UNREACHABLE,
					  "cannot connect to %s: no answer within %d s", server,
					  t->c->connect_timeout_ms / 1000);
		return tp_err_set(t->err, TP_ERR_TIMEOUT, "%s does not answer in time", server);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return fail_tls(t, code, why);
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
		return tp_err_set(t->err, TP_ERR_UNREACHABLE, "the connection to %s broke: %s",
				  server, why);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_WRITE_ERROR:
	case CURLE_HTTP2:
		return tp_err_set(t->err, TP_ERR_PROTOCOL, "%s does not speak proper HTTP: %s",
				  server, why);
	default:
		return tp_err_set(t->err, TP_ERR_FAILED, "%s: %s", server, why);
	}
}
