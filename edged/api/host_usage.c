/* SPDX-License-Identifier: MIT */
/*
 * The numbers behind GET /systeminfo/resources.
 */
#include "api/host_usage.h"

#include "api/host_facts.h"
#include "base/slice.h"

#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#define PROC_TEXT_MAX  8192
#define MOUNT_TEXT_MAX 4096 /* bytes; longer lines are cut, and then name no file system */
#define CPU_FIELDS     8    /* user nice system idle iowait irq softirq steal; guests are in user */
#define CPU_IDLE       3
#define CPU_IOWAIT     4
#define CPU_TICKS_MIN  10 /* between two looks that are compared */

/* What follows name in a line of its own. */
static bool find_line(struct slice text, const char *name, struct slice *ret) {
    struct slice line;
    while (slice_cut(text, '\n', &line, &text)) {
        if (slice_starts_with(line, name)) {
            size_t skip = strlen(name);
            *ret = slice_trim(slice_make(line.ptr + skip, line.len - skip));
            return true;
        }
    }
    return false;
}

static bool memory_of(struct slice text, const char *name, uint64_t *ret_bytes) {
    struct slice value, unit;
    uint64_t kib;
    if (!find_line(text, name, &value) || !slice_cut(value, ' ', &value, &unit) ||
        !slice_eq_str(unit, "kB") || !slice_parse_u64(value, UINT64_MAX / 1024, &kib)) {
        return false;
    }
    *ret_bytes = kib * 1024;
    return true;
}

static enum edge_code read_memory(const char *root, struct host_usage *u, struct edge_error *err) {
    char text[PROC_TEXT_MAX];
    uint64_t available;
    if (!host_file_read(root, "/proc/meminfo", text, sizeof(text)) ||
        !memory_of(slice_str(text), "MemTotal:", &u->total_ram) ||
        !memory_of(slice_str(text), "MemAvailable:", &available)) {
        return edge_set(err, EDGE_IO, "/proc/meminfo does not tell how much memory there is");
    }
    u->used_ram = available < u->total_ram ? u->total_ram - available : 0;
    return EDGE_OK;
}

static bool parse_cpu(struct slice fields, struct host_cpu *ret) {
    for (unsigned i = 0; i < CPU_FIELDS; i++) {
        struct slice field;
        uint64_t ticks;
        if (!slice_cut(fields, ' ', &field, &fields)) {
            field = fields;
            fields = (struct slice){0};
        }
        if (!slice_parse_u64(field, UINT64_MAX / CPU_FIELDS / 100, &ticks)) {
            return false;
        }
        ret->total += ticks;
        ret->busy += i != CPU_IDLE && i != CPU_IOWAIT ? ticks : 0;
    }
    return true;
}

/* Two callers must not spoil each other's numbers: the last look is kept until it is old enough.
 * The kernel's counters may go back a little. */
static void compare(const struct host_cpu *now, struct host_cpu *last) {
    if (now->total < last->total || now->busy < last->busy) {
        last->busy = now->busy;
        last->total = now->total;
        return;
    }
    uint64_t total = now->total - last->total;
    if (total >= CPU_TICKS_MIN) {
        uint64_t busy = now->busy - last->busy;
        *last = (struct host_cpu){now->busy, now->total, (unsigned)(busy * 100 / total)};
    }
}

static enum edge_code read_cpu(const char *root, struct host_cpu *last, struct edge_error *err) {
    char text[PROC_TEXT_MAX];
    struct slice fields;
    struct host_cpu now = {0};
    if (!host_file_read(root, "/proc/stat", text, sizeof(text)) ||
        !find_line(slice_str(text), "cpu ", &fields) || !parse_cpu(fields, &now)) {
        return edge_set(err, EDGE_IO, "/proc/stat does not tell how busy the processors are");
    }
    compare(&now, last);
    return EDGE_OK;
}

