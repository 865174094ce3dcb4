/* SPDX-License-Identifier: MIT */
/*
 * The status route: the report of the moment, with what the worker can tell of the sealed store.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "fake_loop.h"
#include "fake_pki.h"
#include "fake_wall.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct provisioning_status status;
static struct hsm_store_info store;
static enum edge_code store_code;

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return &status;
}

const char *provisioning_state_name(enum provisioning_state state) {
    return state == PROVISIONING_ASSIGNED ? "assigned" : "other";
}

enum edge_code hsm_store_get_info(struct hsm *h, struct hsm_store_info *ret,
                                  struct edge_error *err) {
    (void)h;
    *ret = store;
    return store_code == EDGE_OK ? EDGE_OK : edge_set(err, store_code, "cannot be read");
}

const char *hsm_state_name(enum hsm_state state) {
    return state == HSM_STATE_LOCKOUT ? "lockout" : "other";
}

static struct edge_config cfg;
static struct api api;

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    memset(&status, 0, sizeof(status));
    memset(&store, 0, sizeof(store));
    store_code = EDGE_OK;
    status.state = PROVISIONING_ASSIGNED;
    status.key_store = HSM_STATE_LOCKOUT;
    api = (struct api){
        .config = &cfg, .wall = fake_wall_new(), .worker = fake_worker(), .pki = fake_pki()};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_worker_hold(false);
    fake_worker_fail(EDGE_OK);
    wall_free(api.wall);
    fake_loop_clear();
    return 0;
}

static void assert_shows(const char *text) {
    assert_int_equal(fake_exchange_status(), 200);
    if (strstr(fake_exchange_text(), text) == NULL) {
        fail_msg("'%s' is not in: %s", text, fake_exchange_text());
    }
}

static void ask(void) {
    mgmt_status(fake_exchange(&api));
    fake_loop_run();
}

static void test_report(void **state) {
    (void)state;
    fake_wall_set(api.wall, WALL_WRONG, 0);
    ask();
    assert_shows("\"state\":\"assigned\"");
    assert_shows("\"clock\":{\"state\":\"wrong\"");
    assert_shows("\"state\":\"lockout\"");
    assert_shows("\"certificates\":[],\"certificatesNote\":null");
    assert_shows("\"sealedStore\":{\"state\":\"none\",\"text\":null,\"pcrs\":[]");
    fake_exchange_end();
}

static const char *describe(void *data, char *out, size_t out_size) {
    (void)snprintf(out, out_size, "%s", (const char *)data);
    return "missing";
}

static void test_edge_agent(void **state) {
    (void)state;
    ask();
    assert_shows("\"edgeAgent\":{\"state\":null,\"text\":null}");
    fake_exchange_end();
    api.describe_agent = describe;
    api.describe_agent_data = (char *)"no image";
    ask();
    assert_shows("\"edgeAgent\":{\"state\":\"missing\",\"text\":\"no image\"}");
    fake_exchange_end();
    api.describe_agent_data = (char *)"";
    ask();
    assert_shows("\"edgeAgent\":{\"state\":\"missing\",\"text\":null}");
    fake_exchange_end();
}

static void test_certificates(void **state) {
    (void)state;
    struct pki_status *st = fake_pki_status();
    st->cnt = PKI_STATUS_MAX;
    for (size_t i = 0; i < PKI_STATUS_MAX; i++) {
        (void)snprintf(st->items[i].name, sizeof(st->items[i].name), "ca %zu", i);
        st->items[i].not_after_wall_s = FAKE_LOOP_WALL_S + 3 * 86400;
    }
    (void)snprintf(st->note, sizeof(st->note), "the new file is not used");
    ask();
    assert_shows("\"name\":\"ca 7\"");
    assert_shows("\"daysLeft\":3");
    assert_shows("\"certificatesNote\":\"the new file is not used\"");
    fake_exchange_end();
}

static void test_sealed_store(void **state) {
    (void)state;
    store = (struct hsm_store_info){.exists = true, .bound = true, .open = true, .pcrs = 0x81};
    (void)snprintf(store.text, sizeof(store.text), "fine");
    ask();
    assert_shows("\"sealedStore\":{\"state\":\"bound\",\"text\":\"fine\",\"pcrs\":[0,7]");
    fake_exchange_end();
    store.open = false;
    store.planned = true;
    ask();
    assert_shows("\"sealedStore\":{\"state\":\"locked\",\"text\":\"fine\",\"pcrs\":[0,7],"
                 "\"hasPlanned\":true}");
    fake_exchange_end();
    store = (struct hsm_store_info){.exists = true, .open = true};
    ask();
    assert_shows("\"sealedStore\":{\"state\":\"open\"");
    fake_exchange_end();
    store_code = EDGE_IO;
    ask();
    assert_shows("\"sealedStore\":{\"state\":null,\"text\":\"cannot be read\"");
    fake_exchange_end();
}

/* A status is wanted most when nothing moves any more. */
static void test_worker_has_no_time(void **state) {
    (void)state;
    fake_worker_fail(EDGE_BUSY);
    ask();
    assert_shows("\"sealedStore\":{\"state\":null,\"text\":\"not known: the key store is busy\"");
    fake_exchange_end();
}

static void test_client_leaves(void **state) {
    (void)state;
    mgmt_status(fake_exchange(&api));
    assert_true(fake_exchange_has_op());
    fake_exchange_leave();
    fake_loop_run();
    fake_exchange_end();
}

static enum edge_code one_round(void *data) {
    (void)data;
    ask();
    fake_exchange_end();
    return fake_exchange_status() == 200 ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_report),        T(test_edge_agent),         T(test_certificates),
        T(test_sealed_store),  T(test_worker_has_no_time), T(test_client_leaves),
        T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
