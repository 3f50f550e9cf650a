/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are to the API server: token, token file, basic auth, exec
 * credential plugin (client.authentication.k8s.io/v1 and v1beta1),
 * impersonation headers. Refreshed when it expires or is refused.
 */
#ifndef TP_KUBE_CREDENTIAL_H
#define TP_KUBE_CREDENTIAL_H

#include "base/cancel.h"
#include "kube/kubeconfig.h"

struct tp_credential; /* thread-safe */

/* KC must outlive it. Runs nothing yet. */
struct tp_credential *tp_credential_new(const struct tp_kubeconfig *kc);
void tp_credential_free(struct tp_credential *c);

/* Adds "Authorization: ..." and "Impersonate-...: ..." lines. Runs the plugin if its
 * last answer is absent or expired (10 s early). ERR names the plugin, its exit code, the end of its stderr
 * and its installHint; never a token. */
int tp_credential_headers(struct tp_credential *c, struct tp_strv *headers,
			  struct tp_cancel *cancel, struct tp_err *err);
/* Throws away what is cached; true if asking again may help. */
bool tp_credential_refused(struct tp_credential *c);
/* A client certificate that the plugin gave, or NULL. Runs the plugin if needed. Valid until the next call. */
int tp_credential_cert(struct tp_credential *c, const char **cert_pem, const char **key_pem,
		       struct tp_cancel *cancel, struct tp_err *err);

/* The plugin's answer (ExecCredential JSON), apart for tests and the fuzzer. *EXPIRES: seconds since 1970, 0 = never.*/
int tp_credential_parse(const char *text, size_t n, const char *api_version, char **token,
			char **cert_pem, char **key_pem, long long *expires, struct tp_err *err);

#endif
