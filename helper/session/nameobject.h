/* SPDX-License-Identifier: Apache-2.0 */
/* Services, EndpointSlices and Pods as the lines that the sidecar keeps of them (common/nameline.h). */
#ifndef TP_SESSION_NAMEOBJECT_H
#define TP_SESSION_NAMEOBJECT_H

#include "base/buf.h"
#include "base/json.h"
#include "common/nameline.h"

/* One line with its newline, if OBJECT is one that names are made of; a pod that has no address yet, or runs no more, is gone. */
void tp_nameobject_put(struct tp_buf *out, char kind, const struct tp_json *object);
void tp_nameobject_gone(struct tp_buf *out, char kind, const struct tp_json *object);

#endif
