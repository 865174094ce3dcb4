/* SPDX-License-Identifier: MIT */
/*
 * Envelope: magic, version, kind, payload length, payload, SHA-256 of all before. The checksum
 * finds damage, it is no protection: whoever may write the directory may write anything.
 */
#include "store.h"

#include "base/fs.h"
#include "base/fs_wipe.h"
#include "base/mac.h"

#include <string.h>

#define MAGIC_LEN  8
#define VERSION    1
#define HEADER_LEN (MAGIC_LEN + 2 + 2 + 4)

static const uint8_t magic[MAGIC_LEN] = {'E', 'D', 'G', 'E', 'K', 'E', 'Y', '\n'};

static void put_be(uint8_t *p, uint64_t value, size_t len) {
    for (size_t i = len; i-- > 0; value >>= 8) {
        p[i] = (uint8_t)(value & 0xFF);
    }
}

static uint64_t get_be(const uint8_t *p, size_t len) {
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

bool store_is_name(const char *name, size_t max) {
    const size_t len = strnlen(name, max + 1);

    return len > 0 && len <= max && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

enum edge_code store_encode(enum store_kind kind, struct slice payload, struct buf *out,
                            struct edge_error *err) {
    uint8_t header[HEADER_LEN], digest[SHA256_LEN];
    const size_t start = out->len;

    if (payload.len > STORE_PAYLOAD_MAX) {
        return edge_set(err, EDGE_RANGE, "key file of %zu bytes", payload.len);
    }
    memcpy(header, magic, MAGIC_LEN);
    put_be(header + MAGIC_LEN, VERSION, 2);
    put_be(header + MAGIC_LEN + 2, (uint64_t)kind, 2);
    put_be(header + MAGIC_LEN + 4, payload.len, 4);
    enum edge_code rc = buf_append(out, header, sizeof(header), err);
    if (rc == EDGE_OK) {
        rc = buf_append_slice(out, payload, err);
    }
    if (rc == EDGE_OK) {
        rc = sha256(out->data + start, out->len - start, digest, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(out, digest, sizeof(digest), err);
    }
    return rc;
}

enum edge_code store_decode(struct slice file, enum store_kind kind, struct slice *ret,
                            struct edge_error *err) {
    const uint8_t *p = (const uint8_t *)file.ptr;
    uint8_t digest[SHA256_LEN];

    if (file.len < HEADER_LEN + SHA256_LEN || memcmp(p, magic, MAGIC_LEN) != 0 ||
        get_be(p + MAGIC_LEN + 4, 4) != file.len - HEADER_LEN - SHA256_LEN) {
        return edge_set(err, EDGE_PARSE, "not a key file, or cut short");
    }
    enum edge_code rc = sha256(p, file.len - SHA256_LEN, digest, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    if (memcmp(digest, p + file.len - SHA256_LEN, SHA256_LEN) != 0) {
        return edge_set(err, EDGE_PARSE, "checksum of the key file is wrong");
    }
    if (get_be(p + MAGIC_LEN, 2) != VERSION) {
        return edge_set(err, EDGE_CONFLICT, "key file of version %u, written by later software",
                        (unsigned)get_be(p + MAGIC_LEN, 2));
    }
    if (get_be(p + MAGIC_LEN + 2, 2) != (uint64_t)kind) {
        return edge_set(err, EDGE_CONFLICT, "key file of another kind (%u)",
                        (unsigned)get_be(p + MAGIC_LEN + 2, 2));
    }
    *ret = slice_make(p + HEADER_LEN, file.len - HEADER_LEN - SHA256_LEN);
    return EDGE_OK;
}

static enum edge_code write_file(int dirfd, const char *name, enum store_kind kind,
                                 struct slice payload, bool wipe, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};

    buf_init_sensitive(&file, STORE_FILE_MAX);
    enum edge_code rc = store_encode(kind, payload, &file, err);
    if (rc == EDGE_OK) {
        rc = wipe ? fs_wipe_replace(dirfd, name, buf_slice(&file), err)
                  : fs_write_atomic(dirfd, name, buf_slice(&file), err);
    }
    return rc == EDGE_OK ? rc : edge_wrap(err, rc, "writing '%s'", name);
}

enum edge_code store_write(int dirfd, const char *name, enum store_kind kind, struct slice payload,
                           struct edge_error *err) {
    return write_file(dirfd, name, kind, payload, false, err);
}

enum edge_code store_replace(int dirfd, const char *name, enum store_kind kind,
                             struct slice payload, struct edge_error *err) {
    return write_file(dirfd, name, kind, payload, true, err);
}

static enum edge_code set_aside(int dirfd, const char *name, const struct edge_error *why,
                                struct edge_error *err) {
    char aside[256];

    enum edge_code rc = fs_set_aside(dirfd, name, aside, sizeof(aside), err);
    if (rc != EDGE_OK) {
        return rc;
    }
    return edge_set(err, EDGE_PARSE, "'%s' is damaged (%s); it was moved to '%s'", name,
                    edge_error_text(why), aside);
}

enum edge_code store_read(int dirfd, const char *name, enum store_kind kind, struct buf *file,
                          struct slice *ret, struct edge_error *err) {
    struct edge_error why = {0};

    buf_reset(file);
    enum edge_code rc = fs_read_private(dirfd, name, file, &why);
    if (rc == EDGE_OK) {
        rc = store_decode(buf_slice(file), kind, ret, &why);
    }
    if (rc == EDGE_PARSE || rc == EDGE_RANGE) {
        return set_aside(dirfd, name, &why, err);
    }
    if (err != NULL && rc != EDGE_OK) {
        *err = why;
    }
    return rc == EDGE_OK ? rc : edge_wrap(err, rc, "reading '%s'", name);
}
