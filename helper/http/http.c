/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client.h"

#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define DEFAULT_TIMEOUT_MS 30000
#define STALLED_S	   120

/* One request under way. */
struct exchange {
	struct tp_http_transfer t;
	const struct tp_http_request *req;
	struct tp_buf body; /* collected, or the line being put together */
	CURL *easy;
	bool ended;  /* line() wanted no more */
	bool failed; /* t.err is filled */
};

static struct tp_http_slot take_slot(struct tp_http_client *c)
{
	struct tp_http_slot s = { 0 };

	pthread_mutex_lock(&c->lock);
	if (c->n_idle > 0)
		s = c->idle[--c->n_idle];
	pthread_mutex_unlock(&c->lock);
	return s.easy ? s : tp_http_slot_new();
}

static void give_slot(struct tp_http_client *c, struct tp_http_slot *s)
{
	bool kept = false;

	curl_easy_reset(s->easy);
	pthread_mutex_lock(&c->lock);
	if (c->n_idle < TP_HTTP_IDLE_MAX) {
		c->idle[c->n_idle++] = *s;
		kept = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (!kept)
		tp_http_slot_free(s);
}

static bool wants_lines(struct exchange *x)
{
	long status = 0;

	if (!x->req->line)
		return false;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

static size_t too_large(struct exchange *x)
{
	tp_err_set(x->t.err, TP_ERR_PROTOCOL, "the answer of %s is larger than %u MiB",
		   x->t.c->server, TP_HTTP_BODY_MAX >> 20);
	x->failed = true;
	return 0;
}

/* Hands one line over, without copying it when it is whole in P already. */
static bool give_line(struct exchange *x, const char *p, size_t n)
{
	if (tp_buf_put(&x->body, p, n) < 0)
		return too_large(x) != 0;
	if (x->body.len > 0 && x->body.data[x->body.len - 1] == '\r')
		x->body.data[--x->body.len] = '\0';
	if (x->req->line(x->req->line_arg, x->body.data ? x->body.data : (char[1]){ 0 },
			 x->body.len) != 0)
		x->ended = true;
	tp_buf_reset(&x->body);
	return !x->ended;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	const char *end = p + n, *nl;

	(void)size; /* always 1 */
	if (!wants_lines(x)) {
		if (tp_buf_put(&x->body, p, n) < 0)
			return too_large(x);
		return n;
	}
	while ((nl = memchr(p, '\n', end - p))) {
		if (!give_line(x, p, nl - p))
			return 0; /* stops the transfer */
		p = (char *)nl + 1;
	}
	if (tp_buf_put(&x->body, p, end - p) < 0)
		return too_large(x);
	return n;
}

static struct curl_slist *add_header(struct curl_slist *l, const char *text)
{
	struct curl_slist *n = curl_slist_append(l, text);

	if (!n)
		abort();
	return n;
}

/* Headers may hold a token. */
static void free_headers(struct curl_slist *l)
{
	for (struct curl_slist *i = l; i; i = i->next)
		tp_wipe(i->data, strlen(i->data));
	curl_slist_free_all(l);
}

static void wipe_strv(struct tp_strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		tp_wipe(l->v[i], strlen(l->v[i]));
	tp_strv_free(l);
}

static int make_headers(struct tp_http_client *c, const struct tp_http_request *req,
			struct curl_slist **out, struct tp_cancel *cancel, struct tp_err *err)
{
	tp_autoclean(wipe_strv) struct tp_strv auth = { 0 };
	struct curl_slist *l = NULL;

	if (c->auth && c->auth(c->auth_arg, &auth, cancel, err) < 0)
		return -1;
	/* Without this a body waits a second for a "100 Continue" that
	 * daemons do not send. */
	l = add_header(l, "Expect:");
	l = add_header(l, c->host_header);
	if (req->body || req->produce) {
		tp_autofree char *type =
			tp_asprintf("Content-Type: %s",
				    req->content_type ? req->content_type : "application/json");
		l = add_header(l, type);
	} else {
		l = add_header(l, "Content-Type:");
	}
	for (size_t i = 0; i < auth.n; i++)
		l = add_header(l, auth.v[i]);
	for (size_t i = 0; req->headers && req->headers[i]; i++)
		l = add_header(l, req->headers[i]);
	*out = l;
	return 0;
}

/* The answer's head, a line at a time; after a redirect or a 100 anew. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	tp_autofree char *line = tp_strndup(p, n);
	char *end = line + strcspn(line, "\r\n");

	(void)size;
	*end = '\0';
	if (!strncmp(line, "HTTP/", 5))
		tp_strv_free(x->req->answer_headers);
	for (char *q = line; *q && *q != ':'; q++)
		*q = (char)tolower((unsigned char)*q);
	if (strchr(line, ':'))
		tp_strv_take(x->req->answer_headers, tp_steal(&line));
	return n;
}

static size_t on_produce(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	ssize_t got = x->req->produce(x->req->produce_arg, p, size * n);

	if (got >= 0)
		return (size_t)got;
	tp_err_set(x->t.err, TP_ERR_FAILED, "there was nothing to send any more");
	x->failed = true;
	return CURL_READFUNC_ABORT;
}

static void set_method(CURL *e, const struct tp_http_request *req)
{
	const char *m = req->method ? req->method : "GET";

	if (req->produce) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, on_produce);
		/* No bound of the whole knows how much there is; a server that takes nothing is given up. */
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)STALLED_S);
	} else if (req->body || strcmp(m, "POST") == 0 || strcmp(m, "PUT") == 0) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)(req->body ? req->body_len : 0));
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body ? req->body : "");
	} else if (strcmp(m, "HEAD") == 0) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, m);
}

