/* SPDX-License-Identifier: MIT */
/*
 * Checksummed files. What counts as damage is set aside, never overwritten; what speaks of the
 * machine (memory, permissions, the disk) is an error and touches nothing.
 */
#include "base/checked.h"

#include "base/b64.h"
#include "base/fs.h"
#include "base/mac.h"

#define DIGEST_LEN (SHA256_LEN * 2)

static enum edge_code append_digest(struct slice content, struct buf *out, struct edge_error *err) {
    uint8_t digest[SHA256_LEN];
    enum edge_code code = sha256(content.ptr, content.len, digest, err);
    return code == EDGE_OK ? hex_encode(digest, sizeof(digest), out, err) : code;
}

enum edge_code checked_seal(struct slice content, struct buf *out, struct edge_error *err) {
    enum edge_code code = append_digest(content, out, err);
    if (code == EDGE_OK) {
        code = buf_append_byte(out, '\n', err);
    }
    if (code == EDGE_OK) {
        code = buf_append_slice(out, content, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_byte(out, '\n', err);
    }
    return code;
}

enum edge_code checked_unseal(struct slice text, struct slice *ret_content,
                              struct edge_error *err) {
    struct slice hex, content;
    struct buf digest;
    if (!slice_cut(text, '\n', &hex, &content)) {
        return edge_set(err, EDGE_PARSE, "the file is cut short");
    }
    if (slice_ends_with(content, "\n")) {
        content.len--;
    }
    buf_init(&digest, DIGEST_LEN);
    enum edge_code code = append_digest(content, &digest, err);
    if (code == EDGE_OK && !slice_eq(buf_slice(&digest), hex)) {
        code = edge_set(err, EDGE_PARSE, "the checksum does not fit the content");
    }
    buf_clear(&digest);
    if (code == EDGE_OK) {
        *ret_content = content;
    }
    return code;
}

static enum edge_code set_aside(int dirfd, const char *name, const struct edge_error *why,
                                struct edge_error *err) {
    char aside[128] = "";
    enum edge_code code = fs_set_aside(dirfd, name, aside, sizeof(aside), err);
    if (code != EDGE_OK) {
        return code;
    }
    return edge_set(err, EDGE_PARSE, "the file '%s' was damaged (%s); it was moved to '%s'", name,
                    edge_error_text(why), aside);
}

enum edge_code checked_read(int dirfd, const char *name, size_t max, checked_decode_fn *decode,
                            void *ret, struct edge_error *err) {
    struct edge_error why = {0};
    struct buf text;
    buf_init(&text, max);
    enum edge_code code = fs_read_private(dirfd, name, &text, &why);
    if (code == EDGE_OK) {
        code = decode(buf_slice(&text), ret, &why);
    }
    buf_clear(&text);
    if (checked_is_damage(code)) {
        return set_aside(dirfd, name, &why, err);
    }
    return code == EDGE_OK ? code : edge_set(err, code, "%s", edge_error_text(&why));
}

enum edge_code checked_load(const char *dir, const char *name, size_t max,
                            checked_decode_fn *decode, void *ret, struct edge_error *err) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = fs_dir_open(dir, true, 0700, &dirfd, err);
    return code == EDGE_OK ? checked_read(dirfd, name, max, decode, ret, err) : code;
}

enum edge_code checked_save(const char *dir, const char *name, struct slice text,
                            struct edge_error *err) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = fs_dir_open(dir, true, 0700, &dirfd, err);
    return code == EDGE_OK ? fs_write_atomic(dirfd, name, text, err) : code;
}
