/* SPDX-License-Identifier: MIT */
/* Answers of the hub's registry. First byte: which request; second: which status; the rest is the
 * body. */
#include "cloud/hub_json.h"

#include "cloud/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int statuses[] = {200, 204, 400, 401, 403, 404, 409, 412, 413, 429, 500, 302};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check(const struct hub_json_ask *ask, const struct hub_answer *a) {
    require((a->kind == HUB_OK) == (a->err.code == EDGE_OK));
    require(a->kind == HUB_OK || a->module_cnt == 0);
    require(a->module_cnt <= HUB_MODULES_MAX);
    require((a->module_cnt > 0) == (a->modules != NULL));
    for (const char *c = a->said; *c != '\0'; c++) {
        require(*c >= ' ' && *c < 0x7f);
    }
    for (size_t i = 0; i < a->module_cnt; i++) {
        const struct hub_module *m = &a->modules[i];
        struct slice generation = slice_str(m->generation_id);
        require(text_is_id(slice_str(m->module_id)));
        require(generation.len == 0 || text_is_token(generation, HUB_GENERATION_MAX));
        require(slice_is_utf8_text(slice_str(m->managed_by)));
    }
    if (a->kind == HUB_OK && ask->expect == HUB_JSON_MODULE) {
        require(a->module_cnt == 1 && strcmp(a->modules[0].module_id, ask->module_id) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const struct hub_json_ask ask = {.expect = (enum hub_json_expect)(data[0] % 3),
                                     .hub_host = "hub.example",
                                     .device_id = "dev-01",
                                     .module_id =
                                         data[0] % 3 == HUB_JSON_LIST ? NULL : "tempSensor"};
    const struct reply reply = {.status = statuses[data[1] % EDGE_ARRAY_LEN(statuses)],
                                .body = slice_make(data + 2, size - 2),
                                .now_wall_s = 1700000000};
    struct hub_answer answer;
    struct hub_module *modules;
    hub_json_answer(&ask, &reply, &answer, &modules);
    check(&ask, &answer);
    free(modules);
    return 0;
}
