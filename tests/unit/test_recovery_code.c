/* SPDX-License-Identifier: MIT */
#include "cli/recovery_code.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_there_and_back(void **state) {
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct secret code = {0}, back = {0};
        struct buf text;
        buf_init_sensitive(&text, RECOVERY_CODE_TEXT);
        assert_int_equal(recovery_code_make(&code, NULL), EDGE_OK);
        assert_int_equal(code.len, RECOVERY_CODE_LEN);
        assert_int_equal(recovery_code_format(&code, &text, NULL), EDGE_OK);
        assert_int_equal(text.len, RECOVERY_CODE_TEXT);
        assert_int_equal(recovery_code_parse(buf_slice(&text), &back, NULL), EDGE_OK);
        assert_true(secret_equal(&code, &back));
        secret_clear(&code);
        secret_clear(&back);
        buf_clear(&text);
    }
}

/* RFC 4648, section 10, and bits that show the order. */
static void test_vectors(void **state) {
    static const char bytes[] = "foobarfoobarfoobarfo";
    struct secret code = {0}, back = {0};
    struct buf text;
    (void)state;
    buf_init_sensitive(&text, RECOVERY_CODE_TEXT);
    assert_int_equal(secret_copy(&code, bytes, 20, NULL), EDGE_OK);
    assert_int_equal(recovery_code_format(&code, &text, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&text), "MZXW-6YTB-OJTG-633C-MFZG-M33P-MJQX-EZTP");
    assert_int_equal(
        recovery_code_parse(SLICE_LIT(" mzxw6ytb ojtg633c\nMFZGm33p--MJQXEZTP\r\n"), &back, NULL),
        EDGE_OK);
    assert_true(secret_equal_bytes(&back, bytes, 20));
    secret_clear(&code);
    secret_clear(&back);
    buf_clear(&text);
}

static void test_no_codes(void **state) {
    static const struct {
        const char *text;
        const char *part;
    } wrong[] = {
        {"", "not complete: 0 of 32"},
        {"MZXW-6YTB", "not complete: 8 of 32"},
        {"MZXW-6YTB-OJTG-633C-MFZG-M33P-MJQX-EZT", "not complete: 31 of 32"},
        {"MZXW-6YTB-OJTG-633C-MFZG-M33P-MJQX-EZTPA", "no recovery code"},
        {"MZXW-6YTB-OJTG-633C-MFZG-M33P-MJQX-EZT1", "no recovery code"},
        {"MZXW-6YTB-OJTG-633C-MFZG-M33P-MJQX-EZT=", "no recovery code"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(wrong); i++) {
        struct secret code = {0};
        struct edge_error err;
        assert_int_equal(recovery_code_parse(slice_str(wrong[i].text), &code, &err), EDGE_PARSE);
        assert_non_null(strstr(err.text, wrong[i].part));
        assert_null(strstr(err.text, "MZXW"));
        assert_null(code.data);
    }
}

static void test_file(void **state) {
    struct tmpdir *dir = tmpdir_new();
    struct secret code = {0};
    struct edge_error err;
    struct stat st;
    char path[5000], line[64] = "";
    int fd = -1;
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/code", dir->path);
    assert_int_equal(secret_copy(&code, "foobarfoobarfoobarfo", 20, NULL), EDGE_OK);
    assert_int_equal(recovery_code_create(path, &fd, &err), EDGE_OK);
    assert_int_equal(recovery_code_save(&code, fd, &err), EDGE_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof(line), file));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(line, "MZXW-6YTB-OJTG-633C-MFZG-M33P-MJQX-EZTP\n");
    assert_int_equal(recovery_code_create(path, &fd, &err), EDGE_EXISTS);
    assert_non_null(strstr(err.text, "name a new file"));
    (void)snprintf(path, sizeof(path), "%s/none/code", dir->path);
    assert_int_equal(recovery_code_create(path, &fd, &err), EDGE_NOT_FOUND);
    fd = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_not_equal(recovery_code_save(&code, fd, &err), EDGE_OK);
    assert_int_equal(close(fd), 0);
    secret_clear(&code);
    tmpdir_free(dir);
}

static enum edge_code one_round(void *data) {
    struct secret code = {0}, back = {0};
    struct buf text;
    (void)data;
    buf_init_sensitive(&text, RECOVERY_CODE_TEXT);
    enum edge_code result = recovery_code_make(&code, NULL);
    result = result == EDGE_OK ? recovery_code_format(&code, &text, NULL) : result;
    result = result == EDGE_OK ? recovery_code_parse(buf_slice(&text), &back, NULL) : result;
    secret_clear(&code);
    secret_clear(&back);
    buf_clear(&text);
    return result;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_no_codes),       cmocka_unit_test(test_file),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
