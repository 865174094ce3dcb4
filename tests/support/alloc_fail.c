/* SPDX-License-Identifier: MIT */
/*
 * The linker sends our own calls of malloc and its relatives here (--wrap); OpenSSL and cJSON take
 * these functions as their allocator before main.
 */
#include "support/alloc_fail.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS_MAX 100000

void *__real_malloc(size_t size);
void *__real_calloc(size_t cnt, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_reallocarray(void *ptr, size_t cnt, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t cnt, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_reallocarray(void *ptr, size_t cnt, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

/* Present when the program is built with AddressSanitizer. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static atomic_size_t countdown; /* 0: not armed */
static atomic_bool fired;

static bool must_fail(void) {
    size_t left = atomic_load(&countdown);
    while (left > 0 && !atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
    }
    if (left != 1) {
        return false;
    }
    atomic_store(&fired, true);
    errno = ENOMEM;
    return true;
}

void alloc_fail_arm(size_t n) {
    atomic_store(&fired, false);
    atomic_store(&countdown, n);
}

bool alloc_fail_disarm(void) {
    atomic_store(&countdown, 0);
    return atomic_load(&fired);
}

void *__wrap_malloc(size_t size) {
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t cnt, size_t size) {
    return must_fail() ? NULL : __real_calloc(cnt, size);
}

void *__wrap_realloc(void *ptr, size_t size) {
    return must_fail() ? NULL : __real_realloc(ptr, size);
}

void *__wrap_reallocarray(void *ptr, size_t cnt, size_t size) {
    return must_fail() ? NULL : __real_reallocarray(ptr, cnt, size);
}

char *__wrap_strdup(const char *text) {
    return must_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len) {
    return must_fail() ? NULL : __real_strndup(text, len);
}

void *alloc_fail_malloc(size_t size) {
    return __wrap_malloc(size);
}

void *alloc_fail_calloc(size_t cnt, size_t size) {
    return __wrap_calloc(cnt, size);
}

void *alloc_fail_realloc(void *ptr, size_t size) {
    return __wrap_realloc(ptr, size);
}

char *alloc_fail_strdup(const char *text) {
    return __wrap_strdup(text);
}

static void *crypto_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return __wrap_malloc(size);
}

static void *crypto_realloc(void *ptr, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return __wrap_realloc(ptr, size);
}

static void crypto_free(void *ptr, const char *file, int line) {
    (void)file;
    (void)line;
    free(ptr);
}

__attribute__((constructor)) static void take_over(void) {
    cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = free};
    cJSON_InitHooks(&hooks);
    if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free)) {
        abort();
    }
}

size_t alloc_fail_torture(enum edge_code (*fn)(void *data), void *data) {
    assert_int_equal(fn(data), EDGE_OK);
    size_t failures = 0;
    for (;;) {
        assert_true(failures < RUNS_MAX);
        alloc_fail_arm(failures + 1);
        enum edge_code code = fn(data);
        if (!alloc_fail_disarm()) {
            assert_int_equal(code, EDGE_OK);
            break;
        }
        failures++;
    }
    if (__lsan_do_recoverable_leak_check) {
        assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
    }
    return failures;
}
