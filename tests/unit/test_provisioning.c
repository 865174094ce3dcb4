/* SPDX-License-Identifier: MIT */
/*
 * Provisioning policy: when the source is asked, what is kept, and what the hub's verdict changes.
 * The source, the key store and time are the test's.
 */
#include "provisioning/provisioning.h"

#include "fake_loop.h"
#include "loop/backoff.h"
#include "provisioning/source.h"
#include "provisioning/state.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- The key store --- */

static struct {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt;
    uint64_t published;
    enum edge_code list_code;
} store;

enum edge_code hsm_identity_list(struct hsm *h, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) {
    (void)h;
    if (store.list_code != EDGE_OK) {
        return edge_set(err, store.list_code, "the TPM is away");
    }
    memcpy(ret, store.keys, sizeof(store.keys));
    *ret_cnt = store.cnt;
    return EDGE_OK;
}

enum edge_code hsm_identity_drop(struct hsm *h, uint64_t generation, struct edge_error *err) {
    (void)h;
    (void)err;
    for (size_t i = 0; i < store.cnt; i++) {
        if (store.keys[i].generation == generation) {
            store.cnt--;
            memmove(&store.keys[i], &store.keys[i + 1], (store.cnt - i) * sizeof(store.keys[0]));
            break;
        }
    }
    return EDGE_OK;
}

enum edge_code hsm_identity_publish(struct hsm *h, uint64_t generation, struct edge_error *err) {
    (void)h;
    (void)err;
    store.published = generation;
    return EDGE_OK;
}

/* Written out, so that failing allocations hit the code under test only. */
static void add_key(uint64_t generation, const struct provisioning_result *r, const char *inputs) {
    struct hsm_identity *k = &store.keys[store.cnt++];
    memset(k, 0, sizeof(*k));
    k->generation = generation;
    (void)snprintf(k->label, sizeof(k->label),
                   "{\"hub\":\"%s\",\"device_id\":\"%s\",\"since\":%lld,\"inputs\":\"%s\"}", r->hub,
                   r->device_id, (long long)r->since_wall_s, inputs);
}

static bool has_key(uint64_t generation) {
    for (size_t i = 0; i < store.cnt; i++) {
        if (store.keys[i].generation == generation) {
            return true;
        }
    }
    return false;
}

/* --- The source --- */

static struct {
    struct source base;
    source_done_fn *done;
    void *data;
    unsigned starts;
    bool canceled;
    enum edge_code start_code;
    char inputs[STATE_INPUT_LEN];
} src;

static enum edge_code src_start(struct source *s, source_done_fn *done, void *data,
                                struct edge_error *err) {
    (void)s;
    if (src.start_code != EDGE_OK) {
        return edge_set(err, src.start_code, "the queue of the key store is full");
    }
    assert_null(src.done);
    src.done = done;
    src.data = data;
    src.starts++;
    return EDGE_OK;
}

static void src_cancel(struct source *s) {
    (void)s;
    src.canceled = true;
}

static const char *src_id(const struct source *s) {
    (void)s;
    return "reg-01";
}

static void src_free(struct source *s) {
    (void)s;
}

enum edge_code source_dps_new(const struct provisioning_deps *deps, const char *inputs,
                              struct source **ret, struct edge_error *err) {
    static const struct source_ops ops = {src_start, src_cancel, src_id, src_free};
    (void)deps;
    (void)err;
    src.base.ops = &ops;
    (void)snprintf(src.inputs, sizeof(src.inputs), "%s", inputs);
    *ret = &src.base;
    return EDGE_OK;
}

static void answer(const struct source_outcome *o) {
    source_done_fn *done = src.done;
    assert_non_null(done);
    src.done = NULL;
    done(src.data, o);
    fake_loop_run();
}

static struct provisioning_result result(const char *hub, uint64_t generation) {
    struct provisioning_result r = {.key_generation = generation, .since_wall_s = 1700000000};
    (void)snprintf(r.hub, sizeof(r.hub), "%s", hub);
    (void)snprintf(r.device_id, sizeof(r.device_id), "dev-01");
    return r;
}

/* As a real source does: the key is complete in the store before the outcome is told. */
static void assign(const char *hub, uint64_t generation) {
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED, .result = result(hub, generation)};
    add_key(generation, &o.result, src.inputs);
    answer(&o);
}

static void fail_with(enum source_verdict verdict, uint32_t retry_after_ms) {
    struct source_outcome o = {.verdict = verdict, .retry_after_ms = retry_after_ms};
    (void)edge_set(&o.err, EDGE_NET, "no route");
    answer(&o);
}

