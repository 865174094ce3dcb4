/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "support/fake_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WALL_S 1767323045 /* 2026-01-02T03:04:05Z */
#define HEAD   "2026-01-02T03:04:05Z "

static char last_line[2048];
static enum log_level last_level;
static int line_cnt;

static void keep_line(void *data, enum log_level level, const char *line) {
    (void)data;
    assert_true(strlen(line) < sizeof(last_line));
    strncpy(last_line, line, sizeof(last_line) - 1);
    last_level = level;
    line_cnt++;
}

static int set_up(void **state) {
    (void)state;
    fake_clock_install(WALL_S);
    log_set_level(LOG_DEBUG);
    log_set_request(0);
    log_set_sink(keep_line, NULL);
    line_cnt = 0;
    last_line[0] = '\0';
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    log_set_sink(NULL, NULL);
    fake_clock_remove();
    return 0;
}

static void test_shape(void **state) {
    (void)state;
    log_error("text %d", 1);
    assert_string_equal(last_line, HEAD "[ERR!] - text 1");
    assert_int_equal(last_level, LOG_ERROR);
    log_warn("text");
    assert_string_equal(last_line, HEAD "[WARN] - text");
    log_info("text");
    assert_string_equal(last_line, HEAD "[INFO] - text");
    log_debug("text");
    assert_string_equal(last_line, HEAD "[DBUG] - text");
    log_set_request(42);
    log_info("text");
    assert_string_equal(last_line, HEAD "[INFO] - text req=42");
    assert_int_equal(line_cnt, 5);
}

static int evaluated(int *cnt) {
    (*cnt)++;
    return *cnt;
}

static void test_level(void **state) {
    (void)state;
    int cnt = 0;
    log_set_level(LOG_WARN);
    assert_int_equal(log_get_level(), LOG_WARN);
    log_info("%d", evaluated(&cnt));
    log_debug("%d", evaluated(&cnt));
    assert_int_equal(line_cnt, 0);
    assert_int_equal(cnt, 0);
    log_warn("%d", evaluated(&cnt));
    log_error("%d", evaluated(&cnt));
    assert_int_equal(line_cnt, 2);
    log_set_level(LOG_OFF);
    log_error("off");
    log_write(LOG_OFF, NULL, "off");
    log_write((enum log_level)9, NULL, "no such level");
    assert_int_equal(line_cnt, 2);
}

static void test_levels_from_environment(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum log_level level;
    } table[] = {
        {"error", LOG_ERROR},
        {"warn", LOG_WARN},
        {"INFO", LOG_INFO},
        {"debug", LOG_DEBUG},
        {"trace", LOG_DEBUG},
        {"off", LOG_OFF},
        {"", LOG_INFO},
        {"nonsense", LOG_INFO},
        {"edgelet=debug", LOG_DEBUG},
        {"hyper=warn,edgelet_docker=debug", LOG_DEBUG},
        {"warn,tokio=error", LOG_WARN},
        {" warn , x = error ", LOG_WARN},
        {"off,x=error", LOG_ERROR},
        {"error,nonsense,=", LOG_ERROR},
        {"warn/debug", LOG_WARN},
        {"edgelet=error/a,debug", LOG_ERROR},
        {",,", LOG_INFO},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(table); i++) {
        setenv("IOTEDGE_LOG", table[i].text, 1);
        log_init();
        assert_int_equal(log_get_level(), table[i].level);
    }
    unsetenv("IOTEDGE_LOG");
    log_init();
    assert_int_equal(log_get_level(), LOG_INFO);
}

static void test_one_line_whatever_is_in_it(void **state) {
    (void)state;
    log_info("a\nb\tc\rd\x1b[0m\x7f\xC3\xA4");
    assert_string_equal(last_line, HEAD "[INFO] - a b c d [0m \xC3\xA4");
    log_info("a\xC2\x9B"
             "31m\xC2\xA0\xC2"); /* U+009B begins an order to a terminal as well */
    assert_string_equal(last_line, HEAD "[INFO] - a  31m\xC2\xA0\xC2");
}

static void test_long_text(void **state) {
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_set_request(UINT64_MAX);
    log_info("%s", text);
    assert_true(strlen(last_line) < 1024);
    assert_non_null(strstr(last_line, "xxx... req=18446744073709551615"));

    log_set_request(0);
    for (size_t lead = 0; lead < 4; lead++) {
        memset(text, 'x', sizeof(text) - 1);
        for (size_t i = lead; i + 4 < sizeof(text); i += 4) {
            memcpy(text + i, "\xF0\x9F\x94\x91", 4);
        }
        log_info("%s", text);
        assert_true(slice_is_utf8_text(slice_str(last_line)));
        assert_true(slice_ends_with(slice_str(last_line), "..."));
    }
    memset(text, 0xBF, sizeof(text) - 1);
    log_info("%s", text);
    assert_true(strlen(last_line) > 800);
}

static void same_site(const char *text) {
    log_info("%s", text);
}

