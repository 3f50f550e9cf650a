/* SPDX-License-Identifier: Apache-2.0 */
/* A session's ed25519 key pair. The only module that knows the SSH library. */
#ifndef TP_SESSION_KEYS_H
#define TP_SESSION_KEYS_H

#include "base/err.h"

/* *PRIVATE_PEM: OpenSSH's private key text, a secret (tp_free_secret).
 * *PUBLIC_LINE: "ssh-ed25519 AAAA... tpdocker-ID". Both the caller's. */
int tp_keys_make(const char *id, char **private_pem, char **public_line, struct tp_err *err);

#endif
