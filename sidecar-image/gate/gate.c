/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry gate (common/gate.h). It runs in a user's container, of whatever
 * image and under whatever user, often as PID 1: static, without libraries of
 * ours, and after it is done nothing of it is left in the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/gate.h"
#include "common/inject.h"
#include "gate/preload.h"

/* as docker has them */
#define EXIT_OURS      125
#define EXIT_NOT_RUN   126
#define EXIT_NOT_FOUND 127

extern char **environ;

/* One write, so that the line stays whole beside what others write. */
static _Noreturn void say_and_quit(int code, const char *const parts[], size_t n_parts)
{
	static char line[TP_GATE_TEXT_MAX + PATH_MAX + 256];
	size_t n = 0;

	for (size_t i = 0; i < n_parts; i++) {
		size_t len = strlen(parts[i]);

		if (len > sizeof(line) - n)
			len = sizeof(line) - n;
		memcpy(line + n, parts[i], len);
		n += len;
	}
	if (write(STDERR_FILENO, line, n) < 0)
		_exit(code); /* nobody reads it: the code says enough */
	_exit(code);
}

#define quit(code, ...)                                                                 \
	say_and_quit(code, (const char *const[]){ "tpdocker: ", __VA_ARGS__, "\n" },    \
		     sizeof((const char *const[]){ "tpdocker: ", __VA_ARGS__, "\n" }) / \
			     sizeof(char *))

static void on_signal(int sig)
{
	_exit(128 + sig);
}

/*
 * The kernel shields PID 1 from signals that it has no handler for; while
 * waiting there is nothing worth shielding. What was ignored stays so; the
 * handlers are gone with the exec.
 */
static void mortal(void)
{
	static const int spared[] = { SIGKILL,	SIGSTOP, SIGCHLD, SIGCONT, SIGURG,
				      SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU };
	struct sigaction old, sa = { .sa_handler = on_signal };

	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		size_t i = 0;

		while (i < sizeof(spared) / sizeof(spared[0]) && spared[i] != sig)
			i++;
		if (i < sizeof(spared) / sizeof(spared[0]) || sigaction(sig, NULL, &old) < 0 ||
		    old.sa_handler == SIG_IGN)
			continue;
		sigaction(sig, &sa, NULL);
	}
}

/* ADDRESS is NAME[/TAG]; the socket, and *TAG. */
static int reach(const char *address, const char **tag)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *slash = strchr(address, '/');
	size_t n = slash ? (size_t)(slash - address) : strlen(address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	*tag = slash ? slash + 1 : "";
	if (!n || n > TP_GATE_NAME_MAX || strlen(*tag) > TP_GATE_NAME_MAX)
		quit(EXIT_OURS, "the entry gate's address is not one: ", address, "");
	memcpy(sun.sun_path + 1, address, n); /* a first byte of 0: abstract */
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0)
		quit(EXIT_OURS,
		     "the session that this container belongs to is over, or cannot be reached "
		     "from here (",
		     strerror(errno), "); start the container with tpdocker again");
	return fd;
}

static void introduce(int sock, const char *hello, const char *tag)
{
	char text[sizeof(TP_GATE_HELLO) + TP_GATE_NAME_MAX];
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { { 0 } };
	struct iovec v = { text, strlen(hello) + strlen(tag) };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (ns < 0)
		quit(EXIT_OURS, "cannot open /proc/self/ns/mnt: ", strerror(errno),
		     "; without it the pod's volumes cannot be mounted here");
	strcpy(text, hello);
	strcat(text, tag);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &ns, sizeof(int));
	if (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		quit(EXIT_OURS, "the sidecar does not listen: ", strerror(errno), "");
	close(ns);
}

/* The pod's environment, as it came. */
static const char *pod_env = "";
static size_t pod_env_len;

