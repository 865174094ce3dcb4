/* SPDX-License-Identifier: MIT */
#include "identity/identities.h"

#include "support/alloc_fail.h"
#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GENERATION "636463636967581550"
/* Keys of tempSensor in that generation, root 0x60 to 0x7f. */
#define PRIMARY   "gkg743AzSv9JTqrH9/bhOOuf1Fwb5qqxFwsJt83a0e8="
#define SECONDARY "43DJK07cYC3YbFxb1gfXedywP8T4TEA99o4iLwKLvuY="

struct fixture {
    struct cloud_env env;
    struct hub *hub;
    struct module_keys *keys;
    struct identities ids;
};

struct result {
    unsigned cnt;
    struct hub_answer answer;
    struct hub_module first;
};

static struct fixture fixture;

static void on_answer(void *data, const struct hub_answer *answer) {
    struct result *r = data;
    r->cnt++;
    r->answer = *answer;
    if (answer->module_cnt > 0) {
        r->first = answer->modules[0];
    }
}

static int setup(void **state) {
    struct fixture *f = &fixture;
    *f = (struct fixture){0};
    cloud_env_init(&f->env);
    assert_int_equal(hub_new(&f->env.cloud, &f->hub, NULL), EDGE_OK);
    assert_int_equal(hub_set_identity(f->hub, "hub.example", "dev-01", CLOUD_ENV_KEY, 1, NULL),
                     EDGE_OK);
    assert_int_equal(module_keys_new(f->env.loop, f->env.worker, f->env.hsm, 60, &f->keys, NULL),
                     EDGE_OK);
    f->ids = (struct identities){.hub = f->hub, .keys = f->keys, .loop = f->env.loop};
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    module_keys_free(f->keys);
    hub_free(f->hub);
    cloud_env_clear(&f->env);
    return 0;
}

static void queue(struct fixture *f, int status, const char *body) {
    fake_http_queue_status(f->env.http, status, body);
}

static void assert_call(struct fixture *f, size_t index, const char *method, const char *body_part,
                        bool has_if_match) {
    const struct fake_http_call *call = fake_http_call_get(f->env.http, index);
    assert_string_equal(call->method, method);
    assert_non_null(strstr(call->url, "/devices/dev-01/modules/tempSensor?"));
    assert_true((strstr(call->headers, "If-Match: *") != NULL) == has_if_match);
    if (body_part == NULL) {
        assert_null(call->body);
    } else {
        assert_non_null(strstr(call->body, body_part));
    }
}

static struct result create(struct fixture *f, const char *managed_by) {
    struct result r = {0};
    assert_int_equal(
        identities_create(&f->ids, "tempSensor", managed_by, on_answer, &r, NULL, NULL), EDGE_OK);
    assert_int_equal(r.cnt, 0);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    return r;
}

static void test_create(void **state) {
    struct fixture *f = *state;
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "IotEdge", "none"));
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "IotEdge", "sas"));
    struct result r = create(f, "IotEdge");
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_int_equal(r.first.auth, HUB_AUTH_SAS);
    assert_int_equal(fake_http_call_cnt(f->env.http), 2);
    assert_call(f, 0, "PUT", "\"managedBy\":\"IotEdge\"", false);
    assert_call(f, 0, "PUT", "\"authentication\":{\"type\":\"none\"}", false);
    assert_call(f, 1, "PUT", "\"managedBy\":\"IotEdge\"", true);
    assert_call(f, 1, "PUT", "\"primaryKey\":\"" PRIMARY "\",\"secondaryKey\":\"" SECONDARY "\"",
                true);
}

static void test_create_existing(void **state) {
    struct fixture *f = *state;
    queue(f, 409, "{\"Message\":\"ErrorCode:ModuleAlreadyExistsOnDevice\"}");
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "IotEdge", "none"));
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "IotEdge", "sas"));
    struct result r = create(f, NULL);
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_call(f, 0, "PUT", "\"type\":\"none\"", false);
    assert_call(f, 1, "GET", NULL, false);
    assert_call(f, 2, "PUT", PRIMARY, true);
    /* Not said by the caller: the hub's own stays. */
    assert_call(f, 2, "PUT", "\"managedBy\":\"IotEdge\"", true);
}

static void test_create_existing_new_manager(void **state) {
    struct fixture *f = *state;
    queue(f, 409, "");
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "old", "sas"));
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "new", "sas"));
    struct result r = create(f, "new");
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_call(f, 2, "PUT", "\"managedBy\":\"new\"", true);
}

static void test_create_conflict_that_is_gone(void **state) {
    struct fixture *f = *state;
    queue(f, 409, "{\"Message\":\"odd conflict\"}");
    queue(f, 404, "{\"Message\":\"ErrorCode:ModuleNotFound\"}");
    struct result r = create(f, NULL);
    assert_int_equal(r.answer.kind, HUB_CONFLICT);
    assert_int_equal(r.answer.err.code, EDGE_EXISTS);
    assert_non_null(strstr(edge_error_text(&r.answer.err), "odd conflict"));
}

