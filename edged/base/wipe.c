/* SPDX-License-Identifier: MIT */
/*
 * The usable size of a block is asked from the C library, so that blocks carry no header of ours.
 */
#include "base/wipe.h"

#include "base/secret.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool wipe_failed;

static void *wipe_checked(void *p) {
    if (p == NULL) {
        atomic_store(&wipe_failed, true);
    }
    return p;
}

void *wipe_malloc(size_t size) {
    return wipe_checked(malloc(size));
}

void *wipe_calloc(size_t cnt, size_t size) {
    return wipe_checked(calloc(cnt, size));
}

char *wipe_strdup(const char *text) {
    return wipe_checked(strdup(text));
}

void wipe_free(void *p) {
    if (p != NULL) {
        secret_wipe(p, malloc_usable_size(p));
        free(p);
    }
}

void *wipe_realloc(void *p, size_t size) {
    if (p == NULL) {
        return wipe_malloc(size);
    }
    size_t old_size = malloc_usable_size(p);
    if (size <= old_size && size >= old_size / 2) {
        return p;
    }
    void *bigger = wipe_malloc(size);
    if (bigger != NULL) {
        memcpy(bigger, p, old_size < size ? old_size : size);
        wipe_free(p);
    }
    return bigger;
}

static void *crypto_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return wipe_malloc(size);
}

static void *crypto_realloc(void *p, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    if (size == 0) {
        wipe_free(p);
        return NULL;
    }
    return wipe_realloc(p, size);
}

static void crypto_free(void *p, const char *file, int line) {
    (void)file;
    (void)line;
    wipe_free(p);
}

bool wipe_openssl(void) {
    return CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1;
}

bool wipe_has_failed(void) {
    return atomic_load(&wipe_failed);
}
