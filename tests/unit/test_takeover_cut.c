/* SPDX-License-Identifier: MIT */
/*
 * Power cuts while the secrets of release 1.1 are taken over: a child process does it on the file
 * backend and dies at its n-th step on the disk, for every n. After each cut the parent must be
 * able to read what modules had encrypted, and to end the work.
 */
#include "base/legacy_files.h"
#include "identity/module_crypt.h"
#include "identity/module_crypt_master.h"
#include "provisioning/takeover_clean.h"
#include "support/legacy_state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define STEPS_MAX 400
#define DIED      77
#define IV        SLICE_LIT("initialization")
#define HUB       (&(const struct module_crypt_id){SLICE_LIT("$edgeHub"), SLICE_LIT("1")})

static long steps_left = -1; /* until the process ends; less than 0: never */

static bool is_last_step(void) {
    return steps_left >= 0 && steps_left-- == 0;
}

static void step(void) {
    if (is_last_step()) {
        _exit(DIED);
    }
}

int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b) {
    step();
    return __real_renameat(from, a, to, b);
}

int __real_unlinkat(int dirfd, const char *name, int flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags) {
    step();
    return __real_unlinkat(dirfd, name, flags);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    step();
    return __real_fsync(fd);
}

/* Half of it is written. */
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len) {
    if (fd > STDERR_FILENO && is_last_step()) {
        (void)!__real_write(fd, data, len / 2);
        _exit(DIED);
    }
    return __real_write(fd, data, len);
}

struct fixture {
    struct tmpdir *home;
    char keys[5000];
    uint8_t blob[AEAD_V1_EXTRA + 6]; /* "stored" as 1.1 encrypted it for edgeHub */
};

static struct hsm *open_store(const struct fixture *f) {
    const struct hsm_config cfg = {.backend = HSM_BACKEND_SOFT, .state_dir = f->keys};
    struct hsm *h = NULL;
    assert_int_equal(hsm_open(&cfg, &h, NULL), EDGE_OK);
    assert_int_equal(hsm_start(h, NULL), EDGE_OK);
    return h;
}

static void become_new(struct fixture *f) {
    static const char key[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    uint8_t master[LEGACY_FILES_MASTER_LEN];
    f->home = tmpdir_new();
    (void)snprintf(f->keys, sizeof(f->keys), "%s/keys", f->home->path);
    legacy_state_make(f->home);
    legacy_state_hybrid(f->home);
    tmpdir_write(f->home, LEGACY_FILES_CERT_KEY_DIR "/" LEGACY_FILES_OWNER_CA LEGACY_FILES_KEY_END,
                 key, sizeof(key) - 1, 0600);
    for (size_t i = 0; i < sizeof(master); i++) {
        master[i] = (uint8_t)i;
    }
    assert_true(legacy_state_seal(slice_make(master, sizeof(master)), IV, SLICE_LIT("$edgeHub1"),
                                  SLICE_LIT("stored"), f->blob));
}

/* What a start does, as far as it concerns 1.1's secrets. */
static enum edge_code work(const struct fixture *f, struct takeover_clean *ret) {
    static const struct takeover_clean_facts facts = {
        .has_identity = true,
        .modules_are_ours = true,
        .chain_is_safe = true,
        .master_records = {MODULE_CRYPT_RECORD, MODULE_CRYPT_FORMER},
    };
    const struct edge_config cfg = {0};
    struct module_crypt_master m = {0};
    struct hsm *h = open_store(f);
    enum edge_code code = module_crypt_master_open(h, f->home->path, &m, NULL);
    if (code == EDGE_OK) {
        code = takeover_clean_run(&cfg, f->home->path, h, &facts, ret, NULL);
    }
    module_crypt_keys_clear(&m.keys);
    hsm_close(h);
    return code;
}

static void check_readable(const struct fixture *f) {
    struct module_crypt_master m = {0};
    struct aead *a = NULL;
    struct buf out;
    struct hsm *h = open_store(f);
    buf_init_sensitive(&out, 64);
    assert_int_equal(aead_new(&a, NULL), EDGE_OK);
    assert_int_equal(module_crypt_master_open(h, f->home->path, &m, NULL), EDGE_OK);
    assert_int_equal(m.keys.former.len, 0);
    assert_int_equal(module_crypt_text_open(a, &m.keys, HUB, IV,
                                            slice_make(f->blob, sizeof(f->blob)), &out, NULL),
                     EDGE_OK);
    assert_true(slice_eq_str(buf_slice(&out), "stored"));
    buf_clear(&out);
    aead_free(a);
    module_crypt_keys_clear(&m.keys);
    hsm_close(h);
}

/* Ends with the child's status. */
static int run_child(const struct fixture *f, long steps) {
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct takeover_clean c;
        steps_left = steps;
        _exit(work(f, &c) == EDGE_OK && c.is_complete ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_all_gone(const struct fixture *f) {
    static const char *const files[] = {LEGACY_MASTER_PATH, LEGACY_HYBRID_PATH, LEGACY_IV_PATH,
                                        LEGACY_FILES_CERT_KEY_DIR
                                        "/" LEGACY_FILES_OWNER_CA LEGACY_FILES_KEY_END};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(files); i++) {
        char removing[300];
        (void)snprintf(removing, sizeof(removing), "%s.removing", files[i]);
        assert_int_not_equal(faccessat(f->home->fd, files[i], F_OK, 0), 0);
        assert_int_not_equal(faccessat(f->home->fd, removing, F_OK, 0), 0);
    }
}

static void test_cut_at_every_step(void **state) {
    (void)state;
    static struct fixture f;
    int status = DIED;
    long n = 0;
    for (; status == DIED && n < STEPS_MAX; n++) {
        struct takeover_clean c;
        become_new(&f);
        status = run_child(&f, n);
        assert_true(status == DIED || status == 0);
        check_readable(&f);
        assert_int_equal(work(&f, &c), EDGE_OK);
        assert_true(c.is_complete);
        check_all_gone(&f);
        check_readable(&f);
        assert_int_equal(work(&f, &c), EDGE_OK);
        assert_int_equal(c.removed, 0);
        tmpdir_free(f.home);
    }
    assert_int_equal(status, 0);
    assert_true(n > 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut_at_every_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
