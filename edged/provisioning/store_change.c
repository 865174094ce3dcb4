/* SPDX-License-Identifier: MIT */
/*
 * The JSON form and the doing. The TPM decides what is possible; only the giving up of a store that
 * still opens is refused here, since nothing could undo it.
 */
#include "provisioning/store_change.h"

#include "base/b64.h"
#include "base/json.h"
#include "provisioning/report_store.h"

#include <string.h>

#define NODES_MAX 160 /* JSON values: one for each PCR, two and an object for each planned one */
#define PCR_LAST  23

static const char *const actions[] = {
    [STORE_BIND] = "bind",
    [STORE_SUSPEND] = "suspend",
    [STORE_RECOVER] = "recover",
    [STORE_ABANDON] = "abandon",
};

void store_change_clear(struct store_change *c) {
    secret_clear(&c->recovery);
}

/* --- JSON --- */

static enum edge_code add_planned(struct json_writer *w, const struct hsm_pcr_value *v,
                                  struct edge_error *err) {
    struct buf hex;
    buf_init(&hex, 2 * HSM_PCR_LEN);
    enum edge_code code = hex_encode(v->digest, sizeof(v->digest), &hex, err);
    if (code == EDGE_OK) {
        json_object_open(w, NULL);
        json_add_i64(w, "pcr", v->pcr);
        json_add_str(w, "sha256", buf_slice(&hex));
        json_object_close(w);
    }
    buf_clear(&hex);
    return code;
}

enum edge_code store_change_encode(const struct store_change *c, struct buf *out,
                                   struct edge_error *err) {
    struct json_writer w;
    enum edge_code code = EDGE_OK;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "action", actions[c->action]);
    report_store_add_pcrs(&w, "pcrs", c->pcrs);
    json_array_open(&w, "planned");
    for (size_t i = 0; i < c->planned_cnt && code == EDGE_OK; i++) {
        code = add_planned(&w, &c->planned[i], err);
    }
    json_array_close(&w);
    if (c->recovery.len > 0) {
        json_add_b64(&w, "recovery", c->recovery.data, c->recovery.len);
    }
    json_object_close(&w);
    enum edge_code ended = json_end(&w, code == EDGE_OK ? err : NULL);
    return code != EDGE_OK ? code : ended;
}

static enum edge_code decode_action(const struct cJSON *root, struct store_change *ret,
                                    struct edge_error *err) {
    struct slice text;
    enum edge_code code = json_get_str(root, "action", &text, err);
    for (size_t i = 0; code == EDGE_OK && i < EDGE_ARRAY_LEN(actions); i++) {
        if (slice_eq_str(text, actions[i])) {
            ret->action = (enum store_action)i;
            return EDGE_OK;
        }
    }
    return code != EDGE_OK ? code : edge_set(err, EDGE_INVALID, "'action' is not known");
}

static enum edge_code decode_pcrs(const struct cJSON *root, struct store_change *ret,
                                  struct edge_error *err) {
    const struct cJSON *list = NULL;
    enum edge_code code = json_get_array(root, "pcrs", &list, err);
    const struct cJSON *item = code == EDGE_OK ? json_first(list) : NULL;
    for (; item != NULL; item = json_next(item)) {
        const int number = json_int(item, -1);
        if (number < 0 || number > PCR_LAST) {
            return edge_set(err, EDGE_INVALID, "'pcrs' holds something else than 0 to %d",
                            PCR_LAST);
        }
        ret->pcrs |= UINT32_C(1) << number;
    }
    return code;
}

static enum edge_code decode_value(const struct cJSON *item, struct hsm_pcr_value *ret,
                                   struct edge_error *err) {
    struct slice text = {0};
    int64_t number = -1;
    struct buf digest;
    buf_init(&digest, HSM_PCR_LEN);
    enum edge_code code = json_get_i64(item, "pcr", &number, err);
    code = code != EDGE_OK ? code : json_get_str(item, "sha256", &text, err);
    code = code != EDGE_OK ? code : hex_decode(text, &digest, err);
    if (code == EDGE_OK && (number < 0 || number > PCR_LAST || digest.len != HSM_PCR_LEN)) {
        code = edge_set(err, EDGE_INVALID, "'planned' holds something else than PCR values");
    }
    if (code == EDGE_OK) {
        ret->pcr = (uint32_t)number;
        memcpy(ret->digest, digest.data, HSM_PCR_LEN);
    }
    buf_clear(&digest);
    return code;
}

