/* SPDX-License-Identifier: MIT */
/*
 * The saved provisioning result: encoding, damage, and completing an interrupted change from the
 * keys' labels.
 */
#include "provisioning/state.h"

#include "base/fs.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The key store as state_load sees it. */
static struct {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt;
    enum edge_code code;
} store;

enum edge_code hsm_identity_list(struct hsm *h, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) {
    (void)h;
    if (store.code != EDGE_OK) {
        return edge_set(err, store.code, "no key store");
    }
    memcpy(ret, store.keys, sizeof(store.keys));
    *ret_cnt = store.cnt;
    return EDGE_OK;
}

static char dir[64];

static int setup(void **state) {
    (void)state;
    memset(&store, 0, sizeof(store));
    strcpy(dir, "/tmp/edge-state-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int teardown(void **state) {
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return rmdir(dir);
}

static struct provisioning_result result(const char *hub, uint64_t generation, bool proven) {
    struct provisioning_result r = {
        .key_generation = generation, .since_wall_s = 1700000000, .proven = proven};
    (void)snprintf(r.hub, sizeof(r.hub), "%s", hub);
    (void)snprintf(r.device_id, sizeof(r.device_id), "dev-01");
    return r;
}

static void add_key(uint64_t generation, const char *hub) {
    struct buf label;
    struct provisioning_result r = result(hub, 0, false);
    buf_init(&label, HSM_LABEL_MAX);
    assert_int_equal(state_label_encode(&r, "abcd", &label, NULL), EDGE_OK);
    struct hsm_identity *k = &store.keys[store.cnt++];
    k->generation = generation;
    assert_true(slice_to_array(buf_slice(&label), k->label, sizeof(k->label)));
    buf_clear(&label);
}

static void assert_same(const struct provisioning_result *a, const struct provisioning_result *b) {
    assert_string_equal(a->hub, b->hub);
    assert_string_equal(a->device_id, b->device_id);
    assert_int_equal(a->key_generation, b->key_generation);
    assert_int_equal(a->since_wall_s, b->since_wall_s);
    assert_int_equal(a->proven, b->proven);
}

static struct state sample(void) {
    struct state s = {.has_current = true,
                      .has_previous = true,
                      .current = result("b.example", 4, false),
                      .previous = result("a.example", 3, true),
                      .inputs = "abcd"};
    return s;
}

static void test_round_trip(void **unused) {
    (void)unused;
    struct state s = sample(), back;
    struct buf text;
    buf_init(&text, STATE_SIZE_MAX);
    assert_int_equal(state_encode(&s, &text, NULL), EDGE_OK);
    assert_int_equal(state_decode(buf_slice(&text), &back, NULL), EDGE_OK);
    assert_true(back.has_current && back.has_previous);
    assert_same(&back.current, &s.current);
    assert_same(&back.previous, &s.previous);
    assert_string_equal(back.inputs, "abcd");
    buf_clear(&text);
}

static void test_every_flipped_bit_is_noticed(void **unused) {
    (void)unused;
    struct state s = sample(), back = {0};
    struct buf text;
    buf_init(&text, STATE_SIZE_MAX);
    assert_int_equal(state_encode(&s, &text, NULL), EDGE_OK);
    for (size_t i = 0; i + 1 < text.len; i++) {
        text.data[i] ^= 1;
        assert_int_not_equal(state_decode(buf_slice(&text), &back, NULL), EDGE_OK);
        text.data[i] ^= 1;
    }
    for (size_t len = 0; len + 1 < text.len; len++) {
        assert_int_not_equal(state_decode(slice_make(text.data, len), &back, NULL), EDGE_OK);
    }
    assert_false(back.has_current);
    buf_clear(&text);
}

static void test_nothing_saved(void **unused) {
    (void)unused;
    struct state s;
    char note[128];
    assert_int_equal(state_load(dir, NULL, &s, note, sizeof(note), NULL), EDGE_OK);
    assert_false(s.has_current || s.has_previous);
    assert_string_equal(note, "");
}

static void test_saved_and_loaded(void **unused) {
    (void)unused;
    struct state s = sample(), back;
    struct stat st;
    char note[128], path[128];
    add_key(3, "a.example");
    add_key(4, "b.example");
    assert_int_equal(state_save(dir, &s, NULL), EDGE_OK);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, STATE_FILE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_same(&back.current, &s.current);
    assert_same(&back.previous, &s.previous);
    assert_string_equal(note, "");
}

static void test_key_newer_than_state_completes_the_change(void **unused) {
    (void)unused;
    struct state s = {.has_current = true, .current = result("a.example", 3, true)}, back;
    char note[128];
    add_key(3, "a.example");
    add_key(4, "b.example");
    assert_int_equal(state_save(dir, &s, NULL), EDGE_OK);
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_string_equal(back.current.hub, "b.example");
    assert_int_equal(back.current.key_generation, 4);
    assert_false(back.current.proven);
    assert_true(back.has_previous);
    assert_string_equal(back.previous.hub, "a.example");
    assert_string_equal(back.inputs, "abcd");
    assert_non_null(strstr(note, "interrupted"));
}

/* Cut between the adoption of a key of release 1.1 and the first state file. */
static void test_adopted_key_is_the_root_of_the_modules_keys(void **unused) {
    (void)unused;
    struct state back;
    char note[128];
    add_key(4, "a.example");
    store.keys[0].adopted = true;
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_int_equal(back.current.key_generation, 4);
    assert_int_equal(back.legacy_root, 4);
    /* Not again once that is over. */
    back.legacy_root = 0;
    assert_int_equal(state_save(dir, &back, NULL), EDGE_OK);
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_int_equal(back.current.key_generation, 4);
    assert_int_equal(back.legacy_root, 0);
}

static void test_unproven_current_does_not_displace_the_proven_previous(void **unused) {
    (void)unused;
    struct state s = sample();
    struct provisioning_result r = result("c.example", 5, false);
    state_advance(&s, &r);
    assert_int_equal(s.current.key_generation, 5);
    assert_int_equal(s.previous.key_generation, 3);
}

static void test_lost_state_file_is_rebuilt_from_labels(void **unused) {
    (void)unused;
    struct state back;
    char note[128];
    add_key(7, "a.example");
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_true(back.has_current);
    assert_string_equal(back.current.hub, "a.example");
    assert_int_equal(back.current.key_generation, 7);
}

static void test_damaged_state_file_is_set_aside(void **unused) {
    (void)unused;
    struct state s = sample(), back;
    char note[256], path[128];
    unsigned kept = 0;
    add_key(4, "b.example");
    assert_int_equal(state_save(dir, &s, NULL), EDGE_OK);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, STATE_FILE);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "XXXX", 4, 80), 4);
    close(fd);
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_string_equal(back.current.hub, "b.example");
    assert_non_null(strstr(note, "damaged"));
    DIR *d = opendir(dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        kept += strstr(e->d_name, "damaged") != NULL ? 1 : 0;
    }
    closedir(d);
    assert_int_equal(kept, 1);
}

