/* SPDX-License-Identifier: MIT */
#include "identity/module_crypt.h"

#include "base/aead.h"
#include "base/b64.h"
#include "support/alloc_fail.h"
#include "support/cloud_env.h"
#include "support/legacy_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HUB   (&(const struct module_crypt_id){SLICE_LIT("$edgeHub"), SLICE_LIT("1")})
#define AGENT (&(const struct module_crypt_id){SLICE_LIT("$edgeAgent"), SLICE_LIT("1")})
#define IV    SLICE_LIT("initialization")

struct fixture {
    struct cloud_env env;
    struct tmpdir *home;
    struct module_crypt *crypt;
    struct buf out;
};

struct answer {
    unsigned cnt;
    enum edge_code code;
    char text[EDGE_ERROR_TEXT_MAX];
    struct buf out;
};

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){.home = tmpdir_new()};
    cloud_env_init(&f.env);
    legacy_state_make(f.home);
    buf_init_sensitive(&f.out, MODULE_CRYPT_LEN_MAX);
    *state = &f;
    return module_crypt_new(f.env.loop, f.env.worker, f.env.hsm, f.home->path, &f.crypt, NULL) !=
           EDGE_OK;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    module_crypt_free(f->crypt);
    buf_clear(&f->out);
    cloud_env_clear(&f->env);
    tmpdir_free(f->home);
    return 0;
}

static void on_open(void *data, enum edge_code code, const struct edge_error *err) {
    struct answer *a = data;
    a->cnt++;
    a->code = code;
    assert_true((code == EDGE_OK) == (err == NULL));
    if (err != NULL) {
        memcpy(a->text, err->text, sizeof(a->text));
    }
}

static void on_text(void *data, enum edge_code code, const struct buf *out,
                    const struct edge_error *err) {
    struct answer *a = data;
    on_open(a, code, err);
    assert_true((code == EDGE_OK) == (out != NULL));
    if (out != NULL) {
        buf_clear(&a->out);
        buf_init(&a->out, out->len);
        assert_int_equal(buf_append_slice(&a->out, buf_slice(out), NULL), EDGE_OK);
    }
}

static enum edge_code open_now(struct fixture *f) {
    struct answer a = {0};
    assert_int_equal(module_crypt_open(f->crypt, on_open, &a, NULL, NULL), EDGE_OK);
    assert_int_equal(a.cnt, 0);
    fake_loop_run();
    assert_int_equal(a.cnt, 1);
    return a.code;
}

static void test_not_open(void **state) {
    struct fixture *f = *state;
    assert_false(module_crypt_is_open(f->crypt));
    assert_string_equal(module_crypt_note(f->crypt), "");
    assert_int_equal(module_crypt_encrypt(f->crypt, HUB, IV, SLICE_LIT("x"), &f->out, NULL),
                     EDGE_RETRY);
    assert_int_equal(module_crypt_decrypt(f->crypt, HUB, IV, SLICE_LIT("x"), &f->out, NULL),
                     EDGE_RETRY);
    assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, HUB, IV, SLICE_LIT("eA=="),
                                        on_text, NULL, NULL, NULL),
                     EDGE_RETRY);
}

static void test_round_trip(void **state) {
    struct fixture *f = *state;
    struct buf blob;
    buf_init(&blob, 256);
    assert_int_equal(open_now(f), EDGE_OK);
    assert_true(module_crypt_is_open(f->crypt));
    assert_non_null(strstr(module_crypt_note(f->crypt), "took over"));
    assert_int_equal(module_crypt_encrypt(f->crypt, HUB, IV, SLICE_LIT("text"), &blob, NULL),
                     EDGE_OK);
    assert_int_equal(module_crypt_decrypt(f->crypt, HUB, IV, buf_slice(&blob), &f->out, NULL),
                     EDGE_OK);
    assert_true(slice_eq_str(buf_slice(&f->out), "text"));
    assert_int_equal(module_crypt_decrypt(f->crypt, AGENT, IV, buf_slice(&blob), &f->out, NULL),
                     EDGE_DENIED);
    buf_clear(&blob);
}

