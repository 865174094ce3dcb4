/* SPDX-License-Identifier: MIT */
/*
 * Layout inside the envelope: version, nonce, tag, ciphertext. The file's name takes part in the
 * key, so that a record that was renamed or copied over another one does not open.
 */
#include "record.h"

#include "store_named.h"

#include "base/fs.h"
#include "base/mac.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERSION    1
#define NONCE_LEN  12
#define TAG_LEN    16
#define HEADER_LEN (1 + NONCE_LEN)
#define EXTRA_LEN  (HEADER_LEN + TAG_LEN)
#define FILES_MAX  1024 /* files of one prefix, set aside ones included */

static const char key_context[] = "edged record 1";

static void ctx_cleanup(EVP_CIPHER_CTX **ctx) {
    EVP_CIPHER_CTX_free(*ctx);
}

static enum edge_code derive(const struct secret *store_key, const char *file, struct secret *ret,
                             struct edge_error *err) {
    struct buf context EDGE_CLEANUP(buf_clear) = {0};
    struct secret key SECRET_CLEANUP = {0};

    buf_init(&context, sizeof(key_context) + RECORD_FILE_MAX);
    enum edge_code rc = buf_append(&context, key_context, sizeof(key_context), err);
    if (rc == EDGE_OK) {
        rc = buf_append_str(&context, file, err);
    }
    if (rc == EDGE_OK) {
        rc = secret_alloc(&key, SHA256_LEN, err);
    }
    if (rc == EDGE_OK) {
        rc = hmac_sha256(store_key->data, store_key->len, context.data, context.len, key.data, err);
    }
    if (rc == EDGE_OK) {
        *ret = secret_take(&key);
    }
    return rc;
}

static bool encrypt(const struct secret *key, const struct secret *value, uint8_t *out) {
    EVP_CIPHER_CTX *ctx EDGE_CLEANUP(ctx_cleanup) = EVP_CIPHER_CTX_new();
    uint8_t *body = out + EXTRA_LEN;
    int n;

    return ctx != NULL &&
           EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->data, out + 1) == 1 &&
           EVP_EncryptUpdate(ctx, NULL, &n, out, HEADER_LEN) == 1 &&
           EVP_EncryptUpdate(ctx, body, &n, value->data, (int)value->len) == 1 &&
           EVP_EncryptFinal_ex(ctx, body + value->len, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, out + HEADER_LEN) == 1;
}

/* Only a wrong tag says that the bytes are wrong; all else is a failure of the library, which must
 * not cost the record its place. */
static enum edge_code decrypt(const struct secret *key, const uint8_t *in, struct secret *value,
                              struct edge_error *err) {
    EVP_CIPHER_CTX *ctx EDGE_CLEANUP(ctx_cleanup) = EVP_CIPHER_CTX_new();
    uint8_t tag[TAG_LEN];
    int n;

    memcpy(tag, in + HEADER_LEN, TAG_LEN);
    if (ctx == NULL || EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->data, in + 1) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &n, in, HEADER_LEN) != 1 ||
        EVP_DecryptUpdate(ctx, value->data, &n, in + EXTRA_LEN, (int)value->len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) != 1) {
        return edge_set(err, EDGE_CRYPTO, "decrypting a record failed");
    }
    if (EVP_DecryptFinal_ex(ctx, value->data + value->len, &n) != 1) {
        return edge_set(err, EDGE_PARSE, "changed, or written under another store key");
    }
    return EDGE_OK;
}

enum edge_code record_key_lost(struct edge_error *err) {
    return edge_set(err, EDGE_HSM,
                    "'" STORE_KEY_FILE "' is gone or damaged, but what it protects is there; bring "
                    "the file back from a backup, or, " RECORD_GIVE_UP);
}

bool record_is_unbound(const char *name) {
    return strncmp(name, HSM_RECORD_UNBOUND, sizeof(HSM_RECORD_UNBOUND) - 1) == 0;
}

void record_file_unbound(const char *name, char ret[RECORD_FILE_MAX]) {
    (void)snprintf(ret, RECORD_FILE_MAX, UNBOUND_PREFIX "%s", name);
}

void record_file(const char *name, char ret[RECORD_FILE_MAX]) {
    (void)snprintf(ret, RECORD_FILE_MAX, RECORD_PREFIX "%s", name);
}

