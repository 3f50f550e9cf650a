/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trim.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Start-up touches most pages of thirty libraries for relocations and
 * initialisers, and the kernel maps sixteen around each: 10 MB that nobody
 * looks at again. Only segments that cannot be written are let go: their
 * pages are the file's, unchanged.
 */
static int drop_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + ph->p_vaddr;
		uintptr_t to = from + ph->p_memsz;

		if (ph->p_type != PT_LOAD || (ph->p_flags & PF_W) || !info->dlpi_addr)
			continue;
		from &= ~(page - 1);
		to = (to + page - 1) & ~(page - 1);
		madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void tp_trim_memory(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_segments, NULL);
}
