/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/launch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/gate.h"
#include "docker/launch_env.h"
#include "docker/run_network.h"

/* `docker --host=...`, what every call of the CLI begins with. */
static void begin(const struct tp_docker_endpoint *ep, struct tp_strv *argv)
{
	tp_strv_add(argv, ep->cli);
	for (size_t i = 0; i < ep->cli_globals.n; i++)
		tp_strv_add(argv, ep->cli_globals.v[i]);
}

/* An anonymous file with the text, at its start. */
static int text_file(const struct tp_buf *text, struct tp_err *err)
{
	tp_autoclose int fd = memfd_create("tpdocker-env", MFD_CLOEXEC);

	if (fd < 0 || tp_write_all(fd, text->data, text->len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return tp_err_errno(err, errno, "cannot hand the environment to docker");
	return tp_steal_fd(&fd);
}

/* The gate is docker's entrypoint; the user's own is among the words that it becomes. */
static void add_gate(const struct tp_launch_gate *g, struct tp_strv *argv)
{
	tp_strv_addf(argv, "--mount=type=volume,source=%s,target=%s,readonly", g->volume,
		     TP_GATE_DIR);
	tp_strv_add(argv, "--entrypoint=" TP_GATE_PROGRAM);
}

static bool is_entrypoint(const char *flag)
{
	static const char name[] = "--entrypoint=";

	return !strncmp(flag, name, strlen(name));
}

static void add_flags(const struct tp_launch *l, const struct tp_launch_env *env, int env_fd,
		      struct tp_strv *argv)
{
	const struct tp_run_args *a = l->args;
	const struct tp_strv *command = &a->command;

	begin(l->ep, argv);
	tp_strv_add(argv, "run");
	if (l->netns_container)
		tp_strv_addf(argv, "--network=container:%s", l->netns_container);
	else
		tp_run_network_flags(a, argv);
	if (!l->netns_container && a->publish_all)
		tp_strv_add(argv, "--publish-all");
	for (size_t i = 0; l->labels && l->labels[i]; i++)
		tp_strv_addf(argv, "--label=%s", l->labels[i]);
	if (a->rm < 0 && !a->restart)
		tp_strv_add(argv, "--rm");
	/* Before the user's own: the later one of two counts. */
	if (env_fd >= 0)
		tp_strv_addf(argv, "--env-file=/dev/fd/%d", env_fd);
	for (size_t i = 0; i < env->names.n; i++)
		tp_strv_addf(argv, "--env=%s", env->names.v[i]);
	if (l->gate)
		add_gate(l->gate, argv);
	for (size_t i = 0; i < a->docker_args.n; i++)
		if (!l->gate || !is_entrypoint(a->docker_args.v[i]))
			tp_strv_add(argv, a->docker_args.v[i]);
	for (size_t i = 0; l->last_env && l->last_env[i]; i++)
		tp_strv_addf(argv, "--env=%s", l->last_env[i]);
	/* Ends the flags: nothing that follows can be taken for one. */
	tp_strv_add(argv, "--");
	tp_strv_add(argv, a->image);
	if (l->gate) {
		tp_strv_add(argv, l->gate->address);
		command = l->gate->command;
	}
	for (size_t i = 0; i < command->n; i++)
		tp_strv_add(argv, command->v[i]);
}

int tp_launch_start(const struct tp_launch *l, struct tp_child *child, struct tp_err *err)
{
	tp_autoclean(tp_launch_env_free) struct tp_launch_env env = { 0 };
	TP_AUTO_STRV names = { 0 };
	TP_AUTO_STRV argv = { 0 };
	tp_autoclose int fd = -1;

	if (tp_launch_user_env_names(l->args, &names, err) < 0)
		return -1;
	tp_launch_env_split(l->env, &names, &env);
	for (size_t i = 0; i < env.left_out.n; i++)
		tp_warn("the pod's variable %s is left out: its value cannot be written in one "
			"line, and docker itself would take notice of that name; set it with -e",
			env.left_out.v[i]);
	if (env.file.len > 0) {
		fd = text_file(&env.file, err);
		if (fd < 0)
			return -1;
	}
	add_flags(l, &env, fd, &argv);
	/* Should we be killed, the CLI must not go on to make a container. */
	struct tp_child_opts o = { .argv = argv.v,
				   .env_add = env.environ.v,
				   .keep_fds = &fd,
				   .n_keep_fds = fd >= 0,
				   .die_with_parent = true };
	if (tp_child_start(child, &o, err) < 0)
		return tp_err_prefix(err, "cannot run %s", l->ep->cli);
	return 0;
}

/* As the child's start will look for it. */
static int check_cli(const struct tp_docker_endpoint *ep, struct tp_err *err)
{
	const char *dirs = getenv("PATH"), *end;

	if (strchr(ep->cli, '/')) {
		if (access(ep->cli, X_OK) == 0)
			return 0;
		return tp_err_errno(err, errno, "cannot run the docker CLI %s", ep->cli);
	}
	for (dirs = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin";; dirs = end + 1) {
		struct stat st;

		end = strchrnul(dirs, ':');
		tp_autofree char *path = tp_asprintf("%.*s/%s", end > dirs ? (int)(end - dirs) : 1,
						     end > dirs ? dirs : ".", ep->cli);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
			return 0;
		if (!*end)
			break;
	}
	tp_err_set(err, TP_ERR_NOT_FOUND, "there is no docker CLI: \"%s\" is not in PATH", ep->cli);
	return tp_err_hint(err, "Install it (Debian: docker-cli or docker.io), or say where it is "
				"with --docker-path or TPDOCKER_DOCKER.");
}

static bool attaches_stdin(const struct tp_run_args *a)
{
	return a->attach_given ? tp_strv_has(&a->docker_args, "--attach=stdin") ||
					 tp_strv_has(&a->docker_args, "--attach=STDIN") :
				 a->interactive;
}

int tp_launch_check(const struct tp_docker_endpoint *ep, const struct tp_run_args *a,
		    struct tp_err *err)
{
	TP_AUTO_STRV names = { 0 };

	if (check_cli(ep, err) < 0)
		return -1;
	if (a->tty && !a->detach && attaches_stdin(a) && !isatty(STDIN_FILENO)) {
		tp_err_set(err, TP_ERR_USAGE, "the input device is not a terminal");
		return tp_err_hint(err,
				   "-t with -i needs one; leave -t out to feed a file or pipe.");
	}
	if (tp_launch_user_env_names(a, &names, err) < 0)
		return -1;
	if (a->cidfile && access(a->cidfile, F_OK) == 0) {
		tp_err_set(err, TP_ERR_USAGE, "the container ID file %s exists", a->cidfile);
		return tp_err_hint(err,
				   "Is that container still running? Otherwise delete the file.");
	}
	if (a->rm == 1 && a->restart && *a->restart && strcmp(a->restart, "no") != 0)
		return tp_err_set(err, TP_ERR_USAGE, "--restart and --rm exclude each other");
	return 0;
}

/* Keeps the end of what FD gives until it ends. */
static int collect(int fd, char *text, size_t size, struct tp_cancel *c, struct tp_err *err)
{
	size_t have = 0;

	for (;;) {
		char chunk[512];

		if (tp_cancel_poll(c, fd, POLLIN, -1, err) < 0)
			return -1;
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		if (have + (size_t)n >= size) {
			size_t drop = have + (size_t)n - (size - 1);

			if (drop > have)
				drop = have;
			memmove(text, text + drop, have - drop);
			have -= drop;
		}
		memcpy(text + have, chunk, (size_t)n);
		have += (size_t)n;
	}
	while (have > 0 && (text[have - 1] == '\n' || text[have - 1] == '\r'))
		have--;
	text[have] = '\0';
	return 0;
}

static bool means_missing(const char *text)
{
	static const char *const marks[] = { "not found",      "manifest unknown",
					     "does not exist", "no such image",
					     "No such image",  "no matching manifest" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(marks); i++)
		if (strstr(text, marks[i]))
			return true;
	return false;
}

int tp_launch_pull(const struct tp_docker_endpoint *ep, const struct tp_run_args *a, bool present,
		   struct tp_cancel *c, struct tp_err *err)
{
	/* Progress, which docker writes to stdout, goes to our stderr (its
	 * terminal and all), docker's stderr through the pipe to us. */
	static const char swap[] = "exec \"$@\" 3>&1 1>&2 2>&3 3>&-";
	const char *pull = a->pull ? a->pull : "missing";
	TP_AUTO_CHILD child = TP_CHILD_INIT;
	TP_AUTO_STRV argv = { 0 };
	char text[1024];
	int status = 0;

	if (strcmp(pull, "always") != 0 && present)
		return 0;
	if (strcmp(pull, "never") == 0) {
		tp_err_set(err, TP_ERR_NOT_FOUND, "the image %s is not here", a->image);
		return tp_err_hint(err, "--pull never keeps docker from fetching it.");
	}
	tp_strv_add(&argv, "sh");
	tp_strv_add(&argv, "-c");
	tp_strv_add(&argv, swap);
	tp_strv_add(&argv, "sh");
	begin(ep, &argv);
	tp_strv_add(&argv, "pull");
	if (tp_strv_has(&a->docker_args, "--quiet") || tp_log_get_level() == TP_LOG_QUIET)
		tp_strv_add(&argv, "--quiet");
	if (a->platform)
		tp_strv_addf(&argv, "--platform=%s", a->platform);
	tp_strv_add(&argv, "--");
	tp_strv_add(&argv, a->image);
	struct tp_child_opts o = { .argv = argv.v, .in = TP_STDIO_NULL, .out = TP_STDIO_PIPE };
	if (tp_child_start(&child, &o, err) < 0 ||
	    collect(child.out, text, sizeof(text), c, err) < 0 ||
	    tp_child_wait(&child, -1, &status, c, err) < 0)
		return tp_err_prefix(err, "pulling %s", a->image);
	if (tp_status_code(status) == 0)
		return 0;
	return tp_err_set(err, means_missing(text) ? TP_ERR_NOT_FOUND : TP_ERR_FAILED,
			  "pulling %s: %s", a->image, text[0] ? text : "docker pull failed");
}
