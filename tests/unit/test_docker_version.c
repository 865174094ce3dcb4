/* SPDX-License-Identifier: MIT */
#include "runtime/docker_version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static enum edge_code choose(const char *api, const char *min, char *chosen) {
    struct docker_version v = {0};
    snprintf(v.api, sizeof(v.api), "%s", api);
    snprintf(v.min, sizeof(v.min), "%s", min);
    return docker_version_choose(&v, chosen, NULL);
}

static void test_choice(void **state) {
    static const struct {
        const char *api, *min, *chosen;
        enum edge_code code;
    } rows[] = {
        {"1.41", "1.12", "1.41", EDGE_OK},      /* Engine 20.10 */
        {"1.43", "1.12", "1.43", EDGE_OK},      /* Engine 24 */
        {"1.52", "1.44", "1.52", EDGE_OK},      /* Engine 29.0 */
        {"1.60", "1.44", "1.52", EDGE_OK},      /* newer than we */
        {"1.41", "1.24", "1.41", EDGE_OK},      /* Podman 4 */
        {"1.24", "1.24", "1.24", EDGE_OK},      /* our floor */
        {"1.24", "", "1.24", EDGE_OK},          /* says no minimum */
        {"1.9", "1.1", "", EDGE_UNSUPPORTED},   /* less than 1.24 by number, more by text */
        {"1.23", "1.12", "", EDGE_UNSUPPORTED}, /* too old */
        {"1.70", "1.53", "", EDGE_UNSUPPORTED}, /* too new */
        {"2.0", "1.40", "1.52", EDGE_OK},       /* a major version that keeps ours */
        {"2.0", "2.0", "", EDGE_UNSUPPORTED},   /* one that does not */
        {"1.100", "1.44", "1.52", EDGE_OK},     /* numbers, not text */
        {"1", "1.12", "", EDGE_PROTO},          {"1.4x", "1.12", "", EDGE_PROTO},
        {".41", "1.12", "", EDGE_PROTO},        {"1.41.0", "", "", EDGE_PROTO},
        {"1.41", "latest", "", EDGE_PROTO},     {"1.99999", "", "", EDGE_PROTO},
        {"-1.41", "", "", EDGE_PROTO},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        char chosen[DOCKER_VERSION_LEN] = "";
        enum edge_code code = choose(rows[i].api, rows[i].min, chosen);
        if (code != rows[i].code || strcmp(chosen, rows[i].chosen) != 0) {
            fail_msg("%s, %s: %d '%s'", rows[i].api, rows[i].min, (int)code, chosen);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
