/*
 * The test workloads' server, one thread a connection.
 *
 *   HTTP (port HTTP_PORT, 8080):
 *     /            hello from HOSTNAME
 *     /env         all of the environment, separated by zero bytes
 *     /env/NAME    one variable's value, byte for byte; 404 without it
 *     /file/PATH   a file's content
 *     /headers     the request as it arrived
 *     /host        the local address that the caller reached
 *     /peer        the caller's address
 *     /bytes/N     N bytes
 *     /healthz     ok
 *     POST /echo   the request's body (Content-Length)
 *   echo (port ECHO_PORT, 7007, TCP and UDP): what arrives goes back
 *   stream (port STREAM_PORT, 9000): a line with a number N, answered with N
 *     bytes; "sink\n" takes all until the end and answers with their number
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

struct service {
	int listener;
	void (*serve)(int fd);
};

struct connection {
	int fd;
	void (*serve)(int fd);
};

static bool send_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static bool send_bytes(int fd, unsigned long long count)
{
	static const char pattern[65536] = "0123456789abcdef";

	while (count) {
		size_t n = count < sizeof(pattern) ? count : sizeof(pattern);

		if (!send_all(fd, pattern, n))
			return false;
		count -= n;
	}
	return true;
}

/* "1.2.3.4:5", or "[::1]:5" */
static void format_address(const struct sockaddr_in6 *sa, char *text, size_t size)
{
	char ip[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(&sa->sin6_addr)) {
		inet_ntop(AF_INET, sa->sin6_addr.s6_addr + 12, ip, sizeof(ip));
		snprintf(text, size, "%s:%u\n", ip, ntohs(sa->sin6_port));
	} else {
		inet_ntop(AF_INET6, &sa->sin6_addr, ip, sizeof(ip));
		snprintf(text, size, "[%s]:%u\n", ip, ntohs(sa->sin6_port));
	}
}

static bool reply_head(int fd, const char *status, unsigned long long len)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n\r\n",
			 status, len);

	return send_all(fd, head, n);
}

static bool reply(int fd, const char *status, const char *text)
{
	return reply_head(fd, status, strlen(text)) && send_all(fd, text, strlen(text));
}

static bool reply_environment(int fd)
{
	unsigned long long len = 0;

	for (char **e = environ; *e; e++)
		len += strlen(*e) + 1;
	if (!reply_head(fd, "200 OK", len))
		return false;
	for (char **e = environ; *e; e++)
		if (!send_all(fd, *e, strlen(*e) + 1))
			return false;
	return true;
}

static bool reply_file(int fd, const char *path)
{
	static const size_t limit = 1 << 20;
	char *data = malloc(limit);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = file < 0 || !data ? -1 : read(file, data, limit);
	bool ok;

	if (n < 0)
		ok = reply(fd, "404 Not Found", "no such file\n");
	else
		ok = reply_head(fd, "200 OK", n) && send_all(fd, data, n);
	if (file >= 0)
		close(file);
	free(data);
	return ok;
}

static bool reply_address(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);
	char text[INET6_ADDRSTRLEN + 16];

	if (get(fd, (struct sockaddr *)&sa, &len) < 0)
		return false;
	format_address(&sa, text, sizeof(text));
	return reply(fd, "200 OK", text);
}

static int get_peer(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getpeername(fd, sa, len);
}

static int get_local(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getsockname(fd, sa, len);
}

static bool reply_echo(int fd, const char *head, const char *body, size_t have)
{
	const char *field = strcasestr(head, "\r\ncontent-length:");
	unsigned long long left = field ? strtoull(field + 17, NULL, 10) : 0;
	char buffer[65536];

	if (strcasestr(head, "\r\nexpect: 100-continue") &&
	    !send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25))
		return false;
	if (!reply_head(fd, "200 OK", left))
		return false;
	if (have > left)
		have = left;
	if (!send_all(fd, body, have))
		return false;
	for (left -= have; left;) {
		ssize_t n = read(fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer));

		if (n <= 0 || !send_all(fd, buffer, n))
			return false;
		left -= n;
	}
	return true;
}

