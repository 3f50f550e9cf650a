/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TP_BASE_LIMIT_H
#define TP_BASE_LIMIT_H

/* Lets this process, and those it starts, open as many files as it may at
 * all: the soft limit is often 1024, which is not many where each connection
 * is a descriptor. */
void tp_raise_file_limit(void);

#endif