/* --- The daemon's side --- */

static struct {
    struct provisioning *p;
    struct edge_config cfg;
    char dir[64];
    unsigned identities;
    struct provisioning_result last;
    bool moved;
    bool stopped;
} env;

static void on_identity(void *data, const struct provisioning_result *r, bool moved) {
    (void)data;
    env.identities++;
    env.last = *r;
    env.moved = moved;
}

static void open_provisioning(void) {
    const struct provisioning_deps deps = {fake_loop(), fake_worker(), NULL,
                                           NULL,        &env.cfg,      env.dir};
    const struct provisioning_events events = {.on_identity = on_identity};
    assert_int_equal(provisioning_new(&deps, &events, &env.p, NULL), EDGE_OK);
    assert_int_equal(provisioning_start(env.p, NULL), EDGE_OK);
    fake_loop_run();
}

static void on_stopped(void *data) {
    (void)data;
    env.stopped = true;
}

static void close_provisioning(void) {
    if (env.p == NULL) {
        return;
    }
    env.stopped = false;
    provisioning_stop(env.p, on_stopped, NULL);
    fake_loop_run();
    if (src.done != NULL) {
        assert_false(env.stopped);
        assert_true(src.canceled);
        const struct source_outcome o = {.verdict = SOURCE_CANCELED};
        answer(&o);
    }
    assert_true(env.stopped);
    provisioning_free(env.p);
    env.p = NULL;
}

/* What a power cut leaves: nothing but the files and keys. */
static void restart(void) {
    close_provisioning();
    memset(&src, 0, sizeof(src));
    env.identities = 0;
    open_provisioning();
}

static uint32_t high(void *data) {
    (void)data;
    return UINT32_MAX;
}

static int setup(void **state) {
    (void)state;
    memset(&store, 0, sizeof(store));
    memset(&src, 0, sizeof(src));
    memset(&env, 0, sizeof(env));
    strcpy(env.dir, "/tmp/edge-prov-XXXXXX");
    env.cfg.provisioning.global_endpoint = (char *)"https://dps.example";
    env.cfg.provisioning.scope_id = (char *)"0ne00000000";
    env.cfg.provisioning.always_reprovision_on_startup = true;
    fake_loop_init();
    backoff_set_random(high, NULL);
    return mkdtemp(env.dir) == NULL;
}

static int teardown(void **state) {
    (void)state;
    close_provisioning();
    backoff_set_random(NULL, NULL);
    fake_loop_clear();
    DIR *d = opendir(env.dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return rmdir(env.dir);
}

static const struct provisioning_status *status(void) {
    return provisioning_get_status(env.p);
}

/* --- Tests --- */

static void test_first_start(void **unused) {
    (void)unused;
    open_provisioning();
    assert_int_equal(src.starts, 1);
    assert_int_equal(status()->state, PROVISIONING_TRYING);
    assert_false(status()->has_result);
    assert_string_equal(status()->registration_id, "reg-01");
    assign("a.example", 1);
    assert_int_equal(env.identities, 1);
    assert_string_equal(env.last.hub, "a.example");
    assert_false(env.moved);
    assert_int_equal(status()->state, PROVISIONING_ASSIGNED);
    assert_true(status()->has_result);
    assert_int_equal(store.published, 1);
}

static void test_saved_identity_is_used_before_the_cloud_is_asked(void **unused) {
    (void)unused;
    open_provisioning();
    assign("a.example", 1);
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    restart();
    assert_int_equal(env.identities, 1);
    assert_int_equal(env.last.key_generation, 1);
    assert_true(env.last.proven);
    assert_int_equal(src.starts, 1);
    fail_with(SOURCE_TRANSIENT, 0);
    assert_int_equal(env.identities, 1);
    assert_int_equal(status()->state, PROVISIONING_WAITING);
    assert_true(status()->has_result);
}

static void test_cloud_is_not_asked_when_told_so(void **unused) {
    (void)unused;
    env.cfg.provisioning.always_reprovision_on_startup = false;
    open_provisioning();
    assert_int_equal(src.starts, 1); /* nothing saved: there is no other way */
    assign("a.example", 1);
    restart();
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 0);
}

static void test_changed_scope_asks_in_any_case(void **unused) {
    (void)unused;
    env.cfg.provisioning.always_reprovision_on_startup = false;
    open_provisioning();
    assign("a.example", 1);
    env.cfg.provisioning.scope_id = (char *)"0ne11111111";
    restart();
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 1);
}

