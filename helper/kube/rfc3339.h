/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3339 times, as the API writes them.
 */
#ifndef TP_KUBE_RFC3339_H
#define TP_KUBE_RFC3339_H

/* 0 and *OUT in seconds since 1970, or -1: not such a time. */
int tp_kube_time_parse(const char *s, long long *out);

#endif
