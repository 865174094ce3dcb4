/* SPDX-License-Identifier: MIT */
/*
 * Statistics of many modules: side by side, with a bound, and whatever becomes of single ones.
 */
#include "api/stats_gather.h"

#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define ONE "{\"read\":\"now\"}"

static struct fake_runtime *fake;
static struct {
    unsigned calls;
    enum edge_code code;
    char text[1024];
} got;

static void on_done(void *data, enum edge_code code, const struct buf *json,
                    const struct edge_error *err) {
    assert_ptr_equal(data, &got);
    got.calls++;
    got.code = code;
    assert_true((code == EDGE_OK) == (err == NULL));
    assert_true((code == EDGE_OK) == (json != NULL));
    if (json != NULL) {
        assert_true(slice_to_array(buf_slice(json), got.text, sizeof(got.text)));
    }
}

static int setup(void **state) {
    (void)state;
    memset(&got, 0, sizeof(got));
    fake_loop_init();
    fake = fake_runtime_new(fake_loop());
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_runtime_free(fake);
    fake_loop_clear();
    return 0;
}

static void add(unsigned cnt) {
    char id[16];
    for (unsigned i = 0; i < cnt; i++) {
        (void)snprintf(id, sizeof(id), "m%u", i);
        fake_runtime_add(fake, id, id, true);
    }
}

static struct op start(void) {
    struct op op;
    struct edge_error err;
    assert_int_equal(stats_gather(fake_loop(), fake_runtime_get(fake), on_done, &got, &op, &err),
                     EDGE_OK);
    assert_int_equal(got.calls, 0);
    return op;
}

static void assert_got(enum edge_code code, const char *text) {
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, code);
    assert_string_equal(got.text, text);
    assert_int_equal(fake_runtime_open(fake), 0);
    assert_int_equal(op_cnt(loop_ops(fake_loop())), 0);
}

static void test_none(void **state) {
    (void)state;
    (void)start();
    fake_runtime_run(fake);
    assert_got(EDGE_OK, "[]");
}

static void test_side_by_side(void **state) {
    (void)state;
    add(2);
    fake_runtime_add(fake, "x", "stranger", false);
    fake_runtime_add(fake, "y", "a" RUNTIME_NEXT_SUFFIX, true);
    (void)start();
    assert_true(fake_runtime_step(fake));
    assert_int_equal(fake_runtime_open(fake), 2);
    fake_runtime_run(fake);
    assert_got(EDGE_OK, "[" ONE "," ONE "]");
}

static void test_failures_are_skipped(void **state) {
    static const enum edge_code codes[] = {EDGE_NOT_FOUND, EDGE_CONFLICT, EDGE_TIMEOUT, EDGE_PROTO};
    (void)state;
    add(4);
    (void)start();
    assert_true(fake_runtime_step(fake));
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        fake_runtime_fail_call(fake, FAKE_RUNTIME_STATS, i == 2 ? EDGE_OK : codes[i]);
        assert_true(fake_runtime_step(fake));
    }
    assert_got(EDGE_OK, "[" ONE "]");
}

static void test_without_a_list(void **state) {
    (void)state;
    add(1);
    fake_runtime_fail_call(fake, FAKE_RUNTIME_LIST, EDGE_NET);
    (void)start();
    fake_runtime_run(fake);
    assert_got(EDGE_NET, "");
}

static void test_refused(void **state) {
    struct op op;
    struct edge_error err;
    (void)state;
    fake_runtime_refuse(fake, EDGE_BUSY);
    assert_int_equal(stats_gather(fake_loop(), fake_runtime_get(fake), on_done, &got, &op, &err),
                     EDGE_BUSY);
    assert_int_equal(op_cnt(loop_ops(fake_loop())), 0);
    fake_runtime_refuse(fake, EDGE_OK);
    add(2);
    (void)start();
    fake_runtime_refuse(fake, EDGE_BUSY); /* with none of our own under way */
    fake_runtime_run(fake);
    assert_got(EDGE_BUSY, "");
}

static void test_canceled(void **state) {
    (void)state;
    for (unsigned step = 0; step < 3; step++) {
        memset(&got, 0, sizeof(got));
        if (step == 0) {
            add(3);
        }
        struct op op = start();
        for (unsigned i = 0; i < step; i++) {
            assert_true(fake_runtime_step(fake));
        }
        op_cancel(loop_ops(fake_loop()), op);
        assert_int_equal(got.calls, 0);
        fake_runtime_run(fake);
        assert_got(EDGE_CANCELED, "");
    }
}

