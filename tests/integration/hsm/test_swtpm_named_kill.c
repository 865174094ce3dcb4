/* SPDX-License-Identifier: MIT */
/*
 * kill -9 while signing keys are made, taken in and dropped: at every command to the TPM, and
 * before and after every step of a file. Afterwards each key is whole or absent, and the next try
 * works.
 */
#include "fixture.h"

#include "support/fake_tcti.h"
#include "support/signing_keys.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int kill_at_file_call;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);

static void file_call(void) {
    if (kill_at_file_call > 0 && --kill_at_file_call == 0) {
        (void)kill(getpid(), SIGKILL);
    }
}

int __wrap_fsync(int fd) {
    file_call();
    int rc = __real_fsync(fd);
    file_call();
    return rc;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    file_call();
    int rc = __real_renameat(from_fd, from, to_fd, to);
    file_call();
    return rc;
}

int __wrap_unlinkat(int fd, const char *name, int flags) {
    file_call();
    int rc = __real_unlinkat(fd, name, flags);
    file_call();
    return rc;
}

enum act {
    ACT_MAKE,
    ACT_IMPORT,
    ACT_DROP,
};

static struct secret given;

static enum edge_code do_act(struct fixture *f, enum act act) {
    struct hsm_key key;

    switch (act) {
    case ACT_MAKE:
        return hsm_key_make(f->hsm, "subject", &key, &f->err);
    case ACT_IMPORT:
        return hsm_key_import(f->hsm, "subject", &given, &key, &f->err);
    case ACT_DROP:
        return hsm_key_drop(f->hsm, "subject", &f->err);
    }
    return EDGE_INTERNAL;
}

/* In a child that is killed at the given point. True when it got through without. */
static bool act_and_die(struct fixture *f, enum act act, size_t tpm_command, int file_step) {
    int status = 0;

    fixture_close(f);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fixture_start(f);
        fake_tcti_kill(tpm_command);
        kill_at_file_call = file_step;
        _exit(do_act(f, act) == EDGE_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return true;
    }
    assert_int_equal(WTERMSIG(status), SIGKILL);
    return false;
}

/* The other key signs; the subject is whole or absent; nothing was found damaged. */
static void check_after_kill(struct fixture *f, enum act act, const struct hsm_key *other) {
    struct hsm_key key;

    fixture_start(f);
    signing_key_check(f->hsm, other);
    enum edge_code rc = hsm_key_get(f->hsm, "subject", &key, &f->err);
    if (rc == EDGE_OK) {
        signing_key_check(f->hsm, &key);
    } else {
        assert_int_equal(rc, EDGE_NOT_FOUND);
    }
    assert_int_equal(fixture_count(f, "key-", true), 0);
    if (act == ACT_IMPORT) {
        fixture_ok(f, do_act(f, act)); /* also when it was there already */
    }
    if (act == ACT_DROP) {
        if (rc != EDGE_OK) {
            fixture_ok(f, hsm_key_make(f->hsm, "subject", &key, &f->err));
        }
    } else {
        fixture_ok(f, hsm_key_drop(f->hsm, "subject", &f->err));
    }
}

static void sweep(struct fixture *f, enum act act, size_t points_min) {
    struct hsm_key other, subject;
    size_t points = 0;

    fixture_start(f);
    fixture_ok(f, hsm_key_make(f->hsm, "other", &other, &f->err));
    if (act == ACT_DROP) {
        fixture_ok(f, hsm_key_make(f->hsm, "subject", &subject, &f->err));
    }
    for (size_t n = 1; act != ACT_DROP && !act_and_die(f, act, n, 0); n++, points++) {
        check_after_kill(f, act, &other);
    }
    if (act != ACT_DROP) {
        check_after_kill(f, act, &other);
    }
    for (int n = 1; !act_and_die(f, act, 0, n); n++, points++) {
        check_after_kill(f, act, &other);
    }
    check_after_kill(f, act, &other);
    assert_true(points >= points_min);
}

static void killed_makes(void **state) {
    sweep(*state, ACT_MAKE, 10);
}

static void killed_imports(void **state) {
    signing_key_make("P-384", &given);
    sweep(*state, ACT_IMPORT, 10);
    secret_clear(&given);
}

static void killed_drops(void **state) {
    sweep(*state, ACT_DROP, 3);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(killed_makes),
        WITH_TPM(killed_imports),
        WITH_TPM(killed_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
