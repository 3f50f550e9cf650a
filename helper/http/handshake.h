/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The WebSocket handshake (RFC 6455, 4), apart for the tests.
 */
#ifndef TP_HTTP_HANDSHAKE_H
#define TP_HTTP_HANDSHAKE_H

#include "base/buf.h"
#include "base/err.h"

/* A fresh Sec-WebSocket-Key. */
void tp_ws_new_key(char key[25]);
/* The Sec-WebSocket-Accept that belongs to KEY. */
void tp_ws_accept_of(const char *key, char accept[29]);
/* Judges the 101's HEADERS (lower-case names). 0 and *PROTOCOL the one
 * chosen (the caller's; unchanged if none was); -1 ERR (PROTOCOL). */
int tp_ws_check_answer(const struct tp_strv *headers, const char *key, const char *const *protocols,
		       char **protocol, struct tp_err *err);

#endif
