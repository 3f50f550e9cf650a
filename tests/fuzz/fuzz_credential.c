/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "kube/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *token, *cert, *key;
	long long expires;
	struct tp_err err;

	tp_credential_parse((const char *)data, size, "client.authentication.k8s.io/v1", &token,
			    &cert, &key, &expires, &err);
	free(token);
	free(cert);
	free(key);
	return 0;
}
