/* SPDX-License-Identifier: MIT */
/*
 * Payload: length and name, type, bits, length and DER of the public key, then the backend's part.
 * The name is in the file so that a renamed file does not pass for another key.
 */
#include "store_named.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>

#define LIST_MAX  4096 /* names looked at, those set aside included */
#define FACTS_LEN 5    /* type, bits, length of the public key */

void store_named_file(const char *name, char ret[STORE_NAMED_FILE_MAX]) {
    (void)snprintf(ret, STORE_NAMED_FILE_MAX, STORE_NAMED_PREFIX "%s", name);
}

static enum store_kind kind_of(enum hsm_key_place place) {
    return place == HSM_KEY_IN_TPM   ? STORE_TPM_NAMED
           : place == HSM_KEY_SEALED ? STORE_SEALED_NAMED
                                     : STORE_SOFT_NAMED;
}

enum edge_code store_named_write(int dirfd, const struct hsm_key *key, struct slice body,
                                 struct edge_error *err) {
    struct buf payload EDGE_CLEANUP(buf_clear) = {0};
    const size_t name_len = strlen(key->name);
    const uint8_t facts[FACTS_LEN] = {(uint8_t)key->type, (uint8_t)(key->bits >> 8),
                                      (uint8_t)(key->bits & 0xFF), (uint8_t)(key->spki_len >> 8),
                                      (uint8_t)(key->spki_len & 0xFF)};
    char file[STORE_NAMED_FILE_MAX];

    buf_init_sensitive(&payload, STORE_PAYLOAD_MAX);
    enum edge_code rc = buf_append_byte(&payload, (uint8_t)name_len, err);
    if (rc == EDGE_OK) {
        rc = buf_append(&payload, key->name, name_len, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(&payload, facts, sizeof(facts), err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(&payload, key->spki, key->spki_len, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append_slice(&payload, body, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    store_named_file(key->name, file);
    return store_write(dirfd, file, kind_of(key->place), buf_slice(&payload), err);
}

static bool split(struct slice payload, struct hsm_key *key, struct slice *ret_body) {
    const uint8_t *p = (const uint8_t *)payload.ptr;
    const size_t name_len = strlen(key->name), fixed = 1 + name_len + FACTS_LEN;

    if (payload.len < fixed || p[0] != name_len || memcmp(p + 1, key->name, name_len) != 0) {
        return false;
    }
    const uint8_t *facts = p + 1 + name_len;
    const size_t spki_len = (size_t)facts[3] << 8 | facts[4];
    if (facts[0] > HSM_KEY_RSA || spki_len == 0 || spki_len > HSM_SPKI_MAX ||
        spki_len >= payload.len - fixed) {
        return false;
    }
    key->type = (enum hsm_key_type)facts[0];
    key->bits = (unsigned)facts[1] << 8 | facts[2];
    key->spki_len = spki_len;
    memcpy(key->spki, p + fixed, spki_len);
    *ret_body = slice_make(p + fixed + spki_len, payload.len - fixed - spki_len);
    return true;
}

enum edge_code store_named_lost(int dirfd, const char *name, const char *why,
                                struct edge_error *err) {
    char file[STORE_NAMED_FILE_MAX], aside[256];

    store_named_file(name, file);
    enum edge_code rc = fs_set_aside(dirfd, file, aside, sizeof(aside), err);
    if (rc != EDGE_OK) {
        return rc;
    }
    return edge_set(err, EDGE_PARSE, "key '%s' is lost: %s; its file was moved to '%s'", name, why,
                    aside);
}

static enum edge_code read_kind(int dirfd, enum hsm_key_place place, const char *name,
                                struct buf *file, struct hsm_key *ret, struct slice *ret_body,
                                struct edge_error *err) {
    struct hsm_key key = {.place = place};
    char file_name[STORE_NAMED_FILE_MAX];
    struct slice payload = {0};

    store_named_file(name, file_name);
    enum edge_code rc = store_read(dirfd, file_name, kind_of(place), file, &payload, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    if (!slice_to_array(slice_str(name), key.name, sizeof(key.name)) ||
        !split(payload, &key, ret_body)) {
        return store_named_lost(dirfd, name, "the file is damaged", err);
    }
    *ret = key;
    return EDGE_OK;
}

/* CONFLICT: there is a file, but not one of this backend. */
static enum edge_code read_any(int dirfd, enum hsm_key_place place, const char *name,
                               struct buf *file, struct hsm_key *ret, struct slice *ret_body,
                               struct edge_error *err) {
    enum edge_code rc = read_kind(dirfd, place, name, file, ret, ret_body, err);

    if (rc == EDGE_CONFLICT && place == HSM_KEY_IN_TPM) {
        rc = read_kind(dirfd, HSM_KEY_SEALED, name, file, ret, ret_body, err);
    }
    return rc;
}

enum edge_code store_named_read(int dirfd, enum hsm_key_place place, const char *name,
                                struct buf *file, struct hsm_key *ret, struct slice *ret_body,
                                struct edge_error *err) {
    enum edge_code rc = read_any(dirfd, place, name, file, ret, ret_body, err);

    if (rc == EDGE_NOT_FOUND) {
        return edge_set(err, rc, "there is no key '%s'", name);
    }
    if (rc == EDGE_CONFLICT) {
        return edge_set(err, EDGE_NOT_FOUND,
                        "there is no key '%s' of this key store; the file 'key-%s' was written by "
                        "the other backend, or by later software",
                        name, name);
    }
    return rc;
}

enum edge_code store_named_get(int dirfd, enum hsm_key_place place, const char *name,
                               struct hsm_key *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice body;

    buf_init_sensitive(&file, STORE_FILE_MAX);
    return store_named_read(dirfd, place, name, &file, ret, &body, err);
}

/* The name in "key-<name>"; NULL for files that were set aside or have another origin. */
static const char *name_in(const char *file) {
    const char *name = file + strlen(STORE_NAMED_PREFIX);

    return store_is_name(name, HSM_KEY_NAME_MAX) ? name : NULL;
}

enum edge_code store_named_list(int dirfd, enum hsm_key_place place,
                                struct hsm_key ret[HSM_KEYS_MAX], size_t *ret_cnt,
                                struct edge_error *err) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    size_t cnt = 0;

    enum edge_code rc = fs_list(dirfd, STORE_NAMED_PREFIX, LIST_MAX, &names, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    for (size_t i = 0; i < names.cnt && cnt < HSM_KEYS_MAX; i++) {
        const char *name = name_in(names.list[i]);
        if (name == NULL) {
            continue;
        }
        rc = store_named_get(dirfd, place, name, &ret[cnt], err);
        if (rc == EDGE_OK) {
            cnt++;
        } else if (rc != EDGE_NOT_FOUND && rc != EDGE_PARSE) {
            return rc;
        }
    }
    *ret_cnt = cnt;
    return EDGE_OK;
}

static enum edge_code check_count(int dirfd, struct edge_error *err) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    size_t cnt = 0;

    enum edge_code rc = fs_list(dirfd, STORE_NAMED_PREFIX, LIST_MAX, &names, err);
    for (size_t i = 0; rc == EDGE_OK && i < names.cnt; i++) {
        cnt += name_in(names.list[i]) != NULL;
    }
    if (rc == EDGE_OK && cnt >= HSM_KEYS_MAX) {
        rc = edge_set(err, EDGE_RANGE, "%d keys are kept already; drop one first", HSM_KEYS_MAX);
    }
    return rc;
}

enum edge_code store_named_room(int dirfd, enum hsm_key_place place, const char *name,
                                struct hsm_key *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    char file_name[STORE_NAMED_FILE_MAX];
    struct slice body;

    buf_init_sensitive(&file, STORE_FILE_MAX);
    enum edge_code rc = read_any(dirfd, place, name, &file, ret, &body, err);
    if (rc == EDGE_OK) {
        return edge_set(err, EDGE_EXISTS, "another key has the name '%s'", name);
    }
    if (rc == EDGE_CONFLICT) {
        store_named_file(name, file_name);
        rc = fs_set_aside_as(dirfd, file_name, "foreign", NULL, 0, err);
    }
    if (rc != EDGE_OK && rc != EDGE_NOT_FOUND && rc != EDGE_PARSE) {
        return rc;
    }
    return check_count(dirfd, err);
}

enum edge_code store_named_drop(int dirfd, const char *name, struct edge_error *err) {
    char file[STORE_NAMED_FILE_MAX];

    store_named_file(name, file);
    return fs_remove(dirfd, file, err);
}