static void take_env(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > TP_GATE_ENV_MAX)
		quit(EXIT_OURS, "the pod's environment cannot be read", "", "");
	if (st.st_size > 0) {
		/* private: what follows may not change under us */
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (p == MAP_FAILED)
			quit(EXIT_OURS, "the pod's environment cannot be read: ", strerror(errno),
			     "");
		pod_env = p;
		pod_env_len = (size_t)st.st_size;
		if (pod_env[pod_env_len - 1])
			quit(EXIT_OURS, "the pod's environment has no end", "", "");
	}
	close(fd);
}

static ssize_t receive(int sock, char *text, size_t size, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { { 0 } };
	struct iovec v = { text, size };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	*fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return n;
}

static void await(int sock)
{
	static char text[TP_GATE_TEXT_MAX + 1];
	ssize_t n;
	int fd;

	for (;;) {
		n = receive(sock, text, sizeof(text) - 1, &fd);
		if (n <= 0)
			quit(EXIT_OURS, "the session ended before this container could start", "",
			     "");
		text[n] = '\0';
		if (strcmp(text, TP_GATE_ENV))
			break;
		take_env(fd);
	}
	if (!strncmp(text, TP_GATE_FAIL, strlen(TP_GATE_FAIL)))
		quit(EXIT_OURS, text + strlen(TP_GATE_FAIL), "", "");
	if (strcmp(text, TP_GATE_GO))
		quit(EXIT_OURS, "the sidecar's answer is not understood", "", "");
	close(sock);
}

/* Whether the N bytes of NAME are one of LIST's words, which have commas between them. */
static bool is_in(const char *list, const char *name, size_t n)
{
	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len == n && !memcmp(list, name, n))
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

/* Not the pod's to say. */
static bool is_kept(const char *own, const char *name, size_t n)
{
	return !n || is_in("HOME,PATH,HOSTNAME", name, n) || is_in(own, name, n);
}

/* The pod's variable at P, or the next one that counts; NULL at the end. */
static const char *next_of_pod(const char *p, const char *own)
{
	for (; p < pod_env + pod_env_len; p += strlen(p) + 1)
		if (strchr(p, '=') && !is_kept(own, p, strcspn(p, "=")))
			return p;
	return NULL;
}

static bool is_of_pod(const char *kv, const char *own)
{
	size_t n = strcspn(kv, "=") + 1;

	for (const char *p = next_of_pod(pod_env, own); p; p = next_of_pod(p + strlen(p) + 1, own))
		if (!strncmp(p, kv, n))
			return true;
	return false;
}

/* The pod's variables behind our own, less those that it has too and those that were for us. */
static void merge_env(bool entry)
{
	const char *own = getenv(TP_GATE_VAR_OWN);
	size_t n = 1, k = 0;
	char **merged;

	for (char **e = environ; *e; e++)
		n++;
	for (size_t i = 0; i < pod_env_len; i++)
		n += !pod_env[i];
	merged = mmap(NULL, n * sizeof(*merged), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (merged == MAP_FAILED)
		quit(EXIT_OURS, "no memory for the environment", "", "");
	for (char **e = environ; *e; e++) {
		size_t len = strcspn(*e, "=");

		if (!is_of_pod(*e, own) &&
		    !(entry && is_in(TP_GATE_VAR "," TP_GATE_VAR_OWN, *e, len)))
			merged[k++] = *e;
	}
	for (const char *p = next_of_pod(pod_env, own); p; p = next_of_pod(p + strlen(p) + 1, own))
		merged[k++] = (char *)(unsigned long)p;
	environ = merged;
}

static void put(const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(STDOUT_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			_exit(EXIT_OURS);
		p += w;
		n -= (size_t)w;
	}
}

/* A name that a shell cannot have is left out. */
static void export_env(void)
{
	const char *own = getenv(TP_GATE_VAR_OWN);

	for (const char *p = next_of_pod(pod_env, own); p;
	     p = next_of_pod(p + strlen(p) + 1, own)) {
		size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_");
		const char *v = p + n + 1;

		if (p[n] != '=' || (*p >= '0' && *p <= '9'))
			continue;
		put("export ", 7);
		put(p, n + 1);
		put("'", 1);
		for (size_t len; (len = strcspn(v, "'"), v[len]); v += len + 1) {
			put(v, len);
			put("'\\''", 4);
		}
		put(v, strlen(v));
		put("'\n", 2);
	}
}

/*
 * The working directory may lie below a mount that was just made, and then
 * we stand in the folder beneath it. One that this user may not enter was
 * entered for us by the engine, and is no worse than it was.
 */
static void enter_workdir(void)
{
	static char path[PATH_MAX];

	if (getcwd(path, sizeof(path)) && path[0] == '/' && chdir(path) < 0 && errno != EACCES)
		quit(EXIT_OURS, "cannot enter the working directory ", path,
		     errno == ENOENT ? ": one of the pod's volumes is mounted there, and has no "
				       "such folder" :
				       ": it cannot be read");
}

/* 0 if PATH can be run as far as its mode tells, or errno. */
static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, X_OK) < 0 ? errno : 0;
}

