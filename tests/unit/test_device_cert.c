/* SPDX-License-Identifier: MIT */
/*
 * The files of the device's certificate as they change under it.
 */
#include "cloud/device_cert.h"

#include "support/alloc_fail.h"
#include "support/certs.h"
#include "support/fake_hsm.h"
#include "support/fake_loop.h"
#include "support/stub_wall.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_S  FAKE_LOOP_WALL_S
#define DAY_S  86400
#define PATH_A "id.pem"
#define PATH_K "id.key"

/* Made once: the first pair, its renewal, one that is over, one that is yet to come. */
static struct certs_pair root, first, second, late, early;

struct world {
    struct tmpdir *dir;
    char cert[PATH_MAX];
    char key[PATH_MAX];
    struct device_cert *dc;
};

struct result {
    unsigned cnt;
    enum edge_code code;
    char common_name[X509_COMMON_NAME_MAX];
    char thumbprint[SHA256_HEX];
    char pem_sha256[SHA256_HEX];
    size_t cert_len;
    size_t key_len;
    int64_t not_after_wall_s;
    uint64_t version;
    char note[EDGE_ERROR_TEXT_MAX];
    char error[EDGE_ERROR_TEXT_MAX];
};

static int make_certs(void **state) {
    (void)state;
    certs_make(&root, NULL, "root", NOW_S - DAY_S, NOW_S + 100L * DAY_S);
    certs_make(&first, &root, "dev-01", NOW_S - DAY_S, NOW_S + 10L * DAY_S);
    certs_make(&second, &root, "dev-01", NOW_S - DAY_S, NOW_S + 50L * DAY_S);
    certs_make(&late, &root, "late", NOW_S - 3L * DAY_S, NOW_S - DAY_S);
    certs_make(&early, &root, "early", NOW_S + DAY_S, NOW_S + 60L * DAY_S);
    return 0;
}

static int free_certs(void **state) {
    (void)state;
    certs_free(&root);
    certs_free(&first);
    certs_free(&second);
    certs_free(&late);
    certs_free(&early);
    return 0;
}

static void write_text(struct world *w, const char *name, struct buf *text, unsigned mode) {
    tmpdir_write(w->dir, name, text->data, text->len, mode);
    buf_clear(text);
}

static void write_cert(struct world *w, const struct certs_pair *p) {
    struct buf text;
    buf_init(&text, CERTS_TEXT_MAX);
    certs_add_cert(&text, p);
    certs_add_cert(&text, &root);
    write_text(w, PATH_A, &text, 0644);
}

static void write_key(struct world *w, const struct certs_pair *p, const char *passphrase) {
    struct buf text;
    buf_init_sensitive(&text, CERTS_TEXT_MAX);
    certs_add_key(&text, p, passphrase);
    write_text(w, PATH_K, &text, 0600);
}

static void write_both(struct world *w, const struct certs_pair *p) {
    write_cert(w, p);
    write_key(w, p, NULL);
}

static int setup(void **state) {
    static struct world w;
    fake_loop_init();
    w.dir = tmpdir_new();
    (void)snprintf(w.cert, sizeof(w.cert), "%s", tmpdir_join(w.dir, PATH_A));
    (void)snprintf(w.key, sizeof(w.key), "%s", tmpdir_join(w.dir, PATH_K));
    write_both(&w, &first);
    assert_int_equal(device_cert_new(fake_worker(), w.cert, w.key, &w.dc, NULL), EDGE_OK);
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    device_cert_free(w->dc);
    tmpdir_free(w->dir);
    fake_loop_clear();
    return 0;
}

static void on_view(void *data, enum edge_code code, const struct device_cert_view *view,
                    const struct edge_error *err) {
    struct result *r = data;
    r->cnt++;
    r->code = code;
    assert_int_equal(view != NULL, code == EDGE_OK);
    assert_int_equal(err != NULL, code != EDGE_OK);
    if (err != NULL) {
        assert_int_equal(err->code, code);
        (void)snprintf(r->error, sizeof(r->error), "%s", err->text);
        return;
    }
    (void)snprintf(r->common_name, sizeof(r->common_name), "%s", view->common_name);
    (void)snprintf(r->thumbprint, sizeof(r->thumbprint), "%s", view->thumbprint);
    (void)snprintf(r->pem_sha256, sizeof(r->pem_sha256), "%s", view->pem_sha256);
    (void)snprintf(r->note, sizeof(r->note), "%s", view->note != NULL ? view->note : "");
    r->cert_len = view->cert_pem.len;
    r->key_len = view->key_pem.len;
    r->not_after_wall_s = view->not_after_wall_s;
    r->version = view->version;
}

