/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/preload.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/inject.h"

#define SCRIPTS_MAX 5 /* scripts whose interpreters are scripts; the kernel stops there, too */
#define LINE_MAX_   256

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__riscv)
#define MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define MACHINE EM_PPC64
#elif defined(__s390x__)
#define MACHINE EM_S390
#else
#define MACHINE EM_NONE
#endif

struct file {
	const char *p;
	size_t n;
	struct stat st;
};

/* 0, or -1: it cannot be read, which need not mean that it cannot be run. */
static int file_open(struct file *f, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd < 0)
		return -1;
	if (fstat(fd, &f->st) == 0 && S_ISREG(f->st.st_mode) && f->st.st_size > 0)
		p = mmap(NULL, (size_t)f->st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -1;
	f->p = p;
	f->n = (size_t)f->st.st_size;
	return 0;
}

static void file_close(struct file *f)
{
	munmap((void *)(unsigned long)f->p, f->n);
}

const char *preload_linker(const char *p, size_t n, enum preload *v)
{
	Elf64_Ehdr e;
	Elf64_Phdr h;

	*v = PRELOAD_FINE;
	if (n < sizeof(e) || memcmp(p, ELFMAG, SELFMAG))
		return NULL;
	memcpy(&e, p, sizeof(e));
	*v = PRELOAD_MACHINE;
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_machine != MACHINE ||
	    e.e_phentsize != sizeof(h))
		return NULL;
	*v = PRELOAD_STATIC;
	for (size_t i = 0; i < e.e_phnum; i++) {
		if (e.e_phoff > n || (n - e.e_phoff) / sizeof(h) <= i)
			return NULL;
		memcpy(&h, p + e.e_phoff + i * sizeof(h), sizeof(h));
		if (h.p_type != PT_INTERP)
			continue;
		if (h.p_offset >= n || h.p_filesz > n - h.p_offset || h.p_filesz < 2 ||
		    h.p_filesz > PATH_MAX || p[h.p_offset + h.p_filesz - 1])
			return NULL;
		*v = PRELOAD_FINE;
		return p + h.p_offset;
	}
	return NULL;
}

/* glibc's linker bears the names of the interfaces that its library has. */
static enum preload check_linker(const char *path)
{
	enum preload v = PRELOAD_NOT_GLIBC;
	struct file f;

	if (file_open(&f, path))
		return PRELOAD_FINE; /* then it is not there, and the kernel says so */
	if (memmem(f.p, f.n, TP_INJECT_GLIBC, sizeof(TP_INJECT_GLIBC)))
		v = PRELOAD_FINE;
	else if (memmem(f.p, f.n, "GLIBC_2.", 8))
		v = PRELOAD_OLD_GLIBC;
	file_close(&f);
	return v;
}

/* The interpreter of a script of N bytes; false: it is none. */
static bool script(const char *p, size_t n, char out[LINE_MAX_])
{
	size_t k = 0;

	if (n < 3 || p[0] != '#' || p[1] != '!')
		return false;
	for (p += 2, n -= 2; n && (*p == ' ' || *p == '\t'); p++, n--)
		;
	for (; n && !strchr(" \t\n", *p) && k < LINE_MAX_ - 1; p++, n--)
		out[k++] = *p;
	out[k] = '\0';
	return k > 0;
}

static bool changes_user(const struct stat *st)
{
	return ((st->st_mode & S_ISUID) && st->st_uid != getuid()) ||
	       ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getgid());
}

enum preload preload_check(const char *path)
{
	char next[LINE_MAX_], own[LINE_MAX_];
	enum preload v = PRELOAD_FINE;

	for (int i = 0; i < SCRIPTS_MAX; i++) {
		const char *linker;
		struct file f;

		if (file_open(&f, path))
			return PRELOAD_FINE;
		if (script(f.p, f.n, next)) {
			file_close(&f);
			memcpy(own, next, sizeof(own));
			path = own;
			continue;
		}
		linker = preload_linker(f.p, f.n, &v);
		if (linker)
			v = changes_user(&f.st) ? PRELOAD_SETUID : check_linker(linker);
		file_close(&f);
		return v;
	}
	return v;
}

const char *preload_reason(enum preload v)
{
	switch (v) {
	case PRELOAD_STATIC:
		return "it is statically linked";
	case PRELOAD_NOT_GLIBC:
		return "its C library is not glibc (musl, as in Alpine?)";
	case PRELOAD_OLD_GLIBC:
		return "its glibc is older than 2.34";
	case PRELOAD_MACHINE:
		return "it is made for another kind of machine";
	case PRELOAD_SETUID:
		return "it runs as another user (set-user-ID)";
	case PRELOAD_FINE:
		break;
	}
	return "";
}