static enum edge_code decode_planned(const struct cJSON *root, struct store_change *ret,
                                     struct edge_error *err) {
    const struct cJSON *list = NULL;
    enum edge_code code = json_get_array(root, "planned", &list, err);
    const struct cJSON *item = code == EDGE_OK ? json_first(list) : NULL;
    for (; item != NULL && code == EDGE_OK; item = json_next(item)) {
        if (ret->planned_cnt == STORE_CHANGE_PLANNED_MAX) {
            return edge_set(err, EDGE_RANGE, "more than %d planned values",
                            STORE_CHANGE_PLANNED_MAX);
        }
        code = decode_value(item, &ret->planned[ret->planned_cnt++], err);
    }
    return code;
}

static enum edge_code decode_recovery(const struct cJSON *root, struct store_change *ret,
                                      struct edge_error *err) {
    struct slice text;
    bool needed = ret->action == STORE_BIND || ret->action == STORE_RECOVER;
    if (!needed) {
        return EDGE_OK;
    }
    enum edge_code code = json_get_str(root, "recovery", &text, err);
    code = code != EDGE_OK ? code : b64_decode_secret(text, HSM_RECOVERY_MAX, &ret->recovery, err);
    if (code == EDGE_OK && ret->recovery.len < HSM_RECOVERY_MIN) {
        code = edge_set(err, EDGE_INVALID, "'recovery' is too short");
    }
    return code;
}

enum edge_code store_change_decode(struct slice json, struct store_change *ret,
                                   struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    enum edge_code code = json_parse_within(json, NODES_MAX, &root, err);
    code = code != EDGE_OK ? code : decode_action(root, ret, err);
    code = code != EDGE_OK ? code : decode_pcrs(root, ret, err);
    code = code != EDGE_OK ? code : decode_planned(root, ret, err);
    code = code != EDGE_OK ? code : decode_recovery(root, ret, err);
    if (code == EDGE_OK && ret->action == STORE_BIND && ret->pcrs == 0) {
        code = edge_set(err, EDGE_INVALID, "there is no PCR to bind the store to");
    }
    return code;
}

enum edge_code store_change_answer(const struct hsm_store_info *info, struct buf *out,
                                   struct edge_error *err) {
    const struct report_store store = report_store_of(info);
    struct json_writer w;
    json_begin(&w, out);
    report_store_add(&w, NULL, &store);
    return json_end(&w, err);
}

/* --- Doing --- */

static enum edge_code bind_to(struct hsm *h, const struct store_change *c, struct edge_error *err) {
    const struct hsm_reseal how = {
        .pcrs = c->pcrs,
        .planned = c->planned,
        .planned_cnt = c->planned_cnt,
        .recovery = &c->recovery,
    };
    return hsm_store_reseal(h, &how, err);
}

static enum edge_code unbind(struct hsm *h, struct edge_error *err) {
    const struct hsm_reseal how = {.pcrs = 0};
    return hsm_store_reseal(h, &how, err);
}

static enum edge_code recover(struct hsm *h, const struct store_change *c, struct edge_error *err) {
    enum edge_code code = hsm_store_recover(h, &c->recovery, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = c->pcrs != 0 ? bind_to(h, c, err) : unbind(h, err);
    return code == EDGE_OK ? code
                           : edge_wrap(err, code,
                                       "the recovery code is right, but binding the store to the "
                                       "present PCR values");
}

static enum edge_code abandon(struct hsm *h, struct edge_error *err) {
    struct hsm_store_info info;
    enum edge_code code = hsm_store_get_info(h, &info, err);
    if (code == EDGE_OK && info.exists && info.open) {
        return edge_set(err, EDGE_CONFLICT,
                        "the store opens: there is nothing to give up, and what is in it would be "
                        "lost");
    }
    return code == EDGE_OK ? hsm_store_abandon(h, err) : code;
}

enum edge_code store_change_run(struct hsm *h, const struct store_change *c,
                                struct hsm_store_info *ret, struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    switch (c->action) {
    case STORE_BIND:
        code = bind_to(h, c, err);
        break;
    case STORE_SUSPEND:
        code = unbind(h, err);
        break;
    case STORE_RECOVER:
        code = recover(h, c, err);
        break;
    case STORE_ABANDON:
        code = abandon(h, err);
        break;
    }
    return code == EDGE_OK ? hsm_store_get_info(h, ret, err) : code;
}