/* Answers one request; false ends the connection. */
static bool answer(int fd, char *head, const char *body, size_t have)
{
	char method[8], path[1024], host[256];

	if (sscanf(head, "%7s %1023s", method, path) != 2) {
		reply(fd, "400 Bad Request", "what?\n");
		return false;
	}
	if (!strcmp(method, "POST") && !strcmp(path, "/echo"))
		return reply_echo(fd, head, body, have);
	if (!strcmp(path, "/")) {
		char text[300];

		gethostname(host, sizeof(host));
		snprintf(text, sizeof(text), "hello from %s\n", host);
		return reply(fd, "200 OK", text);
	}
	if (!strcmp(path, "/healthz"))
		return reply(fd, "200 OK", "ok\n");
	if (!strcmp(path, "/env"))
		return reply_environment(fd);
	if (!strncmp(path, "/env/", 5)) {
		const char *value = getenv(path + 5);

		return value ? reply(fd, "200 OK", value) : reply(fd, "404 Not Found", "not set\n");
	}
	if (!strncmp(path, "/file/", 6))
		return reply_file(fd, path + 5);
	if (!strcmp(path, "/headers"))
		return reply(fd, "200 OK", head);
	if (!strcmp(path, "/peer"))
		return reply_address(fd, get_peer);
	if (!strcmp(path, "/host"))
		return reply_address(fd, get_local);
	if (!strncmp(path, "/bytes/", 7)) {
		unsigned long long count = strtoull(path + 7, NULL, 10);

		return reply_head(fd, "200 OK", count) && send_bytes(fd, count);
	}
	return reply(fd, "404 Not Found", "nothing here\n");
}

static void serve_http(int fd)
{
	char buffer[16384];
	size_t have = 0;

	for (;;) {
		char *end = NULL;
		bool last;

		while (!(end = have ? memmem(buffer, have, "\r\n\r\n", 4) : NULL)) {
			ssize_t n = have == sizeof(buffer) - 1 ? 0 :
				    read(fd, buffer + have, sizeof(buffer) - 1 - have);

			if (n <= 0)
				return;
			have += n;
		}
		/* the head keeps its last line's end, then a zero */
		char head[sizeof(buffer)];
		size_t len = end + 4 - buffer;

		memcpy(head, buffer, len - 2);
		head[len - 2] = '\0';
		last = strcasestr(head, "\r\nconnection: close") || strcasestr(head, "HTTP/1.0\r\n");
		if (!answer(fd, head, buffer + len, have - len) || last)
			return;
		/* no pipelining: what is left belonged to this request's body */
		have = 0;
	}
}

static void serve_echo(int fd)
{
	char buffer[65536];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		if (!send_all(fd, buffer, n))
			return;
}

static void serve_stream(int fd)
{
	char line[32];
	size_t len = 0;

	while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
	if (!strcmp(line, "sink")) {
		static __thread char buffer[65536];
		unsigned long long count = 0;
		ssize_t n;

		while ((n = read(fd, buffer, sizeof(buffer))) > 0)
			count += n;
		send_all(fd, line, snprintf(line, sizeof(line), "%llu\n", count));
	} else {
		send_bytes(fd, strtoull(line, NULL, 10));
	}
}

static void *serve_udp_echo(void *arg)
{
	int fd = *(int *)arg;
	char buffer[65536];
	struct sockaddr_in6 peer;

	for (;;) {
		socklen_t len = sizeof(peer);
		ssize_t n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &len);

		if (n >= 0)
			sendto(fd, buffer, n, 0, (struct sockaddr *)&peer, len);
	}
	return NULL;
}

static void *serve_connection(void *arg)
{
	struct connection *c = arg;

	c->serve(c->fd);
	shutdown(c->fd, SHUT_WR);
	close(c->fd);
	free(c);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct service *s = arg;

	for (;;) {
		struct connection *c = malloc(sizeof(*c));
		pthread_attr_t attr;
		pthread_t thread;

		if (!c)
			abort();
		c->serve = s->serve;
		c->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd < 0) {
			free(c);
			continue;
		}
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		if (pthread_create(&thread, &attr, serve_connection, c)) {
			close(c->fd);
			free(c);
		}
		pthread_attr_destroy(&attr);
	}
	return NULL;
}

static int port_of(const char *name, int fallback)
{
	const char *text = getenv(name);

	return text && *text ? atoi(text) : fallback;
}

/* A socket on all addresses, IPv4 and IPv6. */
static int open_socket(int type, int port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1024) < 0)) {
		fprintf(stderr, "port %d: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

static void start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg)) {
		perror("pthread_create");
		exit(1);
	}
}

int main(void)
{
	struct service services[] = {
		{ open_socket(SOCK_STREAM, port_of("HTTP_PORT", 8080)), serve_http },
		{ open_socket(SOCK_STREAM, port_of("ECHO_PORT", 7007)), serve_echo },
		{ open_socket(SOCK_STREAM, port_of("STREAM_PORT", 9000)), serve_stream },
	};
	int udp = open_socket(SOCK_DGRAM, port_of("ECHO_PORT", 7007));
	sigset_t ends;
	int sig;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		start(accept_all, &services[i]);
	start(serve_udp_echo, &udp);
	puts("serving");
	fflush(stdout);
	sigwait(&ends, &sig);
	return 0;
}
