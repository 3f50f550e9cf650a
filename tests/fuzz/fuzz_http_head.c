/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/handshake.h"
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const offered[] = { "v4.channel.k8s.io", NULL };
	struct tp_strv h = { 0 };
	char *protocol = NULL;
	struct tp_err err;
	int status = 0;
	int used = tp_http_parse_head((const char *)data, size, &status, &h);

	if (used > (int)size || (used > 0 && (status < 100 || status > 999)) ||
	    (used <= 0 && h.n != 0))
		abort();
	for (size_t i = 0; i < h.n; i++)
		if (!strstr(h.v[i], ": ") || strpbrk(h.v[i], "\r\n"))
			abort();
	if (used > 0)
		tp_ws_check_answer(&h, "dGhlIHNhbXBsZSBub25jZQ==", offered, &protocol, &err);
	free(protocol);
	tp_strv_free(&h);
	return 0;
}
