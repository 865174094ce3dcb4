/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "support/dps_blob.h"
#include "support/fake_tcti.h"

#include "base/mac.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The n-th step of a file does not return (1: the next); 0: all do. */
static size_t kill_at_file_step;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

static void step(void) {
    if (kill_at_file_step > 0 && --kill_at_file_step == 0) {
        (void)kill(getpid(), SIGKILL);
    }
}

int __wrap_fsync(int fd) {
    step();
    int rc = __real_fsync(fd);
    step();
    return rc;
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    step();
    int rc = __real_renameat(from_fd, from, to_fd, to);
    step();
    return rc;
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    step();
    int rc = __real_renameat2(from_fd, from, to_fd, to, flags);
    step();
    return rc;
}

int __wrap_unlinkat(int fd, const char *name, int flags) {
    step();
    int rc = __real_unlinkat(fd, name, flags);
    step();
    return rc;
}

ssize_t __wrap_write(int fd, const void *data, size_t len) {
    step();
    return __real_write(fd, data, len);
}

static int setup(void **state, bool manufactured) {
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    fake_tcti_reset();
    f->tpm = swtpm_new(manufactured);
    f->dir = tmpdir_new();
    f->cfg = (struct hsm_config){.backend = HSM_BACKEND_TPM,
                                 .state_dir = f->dir->path,
                                 .tcti = f->tpm->tcti,
                                 .allow_emulator = true};
    *state = f;
    return 0;
}

int fixture_setup(void **state) {
    return setup(state, false);
}

int fixture_setup_manufactured(void **state) {
    return setup(state, true);
}

int fixture_teardown(void **state) {
    struct fixture *f = *state;

    fixture_close(f);
    swtpm_free(f->tpm);
    tmpdir_free(f->dir);
    free(f);
    fake_tcti_reset();
    return 0;
}

void fixture_ok(struct fixture *f, enum edge_code code) {
    if (code != EDGE_OK) {
        fail_msg("%s: %s", edge_code_name(code), edge_error_text(&f->err));
    }
}

void fixture_open(struct fixture *f) {
    assert_null(f->hsm);
    fixture_ok(f, hsm_open(&f->cfg, &f->hsm, &f->err));
}

void fixture_close(struct fixture *f) {
    hsm_close(f->hsm);
    f->hsm = NULL;
}

void fixture_start(struct fixture *f) {
    if (f->hsm == NULL) {
        fixture_open(f);
    }
    fixture_ok(f, hsm_start(f->hsm, &f->err));
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    fixture_ok(f, hsm_attestation_get(f->hsm, &f->keys, &f->err));
}

void fixture_start_fails(struct fixture *f, enum edge_code code, enum hsm_state state,
                         const char *text) {
    fixture_open(f);
    enum edge_code rc = hsm_start(f->hsm, &f->err);
    if (rc != code || hsm_get_state(f->hsm) != state || strstr(f->err.text, text) == NULL) {
        fail_msg("%s, %s: %s", edge_code_name(rc), hsm_state_name(hsm_get_state(f->hsm)),
                 edge_error_text(&f->err));
    }
    fixture_close(f);
}

static const char *auth_file(struct fixture *f, const char *name, const char *text, char *path) {
    tmpdir_write(f->dir, name, text, strlen(text), 0600);
    (void)snprintf(path, PATH_MAX, "%s", tmpdir_join(f->dir, name));
    return path;
}

void fixture_owner_auth(struct fixture *f, const char *text) {
    f->cfg.owner_auth_file = auth_file(f, "owner-auth", text, f->owner_file);
}

void fixture_endorsement_auth(struct fixture *f, const char *text) {
    f->cfg.endorsement_auth_file = auth_file(f, "endorsement-auth", text, f->endorsement_file);
}

uint64_t fixture_import(struct fixture *f, const uint8_t key[32], const char *label) {
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation = 0;

    size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key, NULL, blob);
    fixture_ok(f, hsm_identity_import_blob(f->hsm, slice_make(blob, len), slice_str(label),
                                           &generation, &f->err));
    return generation;
}

enum edge_code fixture_challenge(struct fixture *f, const uint8_t key[32]) {
    uint8_t blob[DPS_BLOB_MAX];
    size_t len = dps_blob_make(f->keys.ek, f->keys.srk, key, NULL, blob);

    return hsm_challenge_load(f->hsm, slice_make(blob, len), &f->err);
}

void fixture_check_sign(struct fixture *f, uint64_t generation, const uint8_t *key,
                        size_t key_len) {
    static const char text[] = "text to sign";
    uint8_t mac[HSM_MAC_LEN], want[HSM_MAC_LEN];

    fixture_ok(f, hsm_identity_sign(f->hsm, generation, slice_str(text), mac, &f->err));
    fixture_ok(f, hmac_sha256(key, key_len, text, strlen(text), want, &f->err));
    assert_memory_equal(mac, want, sizeof(mac));
}

void fixture_put(struct fixture *f, const char *name, const char *text) {
    struct secret value = {0};

    fixture_ok(f, secret_copy(&value, text, strlen(text), &f->err));
    fixture_ok(f, hsm_record_put(f->hsm, name, &value, &f->err));
    secret_clear(&value);
}

void fixture_get(struct fixture *f, const char *name, const char *text) {
    struct secret value = {0};

    fixture_ok(f, hsm_record_get(f->hsm, name, &value, &f->err));
    assert_true(secret_equal_bytes(&value, text, strlen(text)));
    secret_clear(&value);
}

void fixture_get_fails(struct fixture *f, const char *name, enum edge_code code, const char *text) {
    struct secret value = {0};

    enum edge_code rc = hsm_record_get(f->hsm, name, &value, &f->err);
    if (rc != code || strstr(f->err.text, text) == NULL) {
        fail_msg("%s: %s", edge_code_name(rc), edge_error_text(&f->err));
    }
    assert_null(value.data);
}

/* What was set aside has a dot in its name. */
int fixture_count(struct fixture *f, const char *prefix, bool aside) {
    DIR *dir = opendir(f->dir->path);
    struct dirent *e;
    int cnt = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        cnt += strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
               (strchr(e->d_name, '.') != NULL) == aside;
    }
    (void)closedir(dir);
    return cnt;
}

bool fixture_dies(struct fixture *f, bool start, size_t tpm_command, size_t file_step,
                  enum edge_code (*call)(struct fixture *f)) {
    int status = 0;

    fixture_close(f);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (start) {
            fixture_start(f);
        } else {
            fixture_open(f);
        }
        fake_tcti_kill(tpm_command);
        kill_at_file_step = file_step;
        _exit(call(f) == EDGE_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return true;
    }
    assert_int_equal(WTERMSIG(status), SIGKILL);
    return false;
}

void fixture_check_clean(struct fixture *f) {
    char out[512];

    assert_null(f->hsm);
    assert_int_equal(swtpm_sh_out(f->tpm,
                                  "tpm2_getcap handles-transient && tpm2_getcap "
                                  "handles-loaded-session && tpm2_getcap handles-saved-session",
                                  out, sizeof(out)),
                     0);
    assert_string_equal(out, "");
}