static void test_repeats_are_limited(void **state) {
    (void)state;
    for (int i = 0; i < LOG_BURST + 5; i++) {
        same_site("again");
    }
    assert_int_equal(line_cnt, LOG_BURST);
    log_info("another site");
    assert_int_equal(line_cnt, LOG_BURST + 1);
    fake_clock_advance_ms(LOG_WINDOW_MS - 1);
    same_site("again");
    assert_int_equal(line_cnt, LOG_BURST + 1);
    fake_clock_advance_ms(1);
    same_site("again");
    assert_int_equal(line_cnt, LOG_BURST + 2);
    assert_true(slice_ends_with(slice_str(last_line), "[INFO] - again (6 more like it left out)"));
    same_site("again");
    assert_true(slice_ends_with(slice_str(last_line), "[INFO] - again"));
    for (int i = 0; i < 3 * LOG_BURST; i++) {
        log_write(LOG_INFO, NULL, "without a site");
    }
    assert_int_equal(line_cnt, 4 * LOG_BURST + 3);
}

static void test_errno_is_kept(void **state) {
    (void)state;
    errno = EXDEV;
    log_info("text");
    assert_int_equal(errno, EXDEV);
}

/* What arrives at file descriptor 2 while it is replaced by `fd`. */
static void with_stderr(int fd, void (*fn)(void)) {
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
    log_init();
    fn();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
}

static void log_each_level(void) {
    log_set_level(LOG_DEBUG);
    log_set_sink(NULL, NULL);
    log_error("a");
    log_warn("b");
    log_info("c");
    log_debug("d");
}

static void test_stderr(void **state) {
    (void)state;
    int fds[2];
    char got[512] = "";
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    with_stderr(fds[1], log_each_level);
    assert_true(read(fds[0], got, sizeof(got) - 1) > 0);
    assert_string_equal(got, "<3>" HEAD "[ERR!] - a\n<4>" HEAD "[WARN] - b\n<6>" HEAD
                             "[INFO] - c\n<7>" HEAD "[DBUG] - d\n");
    close(fds[0]);
    close(fds[1]);
}

static void test_terminal(void **state) {
    (void)state;
    static const char first[] = HEAD "[ERR!] - a";
    int master;
    int slave;
    char got[512] = "";
    size_t len = 0;
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) {
        skip();
    }
    with_stderr(slave, log_each_level);
    while (len < strlen(first)) {
        ssize_t n = read(master, got + len, sizeof(got) - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_true(slice_starts_with(slice_str(got), first));
    close(master);
    close(slave);
}

static void log_once(void) {
    log_set_sink(NULL, NULL);
    log_error("lost");
}

/* A full disk or a closed descriptor is no reason to stop. */
static void test_unwritable(void **state) {
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    with_stderr(fd, log_once);
    close(fd);
}

static int interrupted;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

/* Interrupted once, then short writes. */
ssize_t __wrap_write(int fd, const void *data, size_t len) {
    if (interrupted > 0) {
        interrupted--;
        errno = EINTR;
        return -1;
    }
    return __real_write(fd, data, len > 7 ? 7 : len);
}

static void test_interrupted(void **state) {
    (void)state;
    int fds[2];
    char got[512] = "";
    size_t len = 0;
    ssize_t n;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    interrupted = 1;
    with_stderr(fds[1], log_once);
    close(fds[1]);
    while ((n = read(fds[0], got + len, sizeof(got) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    assert_string_equal(got, "<3>" HEAD "[ERR!] - lost\n");
    close(fds[0]);
}

static void *log_often(void *data) {
    log_set_request(*(const uint64_t *)data);
    for (int i = 0; i < 1000; i++) {
        log_write(LOG_INFO, NULL, "from a thread");
        log_debug("limited");
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    uint64_t ids[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_often, &ids[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(line_cnt, 4000 + LOG_BURST);
}

static void test_quote(void **state) {
    (void)state;
    assert_string_equal(log_quote(SLICE_LIT("plain text")), "'plain text'");
    assert_string_equal(log_quote_str(NULL), "''");
    assert_string_equal(log_quote_str("it's \"x\" \\"), "'it\\'s \\\"x\\\" \\\\'");
    assert_string_equal(log_quote(slice_make("a\nb\0c\x1b\x7f", 7)), "'a\\x0ab\\x00c\\x1b\\x7f'");
    assert_string_equal(log_quote_str("\xC3\xA4\xE2\x82\xAC"), "'\xC3\xA4\xE2\x82\xAC'");
    assert_string_equal(log_quote_str("\xFFz\xC2\x9B\xC3"), "'\\xffz\\xc2\\x9b\\xc3'");
    /* Several in one statement. */
    log_info("%s %s %s %s", log_quote_str("a"), log_quote_str("b"), log_quote_str("c"),
             log_quote_str("d"));
    assert_string_equal(last_line, HEAD "[INFO] - 'a' 'b' 'c' 'd'");
}

static void test_quote_is_bounded(void **state) {
    (void)state;
    char text[400];
    memset(text, 'x', sizeof(text));
    assert_int_equal(strlen(log_quote(slice_make(text, 128))), 130);
    assert_null(strstr(log_quote(slice_make(text, 128)), "..."));
    const char *quoted = log_quote(slice_make(text, 129));
    assert_int_equal(strlen(quoted), 130);
    assert_true(slice_ends_with(slice_str(quoted), "xx...'"));
    for (size_t lead = 0; lead < 8; lead++) {
        for (size_t i = lead; i < sizeof(text); i++) {
            text[i] = '\n';
        }
        quoted = log_quote(slice_make(text, sizeof(text)));
        assert_true(strlen(quoted) <= 130);
        assert_true(slice_ends_with(slice_str(quoted), "\\x0a...'"));
        text[lead] = 'x';
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels_from_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_line_whatever_is_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_repeats_are_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errno_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stderr, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_terminal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unwritable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quote, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quote_is_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
