// SPDX-License-Identifier: Apache-2.0
#include "kube/rfc3339.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Two or four digits and the character behind them. */
static int number(const char **s, int digits, char end, int min, int max, int *out)
{
	int v = 0;

	for (int i = 0; i < digits; i++, (*s)++) {
		if (!is_digit(**s))
			return -1;
		v = v * 10 + (**s - '0');
	}
	if (v < min || v > max)
		return -1;
	if (end) {
		if (**s != end && !(end == 'T' && (**s == 't' || **s == ' ')))
			return -1;
		(*s)++;
	}
	*out = v;
	return 0;
}

int tp_kube_time_parse(const char *s, long long *out)
{
	struct tm tm = { 0 };
	int sign = 0, h = 0, m = 0;

	if (number(&s, 4, '-', 0, 9999, &tm.tm_year) || number(&s, 2, '-', 1, 12, &tm.tm_mon) ||
	    number(&s, 2, 'T', 1, 31, &tm.tm_mday) || number(&s, 2, ':', 0, 23, &tm.tm_hour) ||
	    number(&s, 2, ':', 0, 59, &tm.tm_min) || number(&s, 2, 0, 0, 60, &tm.tm_sec))
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	if (*s == '.') {
		s++;
		if (!is_digit(*s))
			return -1;
		while (is_digit(*s))
			s++;
	}
	if (*s == 'Z' || *s == 'z') {
		s++;
	} else if (*s == '+' || *s == '-') {
		sign = *s++ == '+' ? 1 : -1;
		if (number(&s, 2, ':', 0, 23, &h) || number(&s, 2, 0, 0, 59, &m))
			return -1;
	} else {
		return -1;
	}
	if (*s)
		return -1;
	*out = (long long)timegm(&tm) - sign * (h * 3600LL + m * 60);
	return 0;
}
