/* SPDX-License-Identifier: MIT */
/*
 * Identity keys on disk: one file per generation, and the highest number ever given out in a file
 * of its own, so that a number is not used twice even when the key that had it is gone.
 */
#include "store.h"

#include "base/clock.h"
#include "base/fs.h"

#include <stdio.h>
#include <string.h>

#define PREFIX          "identity-"
#define NAME_MAX_LEN    40
#define COUNTER_NAME    "generation"
#define LIST_MAX        256 /* names looked at, damaged ones included */
#define GENERATION_LAST (UINT64_MAX - 1)
#define LABEL_SIZE_LEN  2

static void file_name(uint64_t generation, char out[NAME_MAX_LEN]) {
    (void)snprintf(out, NAME_MAX_LEN, PREFIX "%llu", (unsigned long long)generation);
}

/* Generation of "identity-17"; with `aside` also of "identity-17.damaged-...". 0 for other names.
 */
static uint64_t generation_of(const char *name, bool aside) {
    struct slice s = slice_str(name + strlen(PREFIX)), rest;
    uint64_t value;

    if (aside) {
        (void)slice_cut(s, '.', &s, &rest);
    }
    return slice_parse_u64(s, GENERATION_LAST, &value) ? value : 0;
}

static enum edge_code scan(int dirfd, uint64_t *ret_highest, size_t *ret_cnt,
                           struct edge_error *err) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};

    enum edge_code rc = fs_list(dirfd, PREFIX, LIST_MAX, &names, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    uint64_t highest = 0;
    size_t cnt = 0;
    for (size_t i = 0; i < names.cnt; i++) {
        uint64_t seen = generation_of(names.list[i], true);
        highest = seen > highest ? seen : highest;
        cnt += generation_of(names.list[i], false) != 0;
    }
    *ret_highest = highest;
    *ret_cnt = cnt;
    return EDGE_OK;
}

static enum edge_code counter_read(int dirfd, uint64_t *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice payload;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc = store_read(dirfd, COUNTER_NAME, STORE_GENERATION, &file, &payload, err);
    if (rc == EDGE_NOT_FOUND) {
        *ret = 0;
        return EDGE_OK;
    }
    if (rc == EDGE_PARSE || (rc == EDGE_OK && payload.len != sizeof(uint64_t))) {
        /* Lost: the clock is far beyond any number that was given out one by one. */
        int64_t now = clock_wall_s();
        *ret = now > 0 ? (uint64_t)now : 0;
        return EDGE_OK;
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < payload.len; i++) {
        value = value << 8 | (uint8_t)payload.ptr[i];
    }
    *ret = value;
    return EDGE_OK;
}

static enum edge_code too_many(struct edge_error *err) {
    return edge_set(err, EDGE_RANGE, "%d identity keys are kept already; drop one first",
                    HSM_IDENTITY_MAX);
}

enum edge_code store_identity_room(int dirfd, struct edge_error *err) {
    uint64_t highest;
    size_t cnt;

    enum edge_code rc = scan(dirfd, &highest, &cnt, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    return cnt < HSM_IDENTITY_MAX ? EDGE_OK : too_many(err);
}

enum edge_code store_identity_reserve(int dirfd, uint64_t *ret_generation, struct edge_error *err) {
    uint64_t highest, counter;
    uint8_t bytes[sizeof(uint64_t)];
    size_t cnt;