static void test_oversized_state_file_is_set_aside(void **unused) {
    (void)unused;
    struct state back;
    char note[256], path[128];
    static char junk[STATE_SIZE_MAX + 1];
    add_key(4, "b.example");
    (void)snprintf(path, sizeof(path), "%s/%s", dir, STATE_FILE);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_string_equal(back.current.hub, "b.example");
    assert_non_null(strstr(note, "damaged"));
}

static void test_missing_current_key_falls_back(void **unused) {
    (void)unused;
    struct state s = sample(), back;
    char note[256];
    add_key(3, "a.example");
    assert_int_equal(state_save(dir, &s, NULL), EDGE_OK);
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
    assert_true(back.has_current);
    assert_false(back.has_previous);
    assert_string_equal(back.current.hub, "a.example");
    assert_non_null(strstr(note, "gone"));
}

static void test_foreign_labels_are_ignored(void **unused) {
    (void)unused;
    static const char *const labels[] = {"",
                                         "text",
                                         "{}",
                                         "[]",
                                         "{\"hub\":5}",
                                         "{\"hub\":\"h\",\"device_id\":\"\"}",
                                         "{\"hub\":\"h\",\"device_id\":\"d\",\"since\":\"x\"}"};
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        struct state back;
        char note[128];
        memset(&store, 0, sizeof(store));
        store.cnt = 1;
        store.keys[0].generation = 9;
        (void)snprintf(store.keys[0].label, sizeof(store.keys[0].label), "%s", labels[i]);
        assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), NULL), EDGE_OK);
        assert_false(back.has_current);
    }
}

static void test_key_store_failure_is_reported(void **unused) {
    (void)unused;
    struct state back;
    struct edge_error err;
    char note[128];
    store.code = EDGE_HSM;
    assert_int_equal(state_load(dir, NULL, &back, note, sizeof(note), &err), EDGE_HSM);
    assert_string_equal(err.text, "no key store");
}

static void test_other_format_version_is_not_misread(void **unused) {
    (void)unused;
    struct state back;
    const char text[] =
        "cf1bd0b5b3e7e2b9d7c6f9a8b0b9d0ff1b1c2d3e4f5061728394a5b6c7d8e9f0\n{\"version\":2}\n";
    assert_int_not_equal(state_decode(slice_str(text), &back, NULL), EDGE_OK);
}

static enum edge_code save_and_load(void *data) {
    struct state s = {.has_current = true, .current = result("a.example", 3, true)}, back = {0};
    char note[128];
    (void)data;
    enum edge_code code = state_save(dir, &s, NULL);
    if (code == EDGE_OK) {
        code = state_load(dir, NULL, &back, note, sizeof(note), NULL);
    }
    if (code == EDGE_OK) {
        assert_int_equal(back.current.key_generation, 4); /* a newer key is never passed over */
        assert_null(strstr(note, "damaged"));
    }
    return code;
}

static void test_out_of_memory_is_not_damage(void **unused) {
    (void)unused;
    add_key(3, "a.example");
    add_key(4, "b.example");
    assert_true(alloc_fail_torture(save_and_load, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test_setup_teardown(test_nothing_saved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_saved_and_loaded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_newer_than_state_completes_the_change, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_adopted_key_is_the_root_of_the_modules_keys, setup,
                                        teardown),
        cmocka_unit_test(test_unproven_current_does_not_displace_the_proven_previous),
        cmocka_unit_test_setup_teardown(test_lost_state_file_is_rebuilt_from_labels, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_damaged_state_file_is_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oversized_state_file_is_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_current_key_falls_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_labels_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_store_failure_is_reported, setup, teardown),
        cmocka_unit_test(test_other_format_version_is_not_misread),
        cmocka_unit_test_setup_teardown(test_out_of_memory_is_not_damage, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
