/* SPDX-License-Identifier: MIT */
/*
 * A small job stands between the maker of a token or the reader of the certificate and the caller;
 * its life ends with the one callback. Cancelling goes straight to what is in flight.
 */
#include "cloud/proof.h"

#include "cloud/sas.h"

#include <stdlib.h>

struct proof_job {
    proof_done_fn *done;
    void *data;
};

static void on_token(void *data, enum edge_code code, const char *token,
                     const struct edge_error *err) {
    struct proof_job job = *(struct proof_job *)data;
    const struct proof proof = {.token = token};
    free(data);
    job.done(job.data, code, code == EDGE_OK ? &proof : NULL, err);
}

static void on_cert(void *data, enum edge_code code, const struct device_cert_view *view,
                    const struct edge_error *err) {
    struct proof_job job = *(struct proof_job *)data;
    free(data);
    if (code != EDGE_OK) {
        job.done(job.data, code, NULL, err);
        return;
    }
    const struct http_client_identity identity = {view->cert_pem, view->key_pem};
    const struct proof proof = {.identity = &identity, .cert_version = view->version};
    job.done(job.data, code, &proof, err);
}

/* The rule about the clock: a token from a wrong time is either refused or valid for too long. */
static enum edge_code check_clock(const struct cloud *c, struct edge_error *err) {
    if (wall_is_usable(c->wall)) {
        return EDGE_OK;
    }
    char why[WALL_TEXT_LEN];
    wall_describe(c->wall, why, sizeof(why));
    return edge_set(err, EDGE_RETRY, "%s", why);
}

static enum edge_code make_token(const struct cloud *c, const struct proof_source *from,
                                 struct slice audience, const char *key_name, struct proof_job *job,
                                 struct op *ret_op, struct edge_error *err) {
    enum edge_code code = check_clock(c, err);
    if (code != EDGE_OK) {
        return code;
    }
    int64_t expiry;
    if (__builtin_add_overflow(wall_now_s(c->wall), SAS_TTL_S, &expiry) || expiry <= SAS_TTL_S) {
        return edge_set(err, EDGE_RETRY, "the clock shows no usable time");
    }
    const struct sas_request req = {
        .key = from->kind == PROOF_CHALLENGE ? SAS_KEY_CHALLENGE : SAS_KEY_IDENTITY,
        .generation = from->key_generation,
        .audience = audience,
        .key_name = key_name,
        .expiry_wall_s = expiry,
    };
    return sas_mint(c->worker, c->hsm, &req, on_token, job, ret_op, err);
}

enum edge_code proof_check(const struct proof_source *from, struct edge_error *err) {
    switch (from->kind) {
    case PROOF_CHALLENGE:
        return EDGE_OK;
    case PROOF_KEY:
        if (from->key_generation != 0) {
            return EDGE_OK;
        }
        return edge_set(err, EDGE_INVALID, "an identity key has a generation");
    case PROOF_CERT:
        if (from->cert != NULL) {
            return EDGE_OK;
        }
        return edge_set(err, EDGE_INVALID, "there is no certificate of the device");
    }
    return edge_set(err, EDGE_INVALID, "unknown kind of proof");
}

enum edge_code proof_make(const struct cloud *c, const struct proof_source *from,
                          struct slice audience, const char *key_name, proof_done_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err) {
    enum edge_code code = proof_check(from, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct proof_job *job = malloc(sizeof(*job));
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a proof of identity");
    }
    *job = (struct proof_job){done, data};
    if (from->kind == PROOF_CERT) {
        code = device_cert_get(from->cert, on_cert, job, ret_op, err);
    } else {
        code = make_token(c, from, audience, key_name, job, ret_op, err);
    }
    if (code != EDGE_OK) {
        free(job);
    }
    return code;
}
