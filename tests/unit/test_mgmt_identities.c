/* SPDX-License-Identifier: MIT */
/*
 * The four identity routes: what reaches the registry, and how its answers look to edgeAgent.
 */
#include "api/api.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct {
    char call[16];
    char module[HUB_ID_MAX + 1];
    char managed_by[HUB_ID_MAX + 1];
    char generation[64];
    hub_done_fn *done;
    void *data;
    enum edge_code code;
    bool has_identity;
} env;

static enum edge_code called(const char *call, const char *module, const char *managed_by,
                             const char *generation, hub_done_fn *done, void *data,
                             struct edge_error *err) {
    (void)snprintf(env.call, sizeof(env.call), "%s", call);
    (void)snprintf(env.module, sizeof(env.module), "%s", module != NULL ? module : "");
    (void)snprintf(env.managed_by, sizeof(env.managed_by), "%s",
                   managed_by != NULL ? managed_by : "(none)");
    (void)snprintf(env.generation, sizeof(env.generation), "%s",
                   generation != NULL ? generation : "");
    if (env.code != EDGE_OK) {
        return edge_set(err, env.code, "too many requests in flight");
    }
    env.done = done;
    env.data = data;
    return EDGE_OK;
}

enum edge_code identities_list(struct identities *ids, hub_done_fn *done, void *data,
                               struct op *ret_op, struct edge_error *err) {
    (void)ids;
    (void)ret_op;
    return called("list", NULL, NULL, NULL, done, data, err);
}

enum edge_code identities_create(struct identities *ids, const char *module_id,
                                 const char *managed_by, hub_done_fn *done, void *data,
                                 struct op *ret_op, struct edge_error *err) {
    (void)ids;
    (void)ret_op;
    return called("create", module_id, managed_by, NULL, done, data, err);
}

enum edge_code identities_update(struct identities *ids, const char *module_id,
                                 const char *generation_id, const char *managed_by,
                                 hub_done_fn *done, void *data, struct op *ret_op,
                                 struct edge_error *err) {
    (void)ids;
    (void)ret_op;
    return called("update", module_id, managed_by, generation_id, done, data, err);
}

enum edge_code identities_delete(struct identities *ids, const char *module_id, hub_done_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err) {
    (void)ids;
    (void)ret_op;
    return called("delete", module_id, NULL, NULL, done, data, err);
}

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    static struct provisioning_status st;
    (void)p;
    st.has_result = env.has_identity;
    (void)snprintf(st.last_error.text, sizeof(st.last_error.text), "no route to the service");
    return &st;
}

static struct api api;

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    env.has_identity = true;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    return 0;
}

static struct http_exchange *request(const char *name, const char *body) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_params(name, "");
    fake_exchange_set_body(body);
    return x;
}

static void answer(enum hub_kind kind, const struct hub_module *modules, size_t cnt) {
    struct hub_answer a = {.kind = kind, .modules = modules, .module_cnt = cnt};
    if (kind != HUB_OK) {
        (void)edge_set(&a.err, EDGE_REMOTE, "the hub said no");
    }
    env.done(env.data, &a);
}

static const struct hub_module sensor = {"tempSensor", "IotEdge", "636463636967581550",
                                         HUB_AUTH_SAS};

static void test_list(void **unused) {
    (void)unused;
    const struct hub_module all[] = {{"$edgeAgent", "", "1", HUB_AUTH_NONE},
                                     {"x", "me", "2", HUB_AUTH_X509}};
    mgmt_identities_list(request("", ""));
    assert_string_equal(env.call, "list");
    assert_true(fake_exchange_detached());
    answer(HUB_OK, all, 2);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(
        fake_exchange_text(),
        "{\"identities\":[{\"moduleId\":\"$edgeAgent\",\"managedBy\":\"\",\"generationId\":\"1\","
        "\"authType\":\"None\"},{\"moduleId\":\"x\",\"managedBy\":\"me\",\"generationId\":\"2\","
        "\"authType\":\"X509\"}]}");
}

static void test_empty_list(void **unused) {
    (void)unused;
    mgmt_identities_list(request("", ""));
    answer(HUB_OK, NULL, 0);
    assert_string_equal(fake_exchange_text(), "{\"identities\":[]}");
}

static void test_create(void **unused) {
    (void)unused;
    mgmt_identities_create(request("", "{\"moduleId\":\"tempSensor\",\"managedBy\":\"IotEdge\"}"));
    assert_string_equal(env.call, "create");
    assert_string_equal(env.module, "tempSensor");
    assert_string_equal(env.managed_by, "IotEdge");
    answer(HUB_OK, &sensor, 1);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(),
                        "{\"moduleId\":\"tempSensor\",\"managedBy\":\"IotEdge\",\"generationId\":"
                        "\"636463636967581550\",\"authType\":\"Sas\"}");
}

