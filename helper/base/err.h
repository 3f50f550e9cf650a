/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that travel up: a function that can fail returns 0 or -1 (or a
 * pointer or NULL) and fills the caller's struct tp_err. Context is put in
 * front on the way up; only main() prints and exits.
 */
#ifndef TP_BASE_ERR_H
#define TP_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

#define TP_ERR_MAX 2048 /* bytes of a message, terminator included */

/* What kind of failure it is, where a caller reacts to it. */
enum tp_err_kind {
	TP_ERR_NONE = 0,
	TP_ERR_FAILED,	    /* anything else */
	TP_ERR_USAGE,	    /* wrong command line */
	TP_ERR_NOT_FOUND,   /* the thing does not exist (HTTP 404, ENOENT) */
	TP_ERR_FORBIDDEN,   /* HTTP 401 and 403 */
	TP_ERR_CONFLICT,    /* HTTP 409 */
	TP_ERR_UNREACHABLE, /* could not connect, or the connection died */
	TP_ERR_CANCELLED,   /* the user or a signal stopped it */
	TP_ERR_TIMEOUT,	    /* a bound was reached */
	TP_ERR_PROTOCOL,    /* the other side sent garbage */
};

struct tp_err {
	enum tp_err_kind kind;
	char msg[TP_ERR_MAX]; /* one line or several, no newline at the end */
};

/* Sets ERR (may be NULL) to KIND and the printf-style message; cuts what is
 * too long; control bytes other than newline and tab become '?'.
 * Always returns -1, so that `return tp_err_set(...)` reads well. */
int tp_err_set(struct tp_err *err, enum tp_err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": strerror(ERRNUM)" behind the message. Kind is NOT_FOUND
 * for ENOENT, FORBIDDEN for EACCES and EPERM, else FAILED. Returns -1. */
int tp_err_errno(struct tp_err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the message, keeps the kind. Returns -1. */
int tp_err_prefix(struct tp_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts a further line behind the message: the remedy. Returns -1. */
int tp_err_hint(struct tp_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
