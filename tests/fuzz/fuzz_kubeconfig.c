/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_kubeconfig kc;
	struct tp_err err;

	/* a folder without files: names in the input lead nowhere */
	if (tp_kubeconfig_parse((const char *)data, size, "/proc/self/fdinfo", NULL, &kc, &err) ==
	    0)
		tp_kubeconfig_free(&kc);
	return 0;
}
