/* SPDX-License-Identifier: MIT */
/*
 * Small files of the kernel and of the distribution, each of which may be missing.
 */
#include "api/host_facts.h"

#include "base/clock.h"
#include "base/slice.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define OS_RELEASE_MAX 8192
#define CPUINFO_MAX    8192 /* bytes; the first processor's part is what counts */

bool host_file_read(const char *root, const char *path, char *dst, size_t size) {
    char full[PATH_MAX];
    size_t have = 0;

    int n = snprintf(full, sizeof(full), "%s%s", root, path);
    if (n < 0 || (size_t)n >= sizeof(full)) {
        return false;
    }
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    while (have < size - 1) {
        ssize_t got = read(fd, dst + have, size - 1 - have);
        if (got <= 0) {
            break;
        }
        have += (size_t)got;
    }
    dst[have] = '\0';
    return have > 0;
}

static void keep(struct slice text, char dst[HOST_FACT_MAX + 1]) {
    text = slice_trim(text);
    if (!slice_is_utf8_text(text) || !slice_to_array(text, dst, HOST_FACT_MAX + 1)) {
        dst[0] = '\0';
    }
}

/* A value of os-release(5). None of ours may contain what a shell would have escaped. */
static void keep_os_value(struct slice line, const char *name, char dst[HOST_FACT_MAX + 1]) {
    struct slice key, value;
    if (!slice_cut(line, '=', &key, &value) || !slice_eq_str(key, name)) {
        return;
    }
    value = slice_trim(value);
    if (value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') &&
        value.ptr[value.len - 1] == value.ptr[0]) {
        value = slice_make(value.ptr + 1, value.len - 2);
    }
    keep(value, dst);
}

static void read_os_release(const char *root, struct host_facts *f) {
    char text[OS_RELEASE_MAX];
    struct slice line, rest;

    if (!host_file_read(root, "/etc/os-release", text, sizeof(text)) &&
        !host_file_read(root, "/usr/lib/os-release", text, sizeof(text))) {
        return;
    }
    rest = slice_str(text);
    while (rest.len > 0) {
        if (!slice_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = (struct slice){0};
        }
        keep_os_value(line, "VERSION_ID", f->os_version);
        keep_os_value(line, "VARIANT_ID", f->os_variant);
        keep_os_value(line, "BUILD_ID", f->os_build);
    }
}

static void read_line(const char *root, const char *path, char dst[HOST_FACT_MAX + 1]) {
    char text[HOST_FACT_MAX + 2];
    if (host_file_read(root, path, text, sizeof(text))) {
        text[strcspn(text, "\n")] = '\0';
        keep(slice_str(text), dst);
    }
}

static const char *virtualized(const char *root) {
    char text[CPUINFO_MAX];
    if (!host_file_read(root, "/proc/cpuinfo", text, sizeof(text)) ||
        strstr(text, "\nflags") == NULL) {
        return "unknown";
    }
    return strstr(text, " hypervisor") != NULL ? "yes" : "no";
}

void host_facts_read(const char *root, struct host_facts *ret) {
    struct utsname uts;

    memset(ret, 0, sizeof(*ret));
    ret->started_ms = clock_mono_ms();
    if (uname(&uts) == 0) {
        keep(slice_str(uts.release), ret->kernel_release);
    }
    read_os_release(root, ret);
    read_line(root, "/sys/class/dmi/id/product_name", ret->product_name);
    read_line(root, "/sys/class/dmi/id/sys_vendor", ret->system_vendor);
    if (ret->product_name[0] == '\0') {
        read_line(root, "/proc/device-tree/model", ret->product_name);
    }
    ret->virtualized = virtualized(root);
}
