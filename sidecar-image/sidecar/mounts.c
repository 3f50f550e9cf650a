/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts role (mounts.h): what it is told, what it tells, and the gates. */
#include "sidecar/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "common/signals.h"
#include "sidecar/channel.h"
#include "sidecar/sidecar.h"
#include "sidecar/worker.h"

/* A gate that waits for all to be there, or for its worker. */
struct waiting {
	struct waiting *next;
	struct mounts *m;
	unsigned int id;
	int ns; /* our own copy */
	char tag[TP_GATE_NAME_MAX + 1];
};

/* ------------------------------------------------------------ the channel */

static void tell(struct mounts *m, const char *name, const char *text)
{
	channel_send(m->channel, name, text, strlen(text));
}

static void tell_timing(struct mounts *m, const char *what)
{
	tp_autofree char *text = tp_asprintf("%s %lld", what, tp_now_ms());

	tell(m, TP_CTL_TIMING, text);
}

/* ------------------------------------------------------------------ gates */

static void end_waiting(struct waiting *w, const char *why)
{
	struct mounts *m = w->m;
	tp_autofree char *text =
		why ? tp_asprintf("%s %s", *w->tag ? w->tag : "-", why) : tp_strdup(w->tag);

	gates_answer(m->gates, w->id, why);
	tell(m, why ? TP_CTL_GATE_REFUSED : TP_CTL_GATE_PASSED, text);
	close(w->ns);
	free(w);
}

static size_t place_work(void *arg, char *text, int *fd)
{
	struct waiting *w = arg;
	struct tp_err err = { 0 };

	(void)fd;
	if (place(w->m, w->ns, &err) < 0)
		return (size_t)snprintf(text, WORKER_TEXT_MAX, "-%s", err.msg);
	text[0] = '+';
	return 1;
}

static void placed(void *arg, const char *text, size_t n, int fd)
{
	struct waiting *w = arg;
	tp_autofree char *why = NULL;

	tp_close_p(&fd);
	if (text && text[0] == '-')
		why = tp_strndup(text + 1, n - 1);
	else if (!text)
		why = tp_strdup("the pod's volumes cannot be mounted: the pod does not answer");
	end_waiting(w, why);
}

static void go(struct waiting *w)
{
	struct tp_err err = { 0 };

	if (worker_start(w->m->loop, place_work, placed, w, BLOCKED_MS, &err) < 0)
		end_waiting(w, err.msg);
}

/* It is not told when a gate leaves: what is mounted into a namespace that ends, ends with it. */
static void on_gate(void *arg, unsigned int id, const char *tag, int ns)
{
	struct mounts *m = arg;
	struct waiting *w = tp_calloc(1, sizeof(*w));

	w->m = m;
	w->id = id;
	w->ns = fcntl(ns, F_DUPFD_CLOEXEC, 0);
	strcpy(w->tag, tag);
	if (m->failed) {
		end_waiting(w, "the pod's volumes cannot be mounted");
	} else if (m->ready) {
		go(w);
	} else {
		w->next = m->waiting;
		m->waiting = w;
	}
}

static struct waiting *take_waiting(struct mounts *m)
{
	struct waiting *w = m->waiting;

	if (w)
		m->waiting = w->next;
	return w;
}

void mounts_ready(struct mounts *m)
{
	struct waiting *w;

	m->ready = true;
	tell_timing(m, "volumes-found");
	tell(m, TP_CTL_MOUNTED, "");
	sshfs_read_ahead(m);
	while ((w = take_waiting(m)))
		go(w);
}

void mounts_failed(struct mounts *m, const struct tp_err *err)
{
	struct waiting *w;

	if (m->failed)
		return;
	m->failed = true;
	tp_error("%s", err->msg);
	tell(m, TP_CTL_FAIL, err->msg);
	while ((w = take_waiting(m)))
		end_waiting(w, err->msg);
}

/* --------------------------------------------------------------- settings */

static int write_door(const char *text, struct tp_err *err)
{
	tp_autoclose int fd = open(DOOR_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || tp_write_all(fd, text, strlen(text)) < 0)
		return tp_err_errno(err, errno, "cannot write " DOOR_FILE);
	return 0;
}

static int take_root(struct mounts *m, const char *path, struct tp_err *err)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX / 2)
		return tp_err_set(err, TP_ERR_PROTOCOL, "not a place for the pod's files: %.80s",
				  path);
	free(m->root);
	m->root = tp_strdup(path);
	return 0;
}

static int take_source(struct mounts *m, const char *path, struct tp_err *err)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX / 2)
		return tp_err_set(err, TP_ERR_FAILED, "not a path of a volume: %.80s", path);
	if (m->n_sources == MAX_SOURCES)
		return tp_err_set(err, TP_ERR_FAILED, "the pod has more than %d volumes",
				  MAX_SOURCES);
	m->sources[m->n_sources++] = (struct source){ .m = m, .path = tp_strdup(path), .fd = -1 };
	return 0;
}

