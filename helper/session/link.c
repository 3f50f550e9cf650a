/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/relay.h"
#include "base/task.h"
#include "common/control.h"
#include "session/link.h"

#define GREETING_MAX	64   /* bytes */
#define GREETING_MS	5000 /* to say it in */
#define CONNECTIONS_MAX 32   /* at once; ssh needs one */

/* How long a dial may take: little at first, as one that hangs after the
 * network was away is best begun anew; more each time that was too little, for a slow credential
 * plugin. The session's first dial has all of it. */
#define DIAL_MS	    5000
#define DIAL_MAX_MS 30000

/*
 * One connection of the sidecar's, from accept to its end:
 *
 *   GREETING --check--> closed;  --host--> handed over
 *      |
 *      '--dial--> DIALLING (a task opens the port-forward) --> RELAYING
 *                     |
 *                     '--(the sidecar hangs up, or asks anew; too late; fails)--> closed
 *
 * A stopped helper finds the dials of all that time at once: those that
 * nobody waits for any more cost no port-forward.
 */
struct conn {
	struct tp_link *link;
	struct conn *next;
	struct tp_stream *near; /* ssh's side; the relay's once there is one */
	struct tp_stream *far;	/* the agent's side */
	struct tp_watch *watch; /* GREETING; DIALLING: for a hang-up */
	struct tp_timer *timer; /* GREETING; DIALLING */
	struct tp_task *task;	/* DIALLING */
	bool late;		/* its task was cancelled for that */
	/* where to, as it was when the dial began: for the task */
	enum tp_forward_kind kind;
	struct tp_kube *kube;
	char *pod;
	unsigned port;
	struct tp_relay *relay; /* RELAYING */
	bool exec, dead;	/* dead: to be freed when its task is done */
	struct tp_engine *engine;
	char sidecar_id[65];
	char greeting[GREETING_MAX];
	size_t have;
};

struct tp_link {
	struct tp_loop *loop;
	struct tp_link_events ev;
	char nonce[33];
	char *dir, *path;
	int fd;
	struct tp_watch *watch;
	struct conn *conns;
	enum tp_forward_kind kind;
	struct tp_kube *kube;
	char *pod;
	unsigned port;
	uint64_t to_agent, from_agent; /* of connections that ended */
	unsigned dials;
	int dial_ms;  /* for the next one */
	int settling; /* somebody waits for the tasks that are left */
};

static void conn_unlink(struct conn *c)
{
	for (struct conn **p = &c->link->conns; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			return;
		}
	}
}

static void conn_free(struct conn *c)
{
	tp_watch_del(c->watch);
	tp_timer_del(c->timer);
	c->watch = NULL;
	c->timer = NULL;
	if (c->task) {
		/* The task still uses C: it frees it when it is done. */
		c->dead = true;
		tp_task_cancel(c->task);
		return;
	}
	conn_unlink(c);
	tp_relay_stop(c->relay);
	tp_stream_close(c->near);
	tp_stream_close(c->far);
	free(c->pod);
	free(c);
}

static void relay_ended(void *arg, const char *reason)
{
	struct conn *c = arg;
	uint64_t ab, ba;

	tp_relay_count(c->relay, &ab, &ba);
	c->link->to_agent += ab;
	c->link->from_agent += ba;
	tp_verbose("the link's connection ended: %s", reason ? reason : "closed");
	c->relay = NULL;
	conn_free(c);
}

static int dial_task(void *arg, struct tp_cancel *cancel, struct tp_err *err)
{
	struct conn *c = arg;
	static const char *const argv[] = { TP_SIDECAR_PROGRAM, "link", NULL };

	c->far = tp_forward_open(c->kind, c->kube, c->pod, c->port, cancel, err);
	if (!c->far)
		return -1;
	if (c->exec) {
		c->near = tp_engine_exec(c->engine, c->sidecar_id, argv, NULL, NULL, NULL, cancel,
					 err);
		return c->near ? 0 : tp_err_prefix(err, "the exec link");
	}
	/* The socket is fresh: three bytes always fit. */
	return tp_stream_write_all(c->near, "ok\n", 3, GREETING_MS, cancel, err);
}

static void dial_done(void *arg, int rc, struct tp_err *err)
{
	struct conn *c = arg;
	struct tp_link *k = c->link;
	bool exec = c->exec;

	c->task = NULL;
	if (c->dead) {
		conn_free(c);
		if (k->settling)
			tp_loop_stop(k->loop, 0);
		return;
	}
	tp_watch_del(c->watch);
	tp_timer_del(c->timer);
	c->watch = NULL;
	c->timer = NULL;
	if (rc) {
		if (c->late) {
			tp_err_set(err, TP_ERR_TIMEOUT, "no connection to the agent within %d s",
				   k->dial_ms / 1000);
			k->dial_ms = k->dial_ms < DIAL_MAX_MS / 2 ? k->dial_ms * 2 : DIAL_MAX_MS;
		}
		conn_free(c);
		if (k->ev.dial_failed)
			k->ev.dial_failed(k->ev.arg, err, exec);
		return;
	}
	k->dials++;
	k->dial_ms = DIAL_MS;
	c->relay =
		tp_relay_start(k->loop, tp_steal(&c->near), tp_steal(&c->far), 0, relay_ended, c);
}

