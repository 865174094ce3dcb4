/* SPDX-License-Identifier: MIT */
#include "pki/keeper_keys.h"

#include "pki/ca_make.h"
#include "pki/quickstart.h"

#include <stdlib.h>

enum edge_code keeper_keys_find(struct hsm *hsm, const struct authorities *a,
                                struct keeper_keys *ret, struct edge_error *err) {
    struct keeper_keys has = {.owner = false};
    enum edge_code code = quickstart_has_key(hsm, &a->owner, &has.owner, err);
    code = code != EDGE_OK ? code : quickstart_has_key(hsm, &a->device, &has.device, err);
    code = code != EDGE_OK ? code : quickstart_has_key(hsm, &a->workload, &has.workload, err);
    for (size_t i = 0; i < a->before_cnt && code == EDGE_OK; i++) {
        code = quickstart_has_key(hsm, &a->before[i], &has.before[i], err);
    }
    if (code == EDGE_OK) {
        *ret = has;
    }
    return code;
}

static bool drop_one(struct hsm *hsm, const char *name, const struct authorities *kept) {
    struct edge_error err;
    return !ca_make_is_name(name) || authorities_has_key(kept, name) ||
           hsm_key_drop(hsm, name, &err) == EDGE_OK;
}

bool keeper_keys_sweep(struct hsm *hsm, const struct authorities *a) {
    struct hsm_key *keys = calloc(HSM_KEYS_MAX, sizeof(*keys));
    struct edge_error err;
    size_t cnt = 0;
    bool done = keys != NULL && hsm_key_list(hsm, keys, &cnt, &err) == EDGE_OK;
    for (size_t i = 0; i < cnt; i++) {
        done = drop_one(hsm, keys[i].name, a) && done;
    }
    free(keys);
    return done;
}

bool keeper_keys_drop(struct hsm *hsm, const struct authorities *from,
                      const struct authorities *kept) {
    bool done = drop_one(hsm, from->owner.key, kept);
    done = drop_one(hsm, from->device.key, kept) && done;
    done = drop_one(hsm, from->workload.key, kept) && done;
    for (size_t i = 0; i < from->before_cnt; i++) {
        done = drop_one(hsm, from->before[i].key, kept) && done;
    }
    return done;
}
