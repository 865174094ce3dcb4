/* SPDX-License-Identifier: MIT */
/*
 * Allocator that wipes.
 */
#include "base/wipe.h"

#include "support/alloc_fail.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Looks at each block right before the C library gets it back. */
void __real_free(void *p);
void __wrap_free(void *p);
static size_t dirty_cnt;
static size_t freed_cnt;

void __wrap_free(void *p) {
    if (p != NULL) {
        const unsigned char *bytes = p;
        size_t len = malloc_usable_size(p);
        freed_cnt++;
        for (size_t i = 0; i < len; i++) {
            if (bytes[i] != 0) {
                dirty_cnt++;
                break;
            }
        }
    }
    __real_free(p);
}

static void test_free_wipes(void **state) {
    (void)state;
    dirty_cnt = 0;
    freed_cnt = 0;
    char *p = wipe_malloc(100);
    assert_non_null(p);
    memset(p, 'x', 100);
    wipe_free(p);
    wipe_free(wipe_strdup("secret"));
    wipe_free(NULL);
    assert_int_equal(freed_cnt, 2);
    assert_int_equal(dirty_cnt, 0);
}

static void test_growth_wipes_the_old_block(void **state) {
    (void)state;
    dirty_cnt = 0;
    freed_cnt = 0;
    char *p = wipe_realloc(NULL, 10);
    memcpy(p, "0123456789", 10);
    p = wipe_realloc(p, 100000);
    assert_non_null(p);
    assert_memory_equal(p, "0123456789", 10);
    memset(p, 'y', 100000);
    p = wipe_realloc(p, 20);
    assert_memory_equal(p, "yyyyyyyyyyyyyyyyyyyy", 20);
    p = wipe_realloc(p, 19); /* nothing to gain by moving */
    wipe_free(p);
    assert_int_equal(freed_cnt, 3);
    assert_int_equal(dirty_cnt, 0);
}

static void test_zeroed(void **state) {
    (void)state;
    unsigned char *p = wipe_calloc(10, 10);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(p[i], 0);
    }
    wipe_free(p);
}

static void test_shortage_is_remembered(void **state) {
    (void)state;
    assert_false(wipe_has_failed());
    char *p = wipe_malloc(8);
    alloc_fail_arm(1);
    assert_null(wipe_realloc(p, 1000));
    assert_true(alloc_fail_disarm());
    assert_true(wipe_has_failed());
    wipe_free(p); /* a failed growth leaves the block alone */
}

static void test_openssl(void **state) {
    (void)state;
    assert_true(wipe_openssl());
    dirty_cnt = 0;
    freed_cnt = 0;
    char *p = OPENSSL_malloc(64);
    assert_non_null(p);
    memset(p, 'k', 64);
    p = OPENSSL_realloc(p, 5000);
    assert_non_null(p);
    memset(p, 'k', 5000);
    OPENSSL_free(p);
    p = OPENSSL_strdup("key");
    assert_null(OPENSSL_realloc(p, 0));
    assert_int_equal(freed_cnt, 3);
    assert_int_equal(dirty_cnt, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openssl),
        cmocka_unit_test(test_free_wipes),
        cmocka_unit_test(test_growth_wipes_the_old_block),
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_shortage_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
