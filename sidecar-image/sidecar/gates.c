/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/gates.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/sidecar.h"

#define MAX_GATES	64
#define INTRODUCTION_MS 5000 /* for the message, which a gate sends at once */

/* A socket that gates come to. */
struct listener {
	struct gates *g;
	bool outside;
	int fd;
	struct tp_watch *watch;
};

struct gate {
	struct gates *g;
	bool outside;
	unsigned int id; /* 0: has not said what it is yet */
	int fd, ns;
	struct tp_watch *watch;
	struct tp_timer *timer;
};

struct gates {
	struct tp_loop *loop;
	struct gates_events ev;
	struct listener listeners[2]; /* ours; outside */
	unsigned int last_id;
	struct gate gates[MAX_GATES];
	struct tp_buf env; /* the pod's, for them */
	bool gives_env;
};

int gate_message_parse(const char *p, size_t n, char tag[TP_GATE_NAME_MAX + 1])
{
	static const char *const words[] = { TP_GATE_HELLO, TP_GATE_ASK };

	for (int i = 0; i < 2; i++) {
		const size_t word = strlen(words[i]);

		if (n < word || n - word > TP_GATE_NAME_MAX || memcmp(p, words[i], word))
			continue;
		memcpy(tag, p + word, n - word);
		tag[n - word] = '\0';
		return strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "._-") == n - word ?
			       i :
			       -1;
	}
	return -1;
}

