/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include <stdio.h>

#include "base/mem.h"

static const struct {
	char letter;
	long long seconds;
} units[] = { { 'd', 24 * 3600 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

int tp_duration_parse(const char *s, long long *ms)
{
	long long sum = 0;
	size_t unit = 0;

	if (!*s)
		return -1;
	while (*s) {
		long long n = 0;

		if (*s < '0' || *s > '9')
			return -1;
		for (; *s >= '0' && *s <= '9'; s++) {
			n = n * 10 + (*s - '0');
			if (n > TP_DURATION_MAX_MS / 1000)
				return -1;
		}
		while (unit < TP_ARRAY_SIZE(units) && units[unit].letter != *s)
			unit++;
		if (unit == TP_ARRAY_SIZE(units))
			return -1;
		sum += n * units[unit++].seconds * 1000;
		if (sum > TP_DURATION_MAX_MS)
			return -1;
		s++;
	}
	*ms = sum;
	return sum > 0 ? 0 : -1;
}

void tp_duration_print(long long seconds, char *text, size_t size)
{
	size_t unit = 0, last = TP_ARRAY_SIZE(units) - 1;

	if (seconds < 0)
		seconds = 0;
	while (unit < last && seconds < units[unit].seconds)
		unit++;
	if (unit == last)
		snprintf(text, size, "%lld s", seconds);
	else
		snprintf(text, size, "%lld %c %lld %c", seconds / units[unit].seconds,
			 units[unit].letter,
			 seconds % units[unit].seconds / units[unit + 1].seconds,
			 units[unit + 1].letter);
}
