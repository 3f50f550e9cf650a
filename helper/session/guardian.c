/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trim.h"
#include "session/cleanup.h"
#include "session/guardian.h"

#define GUARDIAN_MS (10 * 60 * 1000) /* how long it goes on trying */
#define LATE_MS	    2000

int tp_guardian_start(const char *id, int *fd, struct tp_err *err)
{
	char *const argv[] = { (char *)"/proc/self/exe", (char *)"guardian", (char *)id, NULL };
	struct tp_child_opts o = { .argv = argv, .new_session = true, .out = TP_STDIO_NULL };
	struct tp_child child = TP_CHILD_INIT;
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return tp_err_errno(err, errno, "pipe");
	o.in_fd = p[0];
	o.err = TP_STDIO_NULL;
	if (tp_child_start(&child, &o, err)) {
		close(p[0]);
		close(p[1]);
		return tp_err_prefix(err, "cannot start the guardian");
	}
	close(p[0]);
	*fd = p[1];
	/* It is not ours to reap: it outlives us, or ends after us. */
	tp_close_p(&child.pidfd);
	return 0;
}

static void log_to_file(const char *id)
{
	tp_autofree char *path = tp_record_path(id, "log", NULL);
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) :
			-1;

	if (fd >= 0)
		tp_log_set_fd(fd);
	tp_log_set_level(TP_LOG_VERBOSE);
}

int tp_guardian_main(const char *id)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP };
	struct tp_record r = TP_RECORD_INIT;
	struct tp_err err = { 0 };
	char c;
	ssize_t n;
	int code = 1;

	for (size_t i = 0; i < TP_ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	/* The folder stays the user's: KUBECONFIG and what it names may be relative. */
	tp_trim_memory();
	while ((n = read(STDIN_FILENO, &c, 1)) > 0 || (n < 0 && errno == EINTR))
		;
	if (tp_record_load(id, &r, &err)) {
		if (err.kind != TP_ERR_NOT_FOUND)
			return 1;
		/* Undone, the usual end; or it died before the record was whole. */
		tp_record_remove_files(id);
		return 0;
	}
	log_to_file(id);
	if (tp_record_lock(&r, true, &err) != 1)
		return 1;
	/* Whoever held the lock before us may have undone it all. */
	tp_record_free(&r);
	if (tp_record_load(id, &r, &err) || tp_record_lock(&r, false, &err) != 1)
		return 0;
	/*
	 * The helper may have died between sending a request and the server
	 * working on it; nothing tells us when such a request is through. So
	 * what is undone at once is looked at again a little later, before the
	 * record is given up.
	 */
	tp_cleanup_once(&r);
	tp_cancel_poll(NULL, -1, 0, LATE_MS, NULL);
	if (tp_cleanup_record(&r, tp_now_ms() + GUARDIAN_MS, NULL, &err))
		tp_error("giving up on session %s: %s", id, err.msg);
	else
		code = 0;
	tp_record_free(&r);
	return code;
}
