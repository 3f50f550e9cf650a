/* SPDX-License-Identifier: Apache-2.0 */
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

/* Where the name PATH really is: behind links, if they lead to something. */
static char *real_name(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : tp_strdup(path);
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return tp_strdup(".");
	return tp_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int tp_outfile_check(const char *path, struct tp_err *err)
{
	tp_autofree char *real = real_name(path);
	tp_autofree char *dir = folder_of(real);
	struct stat st;

	if (!*path || path[strlen(path) - 1] == '/')
		return tp_err_set(err, TP_ERR_USAGE, "\"%s\" is not a file's name", path);
	if (!stat(real, &st) && !S_ISREG(st.st_mode))
		return tp_err_set(err, TP_ERR_USAGE,
				  "%s is not a file, and will not be replaced by one", path);
	if (access(dir, W_OK | X_OK))
		return tp_err_errno(err, errno, "cannot write to the folder %s", dir);
	return 0;
}

int tp_outfile_replace(const char *path, mode_t mode, const void *p, size_t n, struct tp_err *err)
{
	tp_autofree char *tmp = tp_asprintf("%s.XXXXXX", path);
	tp_autoclose int fd = mkostemp(tmp, O_CLOEXEC);
	int e;

	if (fd < 0)
		return tp_err_errno(err, errno, "cannot write %s", path);
	if (!fchmod(fd, mode) && !tp_write_all(fd, p, n) && !fsync(fd) && !rename(tmp, path))
		return 0;
	e = errno;
	unlink(tmp);
	return tp_err_errno(err, e, "cannot write %s", path);
}

int tp_outfile_write(const char *path, const void *p, size_t n, struct tp_err *err)
{
	tp_autofree char *real = real_name(path);

	return tp_outfile_replace(real, 0600, p, n, err);
}
