/* SPDX-License-Identifier: MIT */
/*
 * What the process gives up, each in a child because it cannot be taken back.
 */
#include "privilege.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int in_child(int (*fn)(void)) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int hardened(void) {
    struct rlimit core;
    if (privilege_harden(true, NULL) != EDGE_OK) {
        return 1;
    }
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
        return 2;
    }
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0) {
        return 3;
    }
    return umask(0) == 0077 ? 0 : 4;
}

static int as_root_untold(void) {
    struct edge_error err;
    if (geteuid() != 0) {
        return 0;
    }
    if (privilege_harden(false, &err) != EDGE_DENIED || strstr(err.text, "--allow-root") == NULL) {
        return 1;
    }
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : 2;
}

static int as_user(void) {
    if (geteuid() == 0 && setuid(65534) != 0) {
        return 1;
    }
    return privilege_harden(false, NULL) == EDGE_OK ? 0 : 2;
}

/* Enough descriptors for all connections, where the machine allows it; no keys in files. */
static int prepared(void) {
    struct rlimit files = {64, 1024};
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || setenv("SSLKEYLOGFILE", "/x", 1) != 0 ||
        setenv("TSS2_LOG", "all+trace", 1) != 0 || setenv("TSS2_LOGFILE", "/x", 1) != 0 ||
        setenv("https_proxy", "http://p", 1) != 0 || privilege_harden(true, NULL) != EDGE_OK) {
        return 1;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur != 1024) {
        return 2;
    }
    return getenv("SSLKEYLOGFILE") == NULL && strcmp(getenv("TSS2_LOG"), "all+none") == 0 &&
                   getenv("TSS2_LOGFILE") == NULL && getenv("https_proxy") != NULL
               ? 0
               : 3;
}

static void test_prepared(void **unused) {
    (void)unused;
    assert_int_equal(in_child(prepared), 0);
}

static void test_hardened(void **unused) {
    (void)unused;
    assert_int_equal(in_child(hardened), 0);
}

static void test_root_must_be_told(void **unused) {
    (void)unused;
    assert_int_equal(in_child(as_root_untold), 0);
}

static void test_user_needs_no_telling(void **unused) {
    (void)unused;
    assert_int_equal(in_child(as_user), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardened),
        cmocka_unit_test(test_prepared),
        cmocka_unit_test(test_root_must_be_told),
        cmocka_unit_test(test_user_needs_no_telling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
