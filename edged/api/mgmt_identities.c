/* SPDX-License-Identifier: MIT */
/*
 * Module identities for edgeAgent: list, create, update, delete.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/json.h"
#include "http/http_reply.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (256 * 1024)

enum shape {
    SHAPE_LIST,
    SHAPE_ONE,
    SHAPE_EMPTY,
};

struct hub_job {
    struct api_pending *pending;
    enum shape shape;
    char operation[HUB_ID_MAX + 64];
};

static const char *auth_name(enum hub_auth auth) {
    switch (auth) {
    case HUB_AUTH_SAS:
        return "Sas";
    case HUB_AUTH_X509:
        return "X509";
    case HUB_AUTH_NONE:
    case HUB_AUTH_OTHER:
        break;
    }
    return "None";
}

static void encode_identity(struct json_writer *w, const struct hub_module *m) {
    json_object_open(w, NULL);
    json_add_cstr(w, "moduleId", m->module_id);
    json_add_cstr(w, "managedBy", m->managed_by);
    json_add_cstr(w, "generationId", m->generation_id);
    json_add_cstr(w, "authType", auth_name(m->auth));
    json_object_close(w);
}

static enum edge_code encode_list(const struct hub_answer *a, struct buf *out,
                                  struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_array_open(&w, "identities");
    for (size_t i = 0; i < a->module_cnt; i++) {
        encode_identity(&w, &a->modules[i]);
    }
    json_array_close(&w);
    json_object_close(&w);
    return json_end(&w, err);
}

static enum edge_code encode_one(const struct hub_answer *a, struct buf *out,
                                 struct edge_error *err) {
    struct json_writer w;
    if (a->module_cnt != 1) {
        return edge_set(err, EDGE_PROTO, "the hub's answer holds no module identity");
    }
    json_begin(&w, out);
    encode_identity(&w, &a->modules[0]);
    return json_end(&w, err);
}

static void reply_answer(struct http_exchange *x, const struct hub_job *job,
                         const struct hub_answer *a) {
    struct edge_error err;
    struct buf out;

    if (a->kind != HUB_OK) {
        api_error_hub(x, job->operation, a);
        return;
    }
    if (job->shape == SHAPE_EMPTY) {
        http_reply_empty(x, 204);
        return;
    }
    buf_init(&out, ANSWER_MAX);
    enum edge_code code =
        job->shape == SHAPE_LIST ? encode_list(a, &out, &err) : encode_one(a, &out, &err);
    if (code == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, job->operation, &err);
    }
    buf_clear(&out);
}

static void on_answer(void *data, const struct hub_answer *a) {
    struct hub_job *job = data;
    struct http_exchange *x = api_pending_take(job->pending);
    if (x != NULL) {
        reply_answer(x, job, a);
    }
    free(job);
}

/* "Could not update identity tempSensor". The name goes back to the one who sent it. */
static struct hub_job *job_new(struct http_exchange *x, enum shape shape, const char *what,
                               struct slice name) {
    struct hub_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return NULL;
    }
    job->pending = api_pending_new(x, NULL);
    if (job->pending == NULL) {
        free(job);
        return NULL;
    }
    job->shape = shape;
    (void)snprintf(job->operation, sizeof(job->operation), "Could not %s%.*s", what,
                   SLICE_ARG(name));
    return job;
}

/* A registry change goes on when its caller goes away: half a creation helps nobody. */
static void started(struct http_exchange *x, struct hub_job *job, enum edge_code code,
                    const struct edge_error *err) {
    if (code == EDGE_OK) {
        http_exchange_detach(x);
        return;
    }
    (void)api_pending_take(job->pending);
    api_error_mgmt(x, job->operation, err);
    free(job);
}

void mgmt_identities_list(struct http_exchange *x) {
    struct edge_error err;
    if (!api_require_identity(x)) {
        return;
    }
    struct hub_job *job = job_new(x, SHAPE_LIST, "list identities", slice_str(""));
    if (job != NULL) {
        enum edge_code code = identities_list(api_of(x)->identities, on_answer, job, NULL, &err);
        started(x, job, code, &err);
    }
}

