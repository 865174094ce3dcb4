/* SPDX-License-Identifier: MIT */
/*
 * The file that remembers how edgeAgent was last made.
 */
#include "agent/agent_record.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const struct agent_record made = {
    .hub = "hub.example.net",
    .device_id = "device-a",
    .generation_id = "638012345678901234",
    .fingerprint = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
};

static void assert_same(const struct agent_record *a, const struct agent_record *b) {
    assert_string_equal(a->hub, b->hub);
    assert_string_equal(a->device_id, b->device_id);
    assert_string_equal(a->generation_id, b->generation_id);
    assert_string_equal(a->fingerprint, b->fingerprint);
}

static void test_write_and_read(void **state) {
    struct tmpdir *dir = *state;
    struct agent_record r = {0};
    struct agent_record nothing_made = made;
    struct edge_error err;
    assert_int_equal(agent_record_read(dir->path, &r, &err), EDGE_NOT_FOUND);
    assert_int_equal(agent_record_write(dir->path, &made, &err), EDGE_OK);
    assert_int_equal(agent_record_read(dir->path, &r, &err), EDGE_OK);
    assert_same(&r, &made);
    nothing_made.fingerprint[0] = '\0';
    assert_int_equal(agent_record_write(dir->path, &nothing_made, &err), EDGE_OK);
    assert_int_equal(agent_record_read(dir->path, &r, &err), EDGE_OK);
    assert_same(&r, &nothing_made);
    assert_int_equal(chmod(tmpdir_join(dir, AGENT_RECORD_FILE), 0666), 0);
    assert_int_equal(agent_record_read(dir->path, &r, &err), EDGE_DENIED);
}

static void test_what_cannot_be_written(void **state) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};
    struct agent_record r = made;
    (void)state;
    buf_init(&text, AGENT_RECORD_MAX);
    r.generation_id[0] = '\0';
    assert_int_equal(agent_record_encode(&r, &text, NULL), EDGE_INVALID);
    r = made;
    r.device_id[3] = '\n';
    assert_int_equal(agent_record_encode(&r, &text, NULL), EDGE_INVALID);
    r = made;
    r.hub[0] = '\0';
    assert_int_equal(agent_record_encode(&r, &text, NULL), EDGE_INVALID);
    assert_int_equal(text.len, 0);
}

static void test_damage(void **state) {
    struct tmpdir *dir = *state;
    struct buf good EDGE_CLEANUP(buf_clear) = {0};
    struct agent_record r = {0};
    struct edge_error err;
    buf_init(&good, AGENT_RECORD_MAX);
    assert_int_equal(agent_record_encode(&made, &good, &err), EDGE_OK);
    for (size_t len = 0; len + 1 < good.len; len++) { /* all but the last newline */
        assert_int_not_equal(agent_record_decode(slice_make(good.data, len), &r, &err), EDGE_OK);
        good.data[len] ^= 0x04;
        assert_int_not_equal(agent_record_decode(buf_slice(&good), &r, &err), EDGE_OK);
        good.data[len] ^= 0x04;
    }
    assert_string_equal(r.hub, "");
    tmpdir_write(dir, AGENT_RECORD_FILE, good.data, good.len - 2, 0600);
    assert_int_equal(agent_record_read(dir->path, &r, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "edge-agent.damaged-"));
    assert_int_equal(agent_record_read(dir->path, &r, &err), EDGE_NOT_FOUND);
}

static enum edge_code write_and_read(void *data) {
    const struct tmpdir *dir = data;
    struct agent_record r;
    enum edge_code code = agent_record_write(dir->path, &made, NULL);
    return code == EDGE_OK ? agent_record_read(dir->path, &r, NULL) : code;
}

static void test_out_of_memory(void **state) {
    assert_true(alloc_fail_torture(write_and_read, *state) > 0);
}

#define WITH_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DIR(test_write_and_read),
        WITH_DIR(test_what_cannot_be_written),
        WITH_DIR(test_damage),
        WITH_DIR(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
