/* SPDX-License-Identifier: MIT */
#include "identity/reconcile.h"

#include "base/log.h"
#include "loop/backoff.h"
#include "support/alloc_fail.h"
#include "support/cloud_env.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct cloud_env env;
    struct tmpdir *dir;
    struct hub *hub;
    struct module_keys *keys;
    struct identities ids;
    struct reconcile *reconcile;
    unsigned accepted_cnt;
    unsigned refused_cnt;
    unsigned done_cnt;
    unsigned failed_cnt;
    enum hub_kind failed_kind; /* last */
    unsigned updated;
    unsigned stopped_cnt;
    uint64_t serial;
    bool stop_at_proof;
    bool restart_at_proof;
    bool restart_at_refusal;
};

static struct fixture fixture;

static void on_stopped(void *data) {
    ((struct fixture *)data)->stopped_cnt++;
}

/* As the daemon does it for a new identity. */
static void restart(struct fixture *f, bool need_proof) {
    assert_int_equal(
        hub_set_identity(f->hub, "hub.example", "dev-01", CLOUD_ENV_KEY, ++f->serial, NULL),
        EDGE_OK);
    assert_int_equal(reconcile_start(f->reconcile, "hub.example", "dev-01", need_proof, NULL),
                     EDGE_OK);
}

static void on_verdict(void *data, bool accepted, const struct hub_answer *answer) {
    struct fixture *f = data;
    assert_int_equal(answer->kind == HUB_OK, accepted);
    f->accepted_cnt += accepted ? 1 : 0;
    f->refused_cnt += accepted ? 0 : 1;
    if (f->stop_at_proof) {
        reconcile_stop(f->reconcile, on_stopped, f);
    }
    if ((accepted && f->restart_at_proof) || (!accepted && f->restart_at_refusal)) {
        f->restart_at_proof = false;
        f->restart_at_refusal = false;
        restart(f, true);
    }
}

static void on_done(void *data, unsigned cnt) {
    struct fixture *f = data;
    f->done_cnt++;
    f->updated = cnt;
}

static void on_failed(void *data, const struct hub_answer *answer) {
    struct fixture *f = data;
    f->failed_cnt++;
    f->failed_kind = answer->kind;
}

static uint32_t no_jitter(void *data) {
    (void)data;
    return UINT32_MAX;
}

static void sink(void *data, enum log_level level, const char *line) {
    (void)data;
    (void)level;
    (void)line;
}

static void open_reconcile(struct fixture *f) {
    const struct reconcile_events events = {.on_done = on_done, .on_failed = on_failed, .data = f};
    assert_int_equal(reconcile_new(f->env.loop, f->env.worker, f->env.hsm, &f->ids, f->dir->path,
                                   &events, &f->reconcile, NULL),
                     EDGE_OK);
    f->stopped_cnt = 0;
}

static void close_reconcile(struct fixture *f) {
    if (!f->stop_at_proof) {
        reconcile_stop(f->reconcile, on_stopped, f);
        assert_int_equal(f->stopped_cnt, 0);
    }
    fake_loop_advance(0);
    assert_int_equal(f->stopped_cnt, 1);
    assert_int_equal(reconcile_start(f->reconcile, "hub.example", "dev-01", false, NULL),
                     EDGE_INVALID);
    reconcile_free(f->reconcile);
}

