/* SPDX-License-Identifier: MIT */
/*
 * The numbers behind GET /systeminfo/resources.
 */
#include "api/host_usage.h"

#include "api/host_facts.h"
#include "base/slice.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sysinfo.h>

#define PROC_TEXT_MAX 8192
#define CPU_FIELDS    8 /* user nice system idle iowait irq softirq steal; guests are in user */
#define CPU_IDLE      3
#define CPU_IOWAIT    4
#define CPU_TICKS_MIN 10 /* between two looks that are compared */

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
        *ret = u;
    }
    return code;
}
