/* SPDX-License-Identifier: MIT */
/*
 * Secret bytes on OpenSSL's secure heap. Before secret_heap_init (unit tests) OpenSSL serves the
 * same calls from the ordinary heap, still wiping on release.
 */
#include "base/secret.h"

#include <openssl/crypto.h>
#include <string.h>

/* Smallest block of the secure heap, bytes (a power of two). */
#define SECRET_BLOCK_MIN 16

/* CRYPTO_secure_malloc_init answers 2 when the arena exists but its pages are not locked or
 * guarded. */
#define SECURE_INIT_LOCKED 1

static bool heap_locked;

enum edge_code secret_heap_init(bool *ret_locked, struct edge_error *err) {
    if (!CRYPTO_secure_malloc_initialized()) {
        int rc = CRYPTO_secure_malloc_init(SECRET_HEAP_SIZE, SECRET_BLOCK_MIN);
        if (rc == 0) {
            return edge_set(err, EDGE_NOMEM, "no memory for the heap of secrets (%d bytes)",
                            SECRET_HEAP_SIZE);
        }
        heap_locked = rc == SECURE_INIT_LOCKED;
    }
    if (ret_locked != NULL) {
        *ret_locked = heap_locked;
    }
    return EDGE_OK;
}

size_t secret_heap_used(void) {
    /* The library takes a lock that only exists after the set-up. */
    return CRYPTO_secure_malloc_initialized() ? CRYPTO_secure_used() : 0;
}

enum edge_code secret_alloc(struct secret *s, size_t len, struct edge_error *err) {
    if (s->data != NULL || s->len > 0) {
        return edge_set(err, EDGE_INTERNAL, "secret is already in use");
    }
    if (len == 0) {
        return EDGE_OK;
    }
    uint8_t *data = OPENSSL_secure_zalloc(len);
    if (data == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of locked memory for a secret of %zu bytes", len);
    }
    s->data = data;
    s->len = len;
    return EDGE_OK;
}

enum edge_code secret_copy(struct secret *s, const void *data, size_t len, struct edge_error *err) {
    enum edge_code code = secret_alloc(s, len, err);
    if (code == EDGE_OK && len > 0) {
        memcpy(s->data, data, len);
    }
    return code;
}

struct secret secret_take(struct secret *from) {
    struct secret taken = *from;
    *from = (struct secret){0};
    return taken;
}

void secret_clear(struct secret *s) {
    if (s == NULL) {
        return;
    }
    OPENSSL_secure_clear_free(s->data, s->len);
    *s = (struct secret){0};
}

bool secret_equal(const struct secret *a, const struct secret *b) {
    return secret_equal_bytes(a, b->data, b->len);
}

bool secret_equal_bytes(const struct secret *a, const void *data, size_t len) {
    return a->len == len && (len == 0 || CRYPTO_memcmp(a->data, data, len) == 0);
}

struct slice secret_slice(const struct secret *s) {
    return slice_make(s->data, s->len);
}

void secret_wipe(void *ptr, size_t len) {
    if (len > 0) {
        explicit_bzero(ptr, len);
    }
}
