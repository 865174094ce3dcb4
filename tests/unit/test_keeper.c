/* SPDX-License-Identifier: MIT */
#include "pki/keeper.h"

#include "base/log.h"
#include "pki/authorities_file.h"
#include "pki/renew.h"
#include "support/ca_certs.h"
#include "support/fake_clock.h"
#include "support/fake_hsm.h"
#include "support/keeper_world.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1800000000
#define DAY RENEW_DAY_S

/* Named keys whose private part the store finds unusable when they are to sign. */
static unsigned unusable_cnt;

enum edge_code __real_hsm_key_sign(struct hsm *h, const char *name, const uint8_t *digest,
                                   uint8_t *ret_sig, size_t *ret_len, struct edge_error *err);
enum edge_code __wrap_hsm_key_sign(struct hsm *h, const char *name, const uint8_t *digest,
                                   uint8_t *ret_sig, size_t *ret_len, struct edge_error *err);
enum edge_code __wrap_hsm_key_sign(struct hsm *h, const char *name, const uint8_t *digest,
                                   uint8_t *ret_sig, size_t *ret_len, struct edge_error *err) {
    if (unusable_cnt > 0) {
        unusable_cnt--;
        assert_int_equal(hsm_key_drop(h, name, NULL), EDGE_OK);
        return edge_set(err, EDGE_PARSE, "the key is of another store and was set aside");
    }
    return __real_hsm_key_sign(h, name, digest, ret_sig, ret_len, err);
}

static int setup(void **state) {
    struct keeper_world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    fake_clock_install(NOW);
    log_set_level(LOG_OFF);
    keeper_world_init(w, tmpdir_new(), fake_hsm_new(), NOW);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    struct keeper_world *w = *state;
    keeper_world_clear(w);
    hsm_close(w->hsm);
    tmpdir_free(w->dir);
    fake_clock_remove();
    free(w);
    return 0;
}

static void pass(struct keeper_world *w, int64_t s) {
    w->now.now_s += s;
    fake_clock_advance_ms((uint64_t)s * 1000);
}

static void test_first_start(void **state) {
    struct keeper_world *w = *state;
    keeper_world_issue(w);
    keeper_world_fetch(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    assert_int_equal(keeper_world_key_cnt(w), 3);
    struct pki_status s = keeper_world_status(w);
    assert_int_equal(s.cnt, 3);
    assert_string_equal(s.note, "");
    assert_string_equal(s.items[0].name, "owner CA");
    assert_non_null(strstr(s.items[0].subject, "CN=Test Edge Owner CA"));
    assert_non_null(strstr(s.items[1].subject, "CN=Test Edge Device CA"));
    assert_non_null(strstr(s.items[2].subject, "CN=iotedged workload ca"));
    assert_true(s.items[0].not_after_wall_s - NOW > 3600 * DAY);
    assert_true(s.items[1].not_after_wall_s <= NOW + KEEPER_WORLD_LIFE_S);
    assert_true(keeper_is_ready(w->keeper));
}

static void test_restart_keeps_all(void **state) {
    struct keeper_world *w = *state;
    keeper_world_issue(w);
    struct pki_status before = keeper_world_status(w);
    keeper_world_restart(w);
    keeper_world_issue(w);
    struct pki_status after = keeper_world_status(w);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(keeper_world_key_cnt(w), 3);
}

static void test_device_and_workload_are_renewed(void **state) {
    struct keeper_world *w = *state;
    struct buf old;
    buf_init(&old, CA_CERTS_PEM_MAX);
    keeper_world_issue(w);
    keeper_world_fetch(w);
    assert_int_equal(buf_append_slice(&old, buf_slice(&w->leaf), NULL), EDGE_OK);
    struct pki_status before = keeper_world_status(w);
    pass(w, 59 * DAY);
    keeper_world_issue(w);
    struct pki_status same = keeper_world_status(w);
    assert_int_equal(same.items[2].not_after_wall_s, before.items[2].not_after_wall_s);
    pass(w, 3 * DAY);
    keeper_world_issue(w);
    struct pki_status after = keeper_world_status(w);
    assert_int_equal(after.items[0].not_after_wall_s, before.items[0].not_after_wall_s);
    assert_true(after.items[1].not_after_wall_s > before.items[1].not_after_wall_s);
    assert_true(after.items[2].not_after_wall_s > before.items[2].not_after_wall_s);
    /* New chain with the old bundle, old chain with the old bundle. */
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&old), buf_slice(&w->bundle), w->now.now_s),
                     X509_V_OK);
    assert_int_equal(keeper_world_key_cnt(w), 3);
    buf_clear(&old);
}

