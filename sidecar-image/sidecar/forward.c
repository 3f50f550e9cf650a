/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of the pod that lead into the container: remote forwards of the ssh
 * master's. A port is open in the pod while somebody listens here, and at no
 * other time: a connection that nobody would take is refused by the pod's
 * kernel, and never accepted and dropped.
 *
 *   CLOSED --somebody listens--> OPENING --ok--> OPEN --nobody listens, or elsewhere--> CLOSING --> CLOSED
 *      ^                            |
 *      '------ later again <--no----'
 *
 * All are CLOSED when the link breaks, and open again when it is back.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "sidecar/listeners.h"
#include "sidecar/sidecar.h"

#define LOOK_MS	     100 /* how often it is looked who listens; two requests to the kernel */
#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 2000
#define PATIENCE_MS \
	20000 /* for a port that was open before: the old link's sshd may still have it */
#define MAX_FORWARDS  1024
#define ADDRESS_CHARS "0123456789."

struct forward {
	char bind[INET_ADDRSTRLEN];
	unsigned remote, local;
	enum { CLOSED, OPENING, OPEN, CLOSING } state;
	char host[INET6_ADDRSTRLEN]; /* where it leads, unless CLOSED */
	uint32_t request;
	long long retry_at, failing_since; /* tp_now_ms; 0: no failure yet */
	int retry_ms;
	bool was_open, told;
};

struct forwards {
	struct sidecar *s;
	struct forward *v;
	struct listener *l; /* of each, in the same order */
	size_t n;
	struct mux_forwards *mux;
	struct tp_timer *tick;
};

static struct forwards *forwards(struct sidecar *s)
{
	if (!s->forwards) {
		s->forwards = tp_calloc(1, sizeof(*s->forwards));
		s->forwards->s = s;
		s->forwards->v = tp_calloc(MAX_FORWARDS, sizeof(*s->forwards->v));
		s->forwards->l = tp_calloc(MAX_FORWARDS, sizeof(*s->forwards->l));
	}
	return s->forwards;
}

int forwards_add(struct sidecar *s, const char *text)
{
	struct forwards *fs = forwards(s);
	struct forward f = { .state = CLOSED };
	char rest;

	if (fs->n == MAX_FORWARDS ||
	    sscanf(text, "%15[" ADDRESS_CHARS "] %5u %5u%c", f.bind, &f.remote, &f.local, &rest) !=
		    3 ||
	    !f.remote || f.remote > 65535 || !f.local || f.local > 65535)
		return -1;
	fs->l[fs->n].port = (uint16_t)f.local;
	fs->v[fs->n++] = f;
	return 0;
}

void forwards_describe(const struct sidecar *s, struct tp_buf *command)
{
	const struct forwards *fs = s->forwards;

	for (size_t i = 0; fs && i < fs->n; i++)
		tp_buf_printf(command, " %s:%u", fs->v[i].bind, fs->v[i].remote);
}

bool forwards_wants(const struct sidecar *s, unsigned port)
{
	const struct forwards *fs = s->forwards;

	for (size_t i = 0; fs && i < fs->n; i++)
		if (fs->v[i].local == port)
			return true;
	return false;
}

/* The helper tells the user of those that cannot be had; they are tried all
 * the same, as who has the port may go. */
void forwards_described(struct sidecar *s, const char *text, size_t n)
{
	struct forwards *fs = s->forwards;
	tp_autofree char *copy = tp_strndup(text, n);
	char *line, *save = NULL;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *state = strchr(line, ' ');

		for (size_t i = 0; fs && state && i < fs->n; i++) {
			char name[32];

			snprintf(name, sizeof(name), "%s:%u", fs->v[i].bind, fs->v[i].remote);
			if (strlen(name) == (size_t)(state - line) &&
			    strncmp(name, line, strlen(name)) == 0)
				fs->v[i].told = strcmp(state, " ok") != 0;
		}
	}
}

