/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Ends S, which was cut, before a character that lost its rest. */
static void trim_cut(char *s, size_t len)
{
	size_t back = 0;

	while (back < 3 && back < len && ((unsigned char)s[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < len && !tp_utf8_len(s + len - 1 - back, back + 1) &&
	    (unsigned char)s[len - 1 - back] >= 0xc0)
		s[len - 1 - back] = '\0';
}

static void format(char *out, size_t size, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void format(char *out, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(out, size, fmt, ap);

	if (n < 0)
		snprintf(out, size, "(a message that could not be written)");
	else if ((size_t)n >= size)
		trim_cut(out, size - 1);
	tp_text_clean(out);
}

/* Fills the message with A, BETWEEN and B; A gives way when they are too
 * long together and KEEP_B is set, else B is cut. */
static void join(struct tp_err *err, const char *a, const char *between, const char *b, int keep_b)
{
	size_t room = sizeof(err->msg) - 1;
	size_t a_len = strlen(a), m_len = strlen(between), b_len = strlen(b);
	char text[TP_ERR_MAX];

	if (keep_b && a_len + m_len + b_len > room) {
		if (b_len > room / 2)
			b_len = room / 2;
		if (a_len > room - m_len - b_len)
			a_len = room - m_len - b_len;
	}
	if (a_len > room)
		a_len = room;
	memcpy(text, a, a_len);
	text[a_len] = '\0';
	if (a_len < strlen(a)) {
		trim_cut(text, a_len);
		a_len = strlen(text);
	}
	if (m_len + b_len > room - a_len) {
		if (m_len > room - a_len)
			m_len = room - a_len;
		b_len = room - a_len - m_len;
	}
	memcpy(text + a_len, between, m_len);
	memcpy(text + a_len + m_len, b, b_len);
	text[a_len + m_len + b_len] = '\0';
	if (b_len < strlen(b))
		trim_cut(text, a_len + m_len + b_len);

	for (size_t n = strlen(text); n && text[n - 1] == '\n'; n--)
		text[n - 1] = '\0';
	memcpy(err->msg, text, strlen(text) + 1);
}

int tp_err_set(struct tp_err *err, enum tp_err_kind kind, const char *fmt, ...)
{
	int saved = errno;
	char text[TP_ERR_MAX]; /* apart: an argument may be err->msg itself */
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	err->kind = kind;
	join(err, text, "", "", 0);
	errno = saved;
	return -1;
}

int tp_err_errno(struct tp_err *err, int errnum, const char *fmt, ...)
{
	int saved = errno;
	char text[TP_ERR_MAX], why[128];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	switch (errnum) {
	case ENOENT:
		err->kind = TP_ERR_NOT_FOUND;
		break;
	case EACCES:
	case EPERM:
		err->kind = TP_ERR_FORBIDDEN;
		break;
	default:
		err->kind = TP_ERR_FAILED;
	}
	join(err, text, ": ", strerror_r(errnum, why, sizeof(why)), 1);
	errno = saved;
	return -1;
}

int tp_err_prefix(struct tp_err *err, const char *fmt, ...)
{
	int saved = errno;
	char text[TP_ERR_MAX], old[TP_ERR_MAX];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, strlen(err->msg) + 1);
	join(err, text, *old ? ": " : "", old, 0);
	errno = saved;
	return -1;
}

int tp_err_hint(struct tp_err *err, const char *fmt, ...)
{
	int saved = errno;
	char text[TP_ERR_MAX], old[TP_ERR_MAX];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, strlen(err->msg) + 1);
	join(err, old, *old ? "\n" : "", text, 1);
	errno = saved;
	return -1;
}
