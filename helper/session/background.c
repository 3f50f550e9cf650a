/* SPDX-License-Identifier: Apache-2.0 */
/* A session that goes on without the command that started it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/session.h"

/*
 * Whoever sees the command return may close its terminal at once: by then
 * the child must be out of the terminal's reach, and its process ID known.
 */
static void wait_for_child(int fd)
{
	char word;

	while (read(fd, &word, 1) < 0 && errno == EINTR)
		;
	close(fd);
}

int tp_session_background(struct tp_session *s, struct tp_err *err)
{
	tp_autofree char *path = tp_record_path(s->record.id, "log", NULL);
	int null, log, settled[2];
	pid_t pid;
	int rc;

	tp_tohost_settle(s->tohost); /* its thread would not be there in the child */
	fflush(NULL);
	if (pipe2(settled, O_CLOEXEC))
		return tp_err_errno(err, errno, "pipe");
	pid = fork();
	if (pid < 0) {
		close(settled[0]);
		close(settled[1]);
		return tp_err_errno(err, errno, "fork");
	}
	close(settled[pid ? 1 : 0]);
	if (pid) {
		wait_for_child(settled[0]);
		return 1;
	}
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (log >= 0)
		tp_log_set_fd(log);
	s->background = true; /* in the same folder: KUBECONFIG may be relative */
	s->record.pid = getpid();
	if (tp_session_signals_after_fork(s))
		rc = tp_err_errno(err, errno, "signalfd");
	else
		rc = tp_record_save(&s->record, err);
	close(settled[1]); /* the parent's end of waiting */
	return rc;
}