static void test_create_without_manager(void **unused) {
    (void)unused;
    mgmt_identities_create(request("", "{\"moduleId\":\"m\",\"managedBy\":null}"));
    assert_string_equal(env.managed_by, "(none)");
    answer(HUB_CONFLICT, NULL, 0);
    assert_int_equal(fake_exchange_status(), 409);
    assert_non_null(strstr(fake_exchange_text(), "Could not create identity m\n\tcaused by: "));
}

static void test_update(void **unused) {
    (void)unused;
    mgmt_identities_update(request("$edgeHub", "{\"generationId\":\"77\"}"));
    assert_string_equal(env.call, "update");
    assert_string_equal(env.module, "$edgeHub");
    assert_string_equal(env.generation, "77");
    answer(HUB_OK, &sensor, 1);
    assert_int_equal(fake_exchange_status(), 200);
}

static void test_delete(void **unused) {
    (void)unused;
    mgmt_identities_delete(request("tempSensor", ""));
    assert_string_equal(env.call, "delete");
    answer(HUB_OK, NULL, 0);
    assert_int_equal(fake_exchange_status(), 204);
    assert_string_equal(fake_exchange_text(), "");
}

static void test_hub_errors(void **unused) {
    (void)unused;
    static const struct {
        enum hub_kind kind;
        int status;
    } rows[] = {{HUB_NOT_FOUND, 404}, {HUB_CONFLICT, 409}, {HUB_THROTTLED, 500},
                {HUB_TRANSIENT, 500}, {HUB_REFUSED, 500},  {HUB_INVALID, 400},
                {HUB_STALE, 409}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mgmt_identities_delete(request("m", ""));
        answer(rows[i].kind, NULL, 0);
        assert_int_equal(fake_exchange_status(), rows[i].status);
        assert_non_null(strstr(fake_exchange_text(), "the hub said no"));
        fake_exchange_end();
    }
}

static void test_malformed_bodies(void **unused) {
    (void)unused;
    static const char *const create[] = {"", "{}", "{\"moduleId\":\"\"}", "{\"moduleId\":5}",
                                         "{\"moduleId\":\"m\",\"managedBy\":5}"};
    static const char *const update[] = {"", "{}", "{\"generationId\":null}",
                                         "{\"generationId\":\"\"}"};
    for (size_t i = 0; i < sizeof(create) / sizeof(create[0]); i++) {
        mgmt_identities_create(request("", create[i]));
        assert_int_equal(fake_exchange_status(), 400);
        fake_exchange_end();
    }
    for (size_t i = 0; i < sizeof(update) / sizeof(update[0]); i++) {
        mgmt_identities_update(request("m", update[i]));
        assert_int_equal(fake_exchange_status(), 400);
        fake_exchange_end();
    }
    assert_string_equal(env.call, "");
}

static void test_over_long_names(void **unused) {
    (void)unused;
    char name[HUB_ID_MAX + 2], body[256];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    mgmt_identities_delete(request(name, ""));
    assert_int_equal(fake_exchange_status(), 400);
    fake_exchange_end();
    (void)snprintf(body, sizeof(body), "{\"moduleId\":\"%s\"}", name);
    mgmt_identities_create(request("", body));
    assert_int_equal(fake_exchange_status(), 400);
}

static void test_client_leaves_and_the_work_goes_on(void **unused) {
    (void)unused;
    mgmt_identities_create(request("", "{\"moduleId\":\"m\"}"));
    fake_exchange_leave();
    answer(HUB_OK, &sensor, 1);
}

static void test_cannot_start(void **unused) {
    (void)unused;
    env.code = EDGE_BUSY;
    mgmt_identities_list(request("", ""));
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_no_identity_yet(void **unused) {
    (void)unused;
    env.has_identity = false;
    mgmt_identities_list(request("", ""));
    assert_int_equal(fake_exchange_status(), 503);
    assert_non_null(strstr(fake_exchange_text(), "no route to the service"));
    assert_string_equal(env.call, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_list),
        T(test_empty_list),
        T(test_create),
        T(test_create_without_manager),
        T(test_update),
        T(test_delete),
        T(test_hub_errors),
        T(test_malformed_bodies),
        T(test_over_long_names),
        T(test_client_leaves_and_the_work_goes_on),
        T(test_cannot_start),
        T(test_no_identity_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
