/* SPDX-License-Identifier: MIT */
/*
 * Keys that an operator puts into the key store and takes out of it.
 */
#include "api/api_work.h"
#include "base/b64.h"
#include "base/json.h"
#include "base/log.h"
#include "provisioning/imported.h"

#define ANSWER_MAX 4096

struct key_work {
    char target[KEY_LABEL_TARGET_MAX + 1];
    struct secret key;
    int64_t since_wall_s;
};

static enum edge_code decode_target(const struct cJSON *root, struct key_work *w,
                                    struct edge_error *err) {
    struct slice target;
    enum edge_code code = json_get_str(root, "target", &target, err);
    return code == EDGE_OK ? imported_target(target, w->target, err) : code;
}

static enum edge_code decode_add(const struct api *api, struct slice body, void *state,
                                 struct edge_error *err) {
    struct key_work *w = state;
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct slice key;
    w->since_wall_s = wall_now_s(api->wall);
    enum edge_code code = json_parse_within(body, API_NODES_MAX, &root, err);
    code = code != EDGE_OK ? code : decode_target(root, w, err);
    code = code != EDGE_OK ? code : json_get_str(root, "key", &key, err);
    code = code != EDGE_OK ? code : b64_decode_secret(key, CONFIG_KEY_MAX, &w->key, err);
    if (code == EDGE_OK && w->key.len == 0) {
        code = edge_set(err, EDGE_INVALID, "the key is empty");
    }
    return code;
}

static enum edge_code decode_remove(const struct api *api, struct slice body, void *state,
                                    struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    (void)api;
    enum edge_code code = json_parse_within(body, API_NODES_MAX, &root, err);
    return code == EDGE_OK ? decode_target(root, state, err) : code;
}

static enum edge_code answer_with(const struct key_work *w, const char *name, int64_t value,
                                  struct buf *answer, struct edge_error *err) {
    struct json_writer json;
    json_begin(&json, answer);
    json_object_open(&json, NULL);
    json_add_cstr(&json, "target", w->target);
    json_add_i64(&json, name, value);
    json_object_close(&json);
    return json_end(&json, err);
}

static enum edge_code run_add(struct hsm *h, void *state, struct buf *answer,
                              struct edge_error *err) {
    struct key_work *w = state;
    uint64_t generation = 0;
    enum edge_code code = imported_add(h, w->target, &w->key, w->since_wall_s, &generation, err);
    return code == EDGE_OK ? answer_with(w, "generation", (int64_t)generation, answer, err) : code;
}

static enum edge_code run_remove(struct hsm *h, void *state, struct buf *answer,
                                 struct edge_error *err) {
    struct key_work *w = state;
    unsigned cnt = 0;
    enum edge_code code = imported_remove(h, w->target, &cnt, err);
    return code == EDGE_OK ? answer_with(w, "removed", (int64_t)cnt, answer, err) : code;
}

static void added(struct api *api, const void *state) {
    const struct key_work *w = state;
    log_info("An operator imported the key for %s", log_quote_str(w->target));
    provisioning_ask(api->provisioning, "a key was imported");
}

static void removed(struct api *api, const void *state) {
    const struct key_work *w = state;
    log_info("An operator removed the key for %s", log_quote_str(w->target));
    provisioning_ask(api->provisioning, "a key was removed");
}

static void clear(void *state) {
    struct key_work *w = state;
    secret_clear(&w->key);
}

void mgmt_key_add(struct http_exchange *x) {
    static const struct api_work_kind kind = {
        .failed = "Could not import the key",
        .state_size = sizeof(struct key_work),
        .answer_max = ANSWER_MAX,
        .decode = decode_add,
        .run = run_add,
        .succeeded = added,
        .clear = clear,
    };
    api_work_start(x, &kind);
}

void mgmt_key_remove(struct http_exchange *x) {
    static const struct api_work_kind kind = {
        .failed = "Could not remove the key",
        .state_size = sizeof(struct key_work),
        .answer_max = ANSWER_MAX,
        .decode = decode_remove,
        .run = run_remove,
        .succeeded = removed,
        .clear = clear,
    };
    api_work_start(x, &kind);
}