static int listen_for_gates(struct mounts *m, const char *name, bool outside, struct tp_err *err)
{
	const struct gates_events ev = { .arrived = on_gate, .arg = m };
	struct gates *g = outside ? gates_listen_outside(m->gates, m->loop, name, &ev, err) :
				    gates_listen(m->loop, name, &ev, err);

	if (!g)
		return -1;
	m->gates = g;
	return 0;
}

static int take(struct mounts *m, const struct tp_frame *f, struct tp_err *err)
{
	tp_autofree char *text = tp_strndup(f->data, f->len);
	int rc = 0;

	if (strcmp(f->name, TP_CTL_STOP) == 0) {
		_exit(0);
	} else if (strcmp(f->name, TP_CTL_DOOR) == 0) {
		rc = write_door(text, err) < 0 || sshfs_start(m, err) < 0 ? -1 : 0;
		tp_wipe(text, f->len);
	} else if (strcmp(f->name, TP_CTL_GATES) == 0 && !m->gates) {
		rc = listen_for_gates(m, text, false, err);
	} else if (strcmp(f->name, TP_CTL_GATES_OUTSIDE) == 0) {
		rc = listen_for_gates(m, text, true, err);
	} else if (strcmp(f->name, TP_CTL_GATE_ENV) == 0 && m->gates) {
		tp_wipe(text, strlen(text));
		rc = gates_set_env(m->gates, f->data, f->len, err);
	} else if (strcmp(f->name, TP_CTL_VOLUMES_ROOT) == 0) {
		rc = take_root(m, text, err);
	} else if (strcmp(f->name, TP_CTL_VOLUME) == 0 && !m->complete) {
		rc = take_source(m, text, err);
	} else if (strcmp(f->name, TP_CTL_READ_ONLY) == 0) {
		tp_strv_add(&m->read_only, text);
	} else if (strcmp(f->name, TP_CTL_HIDDEN) == 0) {
		tp_strv_add(&m->hidden, text);
	} else if (strcmp(f->name, TP_CTL_IMAGE_KNOWN) == 0) {
		m->image_known = true;
	} else if (strcmp(f->name, TP_CTL_IMAGE_VOLUME) == 0) {
		tp_strv_add(&m->image_volumes, text);
	} else if (strcmp(f->name, TP_CTL_VOLUMES) == 0 && !m->complete) {
		m->complete = true;
		if (!m->root || !m->gates || m->sshfs <= 0)
			return tp_err_set(err, TP_ERR_PROTOCOL, "volumes came before the settings");
		sources_look_up(m);
	} else if (strcmp(f->name, TP_CTL_VERBOSE) == 0) {
		tp_log_set_level(TP_LOG_VERBOSE);
	}
	return rc; /* a frame of a newer helper is passed over */
}

static void on_frame(void *arg, const struct tp_frame *f)
{
	struct tp_err err = { 0 };

	if (take(arg, f, &err) < 0)
		mounts_failed(arg, &err);
}

static void channel_ended(void *arg, enum channel_end why)
{
	(void)arg;
	if (why == CHANNEL_GARBAGE)
		tp_error("what came is not the control protocol");
	_exit(why != CHANNEL_CLOSED);
}

/* ------------------------------------------------------------ processes */

static void sshfs_ended(struct mounts *m, int status)
{
	struct tp_err err = { 0 };

	m->sshfs = 0;
	tp_err_set(&err, TP_ERR_FAILED, "sshfs, which brings the pod's files, ended with %s %d",
		   WIFSIGNALED(status) ? "signal" : "code",
		   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	mounts_failed(m, &err);
}

static void on_signal(void *arg, int events)
{
	struct mounts *m = arg;
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	(void)events;
	while (read(m->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			_exit(0);
	/* workers, and what sshfs leaves behind, need no more than this */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == m->sshfs)
			sshfs_ended(m, status);
}

int sidecar_mounts(int argc, char **argv)
{
	struct mounts *m = tp_calloc(1, sizeof(*m));
	const struct channel_events ev = { on_frame, channel_ended, m };

	(void)argc;
	(void)argv;
	m->loop = tp_loop_new();
	umask(077);
	m->signals = tp_signals_open();
	if (m->signals < 0) {
		tp_error("signalfd: %s", strerror(errno));
		return 1;
	}
	tp_watch_add(m->loop, m->signals, TP_READ, on_signal, m);
	m->channel = channel_new(m->loop, TP_FRAME_MAX, &ev);
	tell_timing(m, "volumes-started");
	channel_listen(m->channel);
	return tp_loop_run(m->loop);
}
