/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char units[] = "bkmgt";

int tp_size_parse(const char *s, uint64_t *bytes)
{
	uint64_t n = 0;
	size_t shift = 0;
	const char *unit;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > INT64_MAX / 16)
			return -1;
	}
	if (*s) {
		unit = strchr(units, *s | 0x20);
		if (!unit || !*unit)
			return -1;
		shift = 10 * (size_t)(unit - units);
		s++;
	}
	if (*s && (!shift || (strcasecmp(s, "b") && strcasecmp(s, "ib"))))
		return -1;
	if (n > (uint64_t)INT64_MAX >> shift)
		return -1;
	*bytes = n << shift;
	return 0;
}

const char *tp_size_print(uint64_t bytes, char text[TP_SIZE_TEXT])
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB" };
	uint64_t unit = 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(text, TP_SIZE_TEXT, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
		return text;
	}
	while (i < 3 && bytes >> 10 >= unit) {
		unit <<= 10;
		i++;
	}
	/* one digit behind the point, where it tells something */
	if (bytes / unit < 100 && bytes % unit * 10 / unit)
		snprintf(text, TP_SIZE_TEXT, "%" PRIu64 ".%u %s", bytes / unit,
			 (unsigned)(bytes % unit * 10 / unit), names[i]);
	else
		snprintf(text, TP_SIZE_TEXT, "%" PRIu64 " %s", bytes / unit, names[i]);
	return text;
}
