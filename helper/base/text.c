/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <string.h>

size_t tp_utf8_len(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte */
	size_t len;

	if (!n)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] < 0xe0) {
		len = 2;
	} else if (p[0] < 0xf0) {
		len = 3;
		if (p[0] == 0xe0)
			low = 0xa0; /* overlong */
		else if (p[0] == 0xed)
			high = 0x9f; /* surrogates */
	} else {
		len = 4;
		if (p[0] == 0xf0)
			low = 0x90;
		else if (p[0] == 0xf4)
			high = 0x8f;
	}
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

bool tp_utf8_valid(const char *s, size_t n)
{
	while (n) {
		size_t len = tp_utf8_len(s, n);

		if (!len)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

void tp_text_clean(char *s)
{
	size_t n = strlen(s);

	while (n) {
		unsigned char c = (unsigned char)*s;
		size_t len = tp_utf8_len(s, n);

		if (len == 0) {
			*s = '?';
			len = 1;
		} else if (len == 1) {
			if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
				*s = '?';
		} else if (c == 0xc2 && (unsigned char)s[1] < 0xa0) {
			s[0] = '?';
			s[1] = '?';
		}
		s += len;
		n -= len;
	}
}
