/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sshfs, over a mount that we make ourselves: the kernel's half is ours, and
 * sshfs, which reads what a server sends, needs no right at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "sidecar/mounts.h"
#include "sidecar/worker.h"

/* What this sshfs knows beyond what every one does: found out when the image was built. */
#define EXTRA_OPTIONS "/usr/lib/tpdocker/sshfs.options"
#define READ_AHEAD_KB "4096"

static const char options[] =
	/* A link that is down gives errors at once, and comes back by itself. */
	"reconnect,delay_connect,no_check_root,"
	/* Links that are absolute in the pod are meant inside the pod. */
	"transform_symlinks,"
	/* Changes in the cluster are seen within a second or two. No page stays from one
	 * open to the next either (kernel_cache, auto_cache): over SFTP a time of change
	 * has a resolution of a second. */
	"dcache_timeout=1,"
	/* The kernel reads ahead (see below), and by far more than sshfs would. Measured:
	 * the two together are no faster than the kernel alone. */
	"no_readahead,"
	/* SFTP answers in order: who looks at a small file need not wait behind what
	 * somebody reads of a big one. Measured: 100 small files beside a bulk read take
	 * 3.5 s with four, 3 to 12 s with one. They are opened when they are needed. */
	"max_conns=4,"
	"ssh_command=" TP_SIDECAR_PROGRAM " sftp";

static int fuse_mount(int fuse, struct tp_err *err)
{
	char data[160];

	/* allow_other: whoever may read in the pod is up to the pod's user, that
	 * the agent runs as; the container's user is another one. */
	snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
	if (mkdir(TREE, 0700) < 0 && errno != EEXIST)
		return tp_err_errno(err, errno, "cannot make " TREE);
	/* No file of the pod's gives anybody rights here. */
	if (mount(MOUNT_SOURCE, TREE, "fuse.sshfs", MS_NOSUID | MS_NODEV, data) < 0) {
		tp_err_errno(err, errno, "cannot mount a FUSE file system");
		return tp_err_hint(
			err,
			"Does the engine's machine forbid it? --volumes copy does without, and so does off.");
	}
	return 0;
}

/* With no-new-privileges not even root gets them back by exec. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &h, none) < 0)
		_exit(126);
}

static _Noreturn void become_sshfs(int fuse, const char *opts)
{
	char device[32];
	char *argv[] = { (char *)"sshfs",   (char *)"-f", (char *)"-o", (char *)opts,
			 (char *)"agent:/", device,	  NULL };
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(device, sizeof(device), "/dev/fd/%d", fuse);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* we may not be PID 1 */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* stdin and stdout are the control channel */
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    fcntl(fuse, F_SETFD, 0) < 0)
		_exit(126);
	drop_capabilities();
	execvp(argv[0], argv);
	_exit(127);
}

/*
 * The kernel asks a FUSE file system for 128 KB ahead, whatever the round
 * trip: over an SSH connection through an API server most of the time is spent
 * waiting. Measured, 100 MB in sequence: 8 s with 128 KB, 2.5 s with 1 MB, 1.0 s
 * with 4 MB, no less with 8 MB.
 *
 * There is no mount option for it, only a file in sysfs, and ours is
 * read-only. One of a network namespace of its own is not, and gone when this
 * worker ends. Where it cannot be had (a rootless engine) reading is slower.
 */
static size_t read_ahead(void *arg, char *text, int *fd)
{
	static const char at[] = MOUNTS_DIR "/sys";
	tp_autofree char *path = NULL;
	tp_autoclose int file = -1;
	struct stat st;

	(void)arg;
	(void)fd;
	text[0] = '-';
	if (stat(TREE, &st) < 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    (mkdir(at, 0700) < 0 && errno != EEXIST) || mount("sysfs", at, "sysfs", 0, NULL) < 0)
		return 1;
	path = tp_asprintf("%s/class/bdi/%u:%u/read_ahead_kb", at, major(st.st_dev),
			   minor(st.st_dev));
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file >= 0 && write(file, READ_AHEAD_KB, strlen(READ_AHEAD_KB)) > 0)
		text[0] = '+';
	return 1;
}

static void is_set(void *arg, const char *text, size_t n, int fd)
{
	(void)arg;
	(void)n;
	tp_close_p(&fd);
	if (!text || text[0] != '+')
		tp_verbose(
			"the kernel's reading ahead cannot be set: big files are read more slowly");
}

void sshfs_read_ahead(struct mounts *m)
{
	worker_start(m->loop, read_ahead, is_set, m, BLOCKED_MS, NULL);
}

/*
 * The first question has sshfs connect. Asked now, it is under way to the pod
 * as soon as there is a link, beside what else waits for that; and not only
 * when the volumes are looked up.
 */
static size_t ask_first(void *arg, char *text, int *fd)
{
	struct stat st;

	(void)arg;
	(void)fd;
	text[0] = stat(TREE, &st) < 0 ? '-' : '+';
	return 1;
}

/* An answer, or none in time (a pod may take long to come): the connection is tried all the same. */
static void was_asked(void *arg, const char *text, size_t n, int fd)
{
	(void)arg;
	(void)text;
	(void)n;
	tp_close_p(&fd);
}

int sshfs_start(struct mounts *m, struct tp_err *err)
{
	TP_AUTO_BUF opts = TP_BUF_INIT(4096);
	TP_AUTO_BUF extra = TP_BUF_INIT(1024);
	tp_autoclose int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fuse < 0) {
		tp_err_errno(err, errno, "/dev/fuse of the engine's machine cannot be opened");
		return tp_err_hint(err, "Load it there (modprobe fuse), or use --volumes copy.");
	}
	if (fuse_mount(fuse, err) < 0)
		return -1;
	tp_buf_puts(&opts, options);
	if (!tp_read_file(EXTRA_OPTIONS, &extra) && extra.len) {
		extra.data[strcspn(extra.data, "\n")] = '\0';
		tp_buf_printf(&opts, "%s%s", *extra.data ? "," : "", extra.data);
	}
	m->sshfs = fork();
	if (m->sshfs < 0)
		return tp_err_errno(err, errno, "cannot start sshfs");
	if (!m->sshfs)
		become_sshfs(fuse, opts.data);
	/* sshfs alone is to hold it: when it dies, readers get errors and do not wait. */
	tp_close_p(&fuse);
	worker_start(m->loop, ask_first, was_asked, m, BLOCKED_MS, NULL);
	return 0;
}