static void test_owner_is_renewed_with_overlap(void **state) {
    struct keeper_world *w = *state;
    keeper_world_issue(w);
    keeper_world_fetch(w);
    pass(w, RENEW_OWNER_LIFE_S - RENEW_OWNER_OVERLAP_S + DAY);
    keeper_world_issue(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK); /* with the bundle of eight years ago */
    struct pki_status s = keeper_world_status(w);
    assert_int_equal(s.cnt, 4);
    assert_string_equal(s.items[3].name, "former root");
    pass(w, RENEW_OWNER_OVERLAP_S - 3 * DAY);
    keeper_world_issue(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    pass(w, 4 * DAY);
    keeper_world_issue(w);
    assert_int_not_equal(keeper_world_verify(w), X509_V_OK);
    keeper_world_fetch(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
}

static void test_clock_wrong_when_made(void **state) {
    struct keeper_world *w = *state;
    w->now.now_s = NOW + 3 * 365 * DAY;
    keeper_world_issue(w);
    w->now.now_s = NOW;
    keeper_world_issue(w);
    keeper_world_fetch(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    /* Behind: what was made then has ended by now. */
    w->now.now_s = NOW + 200 * DAY;
    keeper_world_issue(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
}

static void test_clock_not_usable(void **state) {
    struct keeper_world *w = *state;
    struct edge_error err;
    w->now.is_usable = false;
    assert_int_equal(keeper_world_try_issue(w, &err), EDGE_RETRY);
    assert_int_equal(keeper_bundle(w->keeper, &w->now, &w->bundle, &err), EDGE_RETRY);
    assert_int_equal(keeper_world_key_cnt(w), 0);
    assert_false(keeper_is_ready(w->keeper));
    w->now.is_usable = true;
    keeper_world_issue(w);
    w->now.is_usable = false;
    w->now.now_s = 0;
    keeper_world_restart(w);
    keeper_world_fetch(w);
    w->now.now_s = NOW;
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
}

/* Whatever waits for the end of release 1.1's keys must not believe a clock that may be ahead. */
static void test_ready_by_a_trusted_time(void **state) {
    struct keeper_world *w = *state;
    uint32_t serial;
    w->now.is_trusted = false;
    keeper_world_issue(w);
    assert_false(keeper_is_ready(w->keeper));
    serial = keeper_serial(w->keeper);
    w->now.is_trusted = true;
    keeper_world_issue(w);
    assert_true(keeper_is_ready(w->keeper));
    assert_true(keeper_serial(w->keeper) != serial);
    w->now.is_trusted = false;
    keeper_world_issue(w);
    assert_false(keeper_is_ready(w->keeper));
}

static void test_lost_keys(void **state) {
    struct keeper_world *w = *state;
    struct hsm_key keys[HSM_KEYS_MAX];
    size_t cnt = 0;
    keeper_world_issue(w);
    keeper_world_fetch(w);
    assert_int_equal(hsm_key_list(w->hsm, keys, &cnt, NULL), EDGE_OK);
    for (size_t i = 0; i < cnt; i++) {
        if (strncmp(keys[i].name, "workload", 8) == 0) {
            assert_int_equal(hsm_key_drop(w->hsm, keys[i].name, NULL), EDGE_OK);
        }
    }
    keeper_doubt(w->keeper);
    keeper_world_issue(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK); /* still the same root */
    assert_int_equal(hsm_key_list(w->hsm, keys, &cnt, NULL), EDGE_OK);
    for (size_t i = 0; i < cnt; i++) {
        assert_int_equal(hsm_key_drop(w->hsm, keys[i].name, NULL), EDGE_OK);
    }
    keeper_world_restart(w);
    keeper_world_issue(w);
    assert_int_not_equal(keeper_world_verify(w), X509_V_OK);
    struct buf old;
    buf_init(&old, CA_CERTS_PEM_MAX);
    assert_int_equal(buf_append_slice(&old, buf_slice(&w->bundle), NULL), EDGE_OK);
    keeper_world_fetch(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    assert_non_null(memmem(w->bundle.data, w->bundle.len, old.data, old.len));
    buf_clear(&old);
}

/* A cleared TPM: the files of the keys are there, but none signs any more. */
static void test_keys_that_do_not_sign(void **state) {
    struct keeper_world *w = *state;
    struct edge_error err;
    keeper_world_issue(w);
    unusable_cnt = 3;
    assert_int_equal(keeper_world_try_issue(w, &err),
                     EDGE_PARSE); /* the leaf was the first to find out */
    keeper_doubt(w->keeper);
    keeper_world_issue(w);
    keeper_world_fetch(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    assert_int_equal(unusable_cnt, 0);
    assert_int_equal(keeper_world_key_cnt(w), 3);
    assert_string_equal(keeper_world_status(w).note, "");
}

static void test_orphans_are_dropped(void **state) {
    struct keeper_world *w = *state;
    struct hsm_key key;
    assert_int_equal(hsm_key_make(w->hsm, "device-ca-77", &key, NULL), EDGE_OK);
    assert_int_equal(hsm_key_make(w->hsm, "ca-00112233445566778899aabbccddeeff", &key, NULL),
                     EDGE_OK);
    keeper_world_issue(w);
    assert_int_equal(keeper_world_key_cnt(w), 4);
    assert_int_equal(hsm_key_get(w->hsm, "device-ca-77", &key, NULL), EDGE_NOT_FOUND);
}

/* A key store that fails at any step, and a folder that cannot be written: the old authorities
 * stay, and no key is left over. */
static void test_failures_leave_the_old(void **state) {
    struct keeper_world *w = *state;
    struct edge_error err;
    keeper_world_issue(w);
    keeper_world_fetch(w);
    pass(w, 70 * DAY);
    for (unsigned n = 1; n <= 3; n++) {
        fake_hsm_fail(w->hsm, n, EDGE_HSM);
        (void)keeper_world_try_issue(w, &err);
        fake_hsm_fail(w->hsm, 0, EDGE_OK);
    }
    pass(w, RENEW_RETRY_S + 1);
    keeper_world_issue(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    keeper_world_restart(w);
    keeper_world_issue(w);
    assert_int_equal(keeper_world_key_cnt(w), 3);
}

/* Each try costs keys of the TPM, and modules ask as fast as they can. */
static void test_needed_ones_are_not_tried_at_each_request(void **state) {
    struct keeper_world *w = *state;
    struct edge_error err;
    fake_hsm_fail(w->hsm, 1000, EDGE_HSM);
    assert_int_equal(keeper_world_try_issue(w, &err), EDGE_HSM);
    fake_hsm_fail(w->hsm, 0, EDGE_OK);
    assert_int_equal(keeper_world_try_issue(w, &err), EDGE_HSM);
    assert_string_not_equal(err.text, "");
    fake_hsm_fail(w->hsm, 1000, EDGE_BUSY);
    fake_clock_advance_ms(2001);
    assert_int_equal(keeper_world_try_issue(w, &err), EDGE_BUSY);
    fake_hsm_fail(w->hsm, 0, EDGE_OK);
    keeper_doubt(w->keeper); /* an operator who has mended something need not wait */
    keeper_world_issue(w);
}

static void test_damaged_file(void **state) {
    struct keeper_world *w = *state;
    keeper_world_issue(w);
    keeper_world_fetch(w);
    tmpdir_write(w->dir, PKI_DIR "/" AUTHORITIES_FILE, "nonsense", 8, 0600);
    keeper_world_restart(w);
    keeper_world_issue(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK); /* from the copy */
    tmpdir_write(w->dir, PKI_DIR "/" AUTHORITIES_FILE, "nonsense", 8, 0600);
    tmpdir_write(w->dir, PKI_DIR "/" AUTHORITIES_FILE_COPY, "nonsense", 8, 0600);
    keeper_world_restart(w);
    keeper_world_issue(w);
    keeper_world_fetch(w);
    assert_int_equal(keeper_world_verify(w), X509_V_OK);
    assert_int_equal(keeper_world_key_cnt(w), 3);
}

/* --- Eleven years of a device whose clock jumps --- */

#define SIM_STEPS   300
#define SIM_STEP_S  (14 * DAY)
#define SIM_CLIENTS 64
#define SIM_CHECKS  2 /* clients looked at in each step, besides the first and the last */

struct client {
    struct buf bundle;
    int64_t fetched_true_s, fetched_clock_s;
};

static uint32_t sim_random(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* What the device believes is offset from true time by this; most of the time by nothing. A clock
 * that is known to be wrong (is_usable false) is worth less than one that is believed. */
static int64_t sim_offset(uint32_t *seed, bool *ret_usable) {
    static const int64_t jumps[] = {-3 * 365 * DAY, -40 * DAY,     -2 * 3600,     3600,
                                    100 * DAY,      3 * 365 * DAY, 9 * 365 * DAY, 20 * 365 * DAY};
    *ret_usable = sim_random(seed) % 8 != 0;
    return jumps[sim_random(seed) % EDGE_ARRAY_LEN(jumps)];
}

/* By either clock the bundle is not older than the overlap. While the device's clock is far off,
 * clients that follow the true time cannot be pleased. */
static bool sim_is_served(const struct keeper_world *w, const struct client *c, int64_t true_s) {
    int64_t age = w->now.now_s - c->fetched_clock_s;
    bool is_right = w->now.now_s == true_s && c->fetched_clock_s == c->fetched_true_s;
    return (is_right && true_s - c->fetched_true_s < RENEW_OWNER_OVERLAP_S - 2 * DAY) ||
           (age >= 0 && age < RENEW_OWNER_OVERLAP_S - 2 * DAY);
}

static void sim_check(struct keeper_world *w, const struct client *c, int64_t true_s) {
    if (!sim_is_served(w, c, true_s)) {
        return;
    }
    int result = ca_cert_verify(buf_slice(&w->leaf), buf_slice(&c->bundle), w->now.now_s);
    if (result != X509_V_OK) {
        print_message("true day %lld, clock day %lld, bundle of day %lld, clock day %lld: %s\n",
                      (long long)((true_s - NOW) / DAY), (long long)((w->now.now_s - NOW) / DAY),
                      (long long)((c->fetched_true_s - NOW) / DAY),
                      (long long)((c->fetched_clock_s - NOW) / DAY),
                      X509_verify_cert_error_string(result));
    }
    assert_int_equal(result, X509_V_OK);
}

static void sim_check_some(struct keeper_world *w, const struct client *clients, size_t cnt,
                           int64_t true_s, uint32_t *seed) {
    for (size_t i = 0; i < SIM_CHECKS && cnt > 0; i++) {
        sim_check(w, &clients[sim_random(seed) % cnt], true_s);
    }
    if (cnt > 0) {
        sim_check(w, &clients[0], true_s);
        sim_check(w, &clients[cnt - 1], true_s);
    }
}

static void sim_fetch(struct keeper_world *w, struct client *c, int64_t true_s) {
    keeper_world_fetch(w);
    buf_clear(&c->bundle);
    buf_init(&c->bundle, CA_CERTS_PEM_MAX);
    assert_int_equal(buf_append_slice(&c->bundle, buf_slice(&w->bundle), NULL), EDGE_OK);
    c->fetched_true_s = true_s;
    c->fetched_clock_s = w->now.now_s;
    assert_true(w->bundle.len < 16384);
}

static void simulate(struct keeper_world *w, uint32_t seed, bool jumps) {
    struct client clients[SIM_CLIENTS] = {{.fetched_true_s = 0}};
    size_t cnt = 0;
    int64_t true_s = NOW;
    int64_t offset = 0;
    unsigned left = 0; /* steps until the clock is right again */
    for (unsigned step = 0; step < SIM_STEPS; step++) {
        if (left > 0 && --left == 0) {
            offset = 0;
            w->now.is_usable = true;
        } else if (jumps && left == 0 && step > 0 && sim_random(&seed) % 25 == 0) {
            offset = sim_offset(&seed, &w->now.is_usable);
            left = 1 + sim_random(&seed) % 4;
        }
        w->now.now_s = true_s + offset;
        if (sim_random(&seed) % 10 == 0) {
            keeper_world_restart(w);
        }
        if (w->now.is_usable) {
            keeper_world_issue(w);
            sim_check_some(w, clients, cnt < SIM_CLIENTS ? cnt : SIM_CLIENTS, true_s, &seed);
            assert_true(keeper_world_key_cnt(w) <= 6);
        }
        if (w->now.is_usable && step % 11 == 0) {
            sim_fetch(w, &clients[cnt++ % SIM_CLIENTS], true_s);
        }
        true_s += SIM_STEP_S;
    }
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        buf_clear(&clients[i].bundle);
    }
}

static void test_eleven_years(void **state) {
    simulate(*state, 1, false);
}

static void test_eleven_years_jumping(void **state) {
    simulate(*state, 2, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_keeps_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_and_workload_are_renewed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_is_renewed_with_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_wrong_when_made, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_not_usable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ready_by_a_trusted_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_that_do_not_sign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orphans_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_leave_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(test_needed_ones_are_not_tried_at_each_request, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_damaged_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_eleven_years, setup, teardown),
        cmocka_unit_test_setup_teardown(test_eleven_years_jumping, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
