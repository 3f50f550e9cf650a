/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a hard maximum, and a list of strings.
 */
#ifndef TP_BASE_BUF_H
#define TP_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* All fields may be read; only the functions change them. data[len] is
 * always a NUL byte once anything was put in; data is NULL before that. */
struct tp_buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max; /* hard limit of len in bytes */
};

#define TP_BUF_INIT(limit) ((struct tp_buf){ .max = (limit) })

void tp_buf_free(struct tp_buf *b);  /* also wipes; b can be used again */
void tp_buf_reset(struct tp_buf *b); /* len = 0, keeps memory */

/* Each returns 0, or -1 when the maximum would be passed (nothing is added).*/
int tp_buf_put(struct tp_buf *b, const void *p, size_t n);
int tp_buf_puts(struct tp_buf *b, const char *s);
int tp_buf_putc(struct tp_buf *b, char c);
int tp_buf_printf(struct tp_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for N more bytes behind len: a pointer to it, or NULL past the
 * maximum. Call tp_buf_added with what was really written. */
char *tp_buf_reserve(struct tp_buf *b, size_t n);
void tp_buf_added(struct tp_buf *b, size_t n);

/* Drops the first N bytes (N <= len). */
void tp_buf_consume(struct tp_buf *b, size_t n);

/* The string, now the caller's to free(); the buffer is empty again.
 * An empty buffer gives "". */
char *tp_buf_steal(struct tp_buf *b);

#define TP_AUTO_BUF __attribute__((cleanup(tp_buf_free))) struct tp_buf

/* An argv-like list: v[n] is NULL; each string is owned by the list. */
struct tp_strv {
	char **v;
	size_t n;
};
void tp_strv_add(struct tp_strv *l, const char *s); /* copies */
void tp_strv_addf(struct tp_strv *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tp_strv_take(struct tp_strv *l, char *s); /* owns from now on */
void tp_strv_insert(struct tp_strv *l, size_t at, const char *s);
bool tp_strv_has(const struct tp_strv *l, const char *s);
void tp_strv_free(struct tp_strv *l); /* can be used again */
#define TP_AUTO_STRV __attribute__((cleanup(tp_strv_free))) struct tp_strv

/* Reads FD to its end into B. -1 with errno (EFBIG past the maximum). */
int tp_read_all(int fd, struct tp_buf *b);
/* Reads the file PATH whole, at most MAX bytes; -1 with errno. */
int tp_read_file(const char *path, struct tp_buf *b);
/* Writes all N bytes to a blocking FD, retrying on EINTR and short writes. */
int tp_write_all(int fd, const void *p, size_t n);

#endif
