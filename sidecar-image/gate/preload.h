/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a program would have the library of method inject-tcp preloaded (common/inject.h). The C library's
 * dynamic linker does that; where there is none, or another, LD_PRELOAD is passed over in silence.
 *
 * ELF: System V ABI, gABI 4.1, chapters 4 and 5. Scripts: execve(2).
 */
#ifndef TP_GATE_PRELOAD_H
#define TP_GATE_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

enum preload {
	PRELOAD_FINE, /* or nothing that the kernel could run: it says so better */
	PRELOAD_STATIC,
	PRELOAD_NOT_GLIBC, /* musl's linker, say */
	PRELOAD_OLD_GLIBC, /* older than TP_INJECT_GLIBC */
	PRELOAD_MACHINE,   /* made for another machine, or 32 bit */
	PRELOAD_SETUID,	   /* runs as another user: the linker trusts no variables then */
};

/* PATH as execve has it; of a script it is the interpreter that counts. */
enum preload preload_check(const char *path);
/* What an ELF file of N bytes names as its linker: within P, or NULL, and then *V tells. */
const char *preload_linker(const char *p, size_t n, enum preload *v);
/* "it is statically linked": why not; "" for PRELOAD_FINE. */
const char *preload_reason(enum preload v);

#endif
