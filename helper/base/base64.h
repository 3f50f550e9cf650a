/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648, section 4), as kubeconfig, basic auth and the engine use it.
 */
#ifndef TP_BASE_BASE64_H
#define TP_BASE_BASE64_H

#include <stddef.h>

/* The caller wipes and frees both. */
char *tp_base64_encode(const void *p, size_t n);
/* Line breaks are skipped, as Go does. NULL if it is not base64. *N (may be
 * NULL) the length; a NUL byte follows the data. */
char *tp_base64_decode(const char *s, size_t *n);

#endif