static bool same_namespace(int fd, const char *path)
{
	struct stat theirs, ours;

	return fstat(fd, &theirs) == 0 && stat(path, &ours) == 0 && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

/* A program without rights can make itself a mount namespace, but only inside a user namespace of its own. */
static bool is_engines(int ns)
{
	tp_autoclose int user = -1;

	if (ns < 0 || ioctl(ns, NS_GET_NSTYPE) != CLONE_NEWNS)
		return false;
	user = ioctl(ns, NS_GET_USERNS);
	return user >= 0 && same_namespace(user, "/proc/self/ns/user");
}

static void dismiss(struct gate *p)
{
	tp_watch_del(p->watch);
	tp_timer_del(p->timer);
	p->watch = NULL;
	p->timer = NULL;
	tp_close_p(&p->fd);
	tp_close_p(&p->ns);
	p->id = 0;
}

static void on_silence(void *arg)
{
	struct gate *p = arg;

	p->timer = NULL;
	dismiss(p);
}

static void introduce(struct gate *p, const char *text, size_t n)
{
	struct gates *g = p->g;
	char tag[TP_GATE_NAME_MAX + 1];
	int kind = gate_message_parse(text, n, tag);

	if (kind < 0 || !is_engines(p->ns)) {
		tp_verbose("a program that is no entry gate of ours came to the gates' socket");
		dismiss(p);
		return;
	}
	tp_timer_del(p->timer);
	p->timer = NULL;
	p->id = ++g->last_id ? g->last_id : ++g->last_id;
	if (kind == 0)
		g->ev.arrived(g->ev.arg, p->id, tag, p->ns);
	else
		gates_answer(g, p->id,
			     g->gives_env && p->outside ?
				     NULL :
				     "this session has no environment to give");
}

static void on_gate(void *arg, int events)
{
	struct gate *p = arg;
	struct gates *g = p->g;
	char text[sizeof(TP_GATE_HELLO) + TP_GATE_NAME_MAX];
	unsigned int id = p->id;
	int fd = -1;
	ssize_t n = recv_with_fd(p->fd, text, sizeof(text), &fd);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (!id && n > 0) {
		p->ns = fd;
		introduce(p, text, (size_t)n);
		return;
	}
	/* gone, or it speaks out of turn */
	tp_close_p(&fd);
	dismiss(p);
	if (id && g->ev.left)
		g->ev.left(g->ev.arg, id);
}

static void on_connection(void *arg, int events)
{
	struct listener *l = arg;
	struct gates *g = l->g;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	for (size_t i = 0; fd >= 0 && i < MAX_GATES; i++) {
		struct gate *p = &g->gates[i];

		if (p->fd >= 0)
			continue;
		p->fd = tp_steal_fd(&fd);
		p->outside = l->outside;
		p->watch = tp_watch_add(g->loop, p->fd, TP_READ, on_gate, p);
		p->timer = tp_timer_add(g->loop, INTRODUCTION_MS, on_silence, p);
	}
	tp_close_p(&fd);
}

static struct gates *gates_new(struct tp_loop *l, const struct gates_events *ev)
{
	struct gates *g = tp_calloc(1, sizeof(*g));

	g->loop = l;
	g->ev = *ev;
	for (int i = 0; i < 2; i++)
		g->listeners[i] = (struct listener){ .g = g, .outside = i == 1, .fd = -1 };
	for (size_t i = 0; i < MAX_GATES; i++) {
		g->gates[i].g = g;
		g->gates[i].fd = g->gates[i].ns = -1;
	}
	return g;
}

static struct gates *listen_at(struct gates *g, bool outside, struct tp_loop *l, const char *name,
			       const struct gates_events *ev, struct tp_err *err)
{
	int fd = abstract_listen(name, err);
	struct listener *at;

	if (fd < 0)
		return NULL;
	if (!g)
		g = gates_new(l, ev);
	at = &g->listeners[outside];
	at->fd = fd;
	at->watch = tp_watch_add(l, fd, TP_READ, on_connection, at);
	return g;
}

struct gates *gates_listen(struct tp_loop *l, const char *name, const struct gates_events *ev,
			   struct tp_err *err)
{
	return listen_at(NULL, false, l, name, ev, err);
}

struct gates *gates_listen_outside(struct gates *g, struct tp_loop *l, const char *name,
				   const struct gates_events *ev, struct tp_err *err)
{
	if (!g || g->listeners[1].fd < 0)
		return listen_at(g, true, l, name, ev, err);
	tp_err_set(err, TP_ERR_PROTOCOL, "there is a socket for gates from outside already");
	return NULL;
}

int gates_who(const struct gates *g, unsigned int id, uid_t *uid, gid_t *gid)
{
	for (size_t i = 0; id && i < MAX_GATES; i++) {
		const struct gate *p = &g->gates[i];
		struct ucred who;
		socklen_t len = sizeof(who);

		if (p->id != id || getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
			continue;
		*uid = who.uid;
		*gid = who.gid;
		return 0;
	}
	return -1;
}

/* A file without a name that nobody can change any more. */
static int env_file(const char *env, size_t n, struct tp_err *err)
{
	tp_autoclose int fd = memfd_create("tpdocker-env", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || tp_write_all(fd, env, n) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return tp_err_errno(err, errno, "no memory for the pod's environment");
	return tp_steal_fd(&fd);
}

static int send_fd(int sock, const char *text, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { { 0 } };
	struct iovec v = { (char *)(uintptr_t)text, strlen(text) };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int give_env(struct gates *g, struct gate *p, struct tp_err *err)
{
	tp_autoclose int fd = env_file(g->env.data, g->env.len, err);

	if (fd < 0)
		return -1;
	if (send_fd(p->fd, TP_GATE_ENV, fd))
		tp_verbose("the gate %u was gone when it got the environment", p->id);
	return 0;
}

int gates_set_env(struct gates *g, const char *env, size_t n, struct tp_err *err)
{
	tp_buf_free(&g->env);
	g->env = TP_BUF_INIT(TP_GATE_ENV_MAX);
	if (tp_buf_put(&g->env, env, n) || (n && env[n - 1]))
		return tp_err_set(err, TP_ERR_PROTOCOL, "the environment for gates is none");
	g->gives_env = true;
	return 0;
}

static void answer(struct gates *g, struct gate *p, const char *why)
{
	char text[TP_GATE_TEXT_MAX];
	struct tp_err err;

	if (!why && g->gives_env && p->outside && give_env(g, p, &err))
		why = err.msg;
	if (why)
		snprintf(text, sizeof(text), TP_GATE_FAIL "%.2000s", why);
	else
		strcpy(text, TP_GATE_GO);
	if (send(p->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		tp_verbose("the gate %u was gone when it was answered", p->id);
	dismiss(p);
}

void gates_answer(struct gates *g, unsigned int id, const char *why)
{
	for (size_t i = 0; id && i < MAX_GATES; i++)
		if (g->gates[i].id == id)
			answer(g, &g->gates[i], why);
}

void gates_free(struct gates *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < MAX_GATES; i++)
		dismiss(&g->gates[i]);
	for (int i = 0; i < 2; i++) {
		tp_watch_del(g->listeners[i].watch);
		tp_close_p(&g->listeners[i].fd);
	}
	tp_buf_free(&g->env);
	free(g);
}
