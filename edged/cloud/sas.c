/* SPDX-License-Identifier: MIT */
/*
 * Token text and the worker job that signs it. The job carries copies only; the token lives in
 * wiped memory for the length of one callback.
 */
#include "cloud/sas.h"

#include "base/b64.h"
#include "base/pct.h"

#include <inttypes.h>
#include <stdlib.h>

#define SAS_RESOURCE_MAX ((size_t)SAS_AUDIENCE_MAX * 3)
#define SAS_MESSAGE_MAX  (SAS_RESOURCE_MAX + 32)
#define SAS_TOKEN_MAX    (SAS_RESOURCE_MAX + 512)

struct sas_job {
    struct hsm *hsm;
    enum sas_key key;
    uint64_t generation;
    int64_t expiry_wall_s;
    const char *key_name;
    struct buf message; /* resource "\n" expiry */
    size_t resource_len;
    uint8_t mac[HSM_MAC_LEN];
    enum edge_code code;
    struct edge_error err;
    sas_done_fn *done;
    void *data;
};

enum edge_code sas_resource(struct slice audience, struct buf *out, struct edge_error *err) {
    if (audience.len == 0) {
        return edge_set(err, EDGE_INVALID, "a token needs an audience");
    }
    if (audience.len > SAS_AUDIENCE_MAX) {
        return edge_set(err, EDGE_RANGE, "token audience of %zu bytes is too long", audience.len);
    }
    char lower[SAS_AUDIENCE_MAX];
    for (size_t i = 0; i < audience.len; i++) {
        lower[i] = slice_lower(audience.ptr[i]);
    }
    return pct_encode(slice_make(lower, audience.len), PCT_SEGMENT, out, err);
}

static enum edge_code append_signature(const uint8_t mac[HSM_MAC_LEN], struct buf *out,
                                       struct edge_error *err) {
    struct buf text;
    buf_init_sensitive(&text, B64_LEN(HSM_MAC_LEN));
    enum edge_code code = b64_encode(mac, HSM_MAC_LEN, &text, err);
    if (code == EDGE_OK) {
        code = pct_encode(buf_slice(&text), PCT_UNRESERVED, out, err);
    }
    buf_clear(&text);
    return code;
}

enum edge_code sas_format(struct slice resource, int64_t expiry_wall_s,
                          const uint8_t mac[HSM_MAC_LEN], const char *key_name, struct buf *out,
                          struct edge_error *err) {
    enum edge_code code = buf_append_str(out, "SharedAccessSignature sr=", err);
    if (code == EDGE_OK) {
        code = buf_append_slice(out, resource, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_str(out, "&sig=", err);
    }
    if (code == EDGE_OK) {
        code = append_signature(mac, out, err);
    }
    if (code == EDGE_OK) {
        code = buf_printf(out, err, "&se=%" PRId64, expiry_wall_s);
    }
    if (code == EDGE_OK && key_name != NULL) {
        code = buf_printf(out, err, "&skn=%s", key_name);
    }
    return code;
}

static void job_free(struct sas_job *job) {
    buf_clear(&job->message);
    secret_wipe(job->mac, sizeof(job->mac));
    free(job);
}

static void job_run(void *data) {
    struct sas_job *job = data;
    struct slice message = buf_slice(&job->message);
    if (job->key == SAS_KEY_CHALLENGE) {
        job->code = hsm_challenge_sign(job->hsm, message, job->mac, &job->err);
    } else {
        job->code = hsm_identity_sign(job->hsm, job->generation, message, job->mac, &job->err);
    }
}

static void job_done(void *data, enum edge_code code) {
    struct sas_job *job = data;
    struct buf token;
    buf_init_sensitive(&token, SAS_TOKEN_MAX);
    const char *text = NULL;
    if (code == EDGE_CANCELED) {
        (void)edge_set(&job->err, code, "signing of a token was cancelled");
    } else if (code != EDGE_OK) {
        (void)edge_set(&job->err, code, "the key store was busy for %d s",
                       SAS_QUEUE_TIMEOUT_MS / 1000);
    } else {
        code = job->code;
    }
    if (code == EDGE_OK) {
        struct slice resource = slice_make(job->message.data, job->resource_len);
        code = sas_format(resource, job->expiry_wall_s, job->mac, job->key_name, &token, &job->err);
    }
    if (code == EDGE_OK) {
        text = buf_cstr(&token);
        if (text == NULL) {
            code = edge_set(&job->err, EDGE_NOMEM, "out of memory for a token");
        }
    }
    job->done(job->data, code, text, &job->err);
    buf_clear(&token);
    job_free(job);
}

static enum edge_code job_new(struct hsm *h, const struct sas_request *req, struct sas_job **ret,
                              struct edge_error *err) {
    struct sas_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a token");
    }
    job->hsm = h;
    job->key = req->key;
    job->generation = req->generation;
    job->expiry_wall_s = req->expiry_wall_s;
    job->key_name = req->key_name;
    buf_init(&job->message, SAS_MESSAGE_MAX);
    enum edge_code code = sas_resource(req->audience, &job->message, err);
    if (code == EDGE_OK) {
        job->resource_len = job->message.len;
        code = buf_printf(&job->message, err, "\n%" PRId64, req->expiry_wall_s);
    }
    if (code != EDGE_OK) {
        job_free(job);
        return code;
    }
    *ret = job;
    return EDGE_OK;
}

enum edge_code sas_mint(struct worker *w, struct hsm *h, const struct sas_request *req,
                        sas_done_fn *done, void *data, struct op *ret_op, struct edge_error *err) {
    struct sas_job *job = NULL;
    enum edge_code code = job_new(h, req, &job, err);
    if (code != EDGE_OK) {
        return code;
    }
    job->done = done;
    job->data = data;
    const struct worker_job work = {
        .run = job_run,
        .done = job_done,
        .data = job,
        .queue_timeout_ms = SAS_QUEUE_TIMEOUT_MS,
        .urgent = true,
    };
    code = worker_submit(w, &work, ret_op, err);
    if (code != EDGE_OK) {
        job_free(job);
    }
    return code;
}
