/* SPDX-License-Identifier: MIT */
#include "cli/reseal_options.h"

#include "cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <getopt.h>
#include <string.h>

#define HEX16 "0011223344556677"
#define HEX64 HEX16 "8899aabbccddeeff" HEX16 "8899AABBCCDDEEFF"

/* getopt wants to be able to write. */
static int parse(struct reseal_options *o, const char *const *argv) {
    static char text[16][96];
    char *args[17] = {0};
    int argc = 0;
    for (; argv[argc] != NULL; argc++) {
        assert_true(argc < 16 && slice_to_array(slice_str(argv[argc]), text[argc], 96));
        args[argc] = text[argc];
    }
    memset(o, 0, sizeof(*o));
    o->cli.command = "iotedge tpm reseal";
    optind = 0;
    opterr = 0;
    return reseal_options_parse(argc, args, "Usage\n", o);
}

#define PARSE(o, ...) parse(o, (const char *[]){"x", __VA_ARGS__, NULL})

static void test_together(void **state) {
    struct reseal_options o;
    (void)state;
    assert_int_equal(PARSE(&o, "--also", "0=x", "--recovery-file", "f", "--json"), CLI_GO_ON);
    assert_string_equal(o.recovery_file, "f");
    assert_int_equal(o.also.cnt, 1);
    assert_int_equal(PARSE(&o, "--recover", "--recovery-file", "-"), CLI_GO_ON);
    assert_int_equal(PARSE(&o, "--abandon", "--yes"), CLI_GO_ON);
    assert_int_equal(PARSE(&o, "--suspend"), CLI_GO_ON);
    assert_int_equal(PARSE(&o, "--show"), CLI_GO_ON);
    assert_int_equal(PARSE(&o, "--suspend", "--show"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, "--recover", "--abandon"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, "--suspend", "--also", "0=x"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, "--suspend", "--recovery-file", "f"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, "--yes"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, "MZXW-6YTB"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, "--help"), 0);
}

static enum edge_code change_of(struct reseal_options *o, uint32_t pcrs, struct store_change *ret,
                                struct edge_error *err) {
    static char file[] = "/etc/c.yaml";
    const struct edge_config cfg = {.file = file, .tpm_pcrs = pcrs};
    *ret = (struct store_change){.pcrs = 77};
    return reseal_options_change(o, &cfg, ret, err);
}

static void test_changes(void **state) {
    struct reseal_options o = {.suspend = true};
    struct store_change c;
    struct edge_error err;
    (void)state;
    assert_int_equal(change_of(&o, 5, &c, &err), EDGE_OK);
    assert_true(c.action == STORE_SUSPEND && c.pcrs == 0);
    o = (struct reseal_options){.recover = true};
    assert_int_equal(change_of(&o, 5, &c, &err), EDGE_OK);
    assert_true(c.action == STORE_RECOVER && c.pcrs == 5);
    assert_int_equal(change_of(&o, 0, &c, &err), EDGE_OK);
    assert_int_equal(c.pcrs, 0);
    o = (struct reseal_options){.abandon = true};
    assert_int_equal(change_of(&o, 5, &c, &err), EDGE_OK);
    assert_true(c.action == STORE_ABANDON && c.pcrs == 0);
    o = (struct reseal_options){.yes = false};
    assert_int_equal(change_of(&o, 5, &c, &err), EDGE_OK);
    assert_true(c.action == STORE_BIND && c.pcrs == 5 && c.planned_cnt == 0);
    assert_int_equal(change_of(&o, 0, &c, &err), EDGE_INVALID);
    assert_non_null(strstr(err.text, "tpm.pcrs is not set in /etc/c.yaml"));
}

static void test_planned(void **state) {
    struct reseal_options o = {.also = {.items = {"0=" HEX64, "2=" HEX64}, .cnt = 2}};
    struct store_change c;
    struct edge_error err;
    (void)state;
    assert_int_equal(change_of(&o, 5, &c, &err), EDGE_OK);
    assert_int_equal(c.planned_cnt, 2);
    assert_int_equal(c.planned[1].pcr, 2);
    assert_int_equal(c.planned[1].digest[1], 0x11);
    assert_int_equal(c.planned[1].digest[31], 0xff);
    o.also.items[1] = "0=" HEX64;
    assert_int_equal(change_of(&o, 5, &c, &err), EDGE_INVALID);
    assert_non_null(strstr(err.text, "PCR 0 twice"));
    o.also.items[1] = "1=" HEX64;
    assert_int_equal(change_of(&o, 5, &c, &err), EDGE_INVALID);
    assert_non_null(strstr(err.text, "PCR 1, which tpm.pcrs does not have"));
    static const char *const wrong[] = {
        "", "0", "=" HEX64, "0=", "0=" HEX16, "24=" HEX64, "0=" HEX64 "00", "0=x" HEX64};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(wrong); i++) {
        o.also.items[1] = wrong[i];
        assert_int_equal(change_of(&o, 5, &c, &err), EDGE_INVALID);
        assert_non_null(strstr(err.text, "64 hex digits"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
