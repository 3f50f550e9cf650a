/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: allocation that does not fail (the program aborts with a message
 * when the system has none left), owners that free themselves, and secrets
 * that are wiped.
 */
#ifndef TP_BASE_MEM_H
#define TP_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

void *tp_malloc(size_t n) __attribute__((malloc, returns_nonnull));
void *tp_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *tp_realloc(void *p, size_t n) __attribute__((returns_nonnull));
/* tp_strdup(NULL) is NULL. */
char *tp_strdup(const char *s) __attribute__((malloc));
char *tp_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *tp_asprintf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* Overwrites N bytes in a way the compiler keeps; P may be NULL. */
void tp_wipe(void *p, size_t n);
/* Wipes and frees a string; NULL is allowed. */
void tp_free_secret(char *s);

/* Owning locals: `tp_autofree char *s = ...;` freed at the end of the scope. */
static inline void tp_autofree_p(void *pp)
{
	free(*(void **)pp);
}
#define tp_autofree	 __attribute__((cleanup(tp_autofree_p)))
#define tp_autoclean(fn) __attribute__((cleanup(fn)))

/* Closes *FD if it is >= 0 and sets it to -1. For `tp_autoclose int fd`. */
void tp_close_p(int *fd);
#define tp_autoclose __attribute__((cleanup(tp_close_p)))

/* Hands an owned pointer over: yields the value, leaves NULL behind. */
#define tp_steal(pp)                                  \
	({                                            \
		__typeof__(*(pp)) tp_steal_v = *(pp); \
		*(pp) = NULL;                         \
		tp_steal_v;                           \
	})
static inline int tp_steal_fd(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}

#define TP_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
