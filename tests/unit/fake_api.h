/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API server that says what it is told to: request after request gets
 * answer after answer, each on a connection of its own.
 */
#ifndef TP_FAKE_API_H
#define TP_FAKE_API_H

#include <arpa/inet.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/client.h"

struct fake_reply {
	const char *head; /* "200 OK"; NULL: DATA is everything that is sent */
	const char *data;
	size_t len; /* of DATA; 0: strlen */
	int delay_ms;
	int hold_ms; /* before the connection is closed */
};

#define FAKE_MAX 32

struct fake_api {
	int fd;
	unsigned port;
	pthread_t thread;
	const struct fake_reply *replies;
	size_t n;
	char *requests[FAKE_MAX]; /* each whole, body included */
	size_t seen;
	struct tp_kubeconfig kc;
	struct tp_kube *k;
};

static void fake_send(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

static char *fake_receive(int fd)
{
	struct tp_buf b = TP_BUF_INIT(1u << 20);
	size_t want = 0;

	for (;;) {
		char *end = b.data ? strstr(b.data, "\r\n\r\n") : NULL;
		char *len = b.data ? strcasestr(b.data, "content-length:") : NULL;
		ssize_t n;
		char *room;

		if (end && !want)
			want = (size_t)(end - b.data) + 4 +
			       (len && len < end ? strtoul(len + 15, NULL, 10) : 0);
		if (want && b.len >= want)
			break;
		room = tp_buf_reserve(&b, 4096);
		n = recv(fd, room, 4096, 0);
		if (n <= 0)
			break;
		tp_buf_added(&b, (size_t)n);
	}
	return tp_buf_steal(&b);
}

static void *fake_run(void *arg)
{
	struct fake_api *f = arg;

	for (size_t i = 0; i < f->n; i++) {
		const struct fake_reply *r = &f->replies[i];
		size_t len = r->len ? r->len : r->data ? strlen(r->data) : 0;
		int c = accept(f->fd, NULL, NULL);

		if (c < 0)
			break;
		f->requests[i] = fake_receive(c);
		f->seen = i + 1;
		usleep((useconds_t)r->delay_ms * 1000);
		if (r->head) {
			tp_autofree char *h = tp_asprintf(
				"HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
				r->head);

			fake_send(c, h, strlen(h));
		}
		if (len)
			fake_send(c, r->data, len);
		usleep((useconds_t)r->hold_ms * 1000);
		close(c);
	}
	return NULL;
}

static void fake_start(struct fake_api *f, const struct fake_reply *replies, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct tp_err err = { 0 };

	memset(f, 0, sizeof(*f));
	assert_true(n <= FAKE_MAX);
	f->replies = replies;
	f->n = n;
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(f->fd, 16), 0);
	assert_int_equal(getsockname(f->fd, (struct sockaddr *)&a, &len), 0);
	f->port = ntohs(a.sin_port);
	f->kc.context = tp_strdup("ctx");
	f->kc.user_name = tp_strdup("me");
	f->kc.source = tp_strdup("/some/kubeconfig");
	f->kc.namespace = tp_strdup("ns");
	f->kc.token = tp_strdup("s3cret");
	f->kc.server = tp_asprintf("http://127.0.0.1:%u", f->port);
	tp_http_global_init();
	f->k = tp_kube_open(&f->kc, NULL, &err);
	assert_non_null(f->k);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

static void fake_stop(struct fake_api *f)
{
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->fd);
	for (size_t i = 0; i < f->seen; i++)
		free(f->requests[i]);
	tp_kube_free(f->k);
	tp_kubeconfig_free(&f->kc);
}

#endif
