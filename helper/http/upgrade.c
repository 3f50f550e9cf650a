/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that stops being HTTP. The library only connects (proxy, TLS,
 * names); request and answer are written and read here, because its own
 * upgrade does not return after the answer's head.
 *
 * Behind the head the library is left at once where the connection is a
 * plain socket: read(2) and write(2) are all that is needed then.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"

#define HEAD_MAX   (64u << 10)
#define ERROR_MAX  (64u << 10) /* bytes of an error document */
#define TLS_OUT	   (64u << 10)
#define TIMEOUT_MS 30000

struct raw {
	struct tp_stream s;
	struct tp_buf early; /* read together with the head */

	/* TLS only. After "would block" the TLS library wants the very same
	 * bytes at the very same address again, hence a buffer of ours. */
	struct tp_http_slot slot;
	char *out;
	size_t out_len, out_off;
	bool maybe_more; /* the last read gave something: TLS may hold more */
	const char *reason;
};

static ssize_t early_read(struct raw *r, void *buf, size_t n)
{
	if (n > r->early.len)
		n = r->early.len;
	memcpy(buf, r->early.data, n);
	tp_buf_consume(&r->early, n);
	if (r->early.len == 0)
		tp_buf_free(&r->early);
	return (ssize_t)n;
}

static ssize_t plain_read(struct tp_stream *s, void *buf, size_t n)
{
	struct raw *r = (struct raw *)s;
	ssize_t got;

	if (r->early.len > 0)
		return early_read(r, buf, n);
	do
		got = recv(s->fd, buf, n, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t plain_write(struct tp_stream *s, const void *buf, size_t n)
{
	ssize_t put;

	if (n == 0)
		return 0;
	do
		put = send(s->fd, buf, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put;
}

static int plain_shutdown(struct tp_stream *s)
{
	return shutdown(s->fd, SHUT_WR);
}

static bool plain_pending(struct tp_stream *s)
{
	return ((struct raw *)s)->early.len > 0;
}

static void plain_close(struct tp_stream *s)
{
	struct raw *r = (struct raw *)s;

	close(s->fd);
	tp_buf_free(&r->early);
	free(r);
}

static const struct tp_stream_ops plain_ops = {
	.read = plain_read,
	.write = plain_write,
	.shutdown = plain_shutdown,
	.pending = plain_pending,
	.close = plain_close,
};

static ssize_t tls_read(struct tp_stream *s, void *buf, size_t n)
{
	struct raw *r = (struct raw *)s;
	size_t got = 0;

	if (r->early.len > 0)
		return early_read(r, buf, n);
	CURLcode code = curl_easy_recv(r->slot.easy, buf, n, &got);
	r->maybe_more = code == CURLE_OK && got > 0;
	if (code == CURLE_OK)
		return (ssize_t)got;
	if (code == CURLE_AGAIN) {
		errno = EAGAIN;
		return -1;
	}
	r->reason = curl_easy_strerror(code);
	errno = ECONNRESET;
	return -1;
}

/* 0 when everything is out. */
static int tls_flush(struct raw *r)
{
	while (r->out_off < r->out_len) {
		size_t put = 0;
		CURLcode code = curl_easy_send(r->slot.easy, r->out + r->out_off,
					       r->out_len - r->out_off, &put);

		if (code == CURLE_OK && put > 0) {
			r->out_off += put;
			continue;
		}
		if (code == CURLE_AGAIN || code == CURLE_OK) {
			errno = EAGAIN;
			return -1;
		}
		r->reason = curl_easy_strerror(code);
		errno = ECONNRESET;
		return -1;
	}
	r->out_off = r->out_len = 0;
	return 0;
}

static ssize_t tls_write(struct tp_stream *s, const void *buf, size_t n)
{
	struct raw *r = (struct raw *)s;

	if (tls_flush(r) < 0)
		return -1;
	if (n == 0)
		return 0;
	if (n > TLS_OUT)
		n = TLS_OUT;
	memcpy(r->out, buf, n);
	r->out_len = n;
	/* What does not go out now goes with the next call. */
	if (tls_flush(r) < 0 && errno != EAGAIN)
		return -1;
	return (ssize_t)n;
}

static bool tls_pending(struct tp_stream *s)
{
	struct raw *r = (struct raw *)s;

	return r->early.len > 0 || r->maybe_more;
}

static const char *tls_reason(struct tp_stream *s)
{
	return ((struct raw *)s)->reason;
}

static void tls_close(struct tp_stream *s)
{
	struct raw *r = (struct raw *)s;

	tp_http_slot_free(&r->slot);
	tp_buf_free(&r->early);
	if (r->out)
		tp_wipe(r->out, TLS_OUT);
	free(r->out);
	free(r);
}

static const struct tp_stream_ops tls_ops = {
	.read = tls_read,
	.write = tls_write,
	.pending = tls_pending,
	.reason = tls_reason,
	.close = tls_close,
};

/* Whether bytes on the socket are not ours but TLS's: https itself, or a
 * proxy that is reached by TLS. */
static bool is_encrypted(const struct tp_http_client *c)
{
	static const char *const names[] = { "http_proxy", "all_proxy", "ALL_PROXY" };

	if (c->https)
		return true;
	if (c->unix_socket || c->dial)
		return false;
	if (c->proxy)
		return strncasecmp(c->proxy, "https:", 6) == 0;
	for (size_t i = 0; i < TP_ARRAY_SIZE(names); i++) {
		const char *v = getenv(names[i]);

		if (v && strncasecmp(v, "https:", 6) == 0)
			return true;
	}
	return false;
}

static struct tp_stream *raw_connect(struct tp_http_client *c, struct tp_cancel *cancel,
				     struct tp_err *err)
{
	struct tp_http_transfer t = { .c = c, .cancel = cancel, .err = err };
	struct raw *r = tp_calloc(1, sizeof(*r));
	curl_socket_t fd = CURL_SOCKET_BAD;
	CURLcode code = CURLE_OK;
	int rc, one = 1;

	r->slot = tp_http_slot_new();
	tp_http_setup(r->slot.easy, &t, "/");
	curl_easy_setopt(r->slot.easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(r->slot.easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	rc = tp_http_drive(&r->slot, &t, &code);
	if (rc == 0 && code != CURLE_OK)
		rc = tp_http_fail(r->slot.easy, &t, code);
	if (rc == 0) {
		tp_http_place_dialled(&t);
		curl_easy_getinfo(r->slot.easy, CURLINFO_ACTIVESOCKET, &fd);
		if (fd == CURL_SOCKET_BAD)
			rc = tp_err_set(err, TP_ERR_UNREACHABLE, "cannot connect to %s", c->server);
	}
	r->early = TP_BUF_INIT(HEAD_MAX);
	if (rc == 0 && !is_encrypted(c)) {
		r->s.ops = &plain_ops;
		r->s.can_half_close = true;
		r->s.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (r->s.fd < 0)
			rc = tp_err_errno(err, errno, "cannot keep the connection to %s",
					  c->server);
		else if (fcntl(r->s.fd, F_SETFL, O_NONBLOCK | O_RDWR) < 0)
			tp_verbose("%s: %s", c->server, strerror(errno));
	} else if (rc == 0) {
		r->s.ops = &tls_ops;
		r->s.fd = fd;
		r->out = tp_malloc(TLS_OUT);
	}
	tp_http_transfer_end(r->slot.easy, &t);
	if (rc < 0 || r->s.ops == &plain_ops)
		tp_http_slot_free(&r->slot);
	if (rc < 0) {
		free(r);
		return NULL;
	}
	/* Not a TCP socket: no matter. */
	setsockopt(r->s.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return &r->s;
}

static void wipe_buf(struct tp_buf *b)
{
	tp_buf_free(b); /* wipes */
}

/* A header of ours must not grow into two. */
static bool is_one_line(const char *s)
{
	return !s[strcspn(s, "\r\n")];
}

static int send_request(struct tp_http_client *c, struct tp_stream *s,
			const struct tp_http_request *req, int ms, struct tp_cancel *cancel,
			struct tp_err *err)
{
	tp_autoclean(wipe_buf) struct tp_buf b = TP_BUF_INIT(1u << 20);
	struct tp_strv auth = { 0 };
	int rc = 0;

	rc |= tp_buf_printf(&b, "%s %s%s HTTP/1.1\r\n%s\r\nUser-Agent: tpdocker/%s\r\n",
			    req->method, c->prefix, req->path, c->host_header, TP_VERSION);
	if (c->auth && c->auth(c->auth_arg, &auth, cancel, err) < 0) {
		tp_strv_free(&auth);
		return -1;
	}
	for (size_t i = 0; i < auth.n; i++) {
		if (is_one_line(auth.v[i]))
			rc |= tp_buf_printf(&b, "%s\r\n", auth.v[i]);
		tp_wipe(auth.v[i], strlen(auth.v[i]));
	}
	tp_strv_free(&auth);
	for (size_t i = 0; req->headers && req->headers[i]; i++)
		if (is_one_line(req->headers[i]))
			rc |= tp_buf_printf(&b, "%s\r\n", req->headers[i]);
	if (req->body)
		rc |= tp_buf_printf(&b, "Content-Type: %s\r\n",
				    req->content_type ? req->content_type : "application/json");
	if (req->body || strcmp(req->method, "GET") != 0)
		rc |= tp_buf_printf(&b, "Content-Length: %zu\r\n", req->body ? req->body_len : 0);
	rc |= tp_buf_puts(&b, "\r\n");
	if (req->body)
		rc |= tp_buf_put(&b, req->body, req->body_len);
	if (rc != 0 || !is_one_line(req->path))
		return tp_err_set(err, TP_ERR_FAILED, "the request to %s is too large", c->server);
	if (tp_stream_write_all(s, b.data, b.len, ms, cancel, err) < 0)
		return tp_err_prefix(err, "%s", c->server);
	return 0;
}

/* Reads until the head of a final answer is there; what came behind it is
 * left in IN. */
static int read_head(struct tp_http_client *c, struct tp_stream *s, struct tp_buf *in, int *status,
		     struct tp_strv *headers, long long deadline, struct tp_cancel *cancel,
		     struct tp_err *err)
{
	for (;;) {
		int used = in->len ? tp_http_parse_head(in->data, in->len, status, headers) : 0;

		if (used < 0)
			return tp_err_set(err, TP_ERR_PROTOCOL, "%s does not answer in HTTP",
					  c->server);
		if (used > 0) {
			tp_buf_consume(in, (size_t)used);
			if (*status >= 200 || *status == 101)
				return 0;
			tp_strv_free(headers); /* 100 Continue and the like */
			continue;
		}
		char *room = in->len < HEAD_MAX ? tp_buf_reserve(in, HEAD_MAX - in->len) : NULL;
		if (!room)
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "the head of %s's answer is larger than %u KiB",
					  c->server, HEAD_MAX >> 10);
		long long left = deadline - tp_now_ms();
		ssize_t n = tp_stream_read_wait(s, room, HEAD_MAX - in->len,
						left > 0 ? (int)left : 0, cancel, err);
		if (n < 0)
			return tp_err_prefix(err, "%s", c->server);
		if (n == 0)
			return tp_err_set(err, TP_ERR_UNREACHABLE,
					  "%s closed the connection without an answer", c->server);
		tp_buf_added(in, (size_t)n);
	}
}

static const char *header_of(const struct tp_strv *headers, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < headers->n; i++)
		if (strncmp(headers->v[i], name, n) == 0 && headers->v[i][n] == ':')
			return headers->v[i] + n + 2;
	return NULL;
}

/* Undoes "chunked" in place, as far as it is well formed. */
static void dechunk(struct tp_buf *b)
{
	size_t in = 0, out = 0;

	while (in < b->len) {
		char *end;
		unsigned long n = strtoul(b->data + in, &end, 16);
		size_t at = (size_t)(end - b->data);

		while (at < b->len && b->data[at] != '\n')
			at++;
		at++;
		if (end == b->data + in || n == 0 || at >= b->len)
			break;
		if (n > b->len - at)
			n = b->len - at;
		memmove(b->data + out, b->data + at, n);
		out += n;
		in = at + n;
		while (in < b->len && (b->data[in] == '\r' || b->data[in] == '\n'))
			in++;
	}
	b->len = out;
	if (b->data)
		b->data[out] = '\0';
}

/* The error document, as much as comes in time: it only explains. */
static void read_error(struct tp_stream *s, struct tp_buf *in, const struct tp_strv *headers,
		       struct tp_buf *body, long long deadline, struct tp_cancel *cancel)
{
	const char *len = header_of(headers, "content-length");
	const char *te = header_of(headers, "transfer-encoding");
	size_t want = len ? strtoul(len, NULL, 10) : ERROR_MAX;
	bool chunked = te && strcasestr(te, "chunked");
	struct tp_err ignored;

	if (want > ERROR_MAX)
		want = ERROR_MAX;
	if (deadline > tp_now_ms() + 5000)
		deadline = tp_now_ms() + 5000;
	while (in->len < want) {
		if (chunked && in->len >= 5 && memcmp(in->data + in->len - 5, "0\r\n\r\n", 5) == 0)
			break;
		char *room = tp_buf_reserve(in, want - in->len);
		long long left = deadline - tp_now_ms();
		ssize_t n = room && left > 0 ? tp_stream_read_wait(s, room, want - in->len,
								   (int)left, cancel, &ignored) :
					       -1;
		if (n <= 0)
			break;
		tp_buf_added(in, (size_t)n);
	}
	if (chunked)
		dechunk(in);
	if (body && in->len)
		tp_buf_put(body, in->data, in->len < want ? in->len : want);
}

static struct tp_stream *upgrade_once(struct tp_http_client *c, const struct tp_http_request *req,
				      bool accept_200, struct tp_strv *headers, int *status,
				      struct tp_buf *body, struct tp_cancel *cancel,
				      struct tp_err *err)
{
	int ms = req->timeout_ms > 0 ? req->timeout_ms : TIMEOUT_MS;
	long long deadline = tp_now_ms() + ms;
	TP_AUTO_BUF in = TP_BUF_INIT(HEAD_MAX);
	struct tp_stream *s = raw_connect(c, cancel, err);

	if (!s)
		return NULL;
	if (send_request(c, s, req, ms, cancel, err) < 0 ||
	    read_head(c, s, &in, status, headers, deadline, cancel, err) < 0) {
		tp_stream_close(s);
		return NULL;
	}
	if (*status == 101 ||
	    (*status == 200 && accept_200 && !header_of(headers, "transfer-encoding"))) {
		struct raw *r = (struct raw *)s;

		r->early = in;
		in = TP_BUF_INIT(0);
		return s;
	}
	read_error(s, &in, headers, body, deadline, cancel);
	tp_stream_close(s);
	enum tp_err_kind kind = *status == 401 || *status == 403 ? TP_ERR_FORBIDDEN :
				*status == 404			 ? TP_ERR_NOT_FOUND :
				*status == 409			 ? TP_ERR_CONFLICT :
								   TP_ERR_FAILED;
	tp_err_set(err, kind, "%s answers %d instead of switching protocols", c->server, *status);
	return NULL;
}

struct tp_stream *tp_http_upgrade(struct tp_http_client *c, const struct tp_http_request *req,
				  bool accept_200, struct tp_strv *resp_headers, int *status,
				  struct tp_buf *body, struct tp_cancel *cancel, struct tp_err *err)
{
	TP_AUTO_STRV headers = { 0 };
	struct tp_err spare;
	int code = 0;

	if (!err)
		err = &spare;
	struct tp_stream *s = upgrade_once(c, req, accept_200, &headers, &code, body, cancel, err);
	if (!s && code == 401 && c->auth_refused && c->auth_refused(c->auth_arg)) {
		tp_strv_free(&headers);
		if (body)
			tp_buf_reset(body);
		code = 0;
		s = upgrade_once(c, req, accept_200, &headers, &code, body, cancel, err);
	}
	tp_verbose("%s %s%s: %d", req->method, c->server, req->path, code);
	if (status)
		*status = code;
	for (size_t i = 0; resp_headers && i < headers.n; i++)
		tp_strv_add(resp_headers, headers.v[i]);
	return s;
}
