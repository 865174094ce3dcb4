/* SPDX-License-Identifier: MIT */
/*
 * Which transports are accepted, and what an operator reads when a node cannot be opened.
 */
#include "tpm/tpm_node.h"

#include "support/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Only this node is busy. */
#define BUSY_NODE "/dev/full"

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...) {
    if (strcmp(path, BUSY_NODE) == 0) {
        errno = EBUSY;
        return -1;
    }
    return __real_open(path, flags);
}

static void transports(void **state) {
    static const struct {
        const char *tcti;
        enum edge_code plain, emulator;
        const char *node;
    } cases[] = {
        {"device:/dev/tpmrm0", EDGE_OK, EDGE_OK, "/dev/tpmrm0"},
        {"device:/dev/tpm0", EDGE_OK, EDGE_OK, "/dev/tpm0"},
        {"tabrmd", EDGE_OK, EDGE_OK, ""},
        {"tabrmd:bus_type=system", EDGE_OK, EDGE_OK, ""},
        {"tabrmd:bus_type=session", EDGE_INVALID, EDGE_OK, ""},
        {"tabrmd:bus_name=evil.Tabrmd", EDGE_INVALID, EDGE_OK, ""},
        {"swtpm:path=/x/sock", EDGE_INVALID, EDGE_OK, ""},
        {"swtpm", EDGE_INVALID, EDGE_OK, ""},
        {"mssim:host=10.0.0.1,port=2321", EDGE_INVALID, EDGE_OK, ""},
        {"cmd:tpm2_send", EDGE_INVALID, EDGE_OK, ""},
        {"pcap:device:/dev/tpmrm0", EDGE_INVALID, EDGE_OK, ""},
        {"libtss2-tcti-x.so", EDGE_INVALID, EDGE_OK, ""},
        {"/tmp/x.so", EDGE_INVALID, EDGE_OK, ""},
        {"device", EDGE_INVALID, EDGE_INVALID, NULL},
        {"device:", EDGE_INVALID, EDGE_INVALID, NULL},
        {"device:tpm0", EDGE_INVALID, EDGE_INVALID, NULL},
        {"device:/dev/tpm0,x", EDGE_INVALID, EDGE_INVALID, NULL},
        {"", EDGE_INVALID, EDGE_INVALID, NULL},
        {NULL, EDGE_INVALID, EDGE_INVALID, NULL},
    };
    char node[TPM_NODE_MAX], longest[2 * TPM_NODE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tpm_node_check(cases[i].tcti, false, node, NULL), cases[i].plain);
        assert_int_equal(tpm_node_check(cases[i].tcti, true, node, NULL), cases[i].emulator);
        if (cases[i].node != NULL) {
            assert_string_equal(node, cases[i].node);
        }
    }
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(tpm_node_check(longest, true, node, NULL), EDGE_RANGE);
    assert_true(tpm_node_is_managed("device:/dev/tpmrm0"));
    assert_true(tpm_node_is_managed("tabrmd"));
    assert_false(tpm_node_is_managed("device:/dev/tpm0"));
    assert_false(tpm_node_is_managed("swtpm:path=/x"));
}

static void check(const struct tpm_node_facts *f, enum edge_code code, enum hsm_state want,
                  const char *text) {
    struct edge_error err;
    enum hsm_state got = HSM_STATE_UNTRIED;

    assert_int_equal(tpm_node_explain(f, &got, &err), code);
    assert_int_equal(got, want);
    if (strstr(err.text, text) == NULL) {
        fail_msg("no '%s' in: %s", text, err.text);
    }
    assert_true(strlen(err.text) < EDGE_ERROR_TEXT_MAX - 1);
}

static void explanations(void **state) {
    struct tpm_node_facts f = {.node = "/dev/tpmrm0",
                               .errnum = EACCES,
                               .exists = true,
                               .is_char = true,
                               .mode = 0660,
                               .owner = "root",
                               .group = "tss",
                               .user = "iotedge"};

    (void)state;
    check(
        &f, EDGE_DENIED, HSM_STATE_NO_PERMISSION,
        "no permission on '/dev/tpmrm0' (root:tss 0660) for user 'iotedge': add it to group 'tss' "
        "(usermod -aG tss iotedge)");
    f.mode = 0600;
    check(&f, EDGE_DENIED, HSM_STATE_NO_PERMISSION, "udev");
    f.mode = 0660;
    (void)strncpy(f.group, "root", sizeof(f.group));
    check(&f, EDGE_DENIED, HSM_STATE_NO_PERMISSION, "udev");
    f.errnum = EBUSY;
    check(&f, EDGE_BUSY, HSM_STATE_BUSY, "another program (tpm2-abrmd?)");
    (void)strncpy(f.holder, "tpm2-abrmd (pid 812)", sizeof(f.holder));
    check(&f, EDGE_BUSY, HSM_STATE_BUSY, "in use by tpm2-abrmd (pid 812)");
    f.errnum = ENODEV;
    check(&f, EDGE_NOT_FOUND, HSM_STATE_NO_DEVICE, "no TPM behind it");
    f.errnum = EIO;
    check(&f, EDGE_IO, HSM_STATE_FAILED, "cannot open '/dev/tpmrm0'");
    f.errnum = 0;
    check(&f, EDGE_IO, HSM_STATE_FAILED, "does not behave like a TPM");
    f.is_char = false;
    check(&f, EDGE_INVALID, HSM_STATE_NO_DEVICE, "is not a device node");
    f.exists = false;
    f.errnum = ENOENT;
    check(&f, EDGE_NOT_FOUND, HSM_STATE_NO_DEVICE, "does not exist");
    f.errnum = EACCES;
    check(&f, EDGE_DENIED, HSM_STATE_NO_PERMISSION, "may not look for");
}

static void facts_of_real_nodes(void **state) {
    struct tmpdir *dir = *state;
    struct tpm_node_facts f;

    tpm_node_look("/dev/no-such-tpm", &f);
    assert_false(f.exists);
    assert_int_equal(f.errnum, ENOENT);
    assert_int_not_equal(f.user[0], '\0');
    tpm_node_look("/dev/null", &f);
    assert_true(f.exists && f.is_char);
    assert_int_equal(f.errnum, 0);
    assert_string_equal(f.owner, "root");
    tmpdir_write(dir, "file", "x", 1, 0640);
    tpm_node_look(tmpdir_join(dir, "file"), &f);
    assert_true(f.exists && !f.is_char);
    assert_int_equal(f.mode, 0640);
}

static void holder_is_found(void **state) {
    struct tpm_node_facts f;
    char want[64];

    (void)state;
    int fd = __real_open(BUSY_NODE, O_RDWR);
    assert_true(fd >= 0);
    tpm_node_look(BUSY_NODE, &f);
    assert_int_equal(f.errnum, EBUSY);
    (void)snprintf(want, sizeof(want), "test_tpm_node (pid %d)", (int)getpid());
    assert_string_equal(f.holder, want);
    (void)close(fd);
    tpm_node_look(BUSY_NODE, &f);
    assert_string_equal(f.holder, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transports),
        cmocka_unit_test(explanations),
        cmocka_unit_test(holder_is_found),
        cmocka_unit_test_setup_teardown(facts_of_real_nodes, tmpdir_setup, tmpdir_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
