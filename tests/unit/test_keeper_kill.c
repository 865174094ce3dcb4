/* SPDX-License-Identifier: MIT */
/*
 * A process that dies at any change of a file, with real key files: whoever comes next finds the
 * old or the new authorities, whole, serves what the bundle of before verifies, and leaves no key
 * over.
 */
#include "pki/keeper.h"

#include "base/log.h"
#include "pki/renew.h"
#include "support/ca_certs.h"
#include "support/fake_clock.h"
#include "support/keeper_world.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW       1800000000
#define DAY       RENEW_DAY_S
#define KILLED    77
#define STEPS_MAX 60

static int steps_left = -1; /* until the process dies; -1: it does not */

static void step(void) {
    if (steps_left == 0) {
        _exit(KILLED);
    }
    steps_left -= steps_left > 0 ? 1 : 0;
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    step();
    int rc = __real_renameat(from_fd, from, to_fd, to);
    step();
    return rc;
}

int __real_unlinkat(int dirfd, const char *name, int flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags) {
    step();
    return __real_unlinkat(dirfd, name, flags);
}

struct world {
    char keys[PATH_MAX];
    struct keeper_world k;
};

static void open_at(struct world *w, struct tmpdir *dir, int64_t now_wall_s) {
    struct hsm *hsm = NULL;
    (void)snprintf(w->keys, sizeof(w->keys), "%s", tmpdir_join(dir, "keys"));
    const struct hsm_config config = {.backend = HSM_BACKEND_SOFT, .state_dir = w->keys};
    assert_int_equal(hsm_open(&config, &hsm, NULL), EDGE_OK);
    keeper_world_init(&w->k, dir, hsm, now_wall_s);
}

static void close_world(struct world *w) {
    keeper_world_clear(&w->k);
    hsm_close(w->k.hsm);
}

static void issue(struct world *w) {
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
}

/* Looks once at that time in a process of its own, which dies at the n-th step. */
static int look_and_die(struct tmpdir *dir, int64_t now_wall_s, int n) {
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct world w;
        open_at(&w, dir, now_wall_s);
        steps_left = n;
        enum edge_code code = keeper_look(w.k.keeper, &w.k.now, NULL);
        _exit(code == EDGE_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* later_s: when the look comes that is cut; 0: it is the first one. */
static void cut_everywhere(int64_t later_s, size_t keys) {
    int result = KILLED;
    int n = 0;
    for (; result == KILLED; n++) {
        struct world w;
        struct buf before;
        struct tmpdir *dir = tmpdir_new();
        assert_true(n < STEPS_MAX);
        buf_init(&before, CA_CERTS_PEM_MAX);
        if (later_s > 0) {
            open_at(&w, dir, NOW);
            issue(&w);
            assert_int_equal(buf_append_slice(&before, buf_slice(&w.k.bundle), NULL), EDGE_OK);
            close_world(&w);
        }
        result = look_and_die(dir, NOW + later_s, n);
        assert_true(result == KILLED || result == 0);
        open_at(&w, dir, NOW + later_s);
        issue(&w);
        assert_int_equal(keeper_world_key_cnt(&w.k), keys);
        assert_int_equal(
            ca_cert_verify(buf_slice(&w.k.leaf), buf_slice(&w.k.bundle), NOW + later_s), 0);
        if (later_s > 0) {
            assert_int_equal(
                ca_cert_verify(buf_slice(&w.k.leaf), buf_slice(&before), NOW + later_s), 0);
        }
        close_world(&w);
        buf_clear(&before);
        tmpdir_free(dir);
    }
    assert_true(n > 6);
}

static void test_first_start(void **state) {
    (void)state;
    cut_everywhere(0, 3);
}

static void test_device_and_workload(void **state) {
    (void)state;
    cut_everywhere(70 * DAY, 3);
}

static void test_owner(void **state) {
    (void)state;
    cut_everywhere(3000 * DAY, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_start),
        cmocka_unit_test(test_device_and_workload),
        cmocka_unit_test(test_owner),
    };
    log_set_level(LOG_OFF);
    fake_clock_install(NOW);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