    enum edge_code rc = scan(dirfd, &highest, &cnt, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    if (cnt >= HSM_IDENTITY_MAX) {
        return too_many(err);
    }
    rc = counter_read(dirfd, &counter, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    uint64_t next = (counter > highest ? counter : highest) + 1;
    if (next > GENERATION_LAST || next == 0) {
        return edge_set(err, EDGE_RANGE, "no identity generation is left");
    }
    uint64_t value = next;
    for (size_t i = sizeof(bytes); i-- > 0; value >>= 8) {
        bytes[i] = (uint8_t)(value & 0xFF);
    }
    rc = store_write(dirfd, COUNTER_NAME, STORE_GENERATION, slice_make(bytes, sizeof(bytes)), err);
    if (rc == EDGE_OK) {
        *ret_generation = next;
    }
    return rc;
}

enum edge_code store_identity_write(int dirfd, enum store_kind kind, uint64_t generation,
                                    struct slice label, struct slice key, struct edge_error *err) {
    struct buf payload EDGE_CLEANUP(buf_clear) = {0};
    char name[NAME_MAX_LEN];
    const uint8_t size[LABEL_SIZE_LEN] = {(uint8_t)(label.len >> 8), (uint8_t)(label.len & 0xFF)};
    uint8_t number[sizeof(uint64_t)];

    if (label.len > HSM_LABEL_MAX) {
        return edge_set(err, EDGE_RANGE, "label of %zu bytes", label.len);
    }
    /* The number is in the file, too: a renamed file must not pass for another generation. */
    for (size_t i = 0; i < sizeof(number); i++) {
        number[i] = (uint8_t)(generation >> (8 * (sizeof(number) - 1 - i)));
    }
    buf_init_sensitive(&payload, STORE_PAYLOAD_MAX);
    enum edge_code rc = buf_append(&payload, number, sizeof(number), err);
    if (rc == EDGE_OK) {
        rc = buf_append(&payload, size, sizeof(size), err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append_slice(&payload, label, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append_slice(&payload, key, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    file_name(generation, name);
    return store_write(dirfd, name, kind, buf_slice(&payload), err);
}

static bool split_payload(struct slice payload, uint64_t generation, struct slice *ret_label,
                          struct slice *ret_key) {
    const uint8_t *p = (const uint8_t *)payload.ptr;
    const size_t fixed = sizeof(uint64_t) + LABEL_SIZE_LEN;
    uint64_t number = 0;

    if (payload.len < fixed) {
        return false;
    }
    for (size_t i = 0; i < sizeof(number); i++) {
        number = number << 8 | p[i];
    }
    size_t label_len = (size_t)p[8] << 8 | p[9];
    if (number != generation || label_len > HSM_LABEL_MAX || label_len >= payload.len - fixed) {
        return false;
    }
    *ret_label = slice_make(p + fixed, label_len);
    *ret_key = slice_make(p + fixed + label_len, payload.len - fixed - label_len);
    return true;
}

enum edge_code store_identity_read(int dirfd, enum store_kind kind, uint64_t generation,
                                   struct buf *file, struct slice *ret_label, struct slice *ret_key,
                                   struct edge_error *err) {
    char name[NAME_MAX_LEN];
    struct slice payload;

    file_name(generation, name);
    enum edge_code rc = store_read(dirfd, name, kind, file, &payload, err);
    if (rc == EDGE_OK && !split_payload(payload, generation, ret_label, ret_key)) {
        rc = fs_set_aside(dirfd, name, NULL, 0, err);
        if (rc == EDGE_OK) {
            rc = edge_set(err, EDGE_PARSE, "'%s' is damaged; it was moved aside", name);
        }
    }
    if (rc == EDGE_NOT_FOUND) {
        return edge_set(err, EDGE_NOT_FOUND, "there is no identity key of generation %llu",
                        (unsigned long long)generation);
    }
    if (rc == EDGE_PARSE && err != NULL) {
        err->code = EDGE_NOT_FOUND;
    }
    return rc == EDGE_PARSE ? EDGE_NOT_FOUND : rc;
}

static enum edge_code list_one(int dirfd, enum store_kind kind, uint64_t generation,
                               struct hsm_identity *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct slice label = {0}, key = {0};

    buf_init_sensitive(&file, STORE_FILE_MAX);
    enum edge_code rc = store_identity_read(dirfd, kind, generation, &file, &label, &key, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    ret->generation = generation;
    ret->adopted = kind == STORE_TPM_ADOPTED;
    if (!slice_to_array(label, ret->label, sizeof(ret->label))) {
        ret->label[0] = '\0';
    }
    return EDGE_OK;
}

enum edge_code store_identity_list(int dirfd, enum store_kind kind,
                                   struct hsm_identity ret[HSM_IDENTITY_MAX], size_t *ret_cnt,
                                   struct edge_error *err) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    struct hsm_identity all[HSM_IDENTITY_MAX], found;
    size_t cnt = 0;

    enum edge_code rc = fs_list(dirfd, PREFIX, LIST_MAX, &names, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    for (size_t i = 0; i < names.cnt && cnt < HSM_IDENTITY_MAX; i++) {
        uint64_t generation = generation_of(names.list[i], false);
        if (generation == 0) {
            continue;
        }
        rc = list_one(dirfd, kind, generation, &found, err);
        if (rc == EDGE_NOT_FOUND || rc == EDGE_CONFLICT) {
            continue;
        }
        if (rc != EDGE_OK) {
            return rc;
        }
        /* The names are sorted as text, the generations are wanted as numbers. */
        size_t at = cnt++;
        for (; at > 0 && all[at - 1].generation > generation; at--) {
            all[at] = all[at - 1];
        }
        all[at] = found;
    }
    memcpy(ret, all, cnt * sizeof(all[0]));
    *ret_cnt = cnt;
    return EDGE_OK;
}

enum edge_code store_identity_drop(int dirfd, uint64_t generation, struct edge_error *err) {
    char name[NAME_MAX_LEN];

    file_name(generation, name);
    return fs_remove(dirfd, name, err);
}

enum edge_code store_identity_set_aside(int dirfd, uint64_t generation, const char *word,
                                        struct edge_error *err) {
    char name[NAME_MAX_LEN];

    file_name(generation, name);
    return fs_set_aside_as(dirfd, name, word, NULL, 0, err);
}
