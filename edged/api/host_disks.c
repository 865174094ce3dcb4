/* SPDX-License-Identifier: MIT */
/*
 * One look at a time. While one does not come to its end nobody waits again.
 */
#include "api/host_disks.h"

#include "api/host_facts.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define MOUNT_TEXT_MAX 4096 /* bytes; longer lines are cut, and then name no file system */

struct asker {
    host_disks_fn *done;
    void *data;
};

/* Worker's from submission to completion; left behind with it. */
struct look {
    struct host_disks *owner; /* for the loop only */
    const char *root;
    struct host_disk_list list;
    enum edge_code code;
    struct edge_error err;
    pthread_mutex_t mutex;
    char asking[HOST_DISK_NAME_MAX + 1]; /* under the mutex: which disk */
};

struct host_disks {
    struct worker *worker;
    const char *root;
    struct loop_timer *timer; /* the end of waiting */
    struct look *look;        /* under way, or NULL */
    bool late, stopping;
    struct asker askers[HOST_DISKS_ASKERS];
    size_t asker_cnt;
    struct host_disk_list last;
};

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

static bool is_known(const struct host_disk_list *list, const char *name) {
    for (size_t i = 0; i < list->cnt; i++) {
        if (strcmp(list->items[i].name, name) == 0) {
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

static void add_disk(const char *root, struct host_disk_list *list, const struct mntent *m) {
    struct statvfs st;
    char path[PATH_MAX];
    struct host_disk *disk = &list->items[list->cnt];

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
    list->cnt++;
}

enum edge_code host_disks_read(const char *root, void (*asking)(void *data, const char *device),
                               void *data, struct host_disk_list *ret, struct edge_error *err) {
    char path[PATH_MAX], text[MOUNT_TEXT_MAX];
    struct mntent m;

    (void)snprintf(path, sizeof(path), "%s/proc/self/mounts", root);
    FILE *file = setmntent(path, "re");
    if (file == NULL) {
        return edge_set_errno(err, errno, "cannot read %s", path);
    }
    ret->cnt = 0;
    while (ret->cnt < HOST_DISKS_MAX && getmntent_r(file, &m, text, sizeof(text)) != NULL) {
        if (is_local(&m) && !is_known(ret, m.mnt_fsname)) {
            if (asking != NULL) {
                asking(data, m.mnt_fsname);
            }
            add_disk(root, ret, &m);
        }
    }
    (void)endmntent(file);
    return EDGE_OK;
}

static void answer_all(struct host_disks *d) {
    struct asker askers[HOST_DISKS_ASKERS];
    size_t cnt = d->asker_cnt;
    memcpy(askers, d->askers, sizeof(askers));
    d->asker_cnt = 0;
    loop_timer_stop(d->timer);
    for (size_t i = 0; i < cnt; i++) {
        askers[i].done(askers[i].data, &d->last);
    }
}

static void warn_of(struct look *look) {
    char name[sizeof(look->asking)];
    (void)pthread_mutex_lock(&look->mutex);
    memcpy(name, look->asking, sizeof(name));
    (void)pthread_mutex_unlock(&look->mutex);
    log_warn(
        "The disk %s does not tell how full it is, and may be failing; the numbers of before are "
        "told until it does",
        log_quote_str(name));
}

static void on_timer(void *data) {
    struct host_disks *d = data;
    if (d->look != NULL && !d->late) {
        d->late = true;
        warn_of(d->look);
    }
    answer_all(d);
}

static void on_asking(void *data, const char *device) {
    struct look *look = data;
    (void)pthread_mutex_lock(&look->mutex);
    (void)snprintf(look->asking, sizeof(look->asking), "%s", device);
    (void)pthread_mutex_unlock(&look->mutex);
}

static void run(void *data) {
    struct look *look = data;
    look->code = host_disks_read(look->root, on_asking, look, &look->list, &look->err);
}

static void look_free(struct look *look) {
    (void)pthread_mutex_destroy(&look->mutex);
    free(look);
}

static void on_looked(void *data, enum edge_code code) {
    struct look *look = data;
    struct host_disks *d = look->owner;

    if (code == EDGE_OK && look->code == EDGE_OK) {
        d->last = look->list;
    } else if (code == EDGE_OK) {
        log_warn("It cannot be found out how full the disks are: %s", edge_error_text(&look->err));
    }
    if (d->late) {
        log_info("The disks tell again how full they are");
    }
    d->look = NULL;
    d->late = false;
    look_free(look);
    answer_all(d);
}

static enum edge_code begin_look(struct host_disks *d, struct edge_error *err) {
    struct look *look = calloc(1, sizeof(*look));
    if (look == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the disks");
    }
    look->owner = d;
    look->root = d->root;
    (void)pthread_mutex_init(&look->mutex, NULL);
    const struct worker_job job = {.run = run, .done = on_looked, .data = look};
    enum edge_code code = worker_submit(d->worker, &job, NULL, err);
    if (code != EDGE_OK) {
        look_free(look);
        return code;
    }
    d->look = look;
    loop_timer_start(d->timer, HOST_DISKS_WAIT_MS);
    return EDGE_OK;
}

enum edge_code host_disks_ask(struct host_disks *d, host_disks_fn *done, void *data,
                              struct edge_error *err) {
    if (d->stopping) {
        return edge_set(err, EDGE_CANCELED, "the daemon is stopping");
    }
    if (d->asker_cnt == HOST_DISKS_ASKERS) {
        return edge_set(err, EDGE_BUSY, "too many ask for the disks at once");
    }
    if (d->look == NULL) {
        enum edge_code code = begin_look(d, err);
        if (code != EDGE_OK) {
            return code;
        }
    } else if (d->late) {
        loop_timer_start(d->timer, 0);
    }
    d->askers[d->asker_cnt++] = (struct asker){done, data};
    return EDGE_OK;
}

enum edge_code host_disks_new(struct loop *l, struct worker *w, const char *root,
                              struct host_disks **ret, struct edge_error *err) {
    struct host_disks *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the disks");
    }
    d->worker = w;
    d->root = root;
    enum edge_code code = loop_timer_new(l, on_timer, d, &d->timer, err);
    if (code != EDGE_OK) {
        free(d);
        return code;
    }
    *ret = d;
    return EDGE_OK;
}

void host_disks_stop(struct host_disks *d) {
    if (d != NULL) {
        d->stopping = true;
        answer_all(d);
    }
}

void host_disks_free(struct host_disks *d) {
    if (d != NULL) {
        loop_timer_free(d->timer);
        free(d);
    }
}
