/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: how helper, sidecar and agent talk over a byte stream. A frame is
 *
 *     NAME SP LENGTH LF PAYLOAD LF
 *
 * NAME: 1 to 32 of [a-z0-9-]; LENGTH: decimal, no leading zero; PAYLOAD: any bytes.
 */
#ifndef TP_BASE_FRAME_H
#define TP_BASE_FRAME_H

#include "base/buf.h"

#define TP_FRAME_NAME_MAX 32
#define TP_FRAME_MAX	  (4u << 20) /* bytes of a payload */

struct tp_frame {
	char name[TP_FRAME_NAME_MAX + 1];
	const char *data; /* inside the parsed buffer, not terminated */
	size_t len;
};

/* Appends a frame; -1 past the buffer's or the frame's maximum. */
int tp_frame_put(struct tp_buf *out, const char *name, const void *data, size_t len);

/* Parses the first frame of P: > 0 the bytes it takes, *F filled; 0:
 * incomplete; -1: garbage. */
ssize_t tp_frame_parse(const char *p, size_t n, struct tp_frame *f);

#endif
