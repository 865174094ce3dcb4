/* SPDX-License-Identifier: MIT */
#include "agent/image_claim.h"

#include "base/attr.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ID        "sha256:1"
#define BOOTSTRAP "r.test/agent:1"

static const struct {
    const char *name, *tags, *digests;
    enum image_claim claim;
    const char *target;
} rows[] = {
    /* As pulled. */
    {"docker.io/library/a:1", "[\"a:1\"]", "[\"a@sha256:2\"]", IMAGE_CLAIM_OURS, ID},
    {"docker.io/library/a:1", "[\"docker.io/library/a:1\"]", NULL, IMAGE_CLAIM_OURS, ID},
    {"r.test/a@sha256:2", "[]", "[\"r.test/a@sha256:2\"]", IMAGE_CLAIM_OURS, ID},
    {"r.test/a@sha256:2", "[\"<none>:<none>\"]", "[\"r.test/a@sha256:2\"]", IMAGE_CLAIM_OURS, ID},
    /* Somebody else has named it, too. */
    {"r.test/a:1", "[\"r.test/a:1\",\"mine:1\"]", NULL, IMAGE_CLAIM_OURS, "r.test/a:1"},
    {"r.test/a:1", "[\"r.test/a:1\"]", "[\"b@sha256:2\"]", IMAGE_CLAIM_OURS, "r.test/a:1"},
    {"r.test/a@sha256:2", "[\"mine:1\"]", "[\"r.test/a@sha256:2\"]", IMAGE_CLAIM_OURS,
     "r.test/a@sha256:2"},
    {"r.test/a:1", "[\"mine:1\"]", NULL, IMAGE_CLAIM_GONE, NULL},
    {"r.test/a:1", "[\"mine:1\"]", "[\"r.test/a@sha256:2\"]", IMAGE_CLAIM_GONE, NULL},
    /* The tag has moved on to another image. */
    {"r.test/a:1", NULL, "[\"r.test/a@sha256:2\"]", IMAGE_CLAIM_OURS, ID},
    {"r.test/a:1", "[\"<none>:<none>\"]", "[\"<none>@<none>\"]", IMAGE_CLAIM_OURS, ID},
    {"r.test/a:1", NULL, "[\"r.test/a@sha256:2\",\"b@sha256:2\"]", IMAGE_CLAIM_OURS,
     "r.test/a@sha256:2"},
    {"r.test/a:1", NULL, "[\"b@sha256:2\"]", IMAGE_CLAIM_GONE, NULL},
    /* What edgeAgent begins with. */
    {BOOTSTRAP, "[\"" BOOTSTRAP "\"]", NULL, IMAGE_CLAIM_KEPT, NULL},
    {"r.test/a:1", "[\"r.test/a:1\",\"" BOOTSTRAP "\"]", NULL, IMAGE_CLAIM_KEPT, NULL},
    {BOOTSTRAP, NULL, "[\"r.test/agent@sha256:2\"]", IMAGE_CLAIM_OURS, ID},
};

static void test_claims(void **state) {
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct cJSON *tags = NULL, *digests = NULL;
        struct runtime_image image = {.id = ID};
        char target[RUNTIME_IMAGE_MAX + 1] = "untouched";
        if (rows[i].tags != NULL) {
            assert_int_equal(json_parse(slice_str(rows[i].tags), &tags, NULL), EDGE_OK);
        }
        if (rows[i].digests != NULL) {
            assert_int_equal(json_parse(slice_str(rows[i].digests), &digests, NULL), EDGE_OK);
        }
        image.tags = tags;
        image.digests = digests;
        assert_int_equal(image_claim_of(rows[i].name, &image, BOOTSTRAP, target), rows[i].claim);
        assert_string_equal(target, rows[i].target != NULL ? rows[i].target : "untouched");
        json_free(tags);
        json_free(digests);
    }
}

static void test_no_bootstrap(void **state) {
    const struct runtime_image image = {.id = ID};
    char target[RUNTIME_IMAGE_MAX + 1];
    (void)state;
    assert_int_equal(image_claim_of("a:1", &image, "", target), IMAGE_CLAIM_OURS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_no_bootstrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
