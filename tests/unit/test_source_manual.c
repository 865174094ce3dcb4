/* SPDX-License-Identifier: MIT */
/*
 * Manual provisioning: the key on its way into the store, and nobody asked.
 */
#include "fake_loop.h"
#include "provisioning/source.h"
#include "support/alloc_fail.h"
#include "support/provisioning_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct {
    struct source *source;
    struct cloud cloud;
    struct edge_config cfg;
    struct source_outcome outcome;
    unsigned done;
} env;

static void on_done(void *data, const struct source_outcome *o) {
    (void)data;
    env.done++;
    env.outcome = *o;
}

static enum edge_code run(void) {
    enum edge_code code = env.source->ops->begin(env.source, on_done, NULL, false, NULL);
    fake_loop_run();
    return code;
}

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    world_init();
    fake_loop_init();
    env.cloud = (struct cloud){fake_loop(), fake_worker(), NULL, NULL, &world.wall};
    env.cfg.provisioning.source = CONFIG_SOURCE_MANUAL;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_KEY;
    env.cfg.provisioning.hub_hostname = (char *)"H.example";
    env.cfg.provisioning.device_id = (char *)"dev-01";
    const struct provisioning_deps deps = {
        .cloud = &env.cloud, .config = &env.cfg, .state_dir = "/"};
    return source_manual_new(&deps, "inputs", &env.source, NULL) != EDGE_OK;
}

static int teardown(void **state) {
    (void)state;
    fake_loop_run();
    env.source->ops->free(env.source);
    secret_clear(&env.cfg.provisioning.key);
    fake_loop_clear();
    return 0;
}

static void give_key(const char *key) {
    secret_clear(&env.cfg.provisioning.key);
    assert_int_equal(secret_copy(&env.cfg.provisioning.key, key, strlen(key), NULL), EDGE_OK);
}

static void test_key_of_the_configuration(void **unused) {
    (void)unused;
    give_key("a key");
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_string_equal(env.outcome.result.hub, "H.example");
    assert_string_equal(env.outcome.result.device_id, "dev-01");
    assert_int_equal(env.outcome.result.credential, PROVISIONING_KEY);
    assert_int_equal(env.outcome.result.key_generation, 1);
    assert_false(env.outcome.result.proven);
    assert_int_equal(env.outcome.key_store, HSM_STATE_READY);
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 1);
    assert_int_equal(world.imports, 1);
}

static void test_key_imported_before(void **unused) {
    (void)unused;
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_non_null(strstr(env.outcome.err.text, "iotedge tpm import-key"));
    world_add_imported(4, "hub:h.example/dev-01", "k");
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 4);
    /* The key that stood in the file counts, also beside a newer one. */
    world_add_imported(6, "hub:h.example/dev-01", "l");
    env.source->key_generation = 4;
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 4);
}

/* What an operator does with keys while the daemon runs. */
static void test_key_removed_and_replaced_meanwhile(void **unused) {
    (void)unused;
    struct edge_error err;
    world_add_imported(3, "hub:h.example/dev-01", "the file's key");
    env.source->key_generation = 3;
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 3);
    world_add_imported(5, "hub:h.example/other", "another target");
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 3);
    world_add_imported(7, "hub:h.example/dev-01", "a new key");
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 7);
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 7);
    assert_int_equal(hsm_identity_drop(NULL, 7, &err), EDGE_OK);
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 3);
    assert_int_equal(hsm_identity_drop(NULL, 3, &err), EDGE_OK);
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_non_null(strstr(env.outcome.err.text, "iotedge tpm import-key"));
    world_add_imported(8, "hub:h.example/dev-01", "once more");
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.result.key_generation, 8);
    world.list_code = EDGE_HSM;
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
}

static void test_certificate(void **unused) {
    (void)unused;
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_X509;
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_int_equal(env.outcome.result.credential, PROVISIONING_CERT);
    assert_int_equal(env.outcome.result.key_generation, 0);
    assert_string_equal(env.outcome.result.cert_path, "");
}

static void test_look_imports_nothing(void **unused) {
    (void)unused;
    give_key("a key");
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, true, NULL), EDGE_OK);
    assert_int_equal(env.done, 0);
    fake_loop_run();
    assert_int_equal(env.outcome.verdict, SOURCE_ASSIGNED);
    assert_string_equal(env.outcome.result.device_id, "dev-01");
    assert_int_equal(world.imports, 0);
}

static void test_store_in_trouble(void **unused) {
    (void)unused;
    give_key("a key");
    world.import_code = EDGE_HSM;
    world.state = HSM_STATE_LOCKOUT;
    assert_int_equal(run(), EDGE_OK);
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    assert_int_equal(env.outcome.key_store, HSM_STATE_LOCKOUT);
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(run(), EDGE_BUSY);
    assert_int_equal(env.done, 1);
    fake_worker_fail(EDGE_OK);
}

static void test_cancel(void **unused) {
    (void)unused;
    give_key("a key");
    fake_worker_hold(true);
    assert_int_equal(run(), EDGE_OK);
    env.source->ops->cancel(env.source);
    env.source->ops->cancel(env.source);
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_CANCELED);
    env.cfg.provisioning.credential = CONFIG_CREDENTIAL_X509;
    assert_int_equal(env.source->ops->begin(env.source, on_done, NULL, false, NULL), EDGE_OK);
    env.source->ops->cancel(env.source);
    fake_loop_run();
    assert_int_equal(env.done, 2);
    assert_int_equal(env.outcome.verdict, SOURCE_CANCELED);
    env.source->ops->cancel(env.source); /* idle: nothing */
    fake_loop_run();
    assert_int_equal(env.done, 2);
}

static enum edge_code one_run(void *data) {
    (void)data;
    world_init();
    env.done = 0;
    enum edge_code code = run();
    if (code == EDGE_OK) {
        assert_int_equal(env.done, 1);
        code = env.outcome.verdict == SOURCE_ASSIGNED ? EDGE_OK : EDGE_NOMEM;
    } else {
        assert_int_equal(env.done, 0);
    }
    return code;
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    give_key("a key");
    assert_true(alloc_fail_torture(one_run, NULL) > 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_key_of_the_configuration),
        T(test_key_imported_before),
        T(test_key_removed_and_replaced_meanwhile),
        T(test_certificate),
        T(test_look_imports_nothing),
        T(test_store_in_trouble),
        T(test_cancel),
        T(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
