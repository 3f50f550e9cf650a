/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything said to the user, on stderr only: stdout belongs to the user's
 * container. Lines start with "tpdocker: ". Thread-safe: one write(2) a line.
 * On a terminal in raw mode (while a container with -t has it) lines end
 * with \r\n.
 */
#ifndef TP_BASE_LOG_H
#define TP_BASE_LOG_H

#include <stdbool.h>

enum tp_log_level { TP_LOG_QUIET, TP_LOG_NORMAL, TP_LOG_VERBOSE };

void tp_log_set_level(enum tp_log_level level);
enum tp_log_level tp_log_get_level(void);
/* Sends everything to FD instead of stderr (a background session's log), and to a sink no more. */
void tp_log_set_fd(int fd);

/* Hands everything to SINK instead, of every level: each message once, without a newline at its end. It may be called from any
 * thread. Set before there is a second one. */
enum tp_log_kind { TP_LOG_ERROR, TP_LOG_WARNING, TP_LOG_INFO, TP_LOG_DETAIL };
void tp_log_set_sink(void (*sink)(enum tp_log_kind kind, const char *text));

/* What is typed to get at us, for texts that tell what to type: "tpdocker", or
 * what was set: "docker tpdocker". NAME must live as long as the process. */
void tp_log_set_program(const char *name);
const char *tp_program(void);

/* An error or warning: shown at every level. Colour only on a terminal
 * without NO_COLOR. Messages of several lines keep their shape. */
void tp_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tp_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What is going on: not with --quiet. */
void tp_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Details, only with --verbose. Never a secret. */
void tp_verbose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