static int setup(void **state) {
    struct fixture *f = &fixture;
    *f = (struct fixture){0};
    cloud_env_init(&f->env);
    log_set_sink(sink, NULL);
    backoff_set_random(no_jitter, NULL);
    f->dir = tmpdir_new();
    assert_int_equal(hub_new(&f->env.cloud, &f->hub, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", CLOUD_ENV_KEY, 1, NULL),
                     EDGE_OK);
    assert_int_equal(module_keys_new(f->env.loop, f->env.worker, f->env.hsm, 60, &f->keys, NULL),
                     EDGE_OK);
    hub_on_verdict(f->hub, on_verdict, f);
    f->ids = (struct identities){.hub = f->hub, .keys = f->keys, .loop = f->env.loop};
    open_reconcile(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    close_reconcile(f);
    module_keys_free(f->keys);
    hub_free(f->hub);
    cloud_env_clear(&f->env);
    tmpdir_free(f->dir);
    backoff_set_random(NULL, NULL);
    log_set_sink(NULL, NULL);
    return 0;
}

static void queue(struct fixture *f, int status, const char *body) {
    fake_http_queue_status(f->env.http, status, body);
}

/* The hub's list: two that take keys, one of the system, one with certificates, one without
 * generation. */
static const char *list_body(void) {
    static char text[8192];
    (void)snprintf(text, sizeof(text), "[%s,%s,%s,%s,%s]",
                   cloud_env_module("$edgeAgent", "1", "", "sas"),
                   cloud_env_module("tempSensor", "2", "IotEdge", "none"),
                   cloud_env_module("certs", "3", "IotEdge", "x509"),
                   cloud_env_module("$edgeHub", "4", "IotEdge", "sas"),
                   cloud_env_module("ungenerated", "", "IotEdge", "sas"));
    return text;
}

static void queue_updates(struct fixture *f) {
    queue(f, 200, cloud_env_module("$edgeAgent", "1", "", "sas"));
    queue(f, 200, cloud_env_module("tempSensor", "2", "IotEdge", "sas"));
    queue(f, 200, cloud_env_module("$edgeHub", "4", "IotEdge", "sas"));
}

static void start(struct fixture *f, bool need_proof) {
    restart(f, need_proof);
    fake_loop_advance(0);
}

static void complete(struct fixture *f) {
    queue(f, 200, list_body());
    queue_updates(f);
    start(f, false);
    assert_int_equal(f->done_cnt, 1);
    f->done_cnt = 0;
    f->accepted_cnt = 0;
    fake_http_forget(f->env.http);
}

static void test_first_time_updates_all(void **state) {
    struct fixture *f = *state;
    queue(f, 200, list_body());
    queue_updates(f);
    restart(f, false);
    assert_int_equal(fake_http_call_cnt(f->env.http), 0);
    fake_loop_advance(0);
    assert_int_equal(f->accepted_cnt, 1);
    assert_int_equal(f->refused_cnt, 0);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(f->updated, 3);
    assert_int_equal(fake_http_call_cnt(f->env.http), 4);
    assert_string_equal(fake_http_call_get(f->env.http, 0)->method, "GET");
    static const char *const names[] = {"$edgeAgent", "tempSensor", "$edgeHub"};
    for (size_t i = 0; i < 3; i++) {
        const struct fake_http_call *call = fake_http_call_get(f->env.http, i + 1);
        assert_string_equal(call->method, "PUT");
        assert_non_null(strstr(call->url, names[i]));
        assert_non_null(strstr(call->headers, "If-Match: *"));
        assert_non_null(strstr(call->body, "\"type\":\"sas\""));
        assert_true((strstr(call->body, "managedBy") != NULL) == (i > 0));
    }
    assert_int_equal(access(tmpdir_join(f->dir, RECONCILE_FILE), F_OK), 0);
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_nothing_changed(void **state) {
    struct fixture *f = *state;
    complete(f);
    start(f, false);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(f->updated, 0);
    assert_int_equal(f->accepted_cnt, 0);
    assert_int_equal(fake_http_call_cnt(f->env.http), 0);
    /* Also after a restart of the process. */
    close_reconcile(f);
    open_reconcile(f);
    start(f, false);
    assert_int_equal(f->done_cnt, 2);
    assert_int_equal(fake_http_call_cnt(f->env.http), 0);
}

static void test_proof_needs_one_call(void **state) {
    struct fixture *f = *state;
    complete(f);
    queue(f, 503, "");
    queue(f, 200, list_body());
    start(f, true);
    assert_int_equal(f->accepted_cnt, 0);
    assert_int_equal(f->done_cnt, 0);
    fake_loop_advance(RECONCILE_RETRY_START_MS);
    assert_int_equal(f->accepted_cnt, 1);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(f->updated, 0);
    assert_int_equal(fake_http_call_cnt(f->env.http), 2);
}

static void test_changes_that_count(void **state) {
    struct fixture *f = *state;
    complete(f);
    fake_hsm_set_root(f->env.hsm, 0x11);
    queue(f, 200, list_body());
    queue_updates(f);
    start(f, false);
    assert_int_equal(f->updated, 3);
    assert_int_equal(f->done_cnt, 1);
    queue(f, 200, "[]");
    assert_int_equal(reconcile_start(f->reconcile, "hub.example", "dev-02", false, NULL), EDGE_OK);
    fake_loop_advance(0);
    assert_int_equal(f->done_cnt, 2);
    assert_int_equal(fake_http_queue_len(f->env.http), 0);
    queue(f, 200, "[]");
    assert_int_equal(reconcile_start(f->reconcile, "other.example", "dev-02", false, NULL),
                     EDGE_OK);
    fake_loop_advance(0);
    assert_int_equal(f->done_cnt, 3);
    assert_int_equal(fake_http_queue_len(f->env.http), 0);
}

static void test_damaged_state_file(void **state) {
    struct fixture *f = *state;
    tmpdir_write(f->dir, RECONCILE_FILE, "{", 1, 0600);
    queue(f, 200, "[]");
    start(f, false);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(fake_http_call_cnt(f->env.http), 1);
    start(f, false);
    assert_int_equal(f->done_cnt, 2);
    assert_int_equal(fake_http_call_cnt(f->env.http), 1);
}

static void test_interrupted_round_goes_on(void **state) {
    struct fixture *f = *state;
    queue(f, 200, list_body());
    queue(f, 200, cloud_env_module("$edgeAgent", "1", "", "sas"));
    const struct fake_http_answer throttled = {.status = 429, .body = "", .retry_after = "60"};
    fake_http_queue(f->env.http, &throttled);
    start(f, false);
    assert_int_equal(f->accepted_cnt, 1);
    assert_int_equal(f->done_cnt, 0);
    assert_true(fake_loop_next_timer_ms() >= 60000);
    assert_true(fake_loop_next_timer_ms() <= 76000);
    /* Only what is left is updated. */
    queue(f, 200, list_body());
    queue(f, 200, cloud_env_module("tempSensor", "2", "IotEdge", "sas"));
    queue(f, 200, cloud_env_module("$edgeHub", "4", "IotEdge", "sas"));
    fake_loop_advance(76000);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(f->updated, 3);
    assert_int_equal(f->accepted_cnt, 1);
    assert_int_equal(fake_http_queue_len(f->env.http), 0);
    assert_int_equal(fake_http_call_cnt(f->env.http), 6);
}

static void test_root_changed_between_rounds(void **state) {
    struct fixture *f = *state;
    queue(f, 200, list_body());
    queue(f, 200, cloud_env_module("$edgeAgent", "1", "", "sas"));
    queue(f, 503, "");
    queue(f, 503, "");
    start(f, false);
    fake_hsm_set_root(f->env.hsm, 0x11);
    queue(f, 200, list_body());
    queue_updates(f);
    fake_loop_advance(RECONCILE_RETRY_START_MS);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(fake_http_queue_len(f->env.http), 0);
}

static void test_recreated_in_between(void **state) {
    struct fixture *f = *state;
    char body[1024];
    (void)snprintf(body, sizeof(body), "[%s]",
                   cloud_env_module("tempSensor", "2", "IotEdge", "sas"));
    queue(f, 200, body);
    queue(f, 200, cloud_env_module("tempSensor", "9", "IotEdge", "sas"));
    queue(f, 200, cloud_env_module("tempSensor", "9", "IotEdge", "sas"));
    start(f, false);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(f->updated, 1);
    assert_int_equal(fake_http_call_cnt(f->env.http), 3);
    assert_string_not_equal(fake_http_call_get(f->env.http, 1)->body,
                            fake_http_call_get(f->env.http, 2)->body);
}

static void test_removed_in_between(void **state) {
    struct fixture *f = *state;
    queue(f, 200, list_body());
    queue(f, 404, "");
    queue(f, 412, "");
    queue(f, 200, cloud_env_module("$edgeHub", "4", "IotEdge", "sas"));
    start(f, false);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(f->updated, 1);
    assert_int_equal(f->refused_cnt, 0);
}

static void test_one_bad_module_does_not_stop_the_others(void **state) {
    struct fixture *f = *state;
    queue(f, 200, list_body());
    queue(f, 400, "{\"Message\":\"no\"}");
    queue(f, 200, cloud_env_module("tempSensor", "2", "IotEdge", "sas"));
    queue(f, 200, cloud_env_module("$edgeHub", "4", "IotEdge", "sas"));
    start(f, false);
    assert_int_equal(f->done_cnt, 0);
    assert_int_equal(fake_http_call_cnt(f->env.http), 4);
    queue(f, 200, list_body());
    queue(f, 200, cloud_env_module("$edgeAgent", "1", "", "sas"));
    fake_loop_advance(RECONCILE_RETRY_START_MS);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(f->updated, 3);
}

static void test_refusal_stops(void **state) {
    struct fixture *f = *state;
    static const int statuses[] = {401, 403, 404};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(statuses); i++) {
        queue(f, statuses[i], "");
        if (statuses[i] == 401) {
            queue(f, 401, ""); /* to the second try with a fresh token */
        }
        start(f, false);
        assert_int_equal(f->refused_cnt, i + 1);
        assert_int_equal(f->failed_cnt, i + 1);
        assert_int_equal(f->failed_kind, statuses[i] == 404 ? HUB_NOT_FOUND : HUB_REFUSED);
        assert_int_equal(fake_loop_active_timers(), 0);
    }
    fake_loop_advance(10ull * RECONCILE_RETRY_MAX_MS);
    assert_int_equal(fake_http_call_cnt(f->env.http), 4);
    assert_int_equal(f->accepted_cnt, 0);
    queue(f, 200, list_body());
    queue(f, 401, "");
    queue(f, 401, "");
    start(f, false);
    assert_int_equal(f->accepted_cnt, 1);
    assert_int_equal(f->refused_cnt, 4);
    assert_int_equal(f->done_cnt, 0);
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_quota_is_not_a_refusal(void **state) {
    struct fixture *f = *state;
    queue(f, 403, "{\"Message\":\"ErrorCode:IotHubQuotaExceeded;x\"}");
    start(f, false);
    assert_int_equal(f->refused_cnt, 0);
    assert_int_equal(fake_loop_active_timers(), 1);
}

static void test_backoff_grows_to_its_limit(void **state) {
    struct fixture *f = *state;
    start(f, false);
    uint64_t last_ms = 0;
    for (int i = 0; i < 14; i++) {
        queue(f, 500, "");
        fake_loop_advance(last_ms);
        uint64_t next_ms = fake_loop_next_timer_ms();
        assert_true(next_ms >= RECONCILE_RETRY_MIN_MS);
        assert_true(next_ms >= last_ms);
        assert_true(next_ms <= RECONCILE_RETRY_MAX_MS);
        last_ms = next_ms;
    }
    assert_int_equal(last_ms, RECONCILE_RETRY_MAX_MS);
    assert_int_equal(f->done_cnt, 0);
    assert_int_equal(fake_http_queue_len(f->env.http), 0);
}

static void test_key_store_away(void **state) {
    struct fixture *f = *state;
    fake_hsm_fail(f->env.hsm, 1, EDGE_NOT_FOUND);
    start(f, false);
    assert_int_equal(fake_http_call_cnt(f->env.http), 0);
    assert_int_equal(fake_loop_active_timers(), 1);
    fake_worker_fail(EDGE_BUSY);
    fake_loop_advance(RECONCILE_RETRY_START_MS);
    fake_worker_fail(EDGE_OK);
    queue(f, 200, "[]");
    fake_loop_advance(2 * RECONCILE_RETRY_START_MS);
    assert_int_equal(f->done_cnt, 1);
}

static void test_state_that_cannot_be_saved(void **state) {
    struct fixture *f = *state;
    const char *path = tmpdir_join(f->dir, RECONCILE_FILE);
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof(dir), "%s", path);
    assert_int_equal(mkdir(dir, 0700), 0);
    queue(f, 200, "[]");
    start(f, false);
    assert_int_equal(f->done_cnt, 1);
    assert_int_equal(rmdir(dir), 0);
}

static void test_bad_names(void **state) {
    struct fixture *f = *state;
    assert_int_equal(reconcile_start(f->reconcile, "no/host", "d", false, NULL), EDGE_INVALID);
    assert_int_equal(reconcile_start(f->reconcile, "h", "..", false, NULL), EDGE_INVALID);
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_calls_from_the_events(void **state) {
    struct fixture *f = *state;
    f->restart_at_proof = true;
    queue(f, 200, list_body());
    queue(f, 200, list_body());
    queue_updates(f);
    start(f, false);
    assert_int_equal(f->accepted_cnt, 2);
    assert_int_equal(f->done_cnt, 1);
    f->restart_at_refusal = true;
    queue(f, 401, "");
    queue(f, 401, "");
    queue(f, 200, "[]");
    start(f, true);
    assert_int_equal(f->refused_cnt, 1);
    assert_int_equal(f->accepted_cnt, 3);
    assert_int_equal(f->done_cnt, 2);
    f->stop_at_proof = true;
    queue(f, 200, "[]");
    start(f, true);
    assert_int_equal(f->stopped_cnt, 1);
    assert_int_equal(f->done_cnt, 2);
}

/* Restarts, and in a second pass stops, before each step of a whole round. */
static void test_restart_at_every_step(void **state) {
    struct fixture *f = *state;
    bool completed = false;
    unsigned steps = 0;
    for (; !completed; steps++) {
        assert_true(steps < 100);
        (void)unlink(tmpdir_join(f->dir, RECONCILE_FILE));
        fake_http_forget(f->env.http);
        f->done_cnt = 0;
        queue(f, 200, list_body());
        queue_updates(f);
        restart(f, false);
        /* The timer that begins it. */
        fake_worker_hold(true);
        fake_loop_advance(0);
        fake_worker_hold(false);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_loop_step();
        }
        completed = f->done_cnt == 1;
        restart(f, false);
        fake_http_forget(f->env.http);
        fake_worker_hold(true);
        fake_loop_advance(0);
        fake_worker_hold(false);
        queue(f, 200, list_body());
        queue_updates(f);
        fake_loop_advance(0);
        assert_int_equal(f->done_cnt, completed ? 2 : 1);
    }
    assert_true(steps > 20);
}

static void test_stop_at_every_step(void **state) {
    struct fixture *f = *state;
    bool completed = false;
    for (unsigned steps = 0; !completed; steps++) {
        assert_true(steps < 100);
        (void)unlink(tmpdir_join(f->dir, RECONCILE_FILE));
        fake_http_forget(f->env.http);
        f->done_cnt = 0;
        queue(f, 200, list_body());
        queue_updates(f);
        restart(f, false);
        fake_worker_hold(true);
        fake_loop_advance(0);
        fake_worker_hold(false);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_loop_step();
        }
        completed = f->done_cnt == 1;
        close_reconcile(f);
        assert_int_equal(f->done_cnt, completed ? 1 : 0);
        assert_int_equal(fake_http_in_flight(f->env.http), 0);
        open_reconcile(f);
    }
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    (void)unlink(tmpdir_join(f->dir, RECONCILE_FILE));
    fake_http_forget(f->env.http);
    f->done_cnt = 0;
    f->refused_cnt = 0;
    for (int i = 0; i < 3; i++) {
        queue(f, 200, list_body());
        queue_updates(f);
    }
    start(f, false);
    bool at_once = f->done_cnt == 1;
    for (int i = 0; i < 4 && f->done_cnt == 0; i++) {
        fake_http_forget(f->env.http);
        queue(f, 200, list_body());
        queue_updates(f);
        fake_loop_advance(fake_loop_next_timer_ms());
    }
    fake_http_forget(f->env.http);
    /* Short memory delays, and never looks like a refusal. */
    assert_int_equal(f->refused_cnt, 0);
    return at_once ? EDGE_OK : EDGE_NOMEM;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_time_updates_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_proof_needs_one_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_that_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_state_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupted_round_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_changed_between_rounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recreated_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_bad_module_does_not_stop_the_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_refusal_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quota_is_not_a_refusal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backoff_grows_to_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_store_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state_that_cannot_be_saved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_from_the_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