/* One try. 0 and *STATUS, or -1. */
static int exchange_once(struct exchange *x, long *status)
{
	const struct tp_http_request *req = x->req;
	struct tp_http_client *c = x->t.c;
	struct curl_slist *headers = NULL;
	CURLcode code = CURLE_OK;
	int rc;

	if (make_headers(c, req, &headers, x->t.cancel, x->t.err) < 0)
		return -1;
	struct tp_http_slot s = take_slot(c);
	x->easy = s.easy;
	tp_http_setup(s.easy, &x->t, req->path);
	set_method(s.easy, req);
	curl_easy_setopt(s.easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(s.easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(s.easy, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(s.easy, CURLOPT_READDATA, x);
	if (req->answer_headers) {
		curl_easy_setopt(s.easy, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(s.easy, CURLOPT_HEADERDATA, x);
	}
	int ms = req->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : req->timeout_ms;
	if (ms > 0)
		curl_easy_setopt(s.easy, CURLOPT_TIMEOUT_MS, (long)ms);

	rc = tp_http_drive(&s, &x->t, &code);
	curl_easy_getinfo(s.easy, CURLINFO_RESPONSE_CODE, status);
	if (rc == 0 && x->failed)
		rc = -1;
	else if (rc == 0 && code != CURLE_OK && !x->ended)
		rc = tp_http_fail(s.easy, &x->t, code);
	/* A last line need not end in a newline. */
	if (rc == 0 && !x->ended && x->body.len > 0 && wants_lines(x)) {
		give_line(x, "", 0);
		if (x->failed)
			rc = -1;
	}
	curl_multi_remove_handle(s.multi, s.easy);
	tp_http_transfer_end(s.easy, &x->t);
	give_slot(c, &s);
	free_headers(headers);
	return rc;
}

int tp_http_do(struct tp_http_client *c, const struct tp_http_request *req,
	       struct tp_http_response *resp, struct tp_cancel *cancel, struct tp_err *err)
{
	struct tp_err spare = { .kind = TP_ERR_NONE };
	struct exchange x = { .t = { .c = c, .cancel = cancel, .err = err ? err : &spare },
			      .req = req,
			      .body = TP_BUF_INIT(TP_HTTP_BODY_MAX) };
	long status = 0;
	int rc = exchange_once(&x, &status);

	*resp = (struct tp_http_response){ .body = TP_BUF_INIT(TP_HTTP_BODY_MAX) };
	if (rc == 0 && status == 401 && !req->produce && c->auth_refused &&
	    c->auth_refused(c->auth_arg)) {
		tp_buf_reset(&x.body);
		rc = exchange_once(&x, &status);
	}
	tp_verbose("%s %s%s: %ld", req->method, c->server, req->path, status);
	if (rc < 0) {
		tp_buf_free(&x.body);
		return -1;
	}
	resp->status = (int)status;
	resp->body = x.body;
	return 0;
}

void tp_http_response_free(struct tp_http_response *r)
{
	tp_buf_free(&r->body);
	r->status = 0;
}

char *tp_http_escape(const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = tp_malloc(3 * strlen(s) + 1), *p = out;

	for (; *s; s++) {
		unsigned char ch = (unsigned char)*s;

		/* RFC 3986, 2.3: unreserved. Not isalnum(): that asks the locale. */
		if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
		    (ch >= '0' && ch <= '9') || strchr("-._~", ch)) {
			*p++ = (char)ch;
		} else {
			*p++ = '%';
			*p++ = hex[ch >> 4];
			*p++ = hex[ch & 15];
		}
	}
	*p = '\0';
	return out;
}
