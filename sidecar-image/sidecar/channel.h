/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control channel to whoever started this process, the helper: frames
 * (base/frame.h) on stdin and stdout.
 */
#ifndef TP_SIDECAR_CHANNEL_H
#define TP_SIDECAR_CHANNEL_H

#include "base/frame.h"
#include "base/loop.h"

enum channel_end {
	CHANNEL_CLOSED,	 /* the helper is gone, and with it the session */
	CHANNEL_GARBAGE, /* what came is no frame */
	CHANNEL_STUCK,	 /* it does not read what it is told */
};

struct channel_events {
	void (*frame)(void *arg, const struct tp_frame *f);
	void (*ended)(void *arg, enum channel_end why); /* does not return */
	void *arg;
};

struct channel;

/* Stdin is read once channel_listen is called, so that what is sent before that comes first. OUT_MAX: bytes that may
 * wait for the helper to read them. It lives as long as the process. */
struct channel *channel_new(struct tp_loop *l, size_t out_max, const struct channel_events *ev);
void channel_listen(struct channel *c);
void channel_send(struct channel *c, const char *name, const void *p, size_t n);

#endif
