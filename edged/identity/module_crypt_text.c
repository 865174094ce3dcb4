/* SPDX-License-Identifier: MIT */
/*
 * Subkeys are not kept: deriving one costs half a microsecond, less than a look-up that keeps them
 * apart and locked would be worth.
 */
#include "identity/module_crypt_text.h"

#include "base/mac.h"

#include <string.h>

#define DOMAIN             "edged module encryption 3"
#define HUB_GENERATION_LEN 18 /* digits: hundreds of nanoseconds, from the year 318 to 3169 */
#define CONTEXT_MAX        (3 * 4 + sizeof(DOMAIN) + 3 * MODULE_CRYPT_ID_MAX)

/* Input of the derivation, or associated data. */
struct context {
    uint8_t bytes[CONTEXT_MAX];
    size_t len;
};

static void add(struct context *c, struct slice part) {
    memcpy(c->bytes + c->len, part.ptr, part.len);
    c->len += part.len;
}

static void add_prefixed(struct context *c, struct slice part) {
    const uint8_t len[4] = {(uint8_t)(part.len >> 24), (uint8_t)(part.len >> 16),
                            (uint8_t)(part.len >> 8), (uint8_t)part.len};
    add(c, slice_make(len, sizeof(len)));
    add(c, part);
}

void module_crypt_keys_clear(struct module_crypt_keys *k) {
    secret_clear(&k->master);
    secret_clear(&k->former);
}

enum edge_code module_crypt_text_check(const struct module_crypt_id *id, struct slice iv,
                                       struct edge_error *err) {
    if (id->module.len == 0 || id->module.len > MODULE_CRYPT_ID_MAX || id->generation.len == 0 ||
        id->generation.len > MODULE_CRYPT_ID_MAX) {
        return edge_set(err, EDGE_INVALID,
                        "module id or generation id is empty or has over %d bytes",
                        MODULE_CRYPT_ID_MAX);
    }
    if (iv.len == 0 || iv.len > MODULE_CRYPT_IV_MAX) {
        return edge_set(err, EDGE_INVALID,
                        "the initialization vector has %zu bytes; from 1 to %d are possible",
                        iv.len, MODULE_CRYPT_IV_MAX);
    }
    return EDGE_OK;
}

static enum edge_code derive(const struct secret *master, const struct module_crypt_id *id,
                             struct secret *ret, struct edge_error *err) {
    struct context c = {.len = 0};
    add_prefixed(&c, SLICE_LIT(DOMAIN));
    add_prefixed(&c, id->module);
    add_prefixed(&c, id->generation);
    enum edge_code code = secret_alloc(ret, SHA256_LEN, err);
    return code == EDGE_OK ? hmac_sha256(master->data, master->len, c.bytes, c.len, ret->data, err)
                           : code;
}

static struct slice aad_of(struct context *c, const struct module_crypt_id *id, struct slice iv) {
    c->len = 0;
    add_prefixed(c, id->module);
    add_prefixed(c, id->generation);
    add_prefixed(c, iv);
    return slice_make(c->bytes, c->len);
}

static struct slice former_aad_of(struct context *c, const struct module_crypt_id *id) {
    c->len = 0;
    add(c, id->module);
    add(c, id->generation);
    return slice_make(c->bytes, c->len);
}

enum edge_code module_crypt_text_seal(struct aead *a, const struct module_crypt_keys *k,
                                      const struct module_crypt_id *id, struct slice iv,
                                      struct slice plain, struct buf *out, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};
    struct context aad;
    enum edge_code code = module_crypt_text_check(id, iv, err);
    if (code == EDGE_OK && (plain.len == 0 || plain.len > MODULE_CRYPT_LEN_MAX)) {
        code = edge_set(err, EDGE_INVALID, "the plaintext has %zu bytes; from 1 to %d are possible",
                        plain.len, MODULE_CRYPT_LEN_MAX);
    }
    if (code == EDGE_OK) {
        code = derive(&k->master, id, &key, err);
    }
    return code == EDGE_OK ? aead_seal(a, &key, aad_of(&aad, id, iv), plain, out, err) : code;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The bytes of module and generation as the former formats bind them: without a mark between. */
static char byte_from_end(const struct module_crypt_id *id, size_t i) {
    return i < id->generation.len ? id->generation.ptr[id->generation.len - 1 - i]
                                  : id->module.ptr[id->module.len - 1 - (i - id->generation.len)];
}

/* A caller may name any generation, so a module "a" could ask as (a, b6374...) for what "ab" had
 * encrypted. Generations of a hub are 18 digits: where the end looks like one, it is all of it. */
static bool may_be_of_former(const struct module_crypt_id *id) {
    size_t digits = 0, len = id->module.len + id->generation.len;
    while (digits < len && digits < HUB_GENERATION_LEN && is_digit(byte_from_end(id, digits))) {
        digits++;
    }
    return digits < HUB_GENERATION_LEN || id->generation.len == HUB_GENERATION_LEN;
}

static enum edge_code open_with(struct aead *a, const struct secret *master,
                                enum aead_format format, const struct module_crypt_id *id,
                                struct slice iv, struct slice blob, struct buf *out,
                                struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};
    struct context aad;
    if (format != AEAD_V3) {
        return aead_open(a, format, master, iv, former_aad_of(&aad, id), blob, out, err);
    }
    enum edge_code code = derive(master, id, &key, err);
    return code == EDGE_OK
               ? aead_open(a, format, &key, SLICE_LIT(""), aad_of(&aad, id, iv), blob, out, err)
               : code;
}

enum edge_code module_crypt_text_open(struct aead *a, const struct module_crypt_keys *k,
                                      const struct module_crypt_id *id, struct slice iv,
                                      struct slice blob, struct buf *out, struct edge_error *err) {
    enum aead_format format = aead_format_of(blob);
    enum edge_code code = module_crypt_text_check(id, iv, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (blob.len == 0 || blob.len > MODULE_CRYPT_LEN_MAX) {
        return edge_set(err, EDGE_INVALID,
                        "the ciphertext has %zu bytes; from 1 to %d are possible", blob.len,
                        MODULE_CRYPT_LEN_MAX);
    }
    if (format == AEAD_NONE) {
        return edge_set(err, EDGE_DENIED, "the ciphertext is not in a format that is known here");
    }
    if (format != AEAD_V3 && !may_be_of_former(id)) {
        return edge_set(err, EDGE_DENIED, "made for somebody else");
    }
    code = open_with(a, &k->master, format, id, iv, blob, out, err);
    if (code == EDGE_DENIED && k->former.len > 0) {
        code = open_with(a, &k->former, format, id, iv, blob, out, err);
    }
    return code;
}
