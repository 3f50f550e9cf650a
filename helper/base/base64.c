// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *tp_base64_encode(const void *p, size_t n)
{
	const unsigned char *in = p;
	char *out = tp_malloc((n + 2) / 3 * 4 + 1), *o = out;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16;

		if (i + 1 < n)
			v |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < n)
			v |= in[i + 2];
		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		*o++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*o++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*o = '\0';
	return out;
}

static int value_of(char c)
{
	const char *d = c ? strchr(digits, c) : NULL;

	return d ? (int)(d - digits) : -1;
}

char *tp_base64_decode(const char *s, size_t *n)
{
	size_t max = strlen(s) / 4 * 3 + 4, len = 0;
	char *out = tp_malloc(max);
	unsigned used = 0, padding = 0;
	uint32_t v = 0;

	for (; *s; s++) {
		if (*s == '\n' || *s == '\r')
			continue;
		if (*s == '=') {
			/* only where a third or fourth digit would be */
			if (used < 2 || padding >= 2)
				goto bad;
			padding++;
			v <<= 6;
			used++;
		} else {
			int d = value_of(*s);

			if (d < 0 || padding)
				goto bad;
			v = v << 6 | (uint32_t)d;
			used++;
		}
		if (used == 4) {
			out[len++] = (char)(v >> 16);
			if (padding < 2)
				out[len++] = (char)(v >> 8);
			if (padding < 1)
				out[len++] = (char)v;
			used = 0;
			v = 0;
			if (padding) {
				s++;
				break;
			}
		}
	}
	while (*s == '\n' || *s == '\r')
		s++;
	if (used || *s)
		goto bad;
	out[len] = '\0';
	if (n)
		*n = len;
	return out;
bad:
	tp_wipe(out, max);
	free(out);
	return NULL;
}
