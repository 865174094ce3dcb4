/* SPDX-License-Identifier: MIT */
/*
 * kill -9 while signing keys are made, taken in and dropped: at every command to the TPM, and
 * before and after every step of a file. Afterwards each key is whole or absent, and the next try
 * works.
 */
#include "fixture.h"

#include "support/signing_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef enum edge_code act_fn(struct fixture *f);

static struct secret given;

static enum edge_code make_subject(struct fixture *f) {
    struct hsm_key key;

    return hsm_key_make(f->hsm, "subject", &key, &f->err);
}

static enum edge_code import_subject(struct fixture *f) {
    struct hsm_key key;

    return hsm_key_import(f->hsm, "subject", &given, &key, &f->err);
}

static enum edge_code drop_subject(struct fixture *f) {
    return hsm_key_drop(f->hsm, "subject", &f->err);
}

/* The other key signs; the subject is whole or absent; nothing was found damaged. */
static void check_after_kill(struct fixture *f, act_fn *act, const struct hsm_key *other) {
    struct hsm_key key;

    fixture_start(f);
    signing_key_check(f->hsm, other);
    enum edge_code rc = hsm_key_get(f->hsm, "subject", &key, &f->err);
    if (rc == EDGE_OK) {
        signing_key_check(f->hsm, &key);
    } else {
        assert_int_equal(rc, EDGE_NOT_FOUND);
    }
    assert_int_equal(fixture_count(f, "key-", true), 0);
    if (act == import_subject) {
        fixture_ok(f, act(f)); /* also when it was there already */
    }
    if (act == drop_subject) {
        if (rc != EDGE_OK) {
            fixture_ok(f, make_subject(f));
        }
    } else {
        fixture_ok(f, drop_subject(f));
    }
}

static void sweep(struct fixture *f, act_fn *act, size_t points_min) {
    struct hsm_key other;
    size_t points = 0;

    fixture_start(f);
    fixture_ok(f, hsm_key_make(f->hsm, "other", &other, &f->err));
    if (act == drop_subject) {
        fixture_ok(f, make_subject(f));
    }
    for (size_t n = 1; act != drop_subject && !fixture_dies(f, true, n, 0, act); n++, points++) {
        check_after_kill(f, act, &other);
    }
    if (act != drop_subject) {
        check_after_kill(f, act, &other);
    }
    for (size_t n = 1; !fixture_dies(f, true, 0, n, act); n++, points++) {
        check_after_kill(f, act, &other);
    }
    check_after_kill(f, act, &other);
    assert_true(points >= points_min);
}

static void killed_makes(void **state) {
    sweep(*state, make_subject, 10);
}

static void killed_imports(void **state) {
    signing_key_make("P-384", &given);
    sweep(*state, import_subject, 10);
    secret_clear(&given);
}

static void killed_drops(void **state) {
    sweep(*state, drop_subject, 3);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(killed_makes),
        WITH_TPM(killed_imports),
        WITH_TPM(killed_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
