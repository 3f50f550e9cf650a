/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says what is waited for and how large the buffer is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/pod.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum tp_pod_wait aims[] = { TP_POD_CONTAINER_RUNNING, TP_POD_READY,
						 TP_POD_GONE };
	struct tp_err err = { 0 };

	if (!size)
		return 0;
	TP_AUTO_JSON *pod = tp_json_parse((const char *)data + 1, size - 1, &err);
	size_t why_size = data[0] & 0x40 ? 300 : data[0] >> 7;
	char *why = why_size ? malloc(why_size) : NULL;

	if (pod &&
	    tp_pod_judge(pod, data[0] & 4 ? "agent" : NULL, aims[(data[0] & 3) % 3], why, why_size,
			 &err) < 0 &&
	    !err.msg[0])
		abort(); /* a refusal without words */
	if (pod && why && strnlen(why, why_size) == why_size)
		abort();
	free(why);
	return 0;
}
