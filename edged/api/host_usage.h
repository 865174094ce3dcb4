/* SPDX-License-Identifier: MIT */
/*
 * How busy and how full the machine is. Worker thread: a disk that fails can hold up whoever asks
 * for its size.
 */
#ifndef API_HOST_USAGE_H
#define API_HOST_USAGE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define HOST_DISKS_MAX     64
#define HOST_DISK_NAME_MAX 127
#define HOST_FS_NAME_MAX   15

struct host_disk {
    char name[HOST_DISK_NAME_MAX + 1]; /* the device: "/dev/sda1" */
    char file_system[HOST_FS_NAME_MAX + 1];
    const char *file_type;    /* "SSD", "HDD", "Unknown(-1)" */
    uint64_t available_space; /* bytes, to others than root */
    uint64_t total_space;
};

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
    struct host_disk disks[HOST_DISKS_MAX];
    size_t disk_cnt;
};

/* root as of host_facts_read. Of disks, one entry for each device with a local file system; files
 * of the network and of user space are left out, as they may never answer. Errors: IO when /proc
 * does not tell; then ret->cpu is as before. */
enum edge_code host_usage_read(const char *root, struct host_usage *ret,
                               struct edge_error *err) EDGE_NODISCARD;

#endif
