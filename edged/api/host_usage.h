/* SPDX-License-Identifier: MIT */
/*
 * How busy the machine is. Worker thread.
 */
#ifndef API_HOST_USAGE_H
#define API_HOST_USAGE_H

#include "base/error.h"

#include <stdint.h>

/* Time of all processors since boot, in ticks; and the share that was used between the last two
 * looks that were far enough apart. Zeroed: no look yet. */
struct host_cpu {
    uint64_t busy, total;
    unsigned used_percent;
};

struct host_usage {
    uint64_t uptime_s;
    uint64_t used_ram, total_ram; /* bytes */
    struct host_cpu cpu;          /* takes what was there into account */
};

/* root as of host_facts_read. Errors: IO when /proc does not tell; then ret->cpu is as before. */
enum edge_code host_usage_read(const char *root, struct host_usage *ret,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
