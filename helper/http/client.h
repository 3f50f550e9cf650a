/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What http.c and upgrade.c share: a client, and the setting up of one of the
 * HTTP library's handles for one connection of it.
 */
#ifndef TP_HTTP_CLIENT_H
#define TP_HTTP_CLIENT_H

#include <curl/curl.h>
#include <pthread.h>

#include "http/http.h"

#define TP_HTTP_IDLE_MAX 4 /* connections kept for reuse */

/* A handle and the set that drives it. The connections live in the set, so
 * the two stay together. */
struct tp_http_slot {
	CURL *easy;
	CURLM *multi;
};

struct tp_http_client {
	char *scheme_host; /* for URLs: scheme, host to verify, port */
	char *prefix;	   /* path in front of every request's path, no slash at the end */
	char *server;	   /* for messages: "10.0.0.1:6443" or the socket's path */
	char *host_header; /* "Host: ..." */
	char *connect_to;  /* NULL, or where to connect instead of the URL's host */
	char *unix_socket;
	int unix_dir; /* folder of a socket whose path is too long for a sockaddr, else -1 */
	char *ca, *cert, *key;
	size_t ca_len;
	char *proxy;
	bool https, insecure;
	int connect_timeout_ms;
	int (*dial)(void *arg, struct tp_cancel *cancel, struct tp_err *err);
	void *dial_arg;
	int (*auth)(void *arg, struct tp_strv *headers, struct tp_cancel *cancel,
		    struct tp_err *err);
	bool (*auth_refused)(void *arg);
	void *auth_arg;

	pthread_mutex_t lock; /* guards idle */
	struct tp_http_slot idle[TP_HTTP_IDLE_MAX];
	int n_idle;
};

/* What the library's callbacks of one transfer need. */
struct tp_http_transfer {
	struct tp_http_client *c;
	struct tp_cancel *cancel;
	struct tp_err *err;
	bool dial_failed;	  /* ERR was filled by dial() */
	int dialled, placeholder; /* see open_socket; -1 when there is none */
	struct curl_slist *connect_to;
	char text[CURL_ERROR_SIZE];
};

struct tp_http_slot tp_http_slot_new(void);
void tp_http_slot_free(struct tp_http_slot *s);

/* Where, how and as whom to connect. T must live as long as the transfer,
 * and be ended behind it. */
void tp_http_setup(CURL *easy, struct tp_http_transfer *t, const char *path);
void tp_http_transfer_end(CURL *easy, struct tp_http_transfer *t);

/* Puts what dial() gave in the place of the placeholder, if that has not
 * been done; 0 or an errno. */
int tp_http_place_dialled(struct tp_http_transfer *t);

/* Drives the transfer to its end. 0, or -1 ERR. */
int tp_http_drive(struct tp_http_slot *s, struct tp_http_transfer *t, CURLcode *code);

/* Turns a failed transfer into T's error; -1. */
int tp_http_fail(CURL *easy, struct tp_http_transfer *t, CURLcode code);

#endif