static enum edge_code one_round(void *data) {
    struct op op;
    struct edge_error err;
    (void)data;
    memset(&got, 0, sizeof(got));
    enum edge_code code =
        stats_gather(fake_loop(), fake_runtime_get(fake), on_done, &got, &op, &err);
    if (code == EDGE_OK) {
        fake_runtime_run(fake);
        assert_int_equal(got.calls, 1);
        code = got.code;
    }
    assert_int_equal(op_cnt(loop_ops(fake_loop())), 0);
    return code;
}

static void test_memory(void **state) {
    (void)state;
    add(2);
    assert_true(alloc_fail_torture(one_round, NULL) >= 4);
    assert_got(EDGE_OK, "[" ONE "," ONE "]");
}

/* --- A runtime of its own: many modules, and what it says of them --- */

static struct {
    runtime_json_fn *done[RUNTIME_CONTAINERS_MAX];
    void *data[RUNTIME_CONTAINERS_MAX];
    unsigned open, most, started;
    runtime_containers_fn *list_done;
    void *list_data;
} many;

static enum edge_code many_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    (void)rt;
    (void)err;
    many.list_done = done;
    many.list_data = data;
    *ret_op = OP_NONE;
    return EDGE_OK;
}

static enum edge_code many_stats(struct runtime *rt, const char *id, runtime_json_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err) {
    (void)rt;
    (void)id;
    (void)err;
    many.done[many.open] = done;
    many.data[many.open++] = data;
    many.started++;
    many.most = many.open > many.most ? many.open : many.most;
    *ret_op = OP_NONE;
    return EDGE_OK;
}

static const struct runtime_ops many_ops = {.list = many_list, .stats = many_stats};
static struct runtime many_runtime = {&many_ops};
static size_t many_len;

static void on_many(void *data, enum edge_code code, const struct buf *json,
                    const struct edge_error *err) {
    (void)data;
    (void)err;
    assert_int_equal(code, EDGE_OK);
    many_len = json->len;
}

/* cnt modules that each have this to say, and take this long for it. */
static void run_many(size_t cnt, struct slice json, uint64_t ms) {
    static struct runtime_container list[RUNTIME_CONTAINERS_MAX];
    struct op op;
    struct edge_error err;
    memset(&many, 0, sizeof(many));
    many_len = 0;
    for (size_t i = 0; i < cnt; i++) {
        list[i] = (struct runtime_container){.id = "i", .name = "n", .owned = true};
    }
    assert_int_equal(stats_gather(fake_loop(), &many_runtime, on_many, NULL, &op, &err), EDGE_OK);
    many.list_done(many.list_data, EDGE_OK, list, cnt, NULL);
    while (many.open > 0) {
        many.open--;
        runtime_json_fn *done = many.done[many.open];
        void *data = many.data[many.open];
        fake_loop_advance(ms);
        done(data, EDGE_OK, json, NULL);
    }
    assert_true(many_len > 0);
}

static void test_bound(void **state) {
    (void)state;
    run_many(100, SLICE_LIT(ONE), 1);
    assert_int_equal(many.most, STATS_AT_ONCE);
    assert_int_equal(many.started, 100);
    assert_int_equal(many_len, 2 + 100 * strlen(ONE) + 99);
}

static void test_slow_engine(void **state) {
    (void)state;
    run_many(100, SLICE_LIT(ONE), STATS_START_MS / 2);
    assert_int_equal(many.started, STATS_AT_ONCE + 2);
}

static void test_large_text(void **state) {
    static char text[STATS_TEXT_MAX / 2];
    (void)state;
    memset(text, 'x', sizeof(text));
    run_many(3, slice_make(text, sizeof(text) - 2), 1);
    assert_int_equal(many_len, STATS_TEXT_MAX - 1); /* two of them */
    run_many(2, slice_make(text, sizeof(text) - 1), 1);
    assert_int_equal(many_len, sizeof(text) + 1); /* the second does not fit by one byte */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_none),           T(test_side_by_side), T(test_failures_are_skipped),
        T(test_without_a_list), T(test_refused),      T(test_canceled),
        T(test_memory),         T(test_bound),        T(test_slow_engine),
        T(test_large_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
