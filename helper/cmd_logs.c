/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd.h"
#include "session/known.h"
#include "session/options.h"

#define AGAIN_MS 200

struct logs_opts {
	struct tp_session_opts talk; /* first: TP_TALK_OPTS wants it */
	bool follow;
};

static const struct tp_opt table[] = {
	{ .name = "follow",
	  .type = TP_OPT_FLAG,
	  .help = "go on until the session has ended (-f will do)",
	  .offset = offsetof(struct logs_opts, follow) },
	TP_TALK_OPTS,
	TP_OPT_END,
};

/* All that there is now. */
static int copy(int fd, struct tp_err *err)
{
	char chunk[16384];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (tp_write_all(STDOUT_FILENO, chunk, (size_t)n))
			return tp_err_errno(err, errno, "cannot write to standard output");
	return n ? tp_err_errno(err, errno, "cannot read the session's log") : 0;
}

/* The file goes with the session. */
static bool is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) || !st.st_nlink;
}

static int print_log(const char *name, bool follow, struct tp_err *err)
{
	tp_autoclose int fd = -1;
	tp_autofree char *path = NULL;
	struct tp_known k;
	bool last = false;

	if (tp_known_find(name, &k, err))
		return -1;
	path = tp_record_path(k.record.id, "log", err);
	if (path)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	tp_known_free(&k);
	if (!path)
		return -1;
	if (fd < 0 && errno == ENOENT)
		return tp_err_set(err, TP_ERR_NOT_FOUND,
				  "session %s has no log: it is not in the background", name);
	if (fd < 0)
		return tp_err_errno(err, errno, "cannot read the session's log %s", path);
	for (;;) {
		if (copy(fd, err))
			return -1;
		if (!follow || last)
			return 0;
		last = is_removed(fd);
		if (!last && tp_cancel_poll(NULL, -1, 0, AGAIN_MS, err) < 0)
			return -1;
	}
}

static int run_logs(int argc, char **argv, struct tp_err *err)
{
	static char long_follow[] = "--follow";
	struct logs_opts o = { 0 };
	int first, behind;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-f"))
			argv[i] = long_follow;
	first = tp_opt_parse(table, &o, argc, argv, 1, err);
	if (first < 0)
		return -1;
	behind = first < argc ? tp_opt_parse(table, &o, argc, argv, first + 1, err) : first;
	if (behind < 0)
		return -1;
	if (o.talk.help) {
		tp_cmd_usage(&tp_cmd_logs);
		return 0;
	}
	tp_session_opts_log(&o.talk);
	if (first >= argc || behind < argc)
		return tp_err_set(err, TP_ERR_USAGE, "which session? Name one; `%s ps` lists them",
				  tp_program());
	return print_log(argv[first], o.follow, err);
}

static const char *const examples[] = {
	"logs -f web",
	"what the session web has to say, until it ends",
	NULL,
};

const struct tp_cmd tp_cmd_logs = {
	.name = "logs",
	.synopsis = "[-f] NAME",
	.summary = "Show the messages of a session in the background.",
	.examples = examples,
	.options = table,
	.complete = "session",
	.run = run_logs,
};