static void test_create_recreated_in_between(void **state) {
    struct fixture *f = *state;
    queue(f, 200, cloud_env_module("tempSensor", "1", "", "none"));
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "sas"));
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "sas"));
    struct result r = create(f, NULL);
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_int_equal(fake_http_call_cnt(f->env.http), 3);
    assert_null(strstr(fake_http_call_get(f->env.http, 1)->body, PRIMARY));
    assert_call(f, 2, "PUT", PRIMARY, true);
}

static void test_create_update_is_retried_once(void **state) {
    struct fixture *f = *state;
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "none"));
    queue(f, 503, "");
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "sas"));
    struct result r = create(f, NULL);
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_call(f, 2, "PUT", PRIMARY, true);
    fake_http_forget(f->env.http);
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "none"));
    queue(f, 503, "");
    queue(f, 503, "");
    r = create(f, NULL);
    assert_int_equal(r.answer.kind, HUB_TRANSIENT);
    assert_int_equal(fake_http_call_cnt(f->env.http), 3);
}

static void test_create_failures(void **state) {
    struct fixture *f = *state;
    static const struct {
        int status;
        enum hub_kind kind;
    } cases[] = {{401, HUB_REFUSED}, {404, HUB_NOT_FOUND}, {429, HUB_THROTTLED},
                 {400, HUB_INVALID}, {500, HUB_TRANSIENT}, {412, HUB_STALE}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        /* A 401 is asked about twice, the second time with a fresh token. */
        const size_t cnt = cases[i].status == 401 ? 2 : 1;
        fake_http_forget(f->env.http);
        queue(f, cases[i].status, "");
        queue(f, cases[i].status, "");
        assert_int_equal(create(f, NULL).answer.kind, cases[i].kind);
        assert_int_equal(fake_http_call_cnt(f->env.http), cnt);
        fake_http_forget(f->env.http);
        queue(f, 409, "");
        queue(f, cases[i].status, "");
        queue(f, cases[i].status, "");
        enum hub_kind kind = cases[i].kind == HUB_NOT_FOUND ? HUB_CONFLICT : cases[i].kind;
        assert_int_equal(create(f, NULL).answer.kind, kind);
        fake_http_forget(f->env.http);
        queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "none"));
        queue(f, cases[i].status, "");
        queue(f, cases[i].status, "");
        assert_int_equal(create(f, NULL).answer.kind, cases[i].kind);
    }
    fake_http_forget(f->env.http);
    queue(f, 200, cloud_env_module("tempSensor", "", "", "none"));
    struct result r = create(f, NULL);
    assert_int_equal(r.answer.kind, HUB_TRANSIENT);
    assert_int_equal(r.answer.err.code, EDGE_PROTO);
}

static void test_create_key_store_fails(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "none"));
    assert_int_equal(identities_create(&f->ids, "tempSensor", NULL, on_answer, &r, NULL, NULL),
                     EDGE_OK);
    while (fake_http_queue_len(f->env.http) > 0) {
        assert_true(fake_loop_step());
    }
    fake_hsm_fail(f->env.hsm, 1, EDGE_HSM);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.answer.kind, HUB_LOCAL);
    assert_int_equal(r.answer.err.code, EDGE_HSM);
}

static void test_update(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "IotEdge", "sas"));
    assert_int_equal(
        identities_update(&f->ids, "tempSensor", GENERATION, "IotEdge", on_answer, &r, NULL, NULL),
        EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.cnt, 1);
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_int_equal(fake_http_call_cnt(f->env.http), 1);
    assert_call(f, 0, "PUT", PRIMARY, true);
    assert_call(f, 0, "PUT", "\"managedBy\":\"IotEdge\"", true);
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "sas"));
    assert_int_equal(
        identities_update(&f->ids, "tempSensor", GENERATION, NULL, on_answer, &r, NULL, NULL),
        EDGE_OK);
    fake_loop_run();
    assert_null(strstr(fake_http_call_last(f->env.http)->body, "managedBy"));
    /* The caller named the generation: the answer tells when the hub's is another. */
    queue(f, 200, cloud_env_module("tempSensor", "2", "", "sas"));
    assert_int_equal(
        identities_update(&f->ids, "tempSensor", GENERATION, NULL, on_answer, &r, NULL, NULL),
        EDGE_OK);
    fake_loop_run();
    assert_int_equal(fake_http_call_cnt(f->env.http), 3);
    assert_string_equal(r.first.generation_id, "2");
}

static void on_key(void *data, enum edge_code code, struct mac_key *key,
                   const struct edge_error *err) {
    (void)err;
    *(bool *)data = code == EDGE_OK && key != NULL;
}