static void test_previous_key_stays_until_the_hub_accepts_the_new_one(void **unused) {
    (void)unused;
    open_provisioning();
    assign("a.example", 1);
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    restart();
    assign("a.example", 2);
    assert_true(has_key(1) && has_key(2));
    assert_int_equal(env.last.key_generation, 2);
    assert_false(env.moved);
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    assert_false(has_key(1));
    assert_true(has_key(2));
}

static void test_move_is_told(void **unused) {
    (void)unused;
    open_provisioning();
    assign("a.example", 1);
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    restart();
    assert_false(env.moved);
    assign("b.example", 2);
    assert_true(env.moved);
    assert_string_equal(env.last.hub, "b.example");
}

static void test_refused_new_key_gives_way_to_the_previous(void **unused) {
    (void)unused;
    struct edge_error why = {0};
    open_provisioning();
    assign("a.example", 1);
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    restart();
    assign("b.example", 2);
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, env.last.key_generation, &why);
    assert_string_equal(env.last.hub, "a.example");
    assert_true(has_key(1) && has_key(2));
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    assert_true(has_key(1));
    assert_false(has_key(2));
    assert_int_equal(store.published, 1);
    assert_string_equal(status()->result.hub, "a.example");
}

/* A request that was under way with the old key is refused after the hub has learnt the new one. */
static void test_late_verdict_on_a_replaced_key_means_nothing(void **unused) {
    (void)unused;
    struct edge_error why = {0};
    open_provisioning();
    assign("a.example", 1);
    provisioning_confirm(env.p, 1);
    fake_loop_run();
    restart();
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED, .result = result("a.example", 2)};
    add_key(2, &o.result, src.inputs);
    source_done_fn *done = src.done;
    src.done = NULL;
    done(src.data, &o); /* written by a job that has not run yet */
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, 1, &why);
    fake_loop_run();
    assert_int_equal(env.last.key_generation, 2);
    provisioning_refuse(env.p, 1, &why);
    provisioning_confirm(env.p, 1);
    fake_loop_run();
    assert_int_equal(env.last.key_generation, 2);
    assert_true(has_key(1) && has_key(2));
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_both_keys_refused_keeps_both_and_asks_again(void **unused) {
    (void)unused;
    struct edge_error why = {0};
    open_provisioning();
    assign("a.example", 1);
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    restart();
    assign("b.example", 2);
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, env.last.key_generation, &why);
    provisioning_refuse(env.p, env.last.key_generation, &why);
    assert_string_equal(env.last.hub, "b.example");
    assert_true(has_key(1) && has_key(2));
    unsigned before = src.starts;
    fake_loop_advance(60 * 60 * 1000);
    assert_int_equal(src.starts, before + 1);
    assign("c.example", 3);
    assert_string_equal(env.last.hub, "c.example");
    assert_true(has_key(1) && has_key(3));
    assert_false(has_key(2));
}

static void test_interrupted_commit_is_completed_at_start(void **unused) {
    (void)unused;
    open_provisioning();
    assign("a.example", 1);
    provisioning_confirm(env.p, env.last.key_generation);
    fake_loop_run();
    close_provisioning();
    struct provisioning_result r = result("b.example", 2);
    add_key(2, &r, src.inputs); /* written, then the power went */
    restart();
    assert_string_equal(env.last.hub, "b.example");
    assert_false(env.last.proven);
    assert_true(has_key(1) && has_key(2));
}

static void test_failures_back_off_and_the_services_wish_counts(void **unused) {
    (void)unused;
    open_provisioning();
    uint64_t last = 0;
    for (int i = 0; i < 12; i++) {
        fail_with(SOURCE_TRANSIENT, 0);
        uint64_t delay = fake_loop_next_timer_ms();
        assert_true(delay >= last);
        assert_true(delay <= 30 * 60 * 1000);
        last = delay;
        fake_loop_advance(delay);
    }
    assert_true(last > 10 * 60 * 1000);
    fail_with(SOURCE_TRANSIENT, 2 * 60 * 60 * 1000);
    assert_true(fake_loop_next_timer_ms() >= 2 * 60 * 60 * 1000);
    assert_int_equal(status()->state, PROVISIONING_WAITING);
    assert_string_equal(status()->last_error.text, "no route");
    assert_true(status()->next_try_wall_s > FAKE_LOOP_WALL_S);
}

static void test_refusal_is_retried_rarely(void **unused) {
    (void)unused;
    open_provisioning();
    fail_with(SOURCE_REFUSED, 0);
    assert_true(fake_loop_next_timer_ms() >= 30000);
}

