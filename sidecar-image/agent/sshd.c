/* SPDX-License-Identifier: Apache-2.0 */
/* sshd: its key, its config, one process for each connection. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/limit.h"
#include "base/mem.h"

#define SSHD	   "/usr/sbin/sshd"
#define SSH_KEYGEN "/usr/bin/ssh-keygen"
#define SAFE_PATH  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The container's environment is the pod's: a LD_PRELOAD, a PATH or a LANG
 * in it was meant for another program than sshd. */
static char *const clean_env[] = { (char *)SAFE_PATH, (char *)"LD_PRELOAD=" TP_AGENT_PRELOAD,
				   NULL };

static char *config_path;

/* A client that is gone without a word is noticed after 4 to 6 seconds, about
 * when it notices itself: its ports are free for the connection that follows. */
static const char config_format[] = "HostKey %1$s/host_key\n"
				    "AuthorizedKeysFile %1$s/authorized_keys\n"
				    "PidFile none\n"
				    "StrictModes no\n"
				    "UsePAM no\n"
				    "UseDNS no\n"
				    "AuthenticationMethods publickey\n"
				    "PasswordAuthentication no\n"
				    "KbdInteractiveAuthentication no\n"
				    "PermitRootLogin prohibit-password\n"
				    "PermitTTY no\n"
				    "PermitUserRC no\n"
				    "PermitUserEnvironment no\n"
				    "PrintMotd no\n"
				    "PrintLastLog no\n"
				    "X11Forwarding no\n"
				    "AllowAgentForwarding no\n"
				    "AllowTcpForwarding yes\n"
				    "AllowStreamLocalForwarding no\n"
				    "GatewayPorts clientspecified\n"
				    "MaxSessions 10000\n"
				    "MaxAuthTries 3\n"
				    "LoginGraceTime 20\n"
				    "ClientAliveInterval 2\n"
				    "ClientAliveCountMax 1\n"
				    "TCPKeepAlive no\n"
				    "Compression no\n"
				    "LogLevel ERROR\n"
				    "Subsystem sftp internal-sftp\n";

/* In the child. No pidfd is used anywhere here (base/child.h does): seccomp
 * profiles of older container runtimes refuse it. */
static _Noreturn void become(char **argv, int in, int out)
{
	sigset_t none;

	/* a group of its own, so that all of a session can be ended at once */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	tp_raise_file_limit();
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execve(argv[0], argv, clean_env);
	_exit(127);
}

static int make_host_key(struct tp_err *err)
{
	tp_autofree char *path = tp_agent_path("host_key");
	char *argv[] = { (char *)SSH_KEYGEN, (char *)"-q", (char *)"-t", (char *)"ed25519",
			 (char *)"-N",	     (char *)"",   (char *)"-C", (char *)"",
			 (char *)"-f",	     path,	   NULL };
	int status;
	pid_t pid;

	/* a container that was started again may keep its emptyDir; a new key each time */
	unlink(path);
	pid = fork();
	if (pid < 0)
		return tp_err_errno(err, errno, "cannot start ssh-keygen");
	if (pid == 0)
		become(argv, STDIN_FILENO, STDERR_FILENO);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return tp_err_errno(err, errno, "cannot wait for ssh-keygen");
	if (status != 0)
		return tp_err_set(err, TP_ERR_FAILED,
				  "cannot make the host key: ssh-keygen ended with %s %d",
				  WIFSIGNALED(status) ? "signal" : "code",
				  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}

int tp_agent_sshd_prepare(struct tp_buf *pub, struct tp_err *err)
{
	tp_autofree char *pub_path = tp_agent_path("host_key.pub");
	tp_autofree char *dir = tp_agent_path("");
	tp_autofree char *config = NULL;

	if (make_host_key(err) < 0)
		return -1;
	if (tp_read_file(pub_path, pub) < 0)
		return tp_err_errno(err, errno, "cannot read %s", pub_path);
	while (pub->len && (pub->data[pub->len - 1] == '\n' || pub->data[pub->len - 1] == ' '))
		pub->data[--pub->len] = '\0';
	dir[strlen(dir) - 1] = '\0';
	config = tp_asprintf(config_format, dir);
	config_path = tp_agent_path("sshd_config");
	return tp_agent_write("sshd_config", config, strlen(config), 0600, err);
}

pid_t tp_agent_sshd_serve(int fd)
{
	char *argv[] = {
		(char *)SSHD, (char *)"-i", (char *)"-e", (char *)"-f", config_path, NULL
	};
	pid_t pid = fork();

	if (pid == 0)
		become(argv, fd, fd);
	return pid;
}
