/* SPDX-License-Identifier: Apache-2.0 */
/* A session that goes on without the command that started it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/session.h"

int tp_session_background(struct tp_session *s, struct tp_err *err)
{
	tp_autofree char *path = tp_record_path(s->record.id, "log", NULL);
	int null, log;
	pid_t pid;

	tp_tohost_settle(s->tohost); /* its thread would not be there in the child */
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return tp_err_errno(err, errno, "fork");
	if (pid)
		return 1;
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (log >= 0)
		tp_log_set_fd(log);
	if (tp_session_signals_after_fork(s))
		return tp_err_errno(err, errno, "signalfd");
	s->background = true; /* in the same folder: KUBECONFIG may be relative */
	s->record.pid = getpid();
	return tp_record_save(&s->record, err);
}
