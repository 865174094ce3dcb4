/* SPDX-License-Identifier: MIT */
/*
 * Keys as operators hand them over. The group key and what is derived of it are from
 * tpm-dps.md 4.5.
 */
#include "cli/key_input.h"

#include "base/b64.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define GROUP_KEY "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
#define DERIVED   "Sl/RvhrrwmxG/FZWT+sL1OsSCvrm8AYxjPP1JbFHOSU="

static void assert_b64(const struct secret *key, const char *expected) {
    struct buf text;
    buf_init_sensitive(&text, 256);
    assert_int_equal(b64_encode(key->data, key->len, &text, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&text), expected);
    buf_clear(&text);
}

static void test_bare_key(void **state) {
    struct key_input in = {0};
    (void)state;
    assert_int_equal(key_input_parse(slice_str(" " GROUP_KEY "\r\n"), &in, NULL), EDGE_OK);
    assert_b64(&in.key, GROUP_KEY);
    assert_string_equal(in.host, "");
    key_input_clear(&in);
}

static void test_connection_string(void **state) {
    struct key_input in = {0};
    (void)state;
    assert_int_equal(key_input_parse(slice_str("HostName=h.example.net;DeviceId=dev-01;"
                                               "SharedAccessKey=" GROUP_KEY "\n"),
                                     &in, NULL),
                     EDGE_OK);
    assert_b64(&in.key, GROUP_KEY);
    assert_string_equal(in.host, "h.example.net");
    assert_string_equal(in.device, "dev-01");
    key_input_clear(&in);
}

/* No message may show what was given: it could be most of a key. */
static void test_refused(void **state) {
    static const char *const wrong[] = {
        "",
        " \n",
        "sec!ret",
        "HostName=h.example.net;DeviceId=secret",
        ("HostName=h.example.net;SharedAccessKey=" GROUP_KEY),
        "SharedAccessKey=secret*",
        "HostName=h.example.net;DeviceId=d;SharedAccessKey=sec*ret",
        "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX0A=",
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(wrong); i++) {
        struct key_input in = {0};
        struct edge_error err;
        assert_int_equal(key_input_parse(slice_str(wrong[i]), &in, &err), EDGE_PARSE);
        assert_null(strstr(err.text, "sec"));
        assert_null(strstr(err.text, "QEFC"));
        assert_int_equal(in.key.len, 0);
        key_input_clear(&in);
    }
}

static void test_derive(void **state) {
    struct key_input in = {0};
    (void)state;
    assert_int_equal(key_input_parse(slice_str(GROUP_KEY), &in, NULL), EDGE_OK);
    assert_int_equal(key_input_derive(&in.key, "dev-01", NULL), EDGE_OK);
    assert_b64(&in.key, DERIVED);
    key_input_clear(&in);
}

static void test_files(void **state) {
    const struct tmpdir *dir = *state;
    struct edge_error err;
    struct buf text;
    buf_init_sensitive(&text, KEY_INPUT_MAX);
    tmpdir_write(dir, "key", "abc\n", 4, 0600);
    assert_int_equal(key_input_read(tmpdir_join(dir, "key"), "Key", &text, &err), EDGE_OK);
    assert_string_equal(buf_cstr(&text), "abc\n");
    buf_reset(&text);
    tmpdir_write(dir, "open", "abc\n", 4, 0644);
    assert_int_equal(key_input_read(tmpdir_join(dir, "open"), "Key", &text, &err), EDGE_DENIED);
    assert_non_null(strstr(err.text, tmpdir_join(dir, "open")));
    assert_int_equal(key_input_read(tmpdir_join(dir, "none"), "Key", &text, &err), EDGE_NOT_FOUND);
    buf_clear(&text);
}

static void test_standard_input(void **state) {
    char big[KEY_INPUT_MAX + 2];
    const struct tmpdir *dir = *state;
    struct edge_error err;
    struct buf text;
    int saved = dup(STDIN_FILENO);
    buf_init_sensitive(&text, KEY_INPUT_MAX);
    tmpdir_write(dir, "in", "abc\n", 4, 0600);
    int fd = open(tmpdir_join(dir, "in"), O_RDONLY | O_CLOEXEC);
    assert_true(dup2(fd, STDIN_FILENO) >= 0);
    close(fd);
    assert_int_equal(key_input_read(NULL, "Key", &text, &err), EDGE_OK);
    assert_string_equal(buf_cstr(&text), "abc\n");
    buf_reset(&text);
    memset(big, 'a', sizeof(big));
    tmpdir_write(dir, "big", big, sizeof(big), 0600);
    fd = open(tmpdir_join(dir, "big"), O_RDONLY | O_CLOEXEC);
    assert_true(dup2(fd, STDIN_FILENO) >= 0);
    close(fd);
    assert_int_equal(key_input_read(NULL, "Key", &text, &err), EDGE_RANGE);
    assert_non_null(strstr(err.text, "too long"));
    assert_true(dup2(saved, STDIN_FILENO) >= 0);
    close(saved);
    buf_clear(&text);
}

/* The terminal of a child that waits for a key; ret_pid: it. */
static int prompt(pid_t *ret_pid) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    const char *name = ptsname(master);
    assert_non_null(name);
    int held = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC); /* to see what the child sets */
    assert_true(held >= 0);
    *ret_pid = fork();
    assert_true(*ret_pid >= 0);
    if (*ret_pid == 0) {
        struct buf text;
        buf_init_sensitive(&text, KEY_INPUT_MAX);
        (void)setsid();
        int fd = open(name, O_RDWR | O_CLOEXEC);
        if (fd < 0 || dup2(fd, STDIN_FILENO) < 0) {
            _exit(2);
        }
        enum edge_code code = key_input_read(NULL, "Key", &text, NULL);
        bool same = code == EDGE_OK && strcmp(buf_cstr(&text), "abc\n") == 0;
        buf_clear(&text);
        _exit(same ? 0 : 1);
    }
    struct termios t = {.c_lflag = ECHO};
    for (int i = 0; i < 500 && (t.c_lflag & ECHO) != 0; i++) {
        (void)usleep(10000);
        assert_int_equal(tcgetattr(held, &t), 0);
    }
    assert_int_equal(t.c_lflag & ECHO, 0);
    close(held);
    return master;
}

static void test_terminal(void **state) {
    static const char *const typed[] = {"abc\n", "a\x03"}; /* Ctrl-C */
    static const int signals[] = {0, SIGINT};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(typed); i++) {
        struct termios t = {0};
        pid_t pid;
        int status, master = prompt(&pid);
        assert_int_equal(write(master, typed[i], strlen(typed[i])), (ssize_t)strlen(typed[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, signals[i]);
        assert_true(signals[i] != 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        assert_int_equal(tcgetattr(master, &t), 0);
        assert_int_not_equal(t.c_lflag & ECHO, 0);
        close(master);
    }
}

static enum edge_code one_round(void *data) {
    struct key_input in = {0};
    (void)data;
    enum edge_code code = key_input_parse(
        slice_str("HostName=h.example.net;DeviceId=d;SharedAccessKey=" GROUP_KEY), &in, NULL);
    if (code == EDGE_OK) {
        code = key_input_derive(&in.key, "dev-01", NULL);
    }
    key_input_clear(&in);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bare_key), cmocka_unit_test(test_connection_string),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_derive),
        cmocka_unit_test(test_terminal), T(test_files),
        T(test_standard_input),          T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
