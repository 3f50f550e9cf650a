/* SPDX-License-Identifier: Apache-2.0 */
/* What the pod looks like from inside its container. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/mountinfo.h"

bool tp_agent_env_is_pods(const char *kv)
{
	return strchr(kv, '=') && strncmp(kv, "TPDOCKER_", 9) != 0;
}

/* The container runtime's own mounts, and the files that Kubernetes puts
 * into every container. */
static bool every_containers(const char *path, const char *root, const char *type)
{
	static const char *const files[] = {
		"/etc/hosts",		"/etc/hostname", "/etc/resolv.conf",
		"/dev/termination-log", "/dev/mqueue",	 "/dev/pts",
		"/dev/console",		"/dev",		 "/"
	};
	size_t i;

	for (i = 0; i < TP_ARRAY_SIZE(files); i++)
		if (strcmp(path, files[i]) == 0)
			return true;
	/* an emptyDir at /dev/shm is the pod's; the runtime's is a tmpfs or the sandbox's */
	if (strcmp(path, "/dev/shm") == 0 && !strstr(root, "/volumes/"))
		return true;
	/* terminationMessagePath may be anywhere */
	if (strstr(root, "/pods/") && strstr(root, "/containers/"))
		return true;
	return tp_path_below(path, "/proc") || tp_path_below(path, "/sys") ||
	       strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0;
}

int tp_agent_mounts(const char *mountinfo, size_t n, const char *own, struct tp_buf *out,
		    struct tp_buf *ro)
{
	tp_autofree char *text = tp_strndup(mountinfo, n);
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct tp_mountinfo m;

		if (tp_mountinfo_line(line, &m) || strchr(m.point, '\n') ||
		    (own && tp_path_below(m.point, own)) ||
		    every_containers(m.point, m.root, m.type))
			continue;
		if (tp_buf_printf(out, "%s\n", m.point) ||
		    (m.ro && tp_buf_printf(ro, "%s\n", m.point)))
			return -1;
	}
	return 0;
}

static int put_file(struct tp_buf *out, const char *name, const char *path)
{
	TP_AUTO_BUF b = TP_BUF_INIT(TP_FRAME_MAX);

	/* a container without the file has none to describe */
	if (tp_read_file(path, &b) < 0 && errno != ENOENT) {
		tp_error("cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	return tp_frame_put(out, name, b.data ? b.data : "", b.len);
}

int tp_agent_describe(int argc, char **argv)
{
	TP_AUTO_BUF out = TP_BUF_INIT(4 * TP_FRAME_MAX);
	TP_AUTO_BUF info = TP_BUF_INIT(TP_FRAME_MAX);
	TP_AUTO_BUF mounts = TP_BUF_INIT(TP_FRAME_MAX);
	TP_AUTO_BUF ports = TP_BUF_INIT(TP_FRAME_MAX);
	TP_AUTO_BUF ro = TP_BUF_INIT(TP_FRAME_MAX);
	tp_autofree char *environ_path = NULL;
	struct tp_err err;
	char host[256] = "";
	const char *dir = tp_agent_dir(false, &err);

	(void)argc;
	if (!dir) {
		tp_error("%s", err.msg);
		return 1;
	}
	environ_path = tp_agent_path("environ");
	gethostname(host, sizeof(host) - 1);
	if (put_file(&out, "env", environ_path) < 0 ||
	    tp_frame_put(&out, "hostname", host, strlen(host)) < 0 ||
	    put_file(&out, "hosts", "/etc/hosts") < 0 ||
	    put_file(&out, "resolv-conf", "/etc/resolv.conf") < 0)
		return 1;
	/* /run/tpdocker itself when it is a mount, not only our folder in it */
	if (tp_read_file("/proc/self/mountinfo", &info) < 0 ||
	    tp_agent_mounts(info.data, info.len, "/run/tpdocker", &mounts, &ro) < 0 ||
	    tp_frame_put(&out, "mounts", mounts.data ? mounts.data : "", mounts.len) < 0 ||
	    tp_frame_put(&out, "mounts-read-only", ro.data ? ro.data : "", ro.len) < 0 ||
	    tp_frame_put(&out, "agent-dir", dir, strlen(dir)) < 0) {
		tp_error("cannot list the mounts: %s", strerror(errno));
		return 1;
	}
	if (tp_agent_ports(argv + 1, &ports) < 0 ||
	    tp_frame_put(&out, "ports", ports.data ? ports.data : "", ports.len) < 0) {
		tp_error("that is no ADDRESS:PORT");
		return 1;
	}
	return tp_write_all(STDOUT_FILENO, out.data, out.len) < 0;
}
