/* SPDX-License-Identifier: MIT */
/*
 * How full the disks are. Whoever asks a disk that fails for its size may never come back, so this
 * is done on a thread of its own, and everybody waits for HOST_DISKS_WAIT_MS at most: then the
 * numbers of the last time are told. Loop thread, but for host_disks_read.
 */
#ifndef API_HOST_DISKS_H
#define API_HOST_DISKS_H

#include "base/error.h"
#include "loop/loop.h"
#include "loop/worker.h"

#include <stddef.h>
#include <stdint.h>

#define HOST_DISKS_MAX     64
#define HOST_DISK_NAME_MAX 127
#define HOST_FS_NAME_MAX   15
#define HOST_DISKS_WAIT_MS 2000
#define HOST_DISKS_ASKERS  8 /* at once */

struct host_disk {
    char name[HOST_DISK_NAME_MAX + 1]; /* the device: "/dev/sda1" */
    char file_system[HOST_FS_NAME_MAX + 1];
    const char *file_type;    /* "SSD", "HDD", "Unknown(-1)" */
    uint64_t available_space; /* bytes, to others than root */
    uint64_t total_space;
};

struct host_disk_list {
    struct host_disk items[HOST_DISKS_MAX];
    size_t cnt;
};

/* May block for ever: asking (may be NULL) hears which disk is going to be asked. root as of
 * host_facts_read. One entry for each device with a local file system; files of the network and of
 * user space are left out. Errors: IO when /proc does not tell. */
enum edge_code host_disks_read(const char *root, void (*asking)(void *data, const char *device),
                               void *data, struct host_disk_list *ret,
                               struct edge_error *err) EDGE_NODISCARD;

struct host_disks;

/* list lives until the callback returns; empty when the disks have never answered. */
typedef void host_disks_fn(void *data, const struct host_disk_list *list);

/* w is for nothing else, and to be ended with worker_abandon; both outlive the object. root is
 * borrowed for good. */
enum edge_code host_disks_new(struct loop *l, struct worker *w, const char *root,
                              struct host_disks **ret, struct edge_error *err) EDGE_NODISCARD;

/* done runs once, later. Errors: BUSY, CANCELED after host_disks_stop. */
enum edge_code host_disks_ask(struct host_disks *d, host_disks_fn *done, void *data,
                              struct edge_error *err) EDGE_NODISCARD;

/* Whoever waits gets his answer now. NULL allowed. */
void host_disks_stop(struct host_disks *d);

/* After the worker has been ended. NULL allowed. */
void host_disks_free(struct host_disks *d);

#endif
