/* SPDX-License-Identifier: Apache-2.0 */
#include "compose/projectfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/outfile.h"

#define FILE_MAX_BYTES (64u << 20)

static const char ignore_all[] = "*\n";

int tp_project_folder(const char *dir, struct tp_err *err)
{
	tp_autofree char *ignore = tp_asprintf("%s/.gitignore", dir);

	if (mkdir(dir, 0700) && errno != EEXIST)
		return tp_err_errno(err, errno, "cannot make the folder %s", dir);
	if (!access(ignore, F_OK))
		return 0;
	return tp_outfile_replace(ignore, 0644, ignore_all, strlen(ignore_all), err);
}

int tp_project_subfolder(const char *dir, struct tp_err *err)
{
	tp_autofree char *path = tp_strdup(dir);

	for (char *s = path + 1; *path; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			return tp_err_errno(err, errno, "cannot make the folder %s", path);
		if (!c)
			break;
		*s = c;
	}
	return 0;
}

/* As umask has it, which can only be read by setting it: a file shows it as well. */
static mode_t new_mode(const char *path)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	mode_t mode = 0644;

	if (fd < 0)
		return mode;
	if (!fstat(fd, &st))
		mode = st.st_mode & 07777;
	close(fd);
	return mode;
}

static int folder_for(const char *path, struct tp_err *err)
{
	const char *slash = strrchr(path, '/');
	tp_autofree char *dir = NULL;
	const char *base;

	if (!slash || slash == path)
		return 0;
	dir = tp_strndup(path, (size_t)(slash - path));
	base = strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir;
	return strcmp(base, TP_PROJECT_FOLDER) ? 0 : tp_project_folder(dir, err);
}

int tp_project_file_write(const char *path, const void *p, size_t n, struct tp_err *err)
{
	TP_AUTO_BUF old = TP_BUF_INIT(FILE_MAX_BYTES);
	tp_autofree char *real = NULL;
	struct stat st;
	mode_t mode;

	if (folder_for(path, err))
		return -1;
	real = realpath(path, NULL);
	if (!real)
		real = tp_strdup(path);
	if (stat(real, &st)) {
		if (errno != ENOENT)
			return tp_err_errno(err, errno, "cannot write %s", path);
		mode = new_mode(real);
	} else if (!S_ISREG(st.st_mode)) {
		return tp_err_set(err, TP_ERR_USAGE,
				  "%s is not a file, and will not be replaced by one", path);
	} else {
		mode = st.st_mode & 07777;
		if (!tp_read_file(real, &old) && old.len == n && (!n || !memcmp(old.data, p, n)))
			return 0;
	}
	return tp_outfile_replace(real, mode, p, n, err) ? -1 : 1;
}