/* With method inject-tcp a program that has nothing preloaded would have no way out, or another. */
static void check_injected(const char *path)
{
	const char *preload = getenv(TP_INJECT_VAR_PRELOAD), *why;
	size_t n = strlen(TP_INJECT_PRELOAD);

	if (!preload || strncmp(preload, TP_INJECT_PRELOAD, n) || (preload[n] && preload[n] != ':'))
		return;
	why = preload_reason(preload_check(path));
	if (*why)
		quit(EXIT_OURS, path, ": --method inject-tcp cannot serve it: ", why,
		     "; --method container can");
}

static _Noreturn void cannot_run(const char *name, int e)
{
	quit(e == ENOENT || e == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_RUN, name,
	     ": cannot be run: ", strerror(e));
}

/* The search is the container runtime's: folders in order, those that cannot be run passed over. */
static _Noreturn void become(char **argv)
{
	static char path[PATH_MAX];
	const char *dir = getenv("PATH"), *end;
	int e;

	if (strchr(argv[0], '/')) {
		e = runnable(argv[0]);
		if (!e) {
			check_injected(argv[0]);
			execve(argv[0], argv, environ);
			e = errno;
		}
		cannot_run(argv[0], e);
	}
	for (; dir && *dir; dir = *end ? end + 1 : end) {
		size_t n;

		end = strchr(dir, ':');
		if (!end)
			end = dir + strlen(dir);
		n = (size_t)(end - dir);
		if (n + strlen(argv[0]) + 3 > sizeof(path))
			continue;
		memcpy(path, n ? dir : ".", n ? n : 1);
		n = n ? n : 1;
		path[n++] = '/';
		strcpy(path + n, argv[0]);
		if (runnable(path))
			continue;
		check_injected(path);
		execve(path, argv, environ);
		cannot_run(path, errno);
	}
	quit(EXIT_NOT_FOUND, argv[0], ": no such program in PATH", "");
}

static const char *address_of(const char *word)
{
	const char *address = strcmp(word, "-") ? word : getenv(TP_GATE_VAR);

	if (address)
		return address;
	quit(EXIT_OURS, "this container was not started with an entry gate", "", "");
}

int main(int argc, char **argv)
{
	const char *tag, *address = argc > 1 ? argv[1] : "";
	bool export = argc == 3 && !strcmp(argv[2], "--export");
	bool entry = argc < 3 || (!export && strcmp(argv[2], "--env") != 0);
	int sock;

	if (argc < 3 || (!export && !entry && argc < 4))
		quit(EXIT_OURS, "usage: gate NAME[/TAG] [--env] PROGRAM [ARG...]", "", "");
	if (!strcmp(address, TP_GATE_NOBODY))
		become(argv + 2);
	mortal();
	sock = reach(address_of(address), &tag);
	introduce(sock, entry ? TP_GATE_HELLO : TP_GATE_ASK, tag);
	await(sock);
	if (export) {
		export_env();
		return 0;
	}
	merge_env(entry);
	if (entry)
		enter_workdir();
	become(argv + (entry ? 2 : 3));
}
