/* SPDX-License-Identifier: MIT */
/*
 * Records under a store key that lies beside them: the same files as with a TPM, but the only
 * protection is the mode of the key's file.
 */
#include "soft/soft.h"

#include "record.h"

#include "base/fs.h"

#include <stdio.h>

/* A new key is made only when it takes nothing away. Named keys do not hang from it here. */
static enum edge_code store_key(struct soft *s, struct edge_error *err) {
    bool any = false;

    if (s->store_key.data != NULL) {
        return EDGE_OK;
    }
    enum edge_code rc = record_any(s->dirfd, false, &any, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    if (any && !record_exists(s->dirfd, STORE_KEY_FILE)) {
        return record_key_lost(err);
    }
    rc = soft_key_get(s, STORE_KEY_FILE, STORE_SOFT_KEK, !any, &s->store_key, err);
    if (rc == EDGE_CONFLICT) {
        return edge_set(err, EDGE_HSM,
                        "'" STORE_KEY_FILE
                        "' was made with a TPM or by later software; " RECORD_GIVE_UP);
    }
    return rc == EDGE_PARSE ? record_key_lost(err) : rc;
}

enum edge_code soft_record_put(struct soft *s, const char *name, const struct secret *value,
                               struct edge_error *err) {
    char file[RECORD_FILE_MAX];

    record_file(name, file);
    enum edge_code rc = store_key(s, err);
    return rc == EDGE_OK ? record_write(s->dirfd, &s->store_key, file, value, err) : rc;
}

enum edge_code soft_record_get(struct soft *s, const char *name, struct secret *ret,
                               struct edge_error *err) {
    char file[RECORD_FILE_MAX];

    record_file(name, file);
    if (!record_exists(s->dirfd, file)) {
        return edge_set(err, EDGE_NOT_FOUND, "there is no record '%s'", name);
    }
    enum edge_code rc = store_key(s, err);
    return rc == EDGE_OK ? record_read(s->dirfd, &s->store_key, file, ret, err) : rc;
}

enum edge_code soft_record_drop(struct soft *s, const char *name, struct edge_error *err) {
    char file[RECORD_FILE_MAX];

    record_file(name, file);
    return fs_remove(s->dirfd, file, err);
}

enum edge_code soft_store_info(struct soft *s, struct hsm_store_info *ret, struct edge_error *err) {
    struct hsm_store_info info = {.exists = record_exists(s->dirfd, STORE_KEY_FILE)};
    struct edge_error why = {0};
    bool any = false;

    enum edge_code rc = record_any(s->dirfd, false, &any, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    if (!info.exists && !any) {
        (void)snprintf(info.text, sizeof(info.text),
                       "there is no store yet; the first secret makes one");
    } else if (store_key(s, &why) != EDGE_OK) {
        info.exists = record_exists(s->dirfd, STORE_KEY_FILE);
        (void)snprintf(info.text, sizeof(info.text), "%s", edge_error_text(&why));
    } else {
        info.open = true;
        (void)snprintf(info.text, sizeof(info.text),
                       "open; in files of mode 0600, protected by nothing else");
    }
    *ret = info;
    return EDGE_OK;
}

enum edge_code soft_store_abandon(struct soft *s, struct edge_error *err) {
    secret_clear(&s->store_key);
    return record_set_all_aside(s->dirfd, "abandoned", err);
}
