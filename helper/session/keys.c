/* SPDX-License-Identifier: Apache-2.0 */
#include <libssh/libssh.h>

#include "base/mem.h"
#include "session/keys.h"

int tp_keys_make(const char *id, char **private_pem, char **public_line, struct tp_err *err)
{
	char *priv = NULL, *pub = NULL;
	ssh_key key = NULL;
	int rc = -1;

	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
	    ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &priv) != SSH_OK ||
	    ssh_pki_export_pubkey_base64(key, &pub) != SSH_OK) {
		tp_err_set(err, TP_ERR_FAILED, "libssh cannot make an ed25519 key");
	} else {
		*private_pem = tp_strdup(priv);
		*public_line = tp_asprintf("ssh-ed25519 %s tpdocker-%s", pub, id);
		rc = 0;
	}
	tp_free_secret(priv);
	free(pub);
	ssh_key_free(key);
	return rc;
}