/* Whether the module's key comes from our root now. */
static bool signs_with_ours(struct fixture *f) {
    static const struct module_key_id id = {SLICE_LIT("tempSensor"), SLICE_LIT("primary"),
                                            SLICE_LIT(GENERATION)};
    bool has_key = false;
    unsigned before = fake_hsm_derive_cnt(f->env.hsm);
    module_keys_drop(f->keys);
    assert_int_equal(module_keys_derive(f->keys, &id, on_key, &has_key, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_true(has_key);
    return fake_hsm_derive_cnt(f->env.hsm) != before;
}

/* On a device taken over from release 1.1 a module signs with its old key until the hub has said
 * that it holds the new one, whoever asked for that. */
static void test_old_key_ends_with_the_update(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    module_keys_set_legacy(f->keys, 1);
    assert_false(signs_with_ours(f));
    queue(f, 400, "");
    assert_int_equal(
        identities_update(&f->ids, "tempSensor", GENERATION, NULL, on_answer, &r, NULL, NULL),
        EDGE_OK);
    fake_loop_run();
    assert_int_not_equal(r.answer.kind, HUB_OK);
    assert_false(signs_with_ours(f));
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "sas"));
    assert_int_equal(
        identities_update(&f->ids, "tempSensor", GENERATION, NULL, on_answer, &r, NULL, NULL),
        EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_true(signs_with_ours(f));
}

static void test_list_and_delete(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    char body[1024];
    (void)snprintf(body, sizeof(body), "[%s]",
                   cloud_env_module("tempSensor", "1", "IotEdge", "sas"));
    queue(f, 200, body);
    assert_int_equal(identities_list(&f->ids, on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.module_cnt, 1);
    queue(f, 204, "");
    assert_int_equal(identities_delete(&f->ids, "tempSensor", on_answer, &r, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_OK);
    assert_call(f, 1, "DELETE", NULL, true);
}

static void test_bad_arguments(void **state) {
    struct fixture *f = *state;
    struct result r = {0};
    char longer[HUB_ID_MAX + 2];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    static const char *const bad[] = {NULL, "", "..", "a/b"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(identities_create(&f->ids, bad[i], NULL, on_answer, &r, NULL, NULL),
                         EDGE_INVALID);
        assert_int_equal(identities_update(&f->ids, bad[i], "1", NULL, on_answer, &r, NULL, NULL),
                         EDGE_INVALID);
        assert_int_equal(identities_update(&f->ids, "m", bad[i], NULL, on_answer, &r, NULL, NULL),
                         EDGE_INVALID);
    }
    assert_int_equal(identities_create(&f->ids, longer, NULL, on_answer, &r, NULL, NULL),
                     EDGE_INVALID);
    assert_int_equal(identities_create(&f->ids, "m", longer, on_answer, &r, NULL, NULL),
                     EDGE_INVALID);
    struct hub *fresh;
    assert_int_equal(hub_new(&f->env.cloud, &fresh, NULL), EDGE_OK);
    f->ids.hub = fresh;
    assert_int_equal(identities_create(&f->ids, "m", NULL, on_answer, &r, NULL, NULL), EDGE_RETRY);
    fake_loop_run();
    assert_int_equal(r.cnt, 0);
    assert_int_equal(identities_update(&f->ids, "m", "1", NULL, on_answer, &r, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    assert_int_equal(r.answer.kind, HUB_LOCAL);
    assert_int_equal(r.answer.err.code, EDGE_RETRY);
    hub_free(fresh);
}

/* The longest sequence, cancelled before each of its steps. */
static void test_cancel_at_every_step(void **state) {
    struct fixture *f = *state;
    bool completed = false;
    unsigned steps = 0;
    for (; !completed; steps++) {
        assert_true(steps < 60);
        struct result r = {0};
        struct op op;
        fake_http_forget(f->env.http);
        queue(f, 409, "");
        queue(f, 200, cloud_env_module("tempSensor", "1", "", "none"));
        queue(f, 503, "");
        queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "sas"));
        queue(f, 200, cloud_env_module("tempSensor", GENERATION, "", "sas"));
        assert_int_equal(identities_create(&f->ids, "tempSensor", NULL, on_answer, &r, &op, NULL),
                         EDGE_OK);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_loop_step();
        }
        completed = r.cnt == 1;
        op_cancel(loop_ops(f->env.loop), op);
        op_cancel(loop_ops(f->env.loop), op);
        assert_int_equal(r.cnt, completed ? 1 : 0);
        fake_loop_run();
        assert_int_equal(r.cnt, 1);
        assert_int_equal(r.answer.kind, completed ? HUB_OK : HUB_LOCAL);
        assert_int_equal(r.answer.err.code, completed ? EDGE_OK : EDGE_CANCELED);
        assert_int_equal(fake_http_in_flight(f->env.http), 0);
    }
    assert_true(steps > 15);
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    struct result r = {0};
    struct edge_error err;
    fake_http_forget(f->env.http);
    queue(f, 409, "{\"Message\":\"exists\"}");
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "IotEdge", "none"));
    queue(f, 200, cloud_env_module("tempSensor", GENERATION, "IotEdge", "sas"));
    enum edge_code code =
        identities_create(&f->ids, "tempSensor", "IotEdge", on_answer, &r, NULL, &err);
    fake_loop_run();
    assert_int_equal(r.cnt, code == EDGE_OK ? 1 : 0);
    fake_http_forget(f->env.http);
    return code == EDGE_OK && r.answer.kind != HUB_OK ? r.answer.err.code : code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_existing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_existing_new_manager, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_conflict_that_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_recreated_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_update_is_retried_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_key_store_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_update, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_key_ends_with_the_update, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_and_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
