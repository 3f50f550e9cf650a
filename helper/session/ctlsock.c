/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ctlsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/stream.h"

#define QUESTION_MAX 32	   /* bytes, newline included */
#define QUESTION_MS  5000  /* to ask it in */
#define ANSWER_MS    10000 /* to read the answer in */
#define DETACHED     'd'
#define CONNS_MAX    128

/*
 * One connection:
 *
 *   ASKING --status, environ--> ANSWERING --> closed
 *      |                            ^
 *      |--down--> WAITING ----------|
 *      '--join--> JOINED -----------' (or left)
 */
struct conn {
	struct tp_ctlsock *sock;
	struct conn *next;
	int fd;
	struct tp_watch *watch;
	struct tp_timer *timer;
	enum { ASKING, WAITING, JOINED, ANSWERING } state;
	char run[TP_CTL_RUN_MAX]; /* JOINED */
	char question[QUESTION_MAX];
	size_t have;
	struct tp_buf out;
};

struct tp_ctlsock {
	struct tp_loop *loop;
	struct tp_ctl_events ev;
	int fd;
	struct tp_watch *watch;
	struct conn *conns;
	size_t n;
};

static const struct {
	const char *word;
	enum tp_ctl_question q;
} questions[] = { { "status", TP_ASK_STATUS },
		  { "environ", TP_ASK_ENVIRON },
		  { "down", TP_ASK_DOWN } };

enum tp_ctl_question tp_ctl_question(const char *line, size_t n, char run[TP_CTL_RUN_MAX])
{
	static const char join[] = "join ";
	size_t head = strlen(join);

	run[0] = '\0';
	for (size_t i = 0; i < TP_ARRAY_SIZE(questions); i++)
		if (strlen(questions[i].word) == n && !memcmp(questions[i].word, line, n))
			return questions[i].q;
	if (n <= head || n - head >= TP_CTL_RUN_MAX || memcmp(line, join, head))
		return TP_ASK_NONE;
	for (size_t i = head; i < n; i++)
		if (!((line[i] >= 'a' && line[i] <= 'z') || (line[i] >= '0' && line[i] <= '9')))
			return TP_ASK_NONE;
	memcpy(run, line + head, n - head);
	run[n - head] = '\0';
	return TP_ASK_JOIN;
}

/* An address holds 107 bytes; what is longer is reached through its folder's descriptor, which is
 * FOLDER, to be kept until the address was used. */
