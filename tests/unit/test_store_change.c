/* SPDX-License-Identifier: MIT */
/* What an operator does to the sealed store: its JSON, and what comes of it. */
#include "provisioning/store_change.h"

#include "fake_hsm.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define CODE "0123456789abcdefghij"

static struct hsm *hsm;
static struct hsm_store_info info;
static struct edge_error err;

static int setup(void **state) {
    const struct secret nothing = {(uint8_t *)"x", 1};
    (void)state;
    hsm = fake_hsm_new();
    assert_int_equal(hsm_record_put(hsm, "x", &nothing, NULL), EDGE_OK);
    memset(&info, 0, sizeof(info));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hsm_close(hsm);
    return 0;
}

static enum edge_code run(enum store_action action, uint32_t pcrs, const char *code) {
    struct store_change c = {.action = action, .pcrs = pcrs};
    if (code != NULL) {
        assert_int_equal(secret_copy(&c.recovery, code, strlen(code), NULL), EDGE_OK);
    }
    enum edge_code result = store_change_run(hsm, &c, &info, &err);
    store_change_clear(&c);
    return result;
}

static void test_bind_and_suspend(void **state) {
    (void)state;
    assert_int_equal(run(STORE_BIND, 0x81, CODE), EDGE_OK);
    assert_true(info.bound && info.open && info.pcrs == 0x81);
    assert_int_equal(run(STORE_SUSPEND, 0, NULL), EDGE_OK);
    assert_true(!info.bound && info.open && info.pcrs == 0);
}

static void test_recover(void **state) {
    (void)state;
    assert_int_equal(run(STORE_BIND, 0x81, CODE), EDGE_OK);
    fake_hsm_lock_store(hsm);
    assert_int_equal(run(STORE_BIND, 0x81, CODE), EDGE_HSM);
    assert_int_equal(run(STORE_RECOVER, 0x81, "another code of 20 b"), EDGE_DENIED);
    assert_int_equal(run(STORE_RECOVER, 0x80, CODE), EDGE_OK);
    assert_true(info.open && info.pcrs == 0x80);
    fake_hsm_lock_store(hsm);
    assert_int_equal(run(STORE_RECOVER, 0, CODE), EDGE_OK);
    assert_true(info.open && !info.bound);
}

static void test_abandon(void **state) {
    (void)state;
    assert_int_equal(run(STORE_BIND, 1, CODE), EDGE_OK);
    assert_int_equal(run(STORE_ABANDON, 0, NULL), EDGE_CONFLICT);
    assert_int_equal(fake_hsm_record_cnt(hsm), 1);
    fake_hsm_lock_store(hsm);
    assert_int_equal(run(STORE_ABANDON, 0, NULL), EDGE_OK);
    assert_int_equal(fake_hsm_record_cnt(hsm), 0);
    assert_false(info.exists);
}

static void test_json(void **state) {
    struct store_change c = {.action = STORE_BIND, .pcrs = 0x85, .planned_cnt = 2};
    struct store_change back = {.action = STORE_ABANDON};
    struct buf json;
    (void)state;
    buf_init_sensitive(&json, STORE_CHANGE_SIZE_MAX);
    c.planned[0].pcr = 2;
    memset(c.planned[1].digest, 0xab, HSM_PCR_LEN);
    c.planned[1].pcr = 7;
    assert_int_equal(secret_copy(&c.recovery, CODE, 20, NULL), EDGE_OK);
    assert_int_equal(store_change_encode(&c, &json, NULL), EDGE_OK);
    assert_int_equal(store_change_decode(buf_slice(&json), &back, NULL), EDGE_OK);
    assert_true(back.action == STORE_BIND && back.pcrs == 0x85 && back.planned_cnt == 2);
    assert_memory_equal(back.planned, c.planned, 2 * sizeof(c.planned[0]));
    assert_true(secret_equal(&back.recovery, &c.recovery));
    store_change_clear(&back);
    store_change_clear(&c);
    buf_clear(&json);
}

