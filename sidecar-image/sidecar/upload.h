/* SPDX-License-Identifier: Apache-2.0 */
/* What sshuttle sends to the far Python: N bytes of assembler.py, then
 * modules ("NAME\nBYTES\n" and as many bytes), then an empty line. */
#ifndef TP_SIDECAR_UPLOAD_H
#define TP_SIDECAR_UPLOAD_H

#include <stddef.h>

/* N, from the command that sshuttle wants to be run; -1. */
long tp_upload_assembler(const char *command);
/* 1: it is all there, and nothing behind it; 0: not yet; -1: something else. */
int tp_upload_complete(const char *p, size_t n, size_t assembler);

#endif
