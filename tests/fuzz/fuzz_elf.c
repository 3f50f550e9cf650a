/* SPDX-License-Identifier: Apache-2.0 */
/* A program of the user's image, as the entry gate looks at it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gate/preload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	enum preload v;
	const char *linker = preload_linker(p, size, &v);

	if (linker &&
	    (linker < p || linker >= p + size || !memchr(linker, 0, size - (size_t)(linker - p))))
		abort();
	if (!linker && v != PRELOAD_FINE && !*preload_reason(v))
		abort();
	return 0;
}
