/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#define RED    "\033[1;31m"
#define YELLOW "\033[1;33m"
#define NORMAL "\033[0m"

/* how long a terminal that takes no more may hold us up */
#define STUCK_MS 1000

static atomic_int log_level = TP_LOG_NORMAL;
static atomic_int log_fd = STDERR_FILENO;
static void (*_Atomic log_sink)(enum tp_log_kind, const char *);
static const char *program = "tpdocker"; /* set before there is a second thread */

void tp_log_set_level(enum tp_log_level level)
{
	atomic_store(&log_level, (int)level);
}

enum tp_log_level tp_log_get_level(void)
{
	return (enum tp_log_level)atomic_load(&log_level);
}

void tp_log_set_fd(int fd)
{
	atomic_store(&log_fd, fd);
	atomic_store(&log_sink, NULL);
}

void tp_log_set_sink(void (*sink)(enum tp_log_kind, const char *))
{
	atomic_store(&log_sink, sink);
}

void tp_log_set_program(const char *name)
{
	program = name;
}

const char *tp_program(void)
{
	return program;
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static void put(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			if (errno == EINTR)
				continue;
			/* another program may have made the terminal non-blocking */
			if (errno == EAGAIN && poll(&wait, 1, STUCK_MS) > 0)
				continue;
			return;
		}
		p += done;
		n -= (size_t)done;
	}
}

static void say(enum tp_log_kind kind, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void say(enum tp_log_kind kind, const char *fmt, va_list ap)
{
	static const char *const colours[] = { RED, YELLOW, NULL, NULL };
	const char *colour = colours[kind], *label = kind == TP_LOG_WARNING ? "warning: " : "";
	void (*sink)(enum tp_log_kind, const char *) = atomic_load(&log_sink);
	int saved = errno, fd = atomic_load(&log_fd);
	TP_AUTO_BUF text = TP_BUF_INIT(SIZE_MAX / 8);
	struct termios mode;
	bool terminal = tcgetattr(fd, &mode) == 0;
	bool raw = terminal && (!(mode.c_oflag & OPOST) || !(mode.c_oflag & ONLCR));
	tp_autofree char *msg = NULL;
	char *line, *next;

	errno = saved; /* for %m */
	if (vasprintf(&msg, fmt, ap) < 0) {
		msg = NULL;
		errno = saved;
		return;
	}
	tp_text_clean(msg);
	for (size_t n = strlen(msg); n && msg[n - 1] == '\n'; n--)
		msg[n - 1] = '\0';
	if (sink) {
		sink(kind, msg);
		errno = saved;
		return;
	}
	if (!terminal || !colour || !wants_colour())
		colour = NULL;

	for (line = msg; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		tp_buf_printf(&text, "%stpdocker: %s%s%s%s", colour ? colour : "",
			      line == msg ? label : "", colour ? NORMAL : "", line,
			      raw ? "\r\n" : "\n");
	}
	put(fd, text.data, text.len);
	errno = saved;
}

void tp_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(TP_LOG_ERROR, fmt, ap);
	va_end(ap);
}

void tp_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(TP_LOG_WARNING, fmt, ap);
	va_end(ap);
}

static bool wanted(enum tp_log_level level)
{
	return tp_log_get_level() >= level || atomic_load(&log_sink);
}

void tp_info(const char *fmt, ...)
{
	va_list ap;

	if (!wanted(TP_LOG_NORMAL))
		return;
	va_start(ap, fmt);
	say(TP_LOG_INFO, fmt, ap);
	va_end(ap);
}

void tp_verbose(const char *fmt, ...)
{
	va_list ap;

	if (!wanted(TP_LOG_VERBOSE))
		return;
	va_start(ap, fmt);
	say(TP_LOG_DETAIL, fmt, ap);
	va_end(ap);
}