static void dial_late(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	c->late = true;
	tp_task_cancel(c->task);
}

/* ssh says nothing before it has the agent's end. */
static bool has_hung_up(const struct conn *c)
{
	char byte;

	return recv(c->near->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void near_ready(void *arg, int events)
{
	struct conn *c = arg;

	(void)events;
	if (has_hung_up(c)) {
		conn_free(c);
		return;
	}
	/* It got its "ok", and the relay is about to begin. */
	tp_watch_del(c->watch);
	c->watch = NULL;
}

static void conn_dial(struct conn *c)
{
	struct tp_link *k = c->link;

	if (!k->kube || (c->near && has_hung_up(c))) {
		bool exec = c->exec;

		conn_free(c); /* nothing to dial now: the sidecar tries again */
		if (exec && k->ev.dial_failed)
			k->ev.dial_failed(k->ev.arg, NULL, true);
		return;
	}
	c->kind = k->kind;
	c->kube = k->kube;
	c->pod = tp_strdup(k->pod);
	c->port = k->port;
	c->task = tp_task_start(k->loop, dial_task, dial_done, c);
	c->timer = tp_timer_add(k->loop, k->dial_ms, dial_late, c);
	if (c->near)
		c->watch = tp_watch_add(k->loop, c->near->fd, TP_READ, near_ready, c);
}

/* Complete once there is a newline: "tpdocker NONCE check|dial|host". */
static void greeting_ready(void *arg, int events)
{
	struct conn *c = arg;
	char want[GREETING_MAX];
	ssize_t n;

	(void)events;
	/* Byte by byte: what follows the newline is ssh's. */
	while ((n = tp_stream_read(c->near, c->greeting + c->have, 1)) == 1) {
		if (c->greeting[c->have] == '\n')
			break;
		if (++c->have == sizeof(c->greeting) - 1) {
			conn_free(c);
			return;
		}
	}
	if (n < 0 && errno == EAGAIN)
		return;
	if (n != 1) {
		conn_free(c);
		return;
	}
	c->greeting[c->have] = '\0';
	tp_watch_del(c->watch);
	tp_timer_del(c->timer);
	c->watch = NULL;
	c->timer = NULL;
	snprintf(want, sizeof(want), "tpdocker %s dial", c->link->nonce);
	if (!strcmp(c->greeting, want)) {
		conn_dial(c);
		return;
	}
	snprintf(want, sizeof(want), "tpdocker %s host", c->link->nonce);
	if (!strcmp(c->greeting, want) && c->link->ev.host)
		c->link->ev.host(c->link->ev.arg, tp_steal(&c->near));
	snprintf(want, sizeof(want), "tpdocker %s check", c->link->nonce);
	if (!strcmp(c->greeting, want))
		(void)tp_stream_write(c->near, "ok\n", 3);
	conn_free(c);
}

static void greeting_late(void *arg)
{
	struct conn *c = arg;

	c->timer = NULL;
	conn_free(c);
}

static struct conn *conn_new(struct tp_link *k)
{
	struct conn *c = tp_calloc(1, sizeof(*c));

	c->link = k;
	c->next = k->conns;
	k->conns = c;
	return c;
}

static void accept_ready(void *arg, int events)
{
	struct tp_link *k = arg;
	struct conn *c;
	size_t n = 0;
	int fd = accept4(k->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	for (c = k->conns; c; c = c->next)
		n++;
	if (n >= CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	c = conn_new(k);
	c->near = tp_stream_from_fd(fd);
	c->watch = tp_watch_add(k->loop, fd, TP_READ, greeting_ready, c);
	c->timer = tp_timer_add(k->loop, GREETING_MS, greeting_late, c);
}

static char *base_dir(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	return runtime && *runtime == '/' ? tp_asprintf("%s/tpdocker", runtime) :
					    tp_asprintf("/tmp/tpdocker-%u", (unsigned)geteuid());
}

char *tp_link_dir(const char *id)
{
	tp_autofree char *base = base_dir();

	return tp_asprintf("%s/%s", base, id);
}

void tp_link_remove(const char *dir)
{
	tp_autofree char *path = dir ? tp_asprintf("%s/link", dir) : NULL;

	if (!dir)
		return;
	unlink(path);
	rmdir(dir);
}

/* A folder that only we can enter; the socket in it may be connected to by
 * whoever reaches it: the sidecar, whatever its user. */
static void listen_socket(struct tp_link *k, const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	tp_autofree char *base = base_dir();
	struct stat st;

	if ((mkdir(base, 0700) && errno != EEXIST) || lstat(base, &st) || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid() || (st.st_mode & 077)) {
		tp_verbose("no folder for the link's socket at %s; using docker exec", base);
		return;
	}
	k->dir = tp_strdup(dir);
	k->path = tp_asprintf("%s/link", k->dir);
	if (strlen(k->path) >= sizeof(sa.sun_path) || mkdir(k->dir, 0700))
		goto no_socket;
	strcpy(sa.sun_path, k->path);
	k->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0 || bind(k->fd, (struct sockaddr *)&sa, sizeof(sa)) || chmod(k->path, 0666) ||
	    listen(k->fd, 16))
		goto no_socket;
	k->watch = tp_watch_add(k->loop, k->fd, TP_READ, accept_ready, k);
	return;
no_socket:
	tp_verbose("no socket for the link at %s (%s); using docker exec", k->path,
		   strerror(errno));
	tp_close_p(&k->fd);
	tp_link_remove(k->dir);
	free(k->path);
	k->path = NULL;
}

struct tp_link *tp_link_new(struct tp_loop *l, const char *dir, const struct tp_link_events *ev)
{
	struct tp_link *k = tp_calloc(1, sizeof(*k));
	unsigned char rnd[16];

	k->loop = l;
	k->ev = *ev;
	k->fd = -1;
	k->dial_ms = DIAL_MAX_MS;
	while (getrandom(rnd, sizeof(rnd), 0) != (ssize_t)sizeof(rnd))
		;
	for (size_t i = 0; i < sizeof(rnd); i++)
		snprintf(k->nonce + 2 * i, 3, "%02x", rnd[i]);
	listen_socket(k, dir);
	return k;
}

/* Waits for the dials that were given up: their threads still run. */
static void settle(struct tp_link *k)
{
	struct conn *c;

	k->settling++;
	do {
		for (c = k->conns; c && !c->dead; c = c->next)
			;
		if (c)
			tp_loop_run(k->loop);
	} while (c);
	k->settling--;
}

void tp_link_give_up_dials(struct tp_link *k)
{
	struct tp_kube *kube = k->kube;
	struct conn *c, *next;

	k->kube = NULL; /* no new ones meanwhile */
	for (c = k->conns; c; c = next) {
		next = c->next;
		if (c->task && !c->dead)
			conn_free(c);
	}
	settle(k);
	k->kube = kube;
}

void tp_link_free(struct tp_link *k)
{
	struct conn *c, *next;

	if (!k)
		return;
	k->ev.dial_failed = NULL;
	tp_watch_del(k->watch);
	tp_close_p(&k->fd);
	for (c = k->conns; c; c = next) {
		next = c->next;
		conn_free(c);
	}
	/* Dials that are under way were cancelled; their tasks report soon. */
	settle(k);
	tp_link_remove(k->dir);
	free(k->path);
	free(k->dir);
	free(k->pod);
	free(k);
}

const char *tp_link_socket(const struct tp_link *k)
{
	return k->path;
}

const char *tp_link_nonce(const struct tp_link *k)
{
	return k->nonce;
}

void tp_link_target(struct tp_link *k, enum tp_forward_kind kind, struct tp_kube *kube,
		    const char *pod, unsigned port)
{
	k->kind = kind;
	k->kube = kube;
	free(k->pod);
	k->pod = tp_strdup(pod);
	k->port = port;
}

void tp_link_hold(struct tp_link *k)
{
	k->kube = NULL;
}

void tp_link_dial_exec(struct tp_link *k, struct tp_engine *e, const char *sidecar_id)
{
	struct conn *c, *next;

	/* There is one ssh: what it asked for before, it waits for no more. */
	for (c = k->conns; c; c = next) {
		next = c->next;
		if (c->exec && c->task && !c->dead)
			conn_free(c);
	}
	c = conn_new(k);
	c->exec = true;
	c->engine = e;
	snprintf(c->sidecar_id, sizeof(c->sidecar_id), "%s", sidecar_id);
	conn_dial(c);
}

void tp_link_count(const struct tp_link *k, uint64_t *to_agent, uint64_t *from_agent,
		   unsigned *dials)
{
	*to_agent = k->to_agent;
	*from_agent = k->from_agent;
	*dials = k->dials;
	for (struct conn *c = k->conns; c; c = c->next) {
		uint64_t ab, ba;

		if (!c->relay)
			continue;
		tp_relay_count(c->relay, &ab, &ba);
		*to_agent += ab;
		*from_agent += ba;
	}
}