bool record_exists(int dirfd, const char *file) {
    return faccessat(dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

enum edge_code record_encode(const struct secret *store_key, const char *file,
                             const struct secret *value, struct buf *out, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};
    uint8_t *at = NULL;

    if (value->len == 0 || value->len > HSM_RECORD_MAX) {
        return edge_set(err, EDGE_RANGE, "record of %zu bytes", value->len);
    }
    enum edge_code rc = derive(store_key, file, &key, err);
    if (rc == EDGE_OK) {
        rc = buf_reserve(out, EXTRA_LEN + value->len, &at, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    at[0] = VERSION;
    if (RAND_bytes(at + 1, NONCE_LEN) != 1 || !encrypt(&key, value, at)) {
        return edge_set(err, EDGE_CRYPTO, "encrypting a record failed");
    }
    buf_added(out, EXTRA_LEN + value->len);
    return EDGE_OK;
}

enum edge_code record_decode(const struct secret *store_key, const char *file, struct slice bytes,
                             struct secret *ret, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0}, value SECRET_CLEANUP = {0};

    if (bytes.len <= EXTRA_LEN || bytes.len > EXTRA_LEN + HSM_RECORD_MAX ||
        bytes.ptr[0] != VERSION) {
        return edge_set(err, EDGE_PARSE, "not a record");
    }
    enum edge_code rc = derive(store_key, file, &key, err);
    if (rc == EDGE_OK) {
        rc = secret_alloc(&value, bytes.len - EXTRA_LEN, err);
    }
    if (rc == EDGE_OK) {
        rc = decrypt(&key, (const uint8_t *)bytes.ptr, &value, err);
    }
    if (rc == EDGE_OK) {
        *ret = secret_take(&value);
    }
    return rc;
}

enum edge_code record_write(int dirfd, const struct secret *store_key, const char *file,
                            const struct secret *value, struct edge_error *err) {
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0};
    struct secret back SECRET_CLEANUP = {0};

    buf_init(&bytes, STORE_PAYLOAD_MAX);
    enum edge_code rc = record_encode(store_key, file, value, &bytes, err);
    if (rc == EDGE_OK) {
        rc = store_write(dirfd, file, STORE_RECORD, buf_slice(&bytes), err);
    }
    if (rc == EDGE_OK) {
        rc = record_read(dirfd, store_key, file, &back, err);
    }
    if (rc == EDGE_OK && !secret_equal(&back, value)) {
        rc = edge_set(err, EDGE_IO, "'%s' reads otherwise than it was written", file);
    }
    return rc;
}

enum edge_code record_read(int dirfd, const struct secret *store_key, const char *file,
                           struct secret *ret, struct edge_error *err) {
    struct buf bytes EDGE_CLEANUP(buf_clear) = {0};
    struct edge_error why = {0};
    struct slice payload;
    char aside[256];

    buf_init(&bytes, STORE_FILE_MAX);
    enum edge_code rc = store_read(dirfd, file, STORE_RECORD, &bytes, &payload, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    rc = record_decode(store_key, file, payload, ret, &why);
    if (rc == EDGE_PARSE) {
        rc = fs_set_aside(dirfd, file, aside, sizeof(aside), err);
        return rc == EDGE_OK ? edge_set(err, EDGE_PARSE,
                                        "'%s' cannot be read (%s); it was moved "
                                        "to '%s'",
                                        file, edge_error_text(&why), aside)
                             : rc;
    }
    if (rc != EDGE_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

/* Files of a prefix but for those that were set aside, which have a dot in their names. Moves them
 * if there is a word, and counts them. */
static enum edge_code each(int dirfd, const char *prefix, const char *word, size_t *cnt,
                           struct edge_error *err) {
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};

    enum edge_code rc = fs_list(dirfd, prefix, FILES_MAX, &names, err);
    for (size_t i = 0; rc == EDGE_OK && i < names.cnt; i++) {
        if (strchr(names.list[i], '.') != NULL) {
            continue;
        }
        ++*cnt;
        if (word != NULL) {
            rc = fs_set_aside_as(dirfd, names.list[i], word, NULL, 0, err);
        }
    }
    return rc;
}

enum edge_code record_any(int dirfd, bool keys, bool *ret_any, struct edge_error *err) {
    size_t cnt = 0;

    enum edge_code rc = each(dirfd, RECORD_PREFIX, NULL, &cnt, err);
    if (rc == EDGE_OK && keys) {
        rc = each(dirfd, STORE_NAMED_PREFIX, NULL, &cnt, err);
    }
    if (rc == EDGE_OK) {
        *ret_any = cnt > 0;
    }
    return rc;
}

enum edge_code record_set_all_aside(int dirfd, const char *word, struct edge_error *err) {
    size_t cnt = 0;

    enum edge_code rc = each(dirfd, RECORD_PREFIX, word, &cnt, err);
    if (rc == EDGE_OK) {
        rc = each(dirfd, STORE_NAMED_PREFIX, word, &cnt, err);
    }
    /* Last: without it a second call would find nothing that shows what is left to be done. */
    return rc == EDGE_OK ? each(dirfd, STORE_KEY_FILE, word, &cnt, err) : rc;
}
