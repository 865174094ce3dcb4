/* SPDX-License-Identifier: MIT */
#include "pki/leaf_pool.h"

#include "support/alloc_fail.h"
#include "support/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Finding RSA keys takes its time: P-256 keys stand in for them. */
enum edge_code __real_leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                                    struct edge_error *err);
enum edge_code __wrap_leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                                    struct edge_error *err);

static unsigned made_cnt;
static unsigned fail_cnt;

enum edge_code __wrap_leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                                    struct edge_error *err) {
    assert_int_equal(type, LEAF_KEY_RSA2048);
    if (fail_cnt > 0) {
        fail_cnt--;
        return edge_set(err, EDGE_NOMEM, "no memory");
    }
    made_cnt++;
    return __real_leaf_key_make(LEAF_KEY_P256, ret, err);
}

static struct leaf_pool *pool;

static void start(enum leaf_key_type type) {
    fake_loop_init();
    made_cnt = 0;
    fail_cnt = 0;
    assert_int_equal(leaf_pool_new(fake_loop(), fake_worker(), type, &pool, NULL), EDGE_OK);
}

static void end(void) {
    leaf_pool_free(pool);
    fake_loop_run();
    fake_loop_clear();
    assert_int_equal(secret_heap_used(), 0);
}

static bool take(void) {
    struct leaf_key key = {.spki_len = 0};
    bool taken = leaf_pool_take(pool, &key);
    assert_int_equal(taken, key.pkcs8_der.data != NULL);
    leaf_key_clear(&key);
    return taken;
}

static void fills_itself_and_rests(void **state) {
    (void)state;
    start(LEAF_KEY_RSA2048);
    assert_int_equal(leaf_pool_type(pool), LEAF_KEY_RSA2048);
    assert_false(take());
    leaf_pool_start(pool);
    assert_int_equal(leaf_pool_cnt(pool), 0);
    fake_loop_advance(LEAF_POOL_QUIET_MS + 100);
    assert_int_equal(leaf_pool_cnt(pool), LEAF_POOL_MAX);
    assert_int_equal(made_cnt, LEAF_POOL_MAX);
    assert_int_equal(fake_loop_active_timers(), 0);
    end();
}

static void waits_until_nobody_takes(void **state) {
    (void)state;
    start(LEAF_KEY_RSA2048);
    leaf_pool_start(pool);
    fake_loop_advance(LEAF_POOL_QUIET_MS + 100);
    for (unsigned i = 0; i < LEAF_POOL_MAX; i++) {
        assert_true(take());
        fake_loop_advance(LEAF_POOL_QUIET_MS - 1);
    }
    assert_false(take());
    assert_int_equal(made_cnt, LEAF_POOL_MAX);
    fake_loop_advance(LEAF_POOL_QUIET_MS + 100);
    assert_int_equal(leaf_pool_cnt(pool), LEAF_POOL_MAX);
    end();
}

static void stands_back_behind_other_jobs(void **state) {
    (void)state;
    start(LEAF_KEY_RSA2048);
    leaf_pool_start(pool);
    fake_worker_hold(true);
    fake_loop_advance(LEAF_POOL_QUIET_MS + 1); /* the job of one key waits, no second one follows */
    fake_loop_advance(10 * LEAF_POOL_QUIET_MS);
    assert_int_equal(worker_queue_len(fake_worker()), 1);
    fake_worker_hold(false);
    fake_loop_run();
    fake_loop_advance(100);
    assert_int_equal(leaf_pool_cnt(pool), LEAF_POOL_MAX);
    end();
}

static void nothing(void *data) {
    (void)data;
}

static void ignore(void *data, enum edge_code code) {
    (void)data;
    (void)code;
}

static void does_not_queue_behind_a_job(void **state) {
    const struct worker_job job = {.run = nothing, .done = ignore};
    (void)state;
    start(LEAF_KEY_RSA2048);
    leaf_pool_start(pool);
    fake_worker_hold(true);
    assert_int_equal(worker_submit(fake_worker(), &job, NULL, NULL), EDGE_OK);
    fake_loop_advance(5 * LEAF_POOL_QUIET_MS);
    assert_int_equal(worker_queue_len(fake_worker()), 1);
    fake_worker_hold(false);
    fake_loop_run();
    fake_loop_advance(LEAF_POOL_QUIET_MS + 100);
    assert_int_equal(leaf_pool_cnt(pool), LEAF_POOL_MAX);
    end();
}

static void tries_again_after_a_failure(void **state) {
    (void)state;
    start(LEAF_KEY_RSA2048);
    fail_cnt = 2;
    fake_worker_fail(EDGE_BUSY);
    leaf_pool_start(pool);
    fake_loop_advance(LEAF_POOL_QUIET_MS);
    assert_int_equal(leaf_pool_cnt(pool), 0);
    fake_worker_fail(EDGE_OK);
    fake_loop_advance(2 * LEAF_POOL_QUIET_MS);
    assert_int_equal(leaf_pool_cnt(pool), 0);
    fake_loop_advance(LEAF_POOL_QUIET_MS + 100);
    assert_int_equal(leaf_pool_cnt(pool), LEAF_POOL_MAX);
    end();
}

static void a_worker_that_stopped_is_left_alone(void **state) {
    (void)state;
    start(LEAF_KEY_RSA2048);
    fake_worker_fail(EDGE_CANCELED);
    leaf_pool_start(pool);
    fake_loop_advance(LEAF_POOL_QUIET_MS);
    assert_int_equal(fake_loop_active_timers(), 0);
    fake_worker_fail(EDGE_OK);
    end();
}

static void may_go_while_a_key_is_made(void **state) {
    (void)state;
    start(LEAF_KEY_RSA2048);
    leaf_pool_start(pool);
    fake_worker_hold(true);
    fake_loop_advance(LEAF_POOL_QUIET_MS);
    leaf_pool_free(pool);
    pool = NULL;
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(made_cnt, 1);
    end();
}

static void keeps_no_p256_keys(void **state) {
    (void)state;
    start(LEAF_KEY_P256);
    leaf_pool_start(pool);
    assert_false(take());
    assert_int_equal(fake_loop_active_timers(), 0);
    end();
}

static enum edge_code under_torture(void *data) {
    (void)data;
    struct leaf_pool *p = NULL;
    enum edge_code code = leaf_pool_new(fake_loop(), fake_worker(), LEAF_KEY_RSA2048, &p, NULL);
    if (code == EDGE_OK) {
        leaf_pool_start(p);
        /* A key that could not be made is made at the next look. */
        fake_loop_advance(3 * LEAF_POOL_QUIET_MS);
        assert_int_equal(leaf_pool_cnt(p), LEAF_POOL_MAX);
    }
    leaf_pool_free(p);
    return code;
}

static void torture(void **state) {
    (void)state;
    fake_loop_init();
    fail_cnt = 0;
    assert_true(alloc_fail_torture(under_torture, NULL) > 10);
    fake_loop_clear();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_itself_and_rests),
        cmocka_unit_test(waits_until_nobody_takes),
        cmocka_unit_test(stands_back_behind_other_jobs),
        cmocka_unit_test(does_not_queue_behind_a_job),
        cmocka_unit_test(tries_again_after_a_failure),
        cmocka_unit_test(a_worker_that_stopped_is_left_alone),
        cmocka_unit_test(may_go_while_a_key_is_made),
        cmocka_unit_test(keeps_no_p256_keys),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
