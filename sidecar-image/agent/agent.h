/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: one program, its commands, and what they share on disk.
 *
 * Its folder (tp_agent_dir) holds: environ (what it was started with),
 * host_key, sshd_config, authorized_keys, ready (the ready line), lock.
 */
#ifndef TP_AGENT_H
#define TP_AGENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define TP_AGENT_USER	 "tpdocker" /* the one that preload/sshd.c tells of */
#define TP_AGENT_PRELOAD "/usr/lib/tpdocker/libtpdocker-sshd.so"

/* Each command: argv as main's, without the program's name. The exit code. */
int tp_agent_run(int argc, char **argv);
int tp_agent_describe(int argc, char **argv);
int tp_agent_dns(int argc, char **argv);
int tp_agent_tunnel(int argc, char **argv);
int tp_agent_engine(int argc, char **argv);
int tp_agent_socks(int argc, char **argv); /* socks.h */
int tp_agent_authorize(int argc, char **argv);
int tp_agent_revoke(int argc, char **argv);

/* Finds or (MAKE) makes the agent's folder, for this process and those it
 * starts. NULL ERR. */
const char *tp_agent_dir(bool make, struct tp_err *err);

/* PATH inside the agent's folder; the caller's. */
char *tp_agent_path(const char *name);
/* Replaces the file NAME there with N bytes, in one step. */
int tp_agent_write(const char *name, const void *p, size_t n, unsigned mode, struct tp_err *err);

/* Keys. One "TYPE BASE64 [COMMENT]" a line, no options; returns false for
 * anything else. */
bool tp_agent_key_ok(const char *key);
/* Adds KEY, or takes it away (the comment does not count). */
int tp_agent_key_add(const char *key, struct tp_err *err);
int tp_agent_key_remove(const char *key, struct tp_err *err);

/* Makes the host key and the config; the public host key "ssh-ed25519 AAAA..." in PUB. */
int tp_agent_sshd_prepare(struct tp_buf *pub, struct tp_err *err);
/* Starts sshd for the connection FD: its process, leader of its own group. */
pid_t tp_agent_sshd_serve(int fd);

/* The mount points of MOUNTINFO (/proc/self/mountinfo) that are volumes of
 * the pod, one a line; into RO those of them that cannot be written. OWN: the
 * agent's folder, left out. */
int tp_agent_mounts(const char *mountinfo, size_t n, const char *own, struct tp_buf *out,
		    struct tp_buf *ro);

/* A line "ADDRESS:PORT STATE" into OUT for each of WANTED ("ADDRESS:PORT", ends with NULL): "ok" if it
 * could be listened on now, else "denied", "taken" or an error's text. -1: not such words. */
int tp_agent_ports(char *const *wanted, struct tp_buf *out);

/* Whether the variable ("K=V") belongs to the container, not to the agent. */
bool tp_agent_env_is_pods(const char *kv);

#endif
