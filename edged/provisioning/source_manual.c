/* SPDX-License-Identifier: MIT */
/*
 * Manual provisioning: config.yaml names hub and device id. Nobody is asked; a key is moved into
 * the key store first.
 */
#include "provisioning/source_run.h"

#include <stdlib.h>

static void assign(struct source_run *s) {
    const struct config_provisioning *cfg = &s->deps.config->provisioning;
    struct edge_error err;
    if (source_run_assign(s, cfg->hub_hostname, cfg->device_id, &err) != EDGE_OK) {
        source_run_fail(s, SOURCE_REFUSED, &err);
    } else {
        source_run_finish(s, SOURCE_ASSIGNED);
    }
}

static void on_key(struct source_run *s, struct source_job *job) {
    s->outcome.result.credential = PROVISIONING_KEY;
    s->outcome.result.key_generation = job->generation;
    assign(s);
}

static void on_posted(void *data) {
    struct source_run *s = data;
    if (s->done == NULL || source_run_ends(s)) {
        return;
    }
    s->outcome.result.credential = s->deps.config->provisioning.credential == CONFIG_CREDENTIAL_X509
                                       ? PROVISIONING_CERT
                                       : PROVISIONING_KEY;
    assign(s);
}

static enum edge_code begin(struct source *base, source_done_fn *done, void *data, bool looking,
                            struct edge_error *err) {
    struct source_run *s = (struct source_run *)base;
    bool x509 = s->deps.config->provisioning.credential == CONFIG_CREDENTIAL_X509;
    source_run_begin(s, done, data, looking);
    enum edge_code code = x509 || looking ? loop_post(s->deps.cloud->loop, on_posted, s, err)
                                          : source_job_key(s, on_key, err);
    if (code != EDGE_OK) {
        s->done = NULL;
    }
    return code;
}

static void cancel(struct source *base) {
    /* What is posted sees the mark by itself. */
    (void)source_run_cancel((struct source_run *)base);
}

static const char *registration_id(const struct source *base) {
    (void)base;
    return "";
}

static void free_source(struct source *base) {
    free(base);
}

static const struct source_ops manual_ops = {begin, cancel, registration_id, free_source,
                                             .is_local = true};

enum edge_code source_manual_new(const struct provisioning_deps *deps, const char *inputs,
                                 struct source **ret, struct edge_error *err) {
    struct source_run *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    enum edge_code code = source_run_init(s, &manual_ops, deps, inputs, err);
    if (code != EDGE_OK) {
        free(s);
        return code;
    }
    *ret = &s->base;
    return EDGE_OK;
}