/* What edgeHub had release 1.1 encrypt is read, also when the file is gone. */
static void test_forgotten_key_is_opened_anew(void **state) {
    struct fixture *f = *state;
    struct buf blob;
    buf_init(&blob, 256);
    assert_int_equal(open_now(f), EDGE_OK);
    assert_int_equal(module_crypt_encrypt(f->crypt, HUB, IV, SLICE_LIT("text"), &blob, NULL),
                     EDGE_OK);
    module_crypt_forget(f->crypt);
    assert_false(module_crypt_is_open(f->crypt));
    assert_string_equal(module_crypt_note(f->crypt), "");
    assert_int_equal(module_crypt_decrypt(f->crypt, HUB, IV, buf_slice(&blob), &f->out, NULL),
                     EDGE_RETRY);
    assert_int_equal(open_now(f), EDGE_OK);
    assert_int_equal(module_crypt_decrypt(f->crypt, HUB, IV, buf_slice(&blob), &f->out, NULL),
                     EDGE_OK);
    buf_clear(&blob);
}

static void test_text_of_legacy(void **state) {
    struct fixture *f = *state;
    uint8_t key[32], blob[AEAD_V1_EXTRA + 6];
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)i;
    }
    assert_true(legacy_state_seal(slice_make(key, sizeof(key)), IV, SLICE_LIT("$edgeHub1"),
                                  SLICE_LIT("stored"), blob));
    assert_int_equal(open_now(f), EDGE_OK);
    assert_int_equal(unlinkat(f->home->fd, LEGACY_MASTER_PATH, 0), 0);
    assert_int_equal(open_now(f), EDGE_OK);
    assert_int_equal(
        module_crypt_decrypt(f->crypt, HUB, IV, slice_make(blob, sizeof(blob)), &f->out, NULL),
        EDGE_OK);
    assert_true(slice_eq_str(buf_slice(&f->out), "stored"));
}

static void test_waiters_share_a_look(void **state) {
    struct fixture *f = *state;
    struct answer answers[3] = {{0}};
    struct op op;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            module_crypt_open(f->crypt, on_open, &answers[i], i == 1 ? &op : NULL, NULL), EDGE_OK);
    }
    op_cancel(loop_ops(f->env.loop), op);
    fake_hsm_fail(f->env.hsm, 1, EDGE_HSM);
    fake_loop_run();
    assert_int_equal(answers[0].code, EDGE_HSM);
    assert_int_equal(answers[1].code, EDGE_CANCELED);
    assert_int_equal(answers[2].code, EDGE_HSM);
    assert_false(module_crypt_is_open(f->crypt));
    /* Not remembered. */
    assert_int_equal(open_now(f), EDGE_OK);
}

static void test_too_many_wait(void **state) {
    struct fixture *f = *state;
    struct answer a = {0};
    for (size_t i = 0; i < MODULE_CRYPT_WAITERS_MAX; i++) {
        assert_int_equal(module_crypt_open(f->crypt, on_open, &a, NULL, NULL), EDGE_OK);
    }
    assert_int_equal(module_crypt_open(f->crypt, on_open, &a, NULL, NULL), EDGE_BUSY);
    fake_loop_run();
    assert_int_equal(a.cnt, MODULE_CRYPT_WAITERS_MAX);
}

static void test_busy_worker(void **state) {
    struct fixture *f = *state;
    struct answer a = {0};
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(module_crypt_open(f->crypt, on_open, &a, NULL, NULL), EDGE_BUSY);
    fake_worker_fail(EDGE_OK);
    assert_int_equal(open_now(f), EDGE_OK);
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, HUB, IV, SLICE_LIT("eA=="),
                                        on_text, &a, NULL, NULL),
                     EDGE_BUSY);
    fake_worker_fail(EDGE_OK);
    fake_worker_hold(true);
    assert_int_equal(module_crypt_open(f->crypt, on_open, &a, NULL, NULL), EDGE_OK);
    assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, HUB, IV, SLICE_LIT("eA=="),
                                        on_text, &a, NULL, NULL),
                     EDGE_OK);
    fake_loop_advance(MODULE_CRYPT_QUEUE_TIMEOUT_MS + 1);
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(a.cnt, 2);
    assert_int_equal(a.code, EDGE_TIMEOUT);
}

