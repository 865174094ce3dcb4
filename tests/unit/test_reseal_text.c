/* SPDX-License-Identifier: MIT */
#include "cli/reseal_text.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct buf out;

static int setup(void **state) {
    (void)state;
    buf_init(&out, 4096);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_clear(&out);
    return 0;
}

static void expect(const char *json, const enum store_action *action, const char *part) {
    buf_reset(&out);
    assert_int_equal(reseal_text(slice_str(json), action, &out, NULL), EDGE_OK);
    if (strstr(buf_cstr(&out), part) == NULL) {
        fail_msg("'%s' is not in: %s", part, buf_cstr(&out));
    }
}

#define STORE(state, text, pcrs, planned)                                                          \
    "{\"state\":\"" state "\",\"text\":" text ",\"pcrs\":[" pcrs "],\"hasPlanned\":" planned "}"
#define OPEN  STORE("open", "null", "", "false")
#define BOUND STORE("bound", "\"fine\"", "0,2,7", "true")

static void test_conditions(void **state) {
    (void)state;
    expect(STORE("none", "null", "", "false"), NULL, "The sealed store is empty.\n");
    expect(OPEN, NULL, "is open, and bound to no PCR.\n");
    expect(BOUND, NULL, "bound to the present values of PCR 0, 2 and 7 and to planned ones.\n");
    expect(STORE("bound", "null", "7", "false"), NULL, "present values of PCR 7.\n");
    expect(STORE("locked", "\"PCR 7 changed\"", "7", "false"), NULL,
           "The sealed store does not open:\nPCR 7 changed\n");
    expect(STORE("locked", "null", "7", "false"), NULL, "does not open:\n\n");
}

static void test_what_next(void **state) {
    (void)state;
    enum store_action action = STORE_BIND;
    expect(BOUND, &action, "planned ones.\n");
    action = STORE_SUSPEND;
    expect(OPEN, &action, "until the next 'iotedge tpm reseal'");
    action = STORE_RECOVER;
    expect(BOUND, &action, "The recovery code stays the same.\n");
    action = STORE_ABANDON;
    expect(OPEN, &action, "The former store was set aside.");
}

static void test_json(void **state) {
    (void)state;
    assert_int_equal(reseal_json(slice_str(BOUND), "/f", &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), "{\"state\":\"bound\",\"text\":\"fine\",\"pcrs\":[0,2,7],"
                                        "\"hasPlanned\":true,\"recoveryFile\":\"/f\"}\n");
    buf_reset(&out);
    assert_int_equal(reseal_json(slice_str(OPEN), NULL, &out, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&out), OPEN "\n");
}

static void test_refused(void **state) {
    (void)state;
    assert_int_equal(reseal_text(slice_str("x"), NULL, &out, NULL), EDGE_PARSE);
    assert_int_equal(reseal_text(slice_str("{}"), NULL, &out, NULL), EDGE_NOT_FOUND);
    assert_int_equal(reseal_json(slice_str("x"), NULL, &out, NULL), EDGE_PARSE);
    assert_int_equal(out.len, 0);
}

static enum edge_code one_round(void *data) {
    const enum store_action action = STORE_ABANDON;
    struct buf b;
    (void)data;
    buf_init(&b, 4096);
    enum edge_code code = reseal_text(slice_str(BOUND), &action, &b, NULL);
    code = code == EDGE_OK ? reseal_json(slice_str(BOUND), "f", &b, NULL) : code;
    buf_clear(&b);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_conditions), T(test_what_next), T(test_json), T(test_refused), T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
