/* SPDX-License-Identifier: MIT */
#include "pki/renew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW  ((int64_t)1800000000)
#define DAY  RENEW_DAY_S
#define LIFE (90 * DAY)

static struct renew_ca ca(int64_t made_days_ago, int64_t life_s) {
    int64_t made = NOW - made_days_ago * DAY;
    return (struct renew_ca){.exists = true,
                             .has_key = true,
                             .fits = true,
                             .not_before_wall_s = made - RENEW_BACKDATE_S,
                             .not_after_wall_s = made + life_s};
}

static struct renew_facts young(void) {
    return (struct renew_facts){.owner = ca(1, RENEW_OWNER_LIFE_S),
                                .device = ca(1, LIFE),
                                .workload = ca(1, LIFE),
                                .life_s = LIFE,
                                .now_wall_s = NOW};
}

/* "o" owner, "d" device, "w" workload, "s" swap, "c" cross, "!" needed. */
static const char *text(struct renew_plan p) {
    static char out[8];
    size_t n = 0;
    const struct {
        bool set;
        char letter;
    } parts[] = {{p.swap, 's'},   {p.owner, 'o'},    {p.cross, 'c'},
                 {p.device, 'd'}, {p.workload, 'w'}, {p.is_needed, '!'}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].set) {
            out[n++] = parts[i].letter;
        }
    }
    out[n] = '\0';
    return out;
}

static void test_young(void **state) {
    (void)state;
    struct renew_facts f = young();
    assert_string_equal(text(renew_quickstart(&f)), "");
    f = (struct renew_facts){.life_s = LIFE, .now_wall_s = NOW};
    assert_string_equal(text(renew_quickstart(&f)), "ocdw!");
    assert_string_equal(text(renew_operator(&f)), "w!");
}

static void test_two_thirds(void **state) {
    (void)state;
    for (int64_t day = 0; day < 91; day++) {
        struct renew_facts f = young();
        f.device = ca(day, LIFE);
        f.workload = ca(day, LIFE);
        const char *expected = day < 60 ? "" : day < 90 ? "dw" : "dw!";
        assert_string_equal(text(renew_quickstart(&f)), expected);
    }
}

static void test_owner_by_age(void **state) {
    (void)state;
    for (int64_t day = 0; day < 3700; day += 3) {
        struct renew_facts f = young();
        f.owner = ca(day, RENEW_OWNER_LIFE_S);
        const char *got = text(renew_quickstart(&f));
        if (day < 3652 - 730) {
            assert_string_equal(got, "");
        } else {
            /* A renewal in time is not urgent: all below is still good. */
            assert_string_equal(got, "ocdw");
        }
    }
}

/* A life that the issuer cuts gains nothing by a renewal. */
static void test_no_gain(void **state) {
    (void)state;
    struct renew_facts f = young();
    f.life_s = 65535 * DAY;
    f.device = ca(2000, RENEW_OWNER_LIFE_S);
    f.device.not_after_wall_s = f.owner.not_after_wall_s;
    f.workload = f.device;
    assert_string_equal(text(renew_quickstart(&f)), "");
}

static void test_configured_life_is_shorter(void **state) {
    (void)state;
    struct renew_facts f = young();
    f.device = ca(10, 400 * DAY);
    f.workload = ca(10, 400 * DAY);
    assert_string_equal(text(renew_quickstart(&f)), "");
    f.life_s = 12 * DAY;
    assert_int_equal(renew_at(f.device.not_before_wall_s, f.device.not_after_wall_s, f.life_s),
                     NOW - 2 * DAY);
    assert_string_equal(text(renew_quickstart(&f)), "dw");
}

static void test_lost_keys(void **state) {
    (void)state;
    struct renew_facts f = young();
    f.workload.has_key = false;
    assert_string_equal(text(renew_quickstart(&f)), "w!");
    assert_string_equal(text(renew_operator(&f)), "w!");
    f = young();
    f.device.has_key = false;
    assert_string_equal(text(renew_quickstart(&f)), "dw!");
    f = young();
    f.owner.has_key = false;
    assert_string_equal(text(renew_quickstart(&f)), ""); /* not missed yet */
    f.device = ca(61, LIFE);
    assert_string_equal(text(renew_quickstart(&f)), "ocdw");
}

static void test_under_another(void **state) {
    (void)state;
    struct renew_facts f = young();
    f.device.fits = false;
    assert_string_equal(text(renew_quickstart(&f)), "dw!");
    f = young();
    f.workload.fits = false;
    assert_string_equal(text(renew_quickstart(&f)), "w!");
    assert_string_equal(text(renew_operator(&f)), "w");
}

/* Made in a future that the clock has left. */
static void test_clock_went_back(void **state) {
    (void)state;
    struct renew_facts f = young();
    f.device = ca(-100, LIFE);
    f.workload = ca(-100, LIFE);
    assert_string_equal(text(renew_quickstart(&f)), "dw!");
    f.owner = ca(-100, RENEW_OWNER_LIFE_S);
    assert_string_equal(text(renew_quickstart(&f)), "ocdw!");
    f.before[0] = ca(500, RENEW_OWNER_LIFE_S);
    f.before_cnt = 1;
    assert_string_equal(text(renew_quickstart(&f)), "scdw!");
    f.before[0].has_key = false;
    assert_string_equal(text(renew_quickstart(&f)), "ocdw!");
    /* Within a day nothing happens at all. */
    f = young();
    f.now_wall_s = NOW - 36 * 3600;
    assert_string_equal(text(renew_quickstart(&f)), "");
}

