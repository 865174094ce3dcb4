/* SPDX-License-Identifier: MIT */
/*
 * Labels of imported keys: targets, encoding, foreign labels, and the search for the newest.
 */
#include "provisioning/key_label.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void test_targets(void **unused) {
    (void)unused;
    char t[KEY_LABEL_TARGET_MAX + 1];
    assert_int_equal(key_label_target_hub("Hub.Example.NET", "Dev-01", t, NULL), EDGE_OK);
    assert_string_equal(t, "hub:hub.example.net/Dev-01");
    assert_int_equal(key_label_target_dps("0neSCOPE", "Reg-01", t, NULL), EDGE_OK);
    assert_string_equal(t, "dps:0neSCOPE/Reg-01");
    assert_int_equal(key_label_target_hub("", "d", t, NULL), EDGE_INVALID);
    assert_int_equal(key_label_target_hub("h", NULL, t, NULL), EDGE_INVALID);
    assert_int_equal(key_label_target_dps(NULL, "r", t, NULL), EDGE_INVALID);
    assert_string_equal(t, "dps:0neSCOPE/Reg-01");
}

static void test_longest_names_fit(void **unused) {
    (void)unused;
    char host[260], id[129], t[KEY_LABEL_TARGET_MAX + 1], longest[KEY_LABEL_TARGET_MAX + 1];
    memset(host, 'h', 259);
    host[259] = '\0';
    memset(id, '\'', 128);
    id[128] = '\0';
    assert_int_equal(key_label_target_hub(host, id, t, NULL), EDGE_OK);
    struct key_label l = {.since_wall_s = 1700000000};
    strcpy(l.target, t);
    l.is_service = true;
    struct buf text;
    buf_init(&text, HSM_LABEL_MAX);
    assert_int_equal(key_label_encode(&l, &text, NULL), EDGE_OK);
    buf_clear(&text);
    memset(longest, 'x', sizeof(longest));
    longest[KEY_LABEL_TARGET_MAX] = '\0';
    assert_int_equal(key_label_target_dps(longest, "r", t, NULL), EDGE_RANGE);
}

static void test_round_trip(void **unused) {
    (void)unused;
    struct key_label l = {"hub:h.example/dev", 1700000000, false}, back;
    struct buf text;
    buf_init(&text, HSM_LABEL_MAX);
    assert_int_equal(key_label_encode(&l, &text, NULL), EDGE_OK);
    assert_true(slice_eq_str(
        buf_slice(&text),
        "{\"kind\":\"imported\",\"target\":\"hub:h.example/dev\",\"since\":1700000000}"));
    assert_int_equal(key_label_decode(buf_slice(&text), &back, NULL), EDGE_OK);
    assert_string_equal(back.target, l.target);
    assert_int_equal(back.since_wall_s, l.since_wall_s);
    assert_false(back.is_service);
    l.is_service = true;
    buf_reset(&text);
    assert_int_equal(key_label_encode(&l, &text, NULL), EDGE_OK);
    assert_non_null(memmem(text.data, text.len, ",\"service\":true}", 16));
    assert_int_equal(key_label_decode(buf_slice(&text), &back, NULL), EDGE_OK);
    assert_true(back.is_service);
    buf_clear(&text);
}

static void test_other_labels_are_not_of_this_kind(void **unused) {
    (void)unused;
    static const char *const labels[] = {
        "",
        "text",
        "[]",
        "{}",
        "{\"hub\":\"h\",\"device_id\":\"d\",\"since\":1,\"inputs\":\"i\"}",
        "{\"kind\":\"other\",\"target\":\"t\",\"since\":1}",
        "{\"kind\":\"imported\",\"since\":1}",
        "{\"kind\":\"imported\",\"target\":\"\",\"since\":1}",
        "{\"kind\":\"imported\",\"target\":\"t\"}",
        "{\"kind\":\"imported\",\"target\":\"t\",\"since\":\"x\"}"};
    struct key_label l;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(labels); i++) {
        assert_int_equal(key_label_decode(slice_str(labels[i]), &l, NULL), EDGE_PARSE);
    }
}

static struct hsm_identity keys[4];

static void label(size_t i, uint64_t generation, const char *text) {
    keys[i].generation = generation;
    (void)snprintf(keys[i].label, sizeof(keys[i].label), "%s", text);
}

static void fill(void) {
    label(0, 2, "{\"kind\":\"imported\",\"target\":\"a\",\"since\":1}");
    label(1, 3, "{\"kind\":\"imported\",\"target\":\"b\",\"since\":1}");
    label(2, 5, "{\"kind\":\"imported\",\"target\":\"a\",\"since\":1}");
    label(3, 7, "{\"hub\":\"a\"}");
}

static void test_find(void **unused) {
    (void)unused;
    uint64_t g = 99;
    fill();
    assert_int_equal(key_label_find(keys, 4, "a", 0, &g, NULL), EDGE_OK);
    assert_int_equal(g, 5);
    assert_int_equal(key_label_find(keys, 4, "a", 5, &g, NULL), EDGE_OK);
    assert_int_equal(g, 2);
    assert_int_equal(key_label_find(keys, 4, "a", 2, &g, NULL), EDGE_OK);
    assert_int_equal(g, 0);
    assert_int_equal(key_label_find(keys, 4, "c", 0, &g, NULL), EDGE_OK);
    assert_int_equal(g, 0);
}

static enum edge_code find_all(void *data) {
    uint64_t g = 0;
    (void)data;
    fill();
    enum edge_code code = key_label_find(keys, 4, "a", 0, &g, NULL);
    if (code == EDGE_OK) {
        assert_int_equal(g, 5); /* never an older one for want of memory */
    }
    return code;
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(find_all, NULL) > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),    cmocka_unit_test(test_longest_names_fit),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_other_labels_are_not_of_this_kind),
        cmocka_unit_test(test_find),       cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
