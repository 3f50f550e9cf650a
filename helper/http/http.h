/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 requests (RFC 9110, 9112) to one server, over TCP, TLS, a unix
 * socket or a descriptor somebody else dials. With upgrade.c the only files
 * that know the HTTP library. Every call blocks, takes a struct tp_cancel,
 * and may be made from any thread (a client may be used by several at once).
 */
#ifndef TP_HTTP_HTTP_H
#define TP_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/stream.h"

#define TP_HTTP_BODY_MAX (16u << 20) /* bytes of a collected response body */

/* Where and how to connect. Strings are copied by tp_http_client_new. */
struct tp_http_config {
	const char *url; /* "https://10.0.0.1:6443" or "http://localhost", may have a path prefix */
	const char *unix_socket; /* connect to this path instead of the URL's host */
	/* Dials a connected socket instead (docker over ssh). Returns a
	 * descriptor that the client owns, or -1 ERR. */
	int (*dial)(void *arg, struct tp_cancel *cancel, struct tp_err *err);
	void *dial_arg;

	const char *ca_pem; /* certificates as text; NULL: the system's */
	size_t ca_pem_len;
	const char *cert_pem, *key_pem; /* client certificate and key as text, or NULL */
	const char *server_name;	/* for SNI and verification, instead of the URL's host */
	bool insecure;			/* do not verify */
	const char *
		proxy; /* "http://...", "socks5://..."; NULL: from the environment (HTTPS_PROXY, NO_PROXY); "" none */
	int connect_timeout_ms; /* 0: 10 s */

	/* Adds headers to each request, one call of ADD a header
	 * ("Authorization: Bearer ..."); may run programs or read files. 0 or -1 ERR. */
	int (*auth)(void *arg, struct tp_strv *headers, struct tp_cancel *cancel,
		    struct tp_err *err);
	/* The server said 401: throw away what is cached; true = try once more. */
	bool (*auth_refused)(void *arg);
	void *auth_arg;
};

struct tp_http_client;

struct tp_http_client *tp_http_client_new(const struct tp_http_config *cfg, struct tp_err *err);
void tp_http_client_free(struct tp_http_client *c);
/* Closes the connections that are kept for reuse. */
void tp_http_drop_idle(struct tp_http_client *c);

struct tp_http_request {
	const char *method;	  /* "GET" */
	const char *path;	  /* "/api/v1/...?x=y", already escaped */
	const char *content_type; /* with a body; NULL: application/json */
	const char *body;
	size_t body_len;
	const char *const *headers; /* further "Name: value", NULL-terminated, or NULL */
	/* Instead of BODY: gives its bytes as they are wanted, > 0, 0 at the end, or -1, which fails the request. May block. */
	ssize_t (*produce)(void *arg, void *p, size_t n);
	void *produce_arg;
	struct tp_strv *
		answer_headers; /* gets the answer's "name: value" lines, names in small letters; or NULL */
	int timeout_ms;		/* for the whole exchange; 0: 30 s, -1: none (a watch) */
	/* If set, a 2xx body is handed over line by line as it comes (without
	 * the newline, NUL-terminated, at most TP_HTTP_BODY_MAX bytes) instead of being collected.
	 * Returns 0 to go on, 1 to end the request here (success). */
	int (*line)(void *arg, char *line, size_t n);
	void *line_arg;
};

struct tp_http_response {
	int status;
	struct tp_buf body;
};
void tp_http_response_free(struct tp_http_response *r);

/* 0 when there was an HTTP response, whatever its status. -1 ERR: UNREACHABLE
 * (refused, no route, TLS verification failed: the message says which and names
 * the server), CANCELLED, TIMEOUT, PROTOCOL (not HTTP, too large). */
int tp_http_do(struct tp_http_client *c, const struct tp_http_request *req,
	       struct tp_http_response *resp, struct tp_cancel *cancel, struct tp_err *err);

/* Percent-encodes for a path segment or query value. The caller frees it. */
char *tp_http_escape(const char *s);

/* Sends an upgrade request on a connection of its own and waits for the 101
 * (RFC 9110, 7.8). HEADERS: further "Name: value" lines, "Connection:" and
 * "Upgrade:" among them. On 101 returns the raw stream behind it, response headers (lower-cased
 * names, "name: value" lines) added to RESP_HEADERS if that is not NULL. Also a 200 is taken if
 * ACCEPT_200 (old docker daemons). Anything else: NULL, ERR, *STATUS the
 * code and BODY (may be NULL) the error document.
 * The answer's head is limited to 64 KiB. */
struct tp_stream *tp_http_upgrade(struct tp_http_client *c, const struct tp_http_request *req,
				  bool accept_200, struct tp_strv *resp_headers, int *status,
				  struct tp_buf *body, struct tp_cancel *cancel,
				  struct tp_err *err);

/* The parser of an answer's head, apart for the tests and the fuzzer.
 * > 0: length of the head in bytes, *STATUS and HEADERS filled; 0: incomplete;
 * -1: not HTTP/1.x. */
int tp_http_parse_head(const char *p, size_t n, int *status, struct tp_strv *headers);

/* From now on connections (but unix sockets) carry this mark; needs CAP_NET_ADMIN. Before the first of them. */
void tp_http_mark(uint32_t mark);
/* Once, at start and end of the program. */
void tp_http_global_init(void);

#endif
