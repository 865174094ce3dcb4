/* SPDX-License-Identifier: MIT */
/*
 * The private key of an operator's CA comes into the key store.
 */
#include "api/api_work.h"
#include "base/log.h"
#include "pki/pki.h"
#include "provisioning/ca_key.h"

#define ANSWER_MAX 1024

struct ca_key_work {
    struct ca_key key;
    struct hsm_key imported;
};

static enum edge_code decode(const struct api *api, struct slice body, void *state,
                             struct edge_error *err) {
    struct ca_key_work *w = state;
    (void)api;
    return ca_key_decode(body, &w->key, err);
}

static enum edge_code run(struct hsm *h, void *state, struct buf *answer, struct edge_error *err) {
    struct ca_key_work *w = state;
    enum edge_code code = ca_key_import(h, &w->key, &w->imported, err);
    ca_key_clear(&w->key);
    return code == EDGE_OK ? ca_key_answer(&w->imported, answer, err) : code;
}

static void succeeded(struct api *api, const void *state) {
    const struct ca_key_work *w = state;
    log_info("An operator imported the CA key %s", log_quote_str(w->imported.name));
    pki_look(api->pki);
}

static void clear(void *state) {
    struct ca_key_work *w = state;
    ca_key_clear(&w->key);
}

void mgmt_ca_key_add(struct http_exchange *x) {
    static const struct api_work_kind kind = {
        .failed = "Could not import the CA key",
        .state_size = sizeof(struct ca_key_work),
        .answer_max = ANSWER_MAX,
        .decode = decode,
        .run = run,
        .succeeded = succeeded,
        .clear = clear,
    };
    api_work_start(x, &kind);
}