static struct result get(struct world *w) {
    struct result r = {0};
    assert_int_equal(device_cert_get(w->dc, on_view, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    return r;
}

static void assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' not in '%s'", part, text);
    }
}

/* Nothing was in use before. */
static void expect_error(struct world *w, enum edge_code code, const char *file, const char *part) {
    struct result r = get(w);
    if (r.code != code) {
        fail_msg("%s: '%s'", edge_code_name(r.code), r.error);
    }
    assert_contains(r.error, file);
    assert_contains(r.error, part);
}

static void expect_kept(struct world *w, const struct result *before, const char *part) {
    struct result r = get(w);
    assert_int_equal(r.code, EDGE_OK);
    assert_string_equal(r.thumbprint, before->thumbprint);
    assert_int_equal(r.version, before->version);
    assert_contains(r.note, part);
    if (part[0] == '\0') {
        assert_string_equal(r.note, "");
    }
}

static void test_good(void **state) {
    struct world *w = *state;
    struct result r = get(w);
    assert_int_equal(r.code, EDGE_OK);
    assert_string_equal(r.common_name, "dev-01");
    assert_int_equal(strlen(r.thumbprint), 64);
    assert_int_equal(strlen(r.pem_sha256), 64);
    assert_string_not_equal(r.thumbprint, r.pem_sha256);
    assert_int_equal(r.not_after_wall_s, NOW_S + 10L * DAY_S);
    assert_int_equal(r.version, 1);
    assert_string_equal(r.note, "");
    struct stat st;
    assert_int_equal(stat(w->cert, &st), 0);
    assert_int_equal(r.cert_len, st.st_size);
    assert_int_equal(stat(w->key, &st), 0);
    assert_int_equal(r.key_len, st.st_size);
    expect_kept(w, &r, "");
}

static void test_renewal(void **state) {
    struct world *w = *state;
    struct result old = get(w);
    write_cert(w, &second);
    expect_kept(w, &old, "the private key is not that of the certificate");
    expect_kept(w, &old, PATH_K);
    write_key(w, &second, NULL);
    struct result new = get(w);
    assert_int_equal(new.code, EDGE_OK);
    assert_int_equal(new.version, 2);
    assert_string_equal(new.note, "");
    assert_string_not_equal(new.thumbprint, old.thumbprint);
    /* Written again with the same content, or touched: nothing new. */
    write_both(w, &second);
    expect_kept(w, &new, "");
    /* Key first, then certificate; by renaming. */
    write_key(w, &first, NULL);
    expect_kept(w, &new, "not that of the certificate");
    struct buf text;
    buf_init(&text, CERTS_TEXT_MAX);
    certs_add_cert(&text, &first);
    certs_add_cert(&text, &root);
    write_text(w, "new.pem", &text, 0644);
    assert_int_equal(renameat(w->dir->fd, "new.pem", w->dir->fd, PATH_A), 0);
    new = get(w);
    assert_int_equal(new.version, 3);
    assert_string_equal(new.thumbprint, old.thumbprint);
}

static void test_bad_replacements(void **state) {
    struct world *w = *state;
    struct result old = get(w);
    tmpdir_write(w->dir, PATH_A, "x", 1, 0644);
    expect_kept(w, &old, "holds no certificate");
    expect_kept(w, &old, PATH_A);
    tmpdir_write(w->dir, PATH_A, "", 0, 0644);
    expect_kept(w, &old, "empty");
    assert_int_equal(unlinkat(w->dir->fd, PATH_A, 0), 0);
    expect_kept(w, &old, "No such file");
    write_both(w, &late);
    expect_kept(w, &old, "expired");
    write_both(w, &first);
    expect_kept(w, &old, "");
    assert_int_equal(fchmodat(w->dir->fd, PATH_K, 0644, 0), 0);
    expect_kept(w, &old, "mode 0644");
    assert_int_equal(fchmodat(w->dir->fd, PATH_K, 0640, 0), 0);
    expect_kept(w, &old, "");
}

static void test_waiting_for_its_time(void **state) {
    struct world *w = *state;
    struct result old = get(w);
    write_both(w, &early);
    expect_kept(w, &old, "not valid before");
    fake_loop_jump_wall(2L * DAY_S);
    struct result new = get(w); /* the files have not changed since */
    assert_int_equal(new.code, EDGE_OK);
    assert_string_equal(new.common_name, "early");
    assert_int_equal(new.version, 2);
}

