/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server in a thread, on a unix socket, that answers what the test says:
 * the answers in turn, one a request, whole or broken.
 */
#ifndef FAKE_SERVER_H
#define FAKE_SERVER_H

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

struct fake_answer {
	const char *text;
	size_t len;	   /* 0: strlen(text) */
	const char *chunk; /* behind TEXT: this as the body, chunked */
	bool hang_up;	   /* close behind it */
	bool silent;	   /* no answer at all, until the client goes away */
	bool echo;	   /* behind it: give back what comes, half-close after its end */
};

struct fake_server {
	char dir[64], path[128];
	int listener, stop[2];
	pthread_t thread;
	const struct fake_answer *answers;
	int n_answers;
	int accepted, asked;	/* read after fake_stop, or between requests */
	struct tp_buf requests; /* heads and bodies, all of them */
};

/* Reads one request whole; -1 at the end. */
static inline int fake_read_request(struct fake_server *f, int fd)
{
	struct tp_buf b = TP_BUF_INIT(1 << 20);
	size_t want = 0;
	bool chunked = false; /* its end is where it looks like one */

	while (!want || b.len < want || (chunked && strcmp(b.data + b.len - 5, "0\r\n\r\n"))) {
		struct pollfd p[2] = { { fd, POLLIN, 0 }, { f->stop[0], POLLIN, 0 } };
		char c[4096];
		ssize_t n;
		char *end, *len;

		poll(p, 2, -1);
		n = p[1].revents ? 0 : read(fd, c, sizeof(c));
		if (n <= 0)
			break;
		tp_buf_put(&b, c, (size_t)n);
		end = strstr(b.data, "\r\n\r\n");
		if (!want && end) {
			len = strcasestr(b.data, "content-length:");
			want = (size_t)(end - b.data) + 4 +
			       (len && len < end ? strtoul(len + 15, NULL, 10) : 0);
			len = strcasestr(b.data, "transfer-encoding: chunked");
			chunked = len && len < end;
		}
	}
	if (b.len)
		tp_buf_put(&f->requests, b.data, b.len);
	int rc = want && b.len >= want ? 0 : -1;
	tp_buf_free(&b);
	return rc;
}

static inline void fake_echo(struct fake_server *f, int fd)
{
	for (;;) {
		struct pollfd p[2] = { { fd, POLLIN, 0 }, { f->stop[0], POLLIN, 0 } };
		char c[4096];

		poll(p, 2, -1);
		ssize_t n = p[1].revents ? 0 : read(fd, c, sizeof(c));
		if (n <= 0 || tp_write_all(fd, c, (size_t)n) < 0)
			return;
	}
}

static inline void fake_serve(struct fake_server *f, int fd)
{
	while (fake_read_request(f, fd) == 0) {
		int i = f->asked++;
		const struct fake_answer *a = &f->answers[i < f->n_answers ? i : f->n_answers - 1];
		struct pollfd p[2] = { { fd, POLLIN, 0 }, { f->stop[0], POLLIN, 0 } };

		if (a->silent) {
			poll(p, 2, -1);
			return;
		}
		if (tp_write_all(fd, a->text, a->len ? a->len : strlen(a->text)) < 0)
			return;
		if (a->chunk) {
			char *rest = NULL;
			int n = asprintf(&rest,
					 "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
					 strlen(a->chunk), a->chunk);
			int rc = n < 0 ? -1 : tp_write_all(fd, rest, (size_t)n);

			free(rest);
			if (rc < 0)
				return;
		}
		if (a->echo)
			fake_echo(f, fd);
		if (a->echo || a->hang_up)
			return;
	}
}

static inline void *fake_main(void *arg)
{
	struct fake_server *f = arg;

	for (;;) {
		struct pollfd p[2] = { { f->listener, POLLIN, 0 }, { f->stop[0], POLLIN, 0 } };

		poll(p, 2, -1);
		if (p[1].revents)
			return NULL;
		int fd = accept(f->listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		f->accepted++;
		fake_serve(f, fd);
		close(fd);
	}
}

static inline void fake_start_at(struct fake_server *f, const struct fake_answer *a, int n)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memset(f, 0, sizeof(*f));
	f->answers = a;
	f->n_answers = n;
	f->requests = TP_BUF_INIT(16 << 20);
	strcpy(f->dir, "/tmp/tpdocker-fake-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	strcpy(un.sun_path, f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(f->listener, 16), 0);
	assert_int_equal(pipe(f->stop), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_main, f), 0);
}
#define fake_start(f, answers) \
	fake_start_at(f, answers, (int)(sizeof(answers) / sizeof((answers)[0])))

static inline void fake_stop(struct fake_server *f)
{
	close(f->stop[1]);
	pthread_join(f->thread, NULL);
	close(f->stop[0]);
	close(f->listener);
	unlink(f->path);
	rmdir(f->dir);
	tp_buf_free(&f->requests);
}

#endif
