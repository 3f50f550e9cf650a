/* SPDX-License-Identifier: Apache-2.0 */
/* What comes to the gates' socket and to the door: every program in the user's container can reach them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sidecar/gates.h"
#include "sidecar/sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char tag[TP_GATE_NAME_MAX + 1];

	if (gate_message_parse((const char *)data, size, tag) == 0 &&
	    (strlen(tag) != size - strlen(TP_GATE_HELLO) || strpbrk(tag, " \n/\\'\"")))
		abort();
	if (door_knock((const char *)data, size, "0123456789abcdef") &&
	    (size != 21 || memcmp(data, "sftp 0123456789abcdef", 21)))
		abort();
	return 0;
}
