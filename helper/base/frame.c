/* SPDX-License-Identifier: Apache-2.0 */
#include "base/frame.h"

#include <stdbool.h>
#include <string.h>

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool name_ok(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if (n >= TP_FRAME_NAME_MAX || !name_char(name[n]))
			return false;
	return n > 0;
}

int tp_frame_put(struct tp_buf *out, const char *name, const void *data, size_t len)
{
	size_t before = out->len;

	if (!name_ok(name) || len > TP_FRAME_MAX)
		return -1;
	if (tp_buf_printf(out, "%s %zu\n", name, len) < 0 || tp_buf_put(out, data, len) < 0 ||
	    tp_buf_putc(out, '\n') < 0) {
		/* half a frame would make garbage of everything behind it */
		if (out->data) {
			out->len = before;
			out->data[before] = '\0';
		}
		return -1;
	}
	return 0;
}

/* Garbage is told from an incomplete frame as early as possible, so that a
 * peer that speaks something else is not waited for. */
ssize_t tp_frame_parse(const char *p, size_t n, struct tp_frame *f)
{
	size_t i = 0, digits = 0, len = 0;

	while (i < n && p[i] != ' ') {
		if (i >= TP_FRAME_NAME_MAX || !name_char(p[i]))
			return -1;
		i++;
	}
	if (i == n)
		return 0;
	if (i == 0)
		return -1;
	memcpy(f->name, p, i);
	f->name[i++] = '\0';
	for (; i < n && p[i] != '\n'; i++, digits++) {
		if (p[i] < '0' || p[i] > '9' || (digits == 1 && len == 0))
			return -1;
		len = len * 10 + (size_t)(p[i] - '0');
		if (len > TP_FRAME_MAX)
			return -1;
	}
	if (i == n)
		return 0;
	if (!digits)
		return -1;
	i++;
	if (n - i < len + 1)
		return 0;
	if (p[i + len] != '\n')
		return -1;
	f->data = p + i;
	f->len = len;
	return (ssize_t)(i + len + 1);
}