struct identity_body {
    char module_id[HUB_ID_MAX + 1];
    char managed_by[HUB_ID_MAX + 1]; /* "" when left out */
    char generation_id[64];
};

/* Reads an optional or required text member into a fixed array. */
static enum edge_code take_text(const struct cJSON *root, const char *name, bool required,
                                char *dst, size_t dst_size, struct edge_error *err) {
    struct slice text;
    enum edge_code code =
        required ? json_get_str(root, name, &text, err) : json_get_opt_str(root, name, &text, err);
    if (code == EDGE_OK && !slice_to_array(text, dst, dst_size)) {
        code = edge_set(err, EDGE_PARSE, "'%s' is longer than %zu bytes", name, dst_size - 1);
    }
    if (code == EDGE_OK && required && dst[0] == '\0') {
        code = edge_set(err, EDGE_PARSE, "'%s' is empty", name);
    }
    return code;
}

static enum edge_code decode_create(struct slice body, struct identity_body *ret,
                                    struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    enum edge_code code = json_parse_within(body, API_NODES_MAX, &root, err);
    if (code == EDGE_OK) {
        code = take_text(root, "moduleId", true, ret->module_id, sizeof(ret->module_id), err);
    }
    if (code == EDGE_OK) {
        code = take_text(root, "managedBy", false, ret->managed_by, sizeof(ret->managed_by), err);
    }
    return code;
}

static enum edge_code decode_update(struct slice body, struct identity_body *ret,
                                    struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    enum edge_code code = json_parse_within(body, API_NODES_MAX, &root, err);
    if (code == EDGE_OK) {
        code = take_text(root, "generationId", true, ret->generation_id, sizeof(ret->generation_id),
                         err);
    }
    if (code == EDGE_OK) {
        code = take_text(root, "managedBy", false, ret->managed_by, sizeof(ret->managed_by), err);
    }
    return code;
}

static bool take_name(struct http_exchange *x, struct identity_body *ret) {
    if (slice_to_array(http_exchange_param(x, 0), ret->module_id, sizeof(ret->module_id))) {
        return true;
    }
    http_reply_error(x, 400, "The request parameter `name` is malformed");
    return false;
}

void mgmt_identities_create(struct http_exchange *x) {
    struct edge_error err;
    struct identity_body body = {0};
    if (!api_require_identity(x)) {
        return;
    }
    if (decode_create(http_exchange_body(x), &body, &err) != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    struct hub_job *job = job_new(x, SHAPE_ONE, "create identity ", slice_str(body.module_id));
    if (job != NULL) {
        enum edge_code code = identities_create(api_of(x)->identities, body.module_id,
                                                body.managed_by[0] ? body.managed_by : NULL,
                                                on_answer, job, NULL, &err);
        started(x, job, code, &err);
    }
}

void mgmt_identities_update(struct http_exchange *x) {
    struct edge_error err;
    struct identity_body body = {0};
    if (!api_require_identity(x) || !take_name(x, &body)) {
        return;
    }
    if (decode_update(http_exchange_body(x), &body, &err) != EDGE_OK) {
        api_error_malformed(x, &err);
        return;
    }
    struct hub_job *job = job_new(x, SHAPE_ONE, "update identity ", slice_str(body.module_id));
    if (job != NULL) {
        enum edge_code code = identities_update(
            api_of(x)->identities, body.module_id, body.generation_id,
            body.managed_by[0] ? body.managed_by : NULL, on_answer, job, NULL, &err);
        started(x, job, code, &err);
    }
}

void mgmt_identities_delete(struct http_exchange *x) {
    struct edge_error err;
    struct identity_body body = {0};
    if (!api_require_identity(x) || !take_name(x, &body)) {
        return;
    }
    struct hub_job *job = job_new(x, SHAPE_EMPTY, "delete identity ", slice_str(body.module_id));
    if (job != NULL) {
        enum edge_code code =
            identities_delete(api_of(x)->identities, body.module_id, on_answer, job, NULL, &err);
        started(x, job, code, &err);
    }
}
