/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door: an abstract socket at which the mounts role has SFTP sessions
 * with the pod for the asking. sshfs runs `tpdocker-sidecar sftp` for ssh, and
 * that hands the descriptor that sshfs talks to over to us; we hand it on to
 * the ssh master. So no process of ours copies what is read and written.
 *
 *   sftp       "sftp TOKEN" and a descriptor -->     <-- "ok", or the end
 *
 * The user's container can reach the socket, too, but does not know the token.
 * Before the first link is there a session is waited for. Later, when it is
 * down, there is none: readers get errors now and not when it is back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "sidecar/mounts.h"
#include "sidecar/sidecar.h"

#define MAX_VISITORS 32
#define MAX_SESSIONS 32
#define TOKEN_MAX    64
#define SILENCE_MS   5000

struct visitor {
	struct sidecar *s;
	int sock, fd; /* fd: what it brought, until there is a link */
	struct tp_watch *watch;
	struct tp_timer *timer;
};

struct session {
	struct door *door;
	struct mux_session *mux;
};

struct door {
	int sock;
	struct tp_watch *watch;
	char *token;
	struct visitor visitors[MAX_VISITORS];
	struct session sessions[MAX_SESSIONS];
};

static void see_off(struct visitor *v)
{
	tp_watch_del(v->watch);
	tp_timer_del(v->timer);
	v->watch = NULL;
	v->timer = NULL;
	tp_close_p(&v->sock);
	tp_close_p(&v->fd);
}

static void session_ended(void *arg, int code)
{
	struct session *session = arg;

	(void)code;
	session->mux = NULL;
}

static void let_in(struct visitor *v)
{
	struct door *d = v->s->door;
	tp_autoclose int err_fd = ssh_remote_stderr();
	struct tp_err err;
	size_t i = 0;

	while (i < MAX_SESSIONS && d->sessions[i].mux)
		i++;
	if (i == MAX_SESSIONS) {
		tp_warn("there are too many SFTP sessions");
		see_off(v);
		return;
	}
	d->sessions[i].mux = mux_open_subsystem(v->s, "sftp", v->fd, v->fd, err_fd, session_ended,
						&d->sessions[i], &err);
	if (!d->sessions[i].mux)
		tp_warn("%s", err.msg);
	else if (send(v->sock, "ok", 2, MSG_NOSIGNAL) < 0)
		tp_verbose("an SFTP session was not waited for");
	see_off(v);
}

bool door_knock(const char *p, size_t n, const char *token)
{
	static const char word[] = "sftp ";
	size_t head = strlen(word);
	unsigned char differs = 0;

	if (n != head + strlen(token) || memcmp(p, word, head))
		return false;
	for (size_t i = head; i < n; i++)
		differs |= (unsigned char)(p[i] ^ token[i - head]);
	return !differs;
}

static void on_visitor(void *arg, int events)
{
	struct visitor *v = arg;
	struct sidecar *s = v->s;
	char text[16 + TOKEN_MAX];
	int fd;
	ssize_t n = recv_with_fd(v->sock, text, sizeof(text), &fd);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (v->fd >= 0 || n <= 0 || fd < 0 || !door_knock(text, (size_t)n, s->door->token)) {
		tp_close_p(&fd);
		see_off(v);
		return;
	}
	tp_timer_del(v->timer);
	v->timer = NULL;
	v->fd = fd;
	if (s->master_up)
		let_in(v);
	else if (s->ready_said)
		see_off(v);
}

static void on_silence(void *arg)
{
	struct visitor *v = arg;

	v->timer = NULL;
	see_off(v);
}

static void on_connection(void *arg, int events)
{
	struct sidecar *s = arg;
	struct door *d = s->door;
	int sock = accept4(d->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	for (size_t i = 0; sock >= 0 && i < MAX_VISITORS; i++) {
		struct visitor *v = &d->visitors[i];

		if (v->sock >= 0)
			continue;
		v->s = s;
		v->sock = tp_steal_fd(&sock);
		v->watch = tp_watch_add(s->loop, v->sock, TP_READ, on_visitor, v);
		v->timer = tp_timer_add(s->loop, SILENCE_MS, on_silence, v);
	}
	tp_close_p(&sock);
}

int door_start(struct sidecar *s, const char *setting, struct tp_err *err)
{
	const char *space = strchr(setting, ' ');
	tp_autofree char *name = space ? tp_strndup(setting, (size_t)(space - setting)) : NULL;
	struct door *d;
	int sock;

	if (s->door || !space || !space[1] || strlen(space + 1) > TOKEN_MAX)
		return tp_err_set(err, TP_ERR_PROTOCOL, "the door's setting is not one");
	sock = abstract_listen(name, err);
	if (sock < 0)
		return -1;
	d = tp_calloc(1, sizeof(*d));
	d->sock = sock;
	d->token = tp_strdup(space + 1);
	for (size_t i = 0; i < MAX_VISITORS; i++)
		d->visitors[i].sock = d->visitors[i].fd = -1;
	s->door = d;
	d->watch = tp_watch_add(s->loop, sock, TP_READ, on_connection, s);
	return 0;
}

void door_open(struct sidecar *s)
{
	for (size_t i = 0; s->door && i < MAX_VISITORS; i++)
		if (s->door->visitors[i].fd >= 0)
			let_in(&s->door->visitors[i]);
}

void door_close(struct sidecar *s)
{
	for (size_t i = 0; s->door && i < MAX_SESSIONS; i++)
		mux_close(tp_steal(&s->door->sessions[i].mux));
}

/* ------------------------------------------------- sshfs's ssh command */

int sidecar_sftp(int argc, char **argv)
{
	TP_AUTO_BUF door = TP_BUF_INIT(256);
	tp_autofree char *word = NULL;
	struct tp_err err;
	char answer[8], *token;
	int sock;
	ssize_t n;

	(void)argc; /* ssh's options, and whom to call: there is only one */
	(void)argv;
	if (tp_read_file(DOOR_FILE, &door) < 0 || !door.len || !(token = strchr(door.data, ' '))) {
		tp_error("sftp: no way to the pod is known");
		return 1;
	}
	*token++ = '\0';
	word = tp_asprintf("sftp %s", token);
	sock = abstract_connect(door.data, &err);
	if (sock < 0) {
		tp_error("sftp: %s", err.msg);
		return 1;
	}
	if (send_with_fd(sock, word, strlen(word), STDIN_FILENO) < 0)
		return 1;
	do
		n = recv(sock, answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	return n != 2; /* no: sshfs sees the end of its connection */
}
