/* SPDX-License-Identifier: MIT */
/*
 * Facts about a machine made of files.
 */
#include "api/host_facts.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static void put(const struct tmpdir *dir, const char *name, const char *text) {
    char path[128];
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (name[i] == '/') {
            memcpy(path, name, i);
            path[i] = '\0';
            (void)mkdir(tmpdir_join(dir, path), 0755);
        }
    }
    tmpdir_write(dir, name, text, strlen(text), 0644);
}

static void test_a_pc(void **state) {
    const struct tmpdir *dir = *state;
    struct host_facts f;
    struct utsname uts;
    put(dir, "etc/os-release",
        "NAME=\"Some OS\"\nVERSION_ID=\"12\"\nVARIANT_ID='server'\nBUILD_ID=20.1");
    put(dir, "sys/class/dmi/id/product_name", "Box 3000 \n");
    put(dir, "sys/class/dmi/id/sys_vendor", "Boxes & Sons\n");
    put(dir, "proc/cpuinfo", "processor : 0\nflags\t\t: fpu hypervisor lahf\n");
    host_facts_read(dir->path, &f);
    assert_int_equal(uname(&uts), 0);
    assert_string_equal(f.kernel_release, uts.release);
    assert_string_equal(f.os_version, "12");
    assert_string_equal(f.os_variant, "server");
    assert_string_equal(f.os_build, "20.1");
    assert_string_equal(f.product_name, "Box 3000");
    assert_string_equal(f.system_vendor, "Boxes & Sons");
    assert_string_equal(f.virtualized, "yes");
}

static void test_a_board(void **state) {
    const struct tmpdir *dir = *state;
    struct host_facts f;
    put(dir, "usr/lib/os-release", "VERSION_ID=1\n\nnonsense\n");
    put(dir, "proc/device-tree/model", "Some Board Rev 2");
    put(dir, "proc/cpuinfo", "processor : 0\nFeatures : fp\n");
    host_facts_read(dir->path, &f);
    assert_string_equal(f.os_version, "1");
    assert_string_equal(f.product_name, "Some Board Rev 2");
    assert_string_equal(f.system_vendor, "");
    assert_string_equal(f.virtualized, "unknown");
}

static void test_nothing_known(void **state) {
    const struct tmpdir *dir = *state;
    struct host_facts f;
    host_facts_read(dir->path, &f);
    assert_string_equal(f.os_version, "");
    assert_string_equal(f.product_name, "");
    assert_string_equal(f.virtualized, "unknown");
}

static void test_no_hypervisor(void **state) {
    const struct tmpdir *dir = *state;
    struct host_facts f;
    put(dir, "proc/cpuinfo", "processor : 0\nflags\t\t: fpu vme\n");
    host_facts_read(dir->path, &f);
    assert_string_equal(f.virtualized, "no");
}

/* What is too long or no text is not told at all. */
static void test_odd_text(void **state) {
    const struct tmpdir *dir = *state;
    struct host_facts f;
    char longest[HOST_FACT_MAX + 2];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    put(dir, "sys/class/dmi/id/product_name", longest);
    put(dir, "sys/class/dmi/id/sys_vendor", "\xff\xfe\n");
    host_facts_read(dir->path, &f);
    assert_string_equal(f.product_name, "");
    assert_string_equal(f.system_vendor, "");
    longest[HOST_FACT_MAX] = '\0';
    put(dir, "sys/class/dmi/id/product_name", longest);
    host_facts_read(dir->path, &f);
    assert_string_equal(f.product_name, longest);
}

static void test_file_read(void **state) {
    const struct tmpdir *dir = *state;
    char text[5];
    char deep[5000];
    put(dir, "a", "123456");
    assert_true(host_file_read(dir->path, "/a", text, sizeof(text)));
    assert_string_equal(text, "1234");
    assert_false(host_file_read(dir->path, "/b", text, sizeof(text)));
    memset(deep, 'd', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    assert_false(host_file_read(dir->path, deep, text, sizeof(text)));
}

#define T(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_a_pc),          T(test_a_board),  T(test_nothing_known),
        T(test_no_hypervisor), T(test_odd_text), T(test_file_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