/* The master could not listen there. Why, it does not say. */
static void refused(struct forwards *fs, struct forward *f)
{
	long long now = tp_now_ms();

	f->state = CLOSED;
	f->retry_ms = f->retry_ms ? f->retry_ms * 2 : RETRY_MIN_MS;
	if (f->retry_ms > RETRY_MAX_MS)
		f->retry_ms = RETRY_MAX_MS;
	f->retry_at = now + f->retry_ms;
	if (!f->failing_since)
		f->failing_since = now;
	if (f->told || (f->was_open && now - f->failing_since < PATIENCE_MS))
		return;
	f->told = true;
	sidecar_sendf(fs->s, TP_CTL_WARN,
		      "port %u of the pod cannot be opened: something else there has it, it seems; "
		      "trying again",
		      f->remote);
}

static void opened(struct forward *f)
{
	tp_verbose("port %u of the pod leads to %s port %u", f->remote, f->host, f->local);
	f->state = OPEN;
	f->was_open = true;
	f->told = false;
	f->failing_since = f->retry_at = f->retry_ms = 0;
}

static void on_answer(void *arg, uint32_t request, bool ok)
{
	struct forwards *fs = arg;

	for (size_t i = 0; i < fs->n; i++) {
		struct forward *f = &fs->v[i];

		if (f->request != request || (f->state != OPENING && f->state != CLOSING))
			continue;
		if (f->state == CLOSING)
			f->state = CLOSED;
		else if (ok)
			opened(f);
		else
			refused(fs, f);
	}
}

/* The way to the master is gone, though not the master: what was asked for
 * is asked for again. It says yes to what it has done already. */
static void on_mux_end(void *arg)
{
	struct forwards *fs = arg;

	mux_forwards_close(tp_steal(&fs->mux));
	for (size_t i = 0; i < fs->n; i++) {
		if (fs->v[i].state == OPENING)
			fs->v[i].state = CLOSED;
		else if (fs->v[i].state == CLOSING)
			fs->v[i].state = OPEN;
	}
}

static void request(struct forwards *fs, struct forward *f, bool open)
{
	if (!fs->mux)
		fs->mux = mux_forwards_open(fs->s, on_answer, on_mux_end, fs);
	f->request =
		fs->mux ? mux_forward(fs->mux, open, f->bind, f->remote, f->host, f->local) : 0;
	if (f->request)
		f->state = open ? OPENING : CLOSING;
	else if (fs->mux)
		on_mux_end(fs);
}

static void step(struct forwards *fs, struct forward *f, const struct listener *l)
{
	if (f->state == CLOSED && l->rank && tp_now_ms() >= f->retry_at) {
		strcpy(f->host, l->host);
		request(fs, f, true);
	} else if (f->state == OPEN && strcmp(f->host, l->host) != 0) {
		if (!l->rank)
			tp_verbose("port %u of the pod is closed: nobody listens on %u", f->remote,
				   f->local);
		request(fs, f, false);
	}
}

static void look(void *arg)
{
	struct forwards *fs = arg;

	fs->tick = tp_timer_add(fs->s->loop, LOOK_MS, look, fs);
	if (listeners_find(fs->l, fs->n) < 0)
		return; /* nothing is known: all stays as it is */
	for (size_t i = 0; i < fs->n; i++)
		step(fs, &fs->v[i], &fs->l[i]);
}

void forwards_up(struct sidecar *s)
{
	if (s->forwards && !s->forwards->tick)
		look(s->forwards);
}

void forwards_down(struct sidecar *s)
{
	struct forwards *fs = s->forwards;

	if (!fs)
		return;
	tp_timer_del(fs->tick);
	fs->tick = NULL;
	mux_forwards_close(tp_steal(&fs->mux));
	for (size_t i = 0; i < fs->n; i++) {
		struct forward *f = &fs->v[i];

		f->state = CLOSED;
		f->retry_at = f->failing_since = 0;
		f->retry_ms = 0;
	}
}
