/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into sshd and ssh-keygen in the agent, and into nothing that they
 * start. A pod may run as any user: one without a passwd entry, for whom
 * sshd gives up, or root without CAP_SYS_CHROOT or CAP_SETUID, for whom
 * sshd insists on changing root and user. So sshd is told the truth that
 * fits every case: there is one user, it is that of this process, and it is
 * not root. The kernel alone goes on to decide what the process may do.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define USER_NAME "tpdocker"
#define NOT_ROOT  65532 /* told in place of 0 */

static char name[] = USER_NAME, password[] = "*", gecos[] = "", home[] = "/", shell[] = "/bin/sh";
static struct passwd pw;
static struct group gr;
static char *members[] = { NULL };

static unsigned int told(long real)
{
	return real == 0 ? NOT_ROOT : (unsigned int)real;
}

/* Straight from the kernel: the functions of libc are the ones replaced. */
uid_t getuid(void)
{
	return told(syscall(SYS_getuid));
}

uid_t geteuid(void)
{
	return told(syscall(SYS_geteuid));
}

gid_t getgid(void)
{
	return told(syscall(SYS_getgid));
}

gid_t getegid(void)
{
	return told(syscall(SYS_getegid));
}

static struct passwd *the_user(void)
{
	pw.pw_name = name;
	pw.pw_passwd = password;
	pw.pw_uid = getuid();
	pw.pw_gid = getgid();
	pw.pw_gecos = gecos;
	pw.pw_dir = home;
	pw.pw_shell = shell;
	return &pw;
}

struct passwd *getpwnam(const char *n)
{
	(void)n;
	return the_user();
}

struct passwd *getpwuid(uid_t uid)
{
	(void)uid;
	return the_user();
}

static struct group *the_group(void)
{
	gr.gr_name = name;
	gr.gr_passwd = password;
	gr.gr_gid = getgid();
	gr.gr_mem = members;
	return &gr;
}

struct group *getgrnam(const char *n)
{
	(void)n;
	return the_group();
}

struct group *getgrgid(gid_t gid)
{
	(void)gid;
	return the_group();
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *n)
{
	(void)user;
	if (*n < 1) {
		*n = 1;
		return -1;
	}
	groups[0] = group;
	return *n = 1;
}

int initgroups(const char *user, gid_t group)
{
	(void)user;
	(void)group;
	return 0;
}
