/* SPDX-License-Identifier: MIT */
/*
 * Beginning and end of a source's run.
 */
#include "provisioning/source_run.h"

#include "fake_loop.h"
#include "support/provisioning_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct {
    struct source_run run;
    struct cloud cloud;
    struct edge_config cfg;
    struct source_outcome outcome;
    unsigned done, ended;
} env;

static void on_done(void *data, const struct source_outcome *o) {
    (void)data;
    env.done++;
    env.outcome = *o;
}

static void at_end(struct source_run *s) {
    (void)s;
    env.ended++;
}

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    world_init();
    fake_loop_init();
    env.cloud = (struct cloud){fake_loop(), fake_worker(), NULL, NULL, &world.wall};
    const struct provisioning_deps deps = {
        .cloud = &env.cloud, .config = &env.cfg, .state_dir = "/"};
    enum edge_code code = source_run_init(&env.run, NULL, &deps, "inputs", NULL);
    env.run.at_end = at_end;
    return code != EDGE_OK;
}

static int teardown(void **state) {
    (void)state;
    fake_loop_run();
    fake_loop_clear();
    return 0;
}

static void test_local_failure_or_the_clock(void **unused) {
    (void)unused;
    struct edge_error err;
    (void)edge_set(&err, EDGE_RETRY, "not now");
    source_run_begin(&env.run, on_done, NULL, false);
    source_run_fail_local(&env.run, &err);
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    world.wall.state = WALL_WRONG;
    source_run_begin(&env.run, on_done, NULL, false);
    source_run_fail_local(&env.run, &err);
    assert_int_equal(env.outcome.verdict, SOURCE_CLOCK);
    (void)edge_set(&err, EDGE_HSM, "the TPM");
    source_run_begin(&env.run, on_done, NULL, false);
    source_run_fail_local(&env.run, &err);
    assert_int_equal(env.outcome.verdict, SOURCE_LOCAL);
    assert_int_equal(env.ended, 3);
}

static void test_names_that_are_too_long(void **unused) {
    (void)unused;
    struct edge_error err;
    char name[400];
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(source_run_assign(&env.run, name, "dev", &err), EDGE_PROTO);
    assert_int_equal(source_run_assign(&env.run, "hub", name, &err), EDGE_PROTO);
    world.wall.offset_s = 1000;
    assert_int_equal(source_run_assign(&env.run, "hub", "dev", &err), EDGE_OK);
    assert_int_equal(env.run.outcome.result.since_wall_s, FAKE_LOOP_WALL_S + 1000);
    assert_int_equal(source_run_init(&env.run, NULL, &env.run.deps, name, &err), EDGE_RANGE);
}

static void run_bad(struct source_job *job) {
    job->verdict = SOURCE_REFUSED;
    job->code = edge_set(&job->err, EDGE_CONFIG, "mend the file");
}

static void never(struct source_run *s, struct source_job *job) {
    (void)s;
    (void)job;
    fail();
}

static void test_failing_job_ends_the_run(void **unused) {
    (void)unused;
    world.state = HSM_STATE_BUSY;
    source_run_begin(&env.run, on_done, NULL, false);
    assert_int_equal(source_job_submit(source_job_new(&env.run), run_bad, never, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_REFUSED);
    assert_string_equal(env.outcome.err.text, "mend the file");
    assert_int_equal(env.outcome.key_store, HSM_STATE_BUSY);
}

static void test_cancel_with_nothing_in_flight(void **unused) {
    (void)unused;
    assert_true(source_run_cancel(&env.run)); /* idle */
    source_run_begin(&env.run, on_done, NULL, false);
    assert_false(source_run_cancel(&env.run));
    source_run_end_later(&env.run);
    assert_int_equal(env.done, 0);
    fake_loop_run();
    assert_int_equal(env.done, 1);
    assert_int_equal(env.outcome.verdict, SOURCE_CANCELED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_local_failure_or_the_clock),
        T(test_names_that_are_too_long),
        T(test_failing_job_ends_the_run),
        T(test_cancel_with_nothing_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
