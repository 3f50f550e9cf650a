/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

void tp_buf_free(struct tp_buf *b)
{
	tp_wipe(b->data, b->cap);
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
}

void tp_buf_reset(struct tp_buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

char *tp_buf_reserve(struct tp_buf *b, size_t n)
{
	size_t need, cap;
	char *data;

	if (b->len > b->max || n > b->max - b->len || n > SIZE_MAX / 4 - b->len)
		return NULL;
	need = b->len + n + 1;
	if (need <= b->cap)
		return b->data + b->len;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	if (cap - 1 > b->max)
		cap = b->max + 1;
	/* not realloc: it would leave a copy of a secret behind */
	data = tp_malloc(cap);
	if (b->len)
		memcpy(data, b->data, b->len);
	data[b->len] = '\0';
	tp_wipe(b->data, b->len);
	free(b->data);
	b->data = data;
	b->cap = cap;
	return b->data + b->len;
}

void tp_buf_added(struct tp_buf *b, size_t n)
{
	if (n >= b->cap - b->len)
		abort(); /* more than was reserved: memory is broken already */
	b->len += n;
	b->data[b->len] = '\0';
}

int tp_buf_put(struct tp_buf *b, const void *p, size_t n)
{
	char *to = tp_buf_reserve(b, n);

	if (!to)
		return -1;
	if (n)
		memcpy(to, p, n);
	tp_buf_added(b, n);
	return 0;
}

int tp_buf_puts(struct tp_buf *b, const char *s)
{
	return tp_buf_put(b, s, strlen(s));
}

int tp_buf_putc(struct tp_buf *b, char c)
{
	return tp_buf_put(b, &c, 1);
}

int tp_buf_printf(struct tp_buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	to = tp_buf_reserve(b, (size_t)n);
	if (!to)
		return -1;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	tp_buf_added(b, (size_t)n);
	return 0;
}

void tp_buf_consume(struct tp_buf *b, size_t n)
{
	if (n > b->len)
		abort();
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}

char *tp_buf_steal(struct tp_buf *b)
{
	char *s = b->data ? b->data : tp_strdup("");

	b->data = NULL;
	b->len = 0;
	b->cap = 0;
	return s;
}

void tp_strv_insert(struct tp_strv *l, size_t at, const char *s)
{
	if (!s)
		return;
	if (at > l->n)
		at = l->n;
	tp_strv_take(l, tp_strdup(s));
	if (at < l->n - 1) {
		char *last = l->v[l->n - 1];

		memmove(l->v + at + 1, l->v + at, (l->n - 1 - at) * sizeof(*l->v));
		l->v[at] = last;
	}
}

void tp_strv_take(struct tp_strv *l, char *s)
{
	if (!s)
		return;
	l->v = tp_realloc(l->v, (l->n + 2) * sizeof(*l->v));
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void tp_strv_add(struct tp_strv *l, const char *s)
{
	tp_strv_take(l, tp_strdup(s));
}

void tp_strv_addf(struct tp_strv *l, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	tp_strv_take(l, s);
}

bool tp_strv_has(const struct tp_strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!strcmp(l->v[i], s))
			return true;
	}
	return false;
}

void tp_strv_free(struct tp_strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	l->v = NULL;
	l->n = 0;
}

int tp_read_all(int fd, struct tp_buf *b)
{
	for (;;) {
		size_t room = b->max > b->len ? b->max - b->len : 0;
		size_t want = room < 16384 ? room : 16384;
		char probe;
		char *to = want ? tp_buf_reserve(b, want) : NULL;
		/* full: one byte more tells a file that just fits from a longer one */
		ssize_t n = to ? read(fd, to, want) : read(fd, &probe, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		if (!to) {
			errno = EFBIG;
			return -1;
		}
		tp_buf_added(b, (size_t)n);
	}
}

int tp_read_file(const char *path, struct tp_buf *b)
{
	tp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return tp_read_all(fd, b);
}

int tp_write_all(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n) {
		ssize_t done = write(fd, from, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		from += done;
		n -= (size_t)done;
	}
	return 0;
}
