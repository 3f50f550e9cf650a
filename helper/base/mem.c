/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void no_memory(void) __attribute__((noreturn));

static void no_memory(void)
{
	static const char text[] = "tpdocker: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	abort();
}

void *tp_malloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		no_memory();
	return p;
}

void *tp_calloc(size_t n, size_t size)
{
	void *p = n && size ? calloc(n, size) : calloc(1, 1);

	if (!p)
		no_memory();
	return p;
}

void *tp_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		no_memory();
	return q;
}

char *tp_strdup(const char *s)
{
	return s ? tp_strndup(s, strlen(s)) : NULL;
}

char *tp_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = tp_malloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *tp_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		no_memory();
	return s;
}

void tp_wipe(void *p, size_t n)
{
	if (p && n)
		explicit_bzero(p, n);
}

void tp_free_secret(char *s)
{
	if (!s)
		return;
	tp_wipe(s, strlen(s));
	free(s);
}

void tp_close_p(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}
