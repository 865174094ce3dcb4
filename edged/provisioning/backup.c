/* SPDX-License-Identifier: MIT */
/*
 * {homedir}/cache/provisioning_backup.json, as daemon.md 2.8 has it; 0600 and by rename, which 1.1
 * did not care for.
 */
#include "provisioning/backup.h"

#include "base/fs.h"
#include "base/json.h"

#include <stdio.h>

#define BACKUP_SIZE_MAX 4096
#define BACKUP_DIR_MAX  512

static enum edge_code encode(const struct provisioning_result *r, struct buf *out,
                             struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "device_id", r->device_id);
    json_add_cstr(&w, "hub_name", r->hub);
    json_object_close(&w);
    return json_end(&w, err);
}

static bool says_so(int dirfd, struct slice text) {
    struct buf old;
    buf_init(&old, BACKUP_SIZE_MAX);
    bool same =
        fs_read(dirfd, BACKUP_FILE, &old, NULL) == EDGE_OK && slice_eq(buf_slice(&old), text);
    buf_clear(&old);
    return same;
}

enum edge_code backup_write(const char *homedir, const struct provisioning_result *r,
                            struct edge_error *err) {
    char dir[BACKUP_DIR_MAX];
    struct buf text;
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    int len = snprintf(dir, sizeof(dir), "%s/cache", homedir);
    if (len < 0 || (size_t)len >= sizeof(dir)) {
        return edge_set(err, EDGE_CONFIG, "homedir '%.100s' is too long", homedir);
    }
    buf_init(&text, BACKUP_SIZE_MAX);
    enum edge_code code = encode(r, &text, err);
    if (code == EDGE_OK) {
        code = fs_dir_open(dir, true, 0700, &dirfd, err);
    }
    if (code == EDGE_OK && !says_so(dirfd, buf_slice(&text))) {
        code = fs_write_atomic(dirfd, BACKUP_FILE, buf_slice(&text), err);
    }
    buf_clear(&text);
    return code == EDGE_OK ? EDGE_OK
                           : edge_wrap(err, code, "writing '%.100s/" BACKUP_FILE "'", dir);
}
