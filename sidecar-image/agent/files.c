/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's folder and the keys that are let in. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"

static char agent_dir[128];

/* A folder of our own, not one that somebody else put there. */
static bool own_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       access(path, W_OK) == 0;
}

/*
 * TP_AGENT_DIR is an emptyDir where the pod is ours. Its own mode is 0777,
 * so the files go into a folder below it that only we can read. A swapped
 * pod with a read-only root may leave us nothing but /dev/shm.
 */
const char *tp_agent_dir(bool make, struct tp_err *err)
{
	static const char *const parents[] = { TP_AGENT_DIR, "/tmp", "/dev/shm", "/var/tmp",
					       "/run" };
	size_t i;

	if (agent_dir[0])
		return agent_dir;
	for (i = 0; i < TP_ARRAY_SIZE(parents); i++) {
		char path[sizeof(agent_dir)];

		snprintf(path, sizeof(path), "%s/agent-%u", parents[i], (unsigned)geteuid());
		if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
			continue;
		if (own_dir(path)) {
			memcpy(agent_dir, path, sizeof(path));
			return agent_dir;
		}
	}
	if (make)
		tp_err_set(
			err, TP_ERR_FAILED,
			"no place to write: neither %s nor /tmp nor /dev/shm can be written by user %u",
			TP_AGENT_DIR, (unsigned)geteuid());
	else
		tp_err_set(err, TP_ERR_NOT_FOUND, "no agent runs in this container");
	tp_err_hint(err, "mount an emptyDir at %s", TP_AGENT_DIR);
	return NULL;
}

char *tp_agent_path(const char *name)
{
	return tp_asprintf("%s/%s", agent_dir, name);
}

int tp_agent_write(const char *name, const void *p, size_t n, unsigned mode, struct tp_err *err)
{
	tp_autofree char *path = tp_agent_path(name);
	tp_autofree char *temp = tp_asprintf("%s.%ld", path, (long)getpid());
	tp_autoclose int fd =
		open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0 || tp_write_all(fd, p, n) < 0 || rename(temp, path) < 0)
		return tp_err_errno(err, errno, "cannot write %s", path);
	return 0;
}

static const char *const key_types[] = { "ssh-ed25519 ",
					 "ecdsa-sha2-nistp256 ",
					 "ecdsa-sha2-nistp384 ",
					 "ecdsa-sha2-nistp521 ",
					 "ssh-rsa ",
					 "sk-ssh-ed25519@openssh.com " };

/* The part that makes a key a key: type and base64, without the comment. */
static size_t key_len(const char *key)
{
	size_t i, type = 0, n;

	for (i = 0; i < TP_ARRAY_SIZE(key_types); i++)
		if (strncmp(key, key_types[i], strlen(key_types[i])) == 0)
			type = strlen(key_types[i]);
	if (!type)
		return 0;
	n = strspn(key + type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");
	if (n < 16 || (key[type + n] != '\0' && key[type + n] != ' '))
		return 0;
	return type + n;
}

bool tp_agent_key_ok(const char *key)
{
	const char *c;

	if (strlen(key) > 4096 || !key_len(key))
		return false;
	for (c = key; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			return false;
	return true;
}

/* Copies the keys but KEY; sessions come and go at the same time, so the
 * caller holds the lock. */
static int edit_keys(const char *key, bool add, struct tp_err *err)
{
	tp_autofree char *lock_path = tp_agent_path("lock");
	tp_autofree char *path = tp_agent_path("authorized_keys");
	tp_autoclose int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	TP_AUTO_BUF old = TP_BUF_INIT(1 << 20);
	TP_AUTO_BUF new = TP_BUF_INIT(1 << 20);
	char *line, *save = NULL;
	size_t n;

	if (!tp_agent_key_ok(key))
		return tp_err_set(err, TP_ERR_USAGE,
				  "that is not a public key: type and base64 are expected");
	n = key_len(key);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return tp_err_errno(err, errno, "cannot lock %s", lock_path);
	if (tp_read_file(path, &old) < 0 && errno != ENOENT)
		return tp_err_errno(err, errno, "cannot read %s", path);
	for (line = old.data ? strtok_r(old.data, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (key_len(line) == n && strncmp(line, key, n) == 0)
			continue;
		if (tp_buf_printf(&new, "%s\n", line) < 0)
			return tp_err_set(err, TP_ERR_FAILED, "too many keys");
	}
	if (add && tp_buf_printf(&new, "%s\n", key) < 0)
		return tp_err_set(err, TP_ERR_FAILED, "too many keys");
	return tp_agent_write("authorized_keys", new.data ? new.data : "", new.len, 0600, err);
}

int tp_agent_key_add(const char *key, struct tp_err *err)
{
	return edit_keys(key, true, err);
}

int tp_agent_key_remove(const char *key, struct tp_err *err)
{
	return edit_keys(key, false, err);
}

static int edit_command(int argc, char **argv, bool add)
{
	struct tp_err err;
	TP_AUTO_BUF ready = TP_BUF_INIT(1 << 16);
	tp_autofree char *path = NULL;

	if (argc != 2) {
		tp_error("usage: tpdocker-agent %s KEY", argv[0]);
		return 2;
	}
	if (!tp_agent_dir(false, &err) || edit_keys(argv[1], add, &err) < 0) {
		tp_error("%s", err.msg);
		return 1;
	}
	if (!add)
		return 0;
	path = tp_agent_path("ready");
	if (tp_read_file(path, &ready) < 0) {
		tp_error("the agent is not ready: %s", strerror(errno));
		return 1;
	}
	return tp_write_all(STDOUT_FILENO, ready.data, ready.len) < 0;
}

int tp_agent_authorize(int argc, char **argv)
{
	return edit_command(argc, argv, true);
}

int tp_agent_revoke(int argc, char **argv)
{
	return edit_command(argc, argv, false);
}