static void test_other_clock(void **state) {
    struct world *w = *state;
    struct wall wall = {.offset_s = 11L * DAY_S};
    device_cert_set_wall(w->dc, &wall);
    expect_error(w, EDGE_DENIED, PATH_A, "expired");
    wall.offset_s = -DAY_S;
    assert_int_equal(get(w).code, EDGE_OK);
    wall.offset_s--;
    expect_error(w, EDGE_DENIED, PATH_A, "not valid before");
}

static void test_running_out_in_use(void **state) {
    struct world *w = *state;
    struct result old = get(w);
    fake_loop_jump_wall(11L * DAY_S);
    expect_error(w, EDGE_DENIED, PATH_A, "expired");
    tmpdir_write(w->dir, PATH_A, "x", 1, 0644);
    expect_error(w, EDGE_PARSE, PATH_A, "no certificate"); /* what has to be mended */
    write_both(w, &second);
    struct result new = get(w);
    assert_int_equal(new.code, EDGE_OK);
    assert_int_equal(new.version, old.version + 1);
}

static void test_unusable_files(void **state) {
    struct world *w = *state;
    static char big[X509_PEM_MAX + 1];
    write_key(w, &second, NULL);
    expect_error(w, EDGE_CONFLICT, PATH_K, "not that of the certificate");
    write_key(w, &first, "sesame");
    expect_error(w, EDGE_PARSE, PATH_K, "encrypted");
    write_key(w, &root, NULL);
    expect_error(w, EDGE_CONFLICT, PATH_K, "belongs to certificate 2");
    tmpdir_write(w->dir, PATH_K, big, sizeof(big), 0600);
    expect_error(w, EDGE_RANGE, PATH_K, "larger than 65536 bytes");
    assert_int_equal(unlinkat(w->dir->fd, PATH_K, 0), 0);
    expect_error(w, EDGE_NOT_FOUND, PATH_K, "No such file");
    assert_int_equal(mkdirat(w->dir->fd, PATH_K, 0700), 0);
    expect_error(w, EDGE_INVALID, PATH_K, "not a regular file");
    assert_int_equal(unlinkat(w->dir->fd, PATH_K, AT_REMOVEDIR), 0);
    write_both(w, &late);
    expect_error(w, EDGE_DENIED, PATH_A, "expired");
    write_both(w, &early);
    expect_error(w, EDGE_DENIED, PATH_A, "not valid before");
    tmpdir_write(w->dir, PATH_A, big, sizeof(big), 0600);
    expect_error(w, EDGE_RANGE, PATH_A, "larger than 65536 bytes");
    write_both(w, &first);
    assert_int_equal(get(w).version, 1);
}

static void test_modes_of_the_key(void **state) {
    struct world *w = *state;
    static const struct {
        unsigned mode;
        bool is_fine;
    } rows[] = {{0600, true},  {0400, true},  {0640, true},  {0440, true}, {0644, false},
                {0660, false}, {0604, false}, {0602, false}, {0601, false}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct device_cert *dc = w->dc;
        assert_int_equal(fchmodat(w->dir->fd, PATH_K, rows[i].mode, 0), 0);
        assert_int_equal(device_cert_new(fake_worker(), w->cert, w->key, &w->dc, NULL), EDGE_OK);
        if (rows[i].is_fine) {
            assert_int_equal(get(w).code, EDGE_OK);
        } else {
            expect_error(w, EDGE_DENIED, PATH_K, "chmod 0600");
        }
        device_cert_free(w->dc);
        w->dc = dc;
    }
}

static void test_many_at_once(void **state) {
    struct world *w = *state;
    struct result r[5] = {{0}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(r); i++) {
        assert_int_equal(device_cert_get(w->dc, on_view, &r[i], NULL, NULL), EDGE_OK);
    }
    fake_loop_run();
    for (size_t i = 0; i < EDGE_ARRAY_LEN(r); i++) {
        assert_int_equal(r[i].cnt, 1);
        assert_int_equal(r[i].version, 1);
    }
}

static void test_cancel_at_every_step(void **state) {
    struct world *w = *state;
    bool completed = false;
    for (unsigned steps = 0; !completed; steps++) {
        struct result r = {0};
        struct op op;
        assert_true(steps < 10);
        assert_int_equal(device_cert_get(w->dc, on_view, &r, &op, NULL), EDGE_OK);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_loop_step();
        }
        completed = r.cnt == 1;
        op_cancel(loop_ops(fake_loop()), op);
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        assert_int_equal(r.code, completed ? EDGE_OK : EDGE_CANCELED);
    }
}

