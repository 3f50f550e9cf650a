/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/upload.h"

#include <stdlib.h>
#include <string.h>

long tp_upload_assembler(const char *command)
{
	static const char call[] = "sys.stdin.read(";
	const char *p = strstr(command, call);
	char *end;
	long n;

	if (!p)
		return -1;
	n = strtol(p + sizeof(call) - 1, &end, 10);
	return *end == ')' && n > 0 && n < 1 << 20 ? n : -1;
}

int tp_upload_complete(const char *p, size_t n, size_t assembler)
{
	size_t at = assembler;

	while (at < n) {
		const char *name = p + at, *number, *nl = memchr(name, '\n', n - at);
		size_t len = 0;

		if (nl == name)
			return at + 1 == n ? 1 : -1;
		if (!nl)
			return n - at > 256 ? -1 : 0;
		number = nl + 1;
		nl = memchr(number, '\n', n - (size_t)(number - p));
		if (!nl)
			return n - (size_t)(number - p) > 16 ? -1 : 0;
		for (; number < nl; number++) {
			if (*number < '0' || *number > '9' || len > 1 << 22)
				return -1;
			len = len * 10 + (size_t)(*number - '0');
		}
		at = (size_t)(nl + 1 - p);
		if (n - at < len)
			return 0;
		at += len;
	}
	return 0;
}