static void test_success_resets_the_delays(void **unused) {
    (void)unused;
    open_provisioning();
    for (int i = 0; i < 8; i++) {
        fail_with(SOURCE_TRANSIENT, 0);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    assign("a.example", 1);
    struct edge_error why = {0};
    (void)edge_set(&why, EDGE_DENIED, "401");
    provisioning_refuse(env.p, env.last.key_generation, &why);
    assert_true(fake_loop_next_timer_ms() <= 10000);
}

static void test_key_store_away_at_start_is_waited_for(void **unused) {
    (void)unused;
    open_provisioning();
    assign("a.example", 1);
    close_provisioning();
    store.list_code = EDGE_HSM;
    restart();
    assert_int_equal(env.identities, 0);
    assert_int_equal(src.starts, 0); /* asking now could lose the saved identity */
    assert_int_equal(status()->state, PROVISIONING_WAITING);
    store.list_code = EDGE_OK;
    fake_loop_advance(fake_loop_next_timer_ms());
    assert_int_equal(env.identities, 1);
    assert_int_equal(src.starts, 1);
}

static void test_full_queue_is_retried(void **unused) {
    (void)unused;
    src.start_code = EDGE_BUSY;
    open_provisioning();
    assert_int_equal(status()->state, PROVISIONING_WAITING);
    src.start_code = EDGE_OK;
    fake_loop_advance(fake_loop_next_timer_ms());
    assert_int_equal(src.starts, 1);
}

static void test_confirm_is_idempotent(void **unused) {
    (void)unused;
    open_provisioning();
    provisioning_confirm(env.p, env.last.key_generation); /* nothing to confirm yet */
    assign("a.example", 1);
    for (int i = 0; i < 3; i++) {
        provisioning_confirm(env.p, env.last.key_generation);
        fake_loop_run();
    }
    assert_true(status()->result.proven);
    assert_true(has_key(1));
}

static void test_stop_while_asking_waits_for_the_source(void **unused) {
    (void)unused;
    open_provisioning();
    assert_non_null(src.done);
    close_provisioning(); /* asserts the order */
}

/* A first assignment, then a second at the next start; memory may run out once anywhere. */
static enum edge_code two_lives(void *data) {
    const struct provisioning_deps deps = {fake_loop(), fake_worker(), NULL,
                                           NULL,        &env.cfg,      env.dir};
    const struct provisioning_events events = {.on_identity = on_identity};
    (void)data;
    memset(&store, 0, sizeof(store));
    for (uint64_t life = 1; life <= 2; life++) {
        memset(&src, 0, sizeof(src));
        env.identities = 0;
        enum edge_code code = provisioning_new(&deps, &events, &env.p, NULL);
        if (code == EDGE_OK) {
            code = provisioning_start(env.p, NULL);
        }
        if (code != EDGE_OK) {
            provisioning_free(env.p);
            env.p = NULL;
            return code;
        }
        fake_loop_run();
        while (src.done == NULL) {
            fake_loop_advance(fake_loop_next_timer_ms());
        }
        assign(life == 1 ? "a.example" : "b.example", life);
        provisioning_confirm(env.p, env.last.key_generation);
        fake_loop_run();
        assert_true(env.identities > 0);
        assert_true(has_key(life));
        close_provisioning();
    }
    return EDGE_OK;
}

static void clear_dir(void) {
    DIR *d = opendir(env.dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

static enum edge_code two_lives_in_a_clean_home(void *data) {
    clear_dir();
    return two_lives(data);
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(two_lives_in_a_clean_home, NULL) > 30);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_first_start),
        T(test_saved_identity_is_used_before_the_cloud_is_asked),
        T(test_cloud_is_not_asked_when_told_so),
        T(test_changed_scope_asks_in_any_case),
        T(test_previous_key_stays_until_the_hub_accepts_the_new_one),
        T(test_move_is_told),
        T(test_refused_new_key_gives_way_to_the_previous),
        T(test_late_verdict_on_a_replaced_key_means_nothing),
        T(test_both_keys_refused_keeps_both_and_asks_again),
        T(test_interrupted_commit_is_completed_at_start),
        T(test_failures_back_off_and_the_services_wish_counts),
        T(test_refusal_is_retried_rarely),
        T(test_success_resets_the_delays),
        T(test_key_store_away_at_start_is_waited_for),
        T(test_full_queue_is_retried),
        T(test_confirm_is_idempotent),
        T(test_stop_while_asking_waits_for_the_source),
        T(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
