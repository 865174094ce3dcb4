/* SPDX-License-Identifier: MIT */
/*
 * What an operator does to the sealed store: bind it to PCRs, take that back, open a locked one,
 * give it up. Those who need the store are told, or try again by themselves.
 */
#include "api/api_work.h"
#include "base/log.h"
#include "identity/module_crypt.h"
#include "pki/pki.h"
#include "provisioning/report_store.h"
#include "provisioning/store_change.h"

#define ANSWER_MAX 2048

struct seal_work {
    bool is_look; /* nothing is to be changed */
    struct store_change change;
    struct hsm_store_info info;
};

static enum edge_code decode_look(const struct api *api, struct slice body, void *state,
                                  struct edge_error *err) {
    struct seal_work *w = state;
    (void)api;
    (void)body;
    (void)err;
    w->is_look = true;
    return EDGE_OK;
}

static enum edge_code decode_change(const struct api *api, struct slice body, void *state,
                                    struct edge_error *err) {
    struct seal_work *w = state;
    (void)api;
    return store_change_decode(body, &w->change, err);
}

static enum edge_code run(struct hsm *h, void *state, struct buf *answer, struct edge_error *err) {
    struct seal_work *w = state;
    enum edge_code code = w->is_look ? hsm_store_get_info(h, &w->info, err)
                                     : store_change_run(h, &w->change, &w->info, err);
    return code == EDGE_OK ? store_change_answer(&w->info, answer, err) : code;
}

static void looked(struct api *api, const void *state) {
    (void)api;
    (void)state;
}

static void changed(struct api *api, const void *state) {
    static const char *const texts[] = {
        [STORE_BIND] = "bound the sealed store to PCRs",
        [STORE_SUSPEND] = "unbound the sealed store from PCRs",
        [STORE_RECOVER] = "opened the sealed store with its recovery code",
        [STORE_ABANDON] = "gave up the sealed store: new CA keys and a new master key follow",
    };
    const struct seal_work *w = state;
    log_warn("An operator %s%s%s", texts[w->change.action], w->info.text[0] != '\0' ? ": " : "",
             w->info.text);
    if (w->change.action == STORE_ABANDON) {
        module_crypt_forget(api->crypt);
    }
    pki_look(api->pki);
    if (api->store_changed != NULL) {
        api->store_changed(api->store_changed_data);
    }
}

static void clear(void *state) {
    struct seal_work *w = state;
    store_change_clear(&w->change);
}

void mgmt_seal_get(struct http_exchange *x) {
    static const struct api_work_kind kind = {
        .failed = "Could not look at the sealed store",
        .state_size = sizeof(struct seal_work),
        .answer_max = ANSWER_MAX,
        .decode = decode_look,
        .run = run,
        .succeeded = looked,
        .clear = clear,
    };
    api_work_start(x, &kind);
}

void mgmt_seal_change(struct http_exchange *x) {
    static const struct api_work_kind kind = {
        .failed = "Could not change the sealed store",
        .state_size = sizeof(struct seal_work),
        .answer_max = ANSWER_MAX,
        .decode = decode_change,
        .run = run,
        .succeeded = changed,
        .clear = clear,
    };
    api_work_start(x, &kind);
}
