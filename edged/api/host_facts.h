/* SPDX-License-Identifier: MIT */
/*
 * What does not change about the machine while the daemon runs, beyond what the Engine tells. Read
 * once, before the loop runs: files may take their time.
 */
#ifndef API_HOST_FACTS_H
#define API_HOST_FACTS_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_FACT_MAX 128 /* bytes; longer ones are left out */

/* "" for what is not known. */
struct host_facts {
    char kernel_release[HOST_FACT_MAX + 1];
    char os_version[HOST_FACT_MAX + 1]; /* VERSION_ID, VARIANT_ID, BUILD_ID of os-release(5) */
    char os_variant[HOST_FACT_MAX + 1];
    char os_build[HOST_FACT_MAX + 1];
    char product_name[HOST_FACT_MAX + 1]; /* of DMI, or the device tree's model */
    char system_vendor[HOST_FACT_MAX + 1];
    const char *virtualized; /* "yes", "no", "unknown": a processor that says what runs it */
    uint64_t started_ms;     /* of the daemon: the moment of the call, monotonic */
};

/* root: what stands before absolute paths, "" but in tests. */
void host_facts_read(const char *root, struct host_facts *ret);

/* At most size - 1 bytes of root/path, with NUL behind; false when nothing can be read. */
bool host_file_read(const char *root, const char *path, char *dst, size_t size) EDGE_NODISCARD;

#endif
