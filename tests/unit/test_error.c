/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAST (EDGE_ERROR_TEXT_MAX - 1)

static void test_set(void **state) {
    (void)state;
    struct edge_error err = {.domain = EDGE_DOMAIN_CURL, .native = 7};
    assert_int_equal(edge_set(&err, EDGE_RANGE, "size %d of '%s'", 5, "x"), EDGE_RANGE);
    assert_int_equal(err.code, EDGE_RANGE);
    assert_int_equal(err.domain, EDGE_DOMAIN_NONE);
    assert_int_equal(err.native, 0);
    assert_string_equal(edge_error_text(&err), "size 5 of 'x'");
    assert_int_equal(edge_set(NULL, EDGE_BUSY, "unheard"), EDGE_BUSY);
}

static void test_arguments_may_be_the_record(void **state) {
    (void)state;
    struct edge_error err = {0};
    edge_set(&err, EDGE_IO, "inner");
    edge_set(&err, EDGE_NET, "[%s] and [%s]", err.text, err.text);
    assert_string_equal(err.text, "[inner] and [inner]");
    edge_wrap(&err, EDGE_NET, "at %s", err.text);
    assert_string_equal(err.text, "while at [inner] and [inner]: [inner] and [inner]");
}

static void test_native(void **state) {
    (void)state;
    struct edge_error err = {0};
    assert_int_equal(edge_set_native(&err, EDGE_HSM, EDGE_DOMAIN_TSS, 0x922, "sign"), EDGE_HSM);
    assert_int_equal(err.domain, EDGE_DOMAIN_TSS);
    assert_int_equal(err.native, 0x922);
    assert_string_equal(err.text, "sign");
    assert_int_equal(edge_set_native(NULL, EDGE_HSM, EDGE_DOMAIN_TSS, 1, "x"), EDGE_HSM);
    edge_set_native(&err, EDGE_IO, EDGE_DOMAIN_ERRNO, EACCES, "open");
    assert_string_equal(err.text, "open: Permission denied");
    edge_set_native(&err, EDGE_IO, EDGE_DOMAIN_ERRNO, 99999, "open");
    assert_string_equal(err.text, "open: unknown error");
}

static void test_errno_codes(void **state) {
    (void)state;
    static const struct {
        int errnum;
        enum edge_code code;
    } table[] = {
        {ENOMEM, EDGE_NOMEM},       {EINVAL, EDGE_INVALID},
        {ENOTDIR, EDGE_INVALID},    {ENAMETOOLONG, EDGE_RANGE},
        {ENOENT, EDGE_NOT_FOUND},   {ENODEV, EDGE_NOT_FOUND},
        {EEXIST, EDGE_EXISTS},      {ENOTEMPTY, EDGE_CONFLICT},
        {EACCES, EDGE_DENIED},      {EPERM, EDGE_DENIED},
        {ELOOP, EDGE_DENIED},       {ENOSYS, EDGE_UNSUPPORTED},
        {EBUSY, EDGE_BUSY},         {EMFILE, EDGE_BUSY},
        {EAGAIN, EDGE_RETRY},       {ETIMEDOUT, EDGE_TIMEOUT},
        {ECANCELED, EDGE_CANCELED}, {ECONNREFUSED, EDGE_NET},
        {EPIPE, EDGE_NET},          {EIO, EDGE_IO},
        {ENOSPC, EDGE_IO},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        struct edge_error err = {0};
        assert_int_equal(edge_set_errno(&err, table[i].errnum, "x"), table[i].code);
        assert_int_equal(err.code, table[i].code);
        assert_int_equal(err.domain, EDGE_DOMAIN_ERRNO);
        assert_int_equal(err.native, table[i].errnum);
        assert_int_equal(edge_set_errno(NULL, table[i].errnum, "x"), table[i].code);
    }
}

static void test_wrap(void **state) {
    (void)state;
    struct edge_error err = {0};
    edge_set_errno(&err, ENOENT, "open");
    assert_int_equal(edge_wrap(&err, EDGE_IO, "reading '%s'", "key"), EDGE_NOT_FOUND);
    assert_string_equal(err.text, "while reading 'key': open: No such file or directory");
    assert_int_equal(err.native, ENOENT);
    assert_int_equal(err.domain, EDGE_DOMAIN_ERRNO);
    assert_int_equal(edge_wrap(NULL, EDGE_IO, "reading"), EDGE_IO);

    struct edge_error empty = {0};
    assert_int_equal(edge_wrap(&empty, EDGE_BUSY, "waiting"), EDGE_BUSY);
    assert_string_equal(empty.text, "while waiting: busy");
}