static int address(const char *path, struct sockaddr_un *sa, int *folder)
{
	const char *slash = strrchr(path, '/');

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*folder = -1;
	if (strlen(path) < sizeof(sa->sun_path)) {
		memcpy(sa->sun_path, path, strlen(path) + 1);
		return 0;
	}
	if (slash) {
		tp_autofree char *dir = tp_strndup(path, (size_t)(slash - path));

		*folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (*folder < 0)
			return -1;
	}
	if (!slash || (size_t)snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s",
				       *folder, slash + 1) >= sizeof(sa->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* ----------------------------------------------------------------- server */

static void conn_free(struct conn *c)
{
	struct tp_ctlsock *k = c->sock;

	for (struct conn **p = &k->conns; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	k->n--;
	tp_watch_del(c->watch);
	tp_timer_del(c->timer);
	close(c->fd);
	tp_buf_free(&c->out);
	free(c);
}

/* False if C is no more. */
static bool conn_flush(struct conn *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			tp_buf_consume(&c->out, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			tp_watch_set(c->watch, TP_WRITE);
			return true;
		}
		break;
	}
	conn_free(c);
	return false;
}

static void conn_late(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	conn_free(c);
}

static void conn_answer(struct conn *c, bool ok, const struct tp_buf *text)
{
	c->state = ANSWERING;
	tp_timer_del(c->timer);
	c->timer = tp_timer_add(c->sock->loop, ANSWER_MS, conn_late, c);
	tp_buf_printf(&c->out, "%s %zu\n", ok ? "ok" : "error", text->len);
	if (text->len)
		tp_buf_put(&c->out, text->data, text->len);
	conn_flush(c);
}

static void conn_asked(struct conn *c)
{
	TP_AUTO_BUF text = TP_BUF_INIT(TP_CTL_ANSWER_MAX);
	struct tp_ctl_events *ev = &c->sock->ev;

	switch (tp_ctl_question(c->question, c->have, c->run)) {
	case TP_ASK_STATUS:
		ev->status(ev->arg, &text);
		conn_answer(c, true, &text);
		return;
	case TP_ASK_ENVIRON:
		ev->environ(ev->arg, &text);
		conn_answer(c, true, &text);
		return;
	case TP_ASK_DOWN:
		c->state = WAITING;
		tp_timer_del(c->timer);
		c->timer = NULL;
		ev->down(ev->arg);
		return;
	case TP_ASK_JOIN:
		c->state = JOINED;
		tp_timer_del(c->timer);
		c->timer = NULL;
		return;
	case TP_ASK_NONE:
		break;
	}
	conn_free(c);
}

/* Who joined has left, or says something. */
static void conn_left(struct conn *c, const char *said, ssize_t n)
{
	struct tp_ctl_events *ev = &c->sock->ev;
	bool detached = n == 1 && *said == DETACHED;
	char run[TP_CTL_RUN_MAX];

	memcpy(run, c->run, sizeof(run));
	conn_free(c);
	if (!detached)
		ev->left(ev->arg, run);
}

static void conn_ready(void *arg, int events)
{
	struct conn *c = arg;
	char chunk[QUESTION_MAX];
	ssize_t n;
	char *end;

	if (c->state == ANSWERING) {
		if (events & TP_WRITE)
			conn_flush(c);
		return;
	}
	n = recv(c->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (c->state == JOINED) {
		conn_left(c, chunk, n);
		return;
	}
	/* Who waits has nothing more to say; who said nothing whole has left. */
	if (n <= 0 || c->state == WAITING || c->have + (size_t)n > sizeof(c->question)) {
		conn_free(c);
		return;
	}
	memcpy(c->question + c->have, chunk, (size_t)n);
	c->have += (size_t)n;
	end = memchr(c->question, '\n', c->have);
	if (!end) {
		if (c->have == sizeof(c->question))
			conn_free(c);
		return;
	}
	if (end != c->question + c->have - 1) {
		conn_free(c); /* one question a connection */
		return;
	}
	c->have--;
	conn_asked(c);
}

/* The file's mode says so already; some systems do not look at a socket's. */
static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void accept_ready(void *arg, int events)
{
	struct tp_ctlsock *k = arg;
	int fd = accept4(k->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	(void)events;
	if (fd < 0)
		return;
	if (k->n >= CONNS_MAX || !is_ours(fd)) {
		close(fd);
		return;
	}
	c = tp_calloc(1, sizeof(*c));
	c->sock = k;
	c->next = k->conns;
	k->conns = c;
	k->n++;
	c->fd = fd;
	c->out = TP_BUF_INIT(TP_CTL_ANSWER_MAX + 64);
	c->watch = tp_watch_add(k->loop, fd, TP_READ, conn_ready, c);
	c->timer = tp_timer_add(k->loop, QUESTION_MS, conn_late, c);
}

struct tp_ctlsock *tp_ctlsock_listen(struct tp_loop *l, const char *path,
				     const struct tp_ctl_events *ev, struct tp_err *err)
{
	struct sockaddr_un sa;
	tp_autoclose int folder = -1;
	tp_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct tp_ctlsock *k;
	mode_t mask;
	int rc;

	unlink(path); /* the path has the session's own random name: only a killed one's */
	if (fd < 0 || address(path, &sa, &folder)) {
		tp_err_errno(err, errno, "the control socket %s", path);
		return NULL;
	}
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(mask);
	if (rc || listen(fd, CONNS_MAX)) {
		tp_err_errno(err, errno, "the control socket %s", path);
		return NULL;
	}
	k = tp_calloc(1, sizeof(*k));
	k->loop = l;
	k->ev = *ev;
	k->fd = tp_steal_fd(&fd);
	k->watch = tp_watch_add(l, k->fd, TP_READ, accept_ready, k);
	return k;
}

static void stop_listening(struct tp_ctlsock *k)
{
	tp_watch_del(k->watch);
	k->watch = NULL;
	tp_close_p(&k->fd);
}

void tp_ctlsock_gate(struct tp_ctlsock *k, const char *run, const char *why)
{
	tp_autofree char *line = tp_asprintf("gate %s\n", why ? why : "ok");

	for (char *nl = line; (nl = strchr(nl, '\n')) && nl[1];)
		*nl = ' ';
	for (struct conn *c = k->conns; c; c = c->next)
		if (c->state == JOINED && !strcmp(c->run, run))
			/* Nothing was sent before: there is room for it. */
			(void)!send(c->fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void tp_ctlsock_ending(struct tp_ctlsock *k)
{
	struct tp_buf none = TP_BUF_INIT(0);
	struct conn *c, *next;

	for (c = k->conns; c; c = next) {
		next = c->next;
		if (c->state == JOINED)
			conn_answer(c, true, &none);
	}
}

void tp_ctlsock_ended(struct tp_ctlsock *k, const char *why)
{
	TP_AUTO_BUF text = TP_BUF_INIT(TP_ERR_MAX);
	struct conn *c, *next;

	stop_listening(k);
	tp_ctlsock_ending(k);
	if (why)
		tp_buf_puts(&text, why);
	for (c = k->conns; c; c = next) {
		next = c->next;
		if (c->state == ASKING)
			conn_free(c);
		else if (c->state == WAITING)
			conn_answer(c, !why, &text);
	}
}

void tp_ctlsock_free(struct tp_ctlsock *k)
{
	if (!k)
		return;
	stop_listening(k);
	while (k->conns)
		conn_free(k->conns);
	free(k);
}

/* ----------------------------------------------------------------- client */

int tp_ctl_answer_head(const char *p, size_t n, bool *ok, size_t *len, size_t *head)
{
	static const char yes[] = "ok ", no[] = "error ";
	const char *digits;
	size_t max = n < QUESTION_MAX ? n : QUESTION_MAX, value = 0;
	const char *end = memchr(p, '\n', max);

	if (!end)
		return n >= QUESTION_MAX ? -1 : 0;
	if ((size_t)(end - p) > strlen(yes) && !memcmp(p, yes, strlen(yes))) {
		*ok = true;
		digits = p + strlen(yes);
	} else if ((size_t)(end - p) > strlen(no) && !memcmp(p, no, strlen(no))) {
		*ok = false;
		digits = p + strlen(no);
	} else {
		return -1;
	}
	for (; digits < end; digits++) {
		if (*digits < '0' || *digits > '9')
			return -1;
		value = value * 10 + (size_t)(*digits - '0');
		if (value > TP_CTL_ANSWER_MAX)
			return -1;
	}
	*len = value;
	*head = (size_t)(end - p) + 1;
	return 1;
}

static int no_answer(struct tp_err *err)
{
	return tp_err_set(err, TP_ERR_PROTOCOL, "the session's process gave no answer");
}

static int connect_to(const char *path, struct tp_err *err)
{
	struct sockaddr_un sa;
	tp_autoclose int folder = -1;
	tp_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || address(path, &sa, &folder))
		return tp_err_errno(err, errno, "the control socket %s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return tp_err_set(err,
				  errno == ENOENT	? TP_ERR_NOT_FOUND :
				  errno == ECONNREFUSED ? TP_ERR_UNREACHABLE :
							  TP_ERR_FAILED,
				  "the session's process does not listen: %s", strerror(errno));
	return tp_steal_fd(&fd);
}

int tp_ctl_join(const char *path, const char *run, struct tp_err *err)
{
	tp_autofree char *line = tp_asprintf("join %s\n", run);
	tp_autoclose int fd = connect_to(path, err);

	if (fd < 0)
		return -1;
	/* A fresh socket takes a line. */
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
		return tp_err_errno(err, errno, "the control socket %s", path);
	return tp_steal_fd(&fd);
}

int tp_ctl_joined_read(int fd, char **why)
{
	static const char word[] = "gate ", ok[] = "gate ok";
	char line[TP_ERR_MAX + sizeof(word)];
	ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_PEEK | MSG_DONTWAIT);
	char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;

	*why = NULL;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < (ssize_t)strlen(word) || memcmp(line, word, strlen(word)) || !end)
		return -1;
	*end = '\0';
	/* the line alone: the answer may be behind it */
	(void)!recv(fd, line, (size_t)(end - line) + 1, MSG_DONTWAIT);
	*end = '\0';
	if (!strcmp(line, ok))
		return 1;
	*why = tp_strdup(line + strlen(word));
	return 2;
}

void tp_ctl_detach(int fd)
{
	static const char said = DETACHED;

	(void)!send(fd, &said, 1, MSG_NOSIGNAL);
}

int tp_ctl_ask(const char *path, const char *question, struct tp_buf *out, int ms,
	       struct tp_cancel *c, struct tp_err *err)
{
	TP_AUTO_BUF in = TP_BUF_INIT(TP_CTL_ANSWER_MAX + (64u << 10));
	long long until = tp_now_ms() + ms;
	tp_autoclose int fd = connect_to(path, err);
	tp_autofree char *line = tp_asprintf("%s\n", question);
	struct tp_stream *s;
	size_t len = 0, head = 0;
	bool ok = false;
	int rc = 0;

	if (fd < 0)
		return -1;
	s = tp_stream_from_fd(tp_steal_fd(&fd));
	if (tp_stream_write_all(s, line, strlen(line), ms, c, err))
		rc = -1;
	while (!rc) {
		long long left = until - tp_now_ms();
		char *room = tp_buf_reserve(&in, 32 << 10);
		ssize_t n;

		if (!room) {
			rc = no_answer(err);
			break;
		}
		n = tp_stream_read_wait(s, room, 32 << 10, left > 0 ? (int)left : 0, c, err);
		if (n <= 0) {
			rc = n < 0 ? -1 : no_answer(err);
			break;
		}
		tp_buf_added(&in, (size_t)n);
		if (!head) {
			rc = tp_ctl_answer_head(in.data, in.len, &ok, &len, &head);
			if (rc < 0)
				rc = no_answer(err);
			else
				rc = 0;
		}
		if (head && in.len >= head + len)
			break;
	}
	tp_stream_close(s);
	if (rc)
		return -1;
	if (!ok)
		return tp_err_set(err, TP_ERR_FAILED, "%.*s", (int)len, in.data + head);
	return len && tp_buf_put(out, in.data + head, len) ? no_answer(err) : 0;
}