/* Nothing that a server or a process must answer for. */
static bool is_local(const struct mntent *m) {
    static const char *const types[] = {"ext2", "ext3", "ext4",    "xfs",   "btrfs",
                                        "f2fs", "vfat", "exfat",   "ntfs3", "reiserfs",
                                        "jfs",  "zfs",  "bcachefs"};
    if (strncmp(m->mnt_fsname, "/dev/", 5) != 0 || strlen(m->mnt_fsname) > HOST_DISK_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(types); i++) {
        if (strcmp(m->mnt_type, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_known(const struct host_usage *u, const char *name) {
    for (size_t i = 0; i < u->disk_cnt; i++) {
        if (strcmp(u->disks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A partition's queue is that of its disk, the folder above. Names of mapped devices are links. */
static const char *file_type(const char *root, const char *device) {
    static const char *const above[] = {"", "/.."};
    char path[PATH_MAX], real[PATH_MAX], text[2];

    (void)snprintf(path, sizeof(path), "%s%s", root, device);
    const char *name = strrchr(realpath(path, real) != NULL ? real : device, '/') + 1;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(above); i++) {
        int n =
            snprintf(path, sizeof(path), "/sys/class/block/%s%s/queue/rotational", name, above[i]);
        if (n > 0 && (size_t)n < sizeof(path) && host_file_read(root, path, text, sizeof(text))) {
            return text[0] == '0' ? "SSD" : "HDD";
        }
    }
    return "Unknown(-1)";
}

static void add_disk(const char *root, struct host_usage *u, const struct mntent *m) {
    struct statvfs st;
    char path[PATH_MAX];
    struct host_disk *disk = &u->disks[u->disk_cnt];

    int n = snprintf(path, sizeof(path), "%s%s", root, m->mnt_dir);
    if (n < 0 || (size_t)n >= sizeof(path) || statvfs(path, &st) != 0 || st.f_blocks == 0) {
        return; /* hidden from us, or unmounted meanwhile */
    }
    (void)snprintf(disk->name, sizeof(disk->name), "%s", m->mnt_fsname);
    (void)snprintf(disk->file_system, sizeof(disk->file_system), "%s", m->mnt_type);
    disk->file_type = file_type(root, m->mnt_fsname);
    if (__builtin_mul_overflow(st.f_bavail, st.f_frsize, &disk->available_space) ||
        __builtin_mul_overflow(st.f_blocks, st.f_frsize, &disk->total_space)) {
        return;
    }
    u->disk_cnt++;
}

static enum edge_code read_disks(const char *root, struct host_usage *u, struct edge_error *err) {
    char path[PATH_MAX], text[MOUNT_TEXT_MAX];
    struct mntent m;

    (void)snprintf(path, sizeof(path), "%s/proc/self/mounts", root);
    FILE *file = setmntent(path, "re");
    if (file == NULL) {
        return edge_set_errno(err, errno, "cannot read %s", path);
    }
    while (u->disk_cnt < HOST_DISKS_MAX && getmntent_r(file, &m, text, sizeof(text)) != NULL) {
        if (is_local(&m) && !is_known(u, m.mnt_fsname)) {
            add_disk(root, u, &m);
        }
    }
    (void)endmntent(file);
    return EDGE_OK;
}

enum edge_code host_usage_read(const char *root, struct host_usage *ret, struct edge_error *err) {
    struct host_usage u = {.cpu = ret->cpu};
    struct sysinfo si;

    if (sysinfo(&si) != 0) {
        return edge_set_errno(err, errno, "the kernel does not tell its uptime");
    }
    u.uptime_s = si.uptime > 0 ? (uint64_t)si.uptime : 0;
    enum edge_code code = read_memory(root, &u, err);
    if (code == EDGE_OK) {
        code = read_cpu(root, &u.cpu, err);
    }
    if (code == EDGE_OK) {
        code = read_disks(root, &u, err);
    }
    if (code == EDGE_OK) {
        *ret = u;
    }
    return code;
}