static void test_key_in_the_store(void **state) {
    struct world *w = *state;
    struct device_cert *dc = NULL;
    struct hsm *h = fake_hsm_new();
    struct secret key SECRET_CLEANUP = {0};
    struct buf text;
    buf_init_sensitive(&text, CERTS_TEXT_MAX);
    certs_add_key(&text, &first, NULL);
    assert_int_equal(secret_copy(&key, text.data, text.len, NULL), EDGE_OK);
    write_cert(w, &first);
    assert_int_equal(device_cert_new(fake_worker(), w->cert, "record:external-1", &dc, NULL),
                     EDGE_OK);
    /* Only who has said so looks into the store. */
    struct result r = {.code = EDGE_INTERNAL};
    assert_int_equal(device_cert_get(dc, on_view, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.code, EDGE_NOT_FOUND);
    device_cert_use_store(dc, h);
    assert_int_equal(device_cert_get(dc, on_view, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.code, EDGE_NOT_FOUND);
    assert_int_equal(hsm_record_put(h, "external-1", &key, NULL), EDGE_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(device_cert_get(dc, on_view, &r, NULL, NULL), EDGE_OK);
        fake_loop_run();
        assert_int_equal(r.code, EDGE_OK);
        assert_int_equal(r.key_len, key.len);
        assert_int_equal(r.version, 1);
        fake_hsm_lock_store(h); /* what is in use is not read again */
    }
    device_cert_free(dc);
    buf_clear(&text);
    hsm_close(h);
}

static void test_busy_worker(void **state) {
    struct world *w = *state;
    struct result r = {0};
    struct edge_error err;
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(device_cert_get(w->dc, on_view, &r, NULL, &err), EDGE_BUSY);
    fake_worker_fail(EDGE_OK);
    fake_worker_hold(true);
    assert_int_equal(device_cert_get(w->dc, on_view, &r, NULL, NULL), EDGE_OK);
    fake_loop_advance(DEVICE_CERT_QUEUE_TIMEOUT_MS + 1);
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.code, EDGE_TIMEOUT);
    fake_worker_hold(false);
}

static void test_last_holder_frees(void **state) {
    struct world *w = *state;
    struct device_cert *dc = NULL;
    struct result r = {.code = EDGE_INTERNAL};
    write_both(w, &first);
    assert_null(device_cert_keep(NULL));
    assert_int_equal(device_cert_new(fake_worker(), w->cert, w->key, &dc, NULL), EDGE_OK);
    assert_ptr_equal(device_cert_keep(dc), dc);
    device_cert_free(dc);
    assert_int_equal(device_cert_get(dc, on_view, &r, NULL, NULL), EDGE_OK);
    device_cert_free(dc); /* the look under way is the last to hold it */
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.code, EDGE_OK);
}

static enum edge_code read_once(void *data) {
    const struct world *w = data;
    struct device_cert *dc = NULL;
    struct result r = {.code = EDGE_INTERNAL};
    enum edge_code code = device_cert_new(fake_worker(), w->cert, w->key, &dc, NULL);
    if (code == EDGE_OK) {
        code = device_cert_get(dc, on_view, &r, NULL, NULL);
    }
    if (code == EDGE_OK) {
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        code = r.code;
    }
    device_cert_free(dc);
    return code;
}

static void test_out_of_memory(void **state) {
    struct world *w = *state;
    enum edge_code code = EDGE_INTERNAL;
    size_t n = 1;
    /* Every one of the first, which are our own; samples of OpenSSL's thousands. */
    for (bool is_over = false; !is_over; n += 1 + n / 16) {
        alloc_fail_arm(n);
        code = read_once(w);
        is_over = !alloc_fail_disarm();
    }
    assert_int_equal(code, EDGE_OK);
    assert_true(n > 1000);
    device_cert_free(NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_good),
        TEST(test_renewal),
        TEST(test_bad_replacements),
        TEST(test_waiting_for_its_time),
        TEST(test_running_out_in_use),
        TEST(test_other_clock),
        TEST(test_unusable_files),
        TEST(test_modes_of_the_key),
        TEST(test_many_at_once),
        TEST(test_cancel_at_every_step),
        TEST(test_key_in_the_store),
        TEST(test_busy_worker),
        TEST(test_last_holder_frees),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
