/* SPDX-License-Identifier: MIT */
/*
 * External provisioning: what each kind of answer leads to.
 */
#include "cloud/external.h"
#include "fake_loop.h"
#include "provisioning/source.h"
#include "support/alloc_fail.h"
#include "support/provisioning_world.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    struct source *source;
    struct cloud cloud;
    struct edge_config cfg;
    struct tmpdir *dir;
    struct source_outcome outcome;
    unsigned done;
    external_done_fn *get, *renew;
    void *data;
} env;

enum edge_code external_get(const struct external *x, external_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    (void)err;
    assert_string_equal(x->endpoint, "http://localhost:9999");
    env.get = done;
    env.data = data;
    *ret_op = OP_NONE;
    return EDGE_OK;
}

enum edge_code external_reprovision(const struct external *x, external_done_fn *done, void *data,
                                    struct op *ret_op, struct edge_error *err) {
    (void)x;
    (void)err;
    env.renew = done;
    env.data = data;
    *ret_op = OP_NONE;
    return EDGE_OK;
}

static void answer(const struct external_answer *a) {
    external_done_fn *done = env.get != NULL ? env.get : env.renew;
    assert_non_null(done);
    env.get = env.renew = NULL;
    done(env.data, a);
    fake_loop_run();
}

static void on_done(void *data, const struct source_outcome *o) {
    (void)data;
    env.done++;
    env.outcome = *o;
}

static void start(void) {
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, false, NULL), EDGE_OK);
    fake_loop_run();
}

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    world_init();
    fake_loop_init();
    env.dir = tmpdir_new();
    env.cloud = (struct cloud){fake_loop(), fake_worker(), NULL, NULL, &world.wall};
    env.cfg.provisioning.source = CONFIG_SOURCE_EXTERNAL;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_EXTERNAL;
    env.cfg.provisioning.endpoint = (char *)"http://localhost:9999";
    const struct provisioning_deps deps = {
        .cloud = &env.cloud, .config = &env.cfg, .state_dir = env.dir->path};
    return source_external_new(&deps, "inputs", &env.source, NULL) != EDGE_OK;
}

static int teardown(void **state) {
    (void)state;
    fake_loop_run();
    env.source->ops->free(env.source);
    fake_loop_clear();
    tmpdir_free(env.dir);
    return 0;
}

static struct external_answer base(enum external_auth auth, bool is_in_hsm) {
    struct external_answer a = {.kind = EXTERNAL_OK,
                                .hub = "h.example",
                                .device_id = "dev",
                                .auth = auth,
                                .is_in_hsm = is_in_hsm};
    return a;
}

static void test_key_payload(void **unused) {
    (void)unused;
    struct external_answer a = base(EXTERNAL_AUTH_KEY, false);
    a.key = SLICE_LIT("the key");
    for (int i = 0; i < 2; i++) {
        start();
        answer(&a);
        assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
        assert_string_equal(env.outcome.result.hub, "h.example");
        assert_int_equal(env.outcome.result.key_generation, 1);
    }
    assert_int_equal(world.imports, 1);
    assert_non_null(strstr(world.keys[0].label, "\"service\":true"));
}

static void test_key_in_the_store(void **unused) {
    (void)unused;
    struct external_answer a = base(EXTERNAL_AUTH_KEY, true);
    start();
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_non_null(strstr(env.outcome.err.text, "import-key"));
    world.adoptable = 1;
    start();
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_int_equal(env.outcome.result.key_generation, 1);
    assert_non_null(strstr(world.keys[0].label, "h.example"));
    world_add_imported(5, "hub:h.example/dev", "given");
    start();
    answer(&a);
    assert_int_equal(env.outcome.result.key_generation, 5);
}

static void test_certificate_payload(void **unused) {
    (void)unused;
    struct external_answer a = base(EXTERNAL_AUTH_X509, false);
    a.cert_pem = SLICE_LIT("cert");
    a.key_pem = SLICE_LIT("key");
    start();
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_int_equal(env.outcome.result.credential, PROVISIONING_CERT);
    assert_int_equal(access(env.outcome.result.cert_path, R_OK), 0);
    assert_string_equal(world.record_text, "key");
    assert_string_equal(env.outcome.result.pk_path + 7, world.record);
    /* A key that cannot be kept is not used. */
    world.record_code = EDGE_HSM;
    start();
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
}

static void test_certificate_files_named(void **unused) {
    (void)unused;
    struct external_answer a = base(EXTERNAL_AUTH_X509, true);
    strcpy(a.cert_ref, "file:///c.pem");
    strcpy(a.key_ref, "/k.pem");
    start();
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_string_equal(env.outcome.result.cert_path, "/c.pem");
    assert_string_equal(env.outcome.result.pk_path, "/k.pem");
    strcpy(a.key_ref, "pkcs11:object=k");
    start();
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
}

static void fail_with(enum external_kind kind, enum source_verdict verdict) {
    struct external_answer a = {.kind = kind, .retry_after_ms = 9000};
    a.code = edge_set(&a.err, EDGE_REMOTE, "it said so");
    start();
    answer(&a);
    assert_int_equal(env.outcome.verdict, verdict);
    assert_int_equal(env.outcome.retry_after_ms, 9000);
    assert_string_equal(env.outcome.err.text, "it said so");
}

static void test_refusals(void **unused) {
    (void)unused;
    fail_with(EXTERNAL_WAITING, SOURCE_TRANSIENT);
    fail_with(EXTERNAL_TRANSIENT, SOURCE_TRANSIENT);
    fail_with(EXTERNAL_REFUSED, SOURCE_REFUSED);
    fail_with(EXTERNAL_UNUSABLE, SOURCE_REFUSED);
}

static void test_renewal_is_asked_for_first(void **unused) {
    (void)unused;
    struct external_answer a = base(EXTERNAL_AUTH_KEY, false);
    a.key = SLICE_LIT("the key");
    struct external_answer no = {.kind = EXTERNAL_REFUSED};
    no.code = edge_set(&no.err, EDGE_REMOTE, "cannot");
    env.source->renew = true;
    start();
    assert_non_null(env.renew);
    answer(&no);
    assert_non_null(env.get);
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
}

static void test_look_changes_nothing(void **unused) {
    (void)unused;
    struct external_answer a = base(EXTERNAL_AUTH_KEY, false);
    a.key = SLICE_LIT("the key");
    env.source->renew = true;
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, true, NULL), EDGE_OK);
    assert_non_null(env.get);
    answer(&a);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_int_equal(world.imports, 0);
}

static void test_cancel(void **unused) {
    (void)unused;
    struct external_answer a = base(EXTERNAL_AUTH_KEY, false);
    start();
    env.source->ops->cancel(env.source);
    fake_loop_run(); /* nothing in flight that would call back */
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_CANCELED);
    (void)a;
}

static enum edge_code one_run(void *data) {
    struct external_answer a = base(EXTERNAL_AUTH_KEY, false);
    a.key = SLICE_LIT("the key");
    (void)data;
    world_init();
    env.done = 0;
    enum edge_code code = env.source->ops->begin(env.source, on_done, NULL, false, NULL);
    if (code != EDGE_OK) {
        return code;
    }
    answer(&a);
    assert_int_equal(env.done, 1);
    return env.outcome.verdict == SOURCE_ASSIGNED ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(one_run, NULL) > 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_key_payload),
        T(test_key_in_the_store),
        T(test_certificate_payload),
        T(test_certificate_files_named),
        T(test_refusals),
        T(test_renewal_is_asked_for_first),
        T(test_look_changes_nothing),
        T(test_cancel),
        T(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