static struct answer later(struct fixture *f, enum module_crypt_way way, struct slice text) {
    struct answer a = {0};
    assert_int_equal(module_crypt_later(f->crypt, way, HUB, IV, text, on_text, &a, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    assert_int_equal(a.cnt, 1);
    return a;
}

static void test_later(void **state) {
    struct fixture *f = *state;
    static char text[700001];
    struct buf b64;
    memset(text, 't', sizeof(text));
    buf_init(&b64, 1000000);
    assert_int_equal(b64_encode(text, sizeof(text), &b64, NULL), EDGE_OK);
    assert_int_equal(open_now(f), EDGE_OK);
    struct answer a = later(f, MODULE_CRYPT_ENCRYPT, buf_slice(&b64));
    assert_int_equal(a.code, EDGE_OK);
    struct answer b = later(f, MODULE_CRYPT_DECRYPT, buf_slice(&a.out));
    assert_int_equal(b.code, EDGE_OK);
    assert_true(slice_eq(buf_slice(&b.out), buf_slice(&b64)));
    buf_clear(&b.out);
    b = later(f, MODULE_CRYPT_DECRYPT, SLICE_LIT("AVWfkQQDCsdMkPI8dBrNFtk116B1EA=="));
    assert_int_equal(b.code, EDGE_DENIED);
    b = later(f, MODULE_CRYPT_ENCRYPT, SLICE_LIT("***"));
    assert_int_equal(b.code, EDGE_PARSE);
    b = later(f, MODULE_CRYPT_ENCRYPT, SLICE_LIT(""));
    assert_int_equal(b.code, EDGE_INVALID);
    buf_clear(&a.out);
    buf_clear(&b64);
}

static void test_later_is_bounded(void **state) {
    struct fixture *f = *state;
    struct answer a = {0};
    struct op op;
    static char over[3 * 1024 * 1024];
    assert_int_equal(open_now(f), EDGE_OK);
    assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, HUB, IV,
                                        slice_make(over, sizeof(over)), on_text, &a, NULL, NULL),
                     EDGE_INVALID);
    assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, HUB, SLICE_LIT(""),
                                        SLICE_LIT("eA=="), on_text, &a, NULL, NULL),
                     EDGE_INVALID);
    char name[2] = "a";
    struct module_crypt_id id = {slice_str(name), SLICE_LIT("1")};
    for (size_t i = 0; i < MODULE_CRYPT_LATER_MAX; i++) {
        name[0] = (char)('a' + i / MODULE_CRYPT_LATER_PER_MODULE_MAX);
        id.module = slice_str(name);
        assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, &id, IV,
                                            SLICE_LIT("eA=="), on_text, &a, &op, NULL),
                         EDGE_OK);
        if (i == MODULE_CRYPT_LATER_PER_MODULE_MAX - 1) {
            assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, &id, IV,
                                                SLICE_LIT("eA=="), on_text, &a, NULL, NULL),
                             EDGE_BUSY);
        }
    }
    assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, AGENT, IV,
                                        SLICE_LIT("eA=="), on_text, &a, NULL, NULL),
                     EDGE_BUSY);
    op_cancel(loop_ops(f->env.loop), op);
    fake_loop_run();
    assert_int_equal(a.cnt, MODULE_CRYPT_LATER_MAX);
    assert_int_equal(module_crypt_later(f->crypt, MODULE_CRYPT_ENCRYPT, AGENT, IV,
                                        SLICE_LIT("eA=="), on_text, &a, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    buf_clear(&a.out);
}

static void on_text_told(void *data, enum edge_code code, const struct buf *out,
                         const struct edge_error *err) {
    assert_true((code == EDGE_OK) == (out != NULL));
    on_open(data, code, err);
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    struct module_crypt *c = NULL;
    struct answer a = {0};
    enum edge_code code =
        module_crypt_new(f->env.loop, f->env.worker, f->env.hsm, f->home->path, &c, NULL);
    if (code == EDGE_OK) {
        code = module_crypt_open(c, on_open, &a, NULL, NULL);
        fake_loop_run();
        code = code == EDGE_OK ? a.code : code;
    }
    if (code == EDGE_OK) {
        code = module_crypt_later(c, MODULE_CRYPT_ENCRYPT, HUB, IV, SLICE_LIT("eA=="), on_text_told,
                                  &a, NULL, NULL);
        fake_loop_run();
        code = code == EDGE_OK ? a.code : code;
    }
    module_crypt_free(c);
    return code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_not_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgotten_key_is_opened_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_of_legacy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiters_share_a_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_worker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
