/* SPDX-License-Identifier: MIT */
/*
 * Only read-only segments of loaded objects are dropped. They were never written, so the kernel
 * restores them from the file; relocated data lies in writable segments, which are left alone.
 */
#include "footprint.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void footprint_limit(void) {
    (void)mallopt(M_ARENA_MAX, 1);
}

static int drop_constant_pages(struct dl_phdr_info *info, size_t size, void *data) {
    const uintptr_t page = *(const uintptr_t *)data;
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) {
            continue;
        }
        uintptr_t begin = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_filesz;
        if (info->dlpi_addr != 0 && end > begin) {
            /* Refused for the vDSO, which is no file: nothing is lost. */
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
        }
    }
    return 0;
}

void footprint_trim(void) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)malloc_trim(0);
    (void)dl_iterate_phdr(drop_constant_pages, &page);
}