/* The longest request has room. */
static void test_json_of_all_pcrs(void **state) {
    struct store_change c = {.pcrs = 0xffffff, .planned_cnt = STORE_CHANGE_PLANNED_MAX};
    struct store_change back = {.pcrs = 0};
    struct buf json;
    (void)state;
    buf_init_sensitive(&json, STORE_CHANGE_SIZE_MAX);
    for (uint32_t i = 0; i < STORE_CHANGE_PLANNED_MAX; i++) {
        c.planned[i].pcr = i;
    }
    assert_int_equal(secret_alloc(&c.recovery, HSM_RECOVERY_MAX, NULL), EDGE_OK);
    assert_int_equal(store_change_encode(&c, &json, NULL), EDGE_OK);
    assert_int_equal(store_change_decode(buf_slice(&json), &back, NULL), EDGE_OK);
    assert_int_equal(back.planned_cnt, STORE_CHANGE_PLANNED_MAX);
    store_change_clear(&back);
    store_change_clear(&c);
    buf_clear(&json);
}

#define GOOD_CODE "\"recovery\":\"MDEyMzQ1Njc4OWFiY2RlZmdoaWo=\""
#define HEX       "abababababababababababababababababababababababababababababababab"

static void test_malformed(void **state) {
    static const char *const wrong[] = {
        "",
        "{}",
        "{\"action\":\"x\",\"pcrs\":[],\"planned\":[]}",
        "{\"action\":\"suspend\",\"planned\":[]}",
        "{\"action\":\"suspend\",\"pcrs\":[]}",
        "{\"action\":\"suspend\",\"pcrs\":[-1],\"planned\":[]}",
        "{\"action\":\"suspend\",\"pcrs\":1,\"planned\":[]}",
        "{\"action\":\"suspend\",\"pcrs\":[\"0\"],\"planned\":[]}",
        "{\"action\":\"suspend\",\"pcrs\":[24],\"planned\":[]}",
        "{\"action\":\"bind\",\"pcrs\":[],\"planned\":[]," GOOD_CODE "}",
        "{\"action\":\"bind\",\"pcrs\":[0],\"planned\":[]}",
        "{\"action\":\"bind\",\"pcrs\":[0],\"planned\":[],\"recovery\":\"MDEy\"}",
        "{\"action\":\"recover\",\"pcrs\":[0],\"planned\":[],\"recovery\":\"!\"}",
        "{\"action\":\"bind\",\"pcrs\":[0],\"planned\":[1]," GOOD_CODE "}",
        "{\"action\":\"bind\",\"pcrs\":[0],\"planned\":[{\"pcr\":0}]," GOOD_CODE "}",
        "{\"action\":\"bind\",\"pcrs\":[0],\"planned\":[{\"pcr\":0,\"sha256\":\"ab\"}]," GOOD_CODE
        "}",
        "{\"action\":\"bind\",\"pcrs\":[0],\"planned\":[{\"pcr\":24,\"sha256\":\"" HEX
        "\"}]," GOOD_CODE "}",
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(wrong); i++) {
        struct store_change c = {.pcrs = 0};
        if (store_change_decode(slice_str(wrong[i]), &c, &err) == EDGE_OK) {
            fail_msg("accepted: %s", wrong[i]);
        }
        store_change_clear(&c);
    }
}

static void test_answer(void **state) {
    struct buf json;
    (void)state;
    buf_init(&json, 1024);
    info = (struct hsm_store_info){.exists = true, .bound = true, .pcrs = 5, .text = "why"};
    assert_int_equal(store_change_answer(&info, &json, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&json), "{\"state\":\"locked\",\"text\":\"why\",\"pcrs\":[0,2],"
                                         "\"hasPlanned\":false}");
    buf_clear(&json);
}

static enum edge_code one_round(void *data) {
    struct store_change c = {.action = STORE_BIND, .pcrs = 1, .planned_cnt = 1};
    struct store_change back = {.pcrs = 0};
    struct buf json;
    (void)data;
    buf_init_sensitive(&json, STORE_CHANGE_SIZE_MAX);
    enum edge_code code = secret_copy(&c.recovery, CODE, 20, NULL);
    code = code == EDGE_OK ? store_change_encode(&c, &json, NULL) : code;
    code = code == EDGE_OK ? store_change_decode(buf_slice(&json), &back, NULL) : code;
    store_change_clear(&back);
    store_change_clear(&c);
    buf_clear(&json);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_bind_and_suspend), T(test_recover),   T(test_abandon), T(test_json),
        T(test_json_of_all_pcrs), T(test_malformed), T(test_answer),  T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