static void test_which_former_root(void **state) {
    (void)state;
    struct renew_facts f = young();
    f.owner = ca(-100, RENEW_OWNER_LIFE_S);
    f.before[0] = ca(3000, RENEW_OWNER_LIFE_S); /* due itself */
    f.before[1] = ca(500, RENEW_OWNER_LIFE_S);
    f.before[2] = ca(400, RENEW_OWNER_LIFE_S);
    f.before_cnt = 3;
    struct renew_plan p = renew_quickstart(&f);
    assert_true(p.swap && !p.owner);
    assert_int_equal(p.swap_with, 1);
    f.before_cnt = 1;
    p = renew_quickstart(&f);
    assert_true(p.swap && p.owner);
    assert_int_equal(p.swap_with, 0);
}

static void test_cross_is_made_up_for(void **state) {
    (void)state;
    struct renew_facts f = young();
    f.before[0] = ca(3000, RENEW_OWNER_LIFE_S);
    f.before_cnt = 1;
    assert_string_equal(text(renew_quickstart(&f)), "");
    f.before[0].fits = false;
    assert_string_equal(text(renew_quickstart(&f)), "c");
    f.before[0].has_key = false;
    assert_string_equal(text(renew_quickstart(&f)), "");
    f.before[0] = ca(4000, RENEW_OWNER_LIFE_S);
    f.before[0].fits = false; /* ended: no use */
    assert_string_equal(text(renew_quickstart(&f)), "");
}

/* Nothing below is ever planned to be kept under an issuer that is made anew, and what is needed is
 * always planned: all combinations of five ages and of what may be missing. */
static void test_every_combination(void **state) {
    (void)state;
    static const int64_t ages[] = {-200, 1, 61, 3000, 4000};
    for (unsigned n = 0; n < 5 * 5 * 5 * 64; n++) {
        struct renew_facts f = young();
        unsigned flags = n / 125;
        f.owner = ca(ages[n % 5], RENEW_OWNER_LIFE_S);
        f.device = ca(ages[n / 5 % 5], LIFE);
        f.workload = ca(ages[n / 25 % 5], LIFE);
        f.owner.has_key = (flags & 1) != 0;
        f.device.has_key = (flags & 2) != 0;
        f.workload.has_key = (flags & 4) != 0;
        f.device.fits = (flags & 8) != 0;
        f.workload.fits = (flags & 16) != 0;
        f.owner.exists = (flags & 32) != 0;
        struct renew_plan p = renew_quickstart(&f);
        assert_true(!p.owner || p.device);
        assert_true(!p.device || p.workload);
        assert_true(p.owner || renew_is_usable(&f.owner, NOW));
        assert_true(p.device || (renew_is_usable(&f.device, NOW) && f.device.has_key));
        assert_true(p.workload || (renew_is_usable(&f.workload, NOW) && f.workload.has_key));
        assert_true(!p.device || p.owner || f.owner.has_key);
        assert_true(!p.is_needed || p.workload);
        bool serves = renew_is_usable(&f.workload, NOW) && f.workload.has_key && f.workload.fits &&
                      renew_is_usable(&f.device, NOW) && f.device.has_key && f.device.fits;
        assert_int_equal(p.is_needed, !serves);
    }
}

static void test_root_until(void **state) {
    (void)state;
    assert_int_equal(renew_root_until(NOW + 10 * DAY, NOW), NOW + 10 * DAY);
    assert_int_equal(renew_root_until(NOW + 1000 * DAY, NOW), NOW + RENEW_LEAF_MAX_S);
}

static void test_pause(void **state) {
    (void)state;
    struct renew_facts f = young();
    assert_int_equal(renew_pause_ms(&f, true), DAY * 1000);
    assert_int_equal(renew_pause_ms(&f, false), DAY * 1000);
    f.device = ca(59, LIFE);
    f.device.not_after_wall_s -= DAY / 2;
    f.device.not_before_wall_s -= DAY / 2;
    assert_int_equal(renew_pause_ms(&f, true), DAY / 2 * 1000);
    f.device = ca(70, LIFE);
    assert_int_equal(renew_pause_ms(&f, true), RENEW_RETRY_S * 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_young),
        cmocka_unit_test(test_two_thirds),
        cmocka_unit_test(test_owner_by_age),
        cmocka_unit_test(test_no_gain),
        cmocka_unit_test(test_configured_life_is_shorter),
        cmocka_unit_test(test_lost_keys),
        cmocka_unit_test(test_under_another),
        cmocka_unit_test(test_clock_went_back),
        cmocka_unit_test(test_which_former_root),
        cmocka_unit_test(test_cross_is_made_up_for),
        cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_root_until),
        cmocka_unit_test(test_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