static void test_over_long(void **state) {
    (void)state;
    char text[600];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct edge_error err = {0};
    edge_set(&err, EDGE_IO, "%s", text);
    assert_int_equal(strlen(err.text), LAST);
    for (int i = 0; i < 10; i++) {
        edge_wrap(&err, EDGE_IO, "%s", text);
        assert_int_equal(strlen(err.text), LAST);
    }
    edge_set_errno(&err, ENOENT, "%.*s", LAST - 4, text);
    assert_int_equal(strlen(err.text), LAST);
    assert_string_equal(err.text + LAST - 5, "a: No");
}

/* Whatever the offset of a multi-byte character at the end, no part of it stays. */
static void test_cut_at_character(void **state) {
    (void)state;
    static const char *const chars[] = {"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x94\x91"};
    for (size_t c = 0; c < EDGE_ARRAY_LEN(chars); c++) {
        size_t char_len = strlen(chars[c]);
        for (size_t lead = 0; lead < 4; lead++) {
            char text[600] = "xxxx";
            size_t len = lead;
            while (len + char_len < sizeof(text)) {
                memcpy(text + len, chars[c], char_len);
                len += char_len;
            }
            text[len] = '\0';
            struct edge_error err = {0};
            edge_set(&err, EDGE_IO, "%s", text);
            assert_true(slice_is_utf8_text(slice_str(err.text)));
            assert_int_equal(strlen(err.text), LAST - (LAST - lead) % char_len);
            edge_wrap(&err, EDGE_IO, "w");
            assert_true(slice_is_utf8_text(slice_str(err.text)));
        }
    }
}

static void test_ill_formed_text_is_kept(void **state) {
    (void)state;
    char text[600];
    memset(text, 0xBF, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct edge_error err = {0};
    edge_set(&err, EDGE_IO, "%s", text);
    assert_true(strlen(err.text) >= LAST - 4);
}

static void test_names_and_clear(void **state) {
    (void)state;
    for (int code = 0; code < EDGE_CODE_CNT_; code++) {
        assert_non_null(edge_code_name((enum edge_code)code));
        for (int other = 0; other < code; other++) {
            assert_string_not_equal(edge_code_name((enum edge_code)code),
                                    edge_code_name((enum edge_code)other));
        }
    }
    assert_string_equal(edge_code_name(EDGE_NOT_FOUND), "not_found");
    assert_string_equal(edge_code_name((enum edge_code)99), "unknown");
    assert_string_equal(edge_error_text(NULL), "unknown error");

    struct edge_error err = {.code = EDGE_TIMEOUT};
    assert_string_equal(edge_error_text(&err), "timeout");
    edge_set_errno(&err, ENOENT, "x");
    edge_error_clear(&err);
    assert_int_equal(err.code, EDGE_OK);
    assert_int_equal(err.domain, EDGE_DOMAIN_NONE);
    assert_string_equal(err.text, "");
    edge_error_clear(NULL);
}

static void test_cleanup_attributes(void **state) {
    (void)state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    {
        char *text EDGE_CLEANUP(edge_cleanup_free) = strdup("freed here");
        char *none EDGE_CLEANUP(edge_cleanup_free) = NULL;
        int scoped EDGE_CLEANUP(edge_cleanup_fd) = fd;
        int closed EDGE_CLEANUP(edge_cleanup_fd) = -1;
        assert_non_null(text);
        assert_null(none);
        errno = EXDEV;
        (void)scoped;
        (void)closed;
    }
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fcntl(fd, F_GETFD), -1);

    char *text = strdup("moved");
    char *taken = TAKE_PTR(text);
    assert_null(text);
    free(taken);
    int number = 5;
    int other = TAKE_FD(number);
    assert_int_equal(number, -1);
    assert_int_equal(other, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_arguments_may_be_the_record),
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_errno_codes),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_over_long),
        cmocka_unit_test(test_cut_at_character),
        cmocka_unit_test(test_ill_formed_text_is_kept),
        cmocka_unit_test(test_names_and_clear),
        cmocka_unit_test(test_cleanup_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
