/* SPDX-License-Identifier: MIT */
/*
 * The condition of the device, for the operator's command line. All but the sealed store is known
 * here; that is looked at on the worker, and left out when the worker has no time: a status is
 * wanted most when the TPM hangs.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "http/http_reply.h"
#include "pki/pki.h"
#include "provisioning/report.h"

#include <stdlib.h>

#define STATUS_FAILED "Could not report the status"
#define STORE_WAIT_MS 2000
#define AGENT_LEN     400

struct status_job {
    struct api_pending *pending;
    struct hsm *hsm;
    struct hsm_store_info info;
    enum edge_code code;
    struct edge_error err;
};

static void fill_certs(const struct pki_status *st, struct report_cert certs[PKI_STATUS_MAX]) {
    for (size_t i = 0; i < st->cnt; i++) {
        const struct pki_cert_status *from = &st->items[i];
        certs[i] = (struct report_cert){.name = from->name,
                                        .source = from->source,
                                        .subject = from->subject,
                                        .not_before_wall_s = from->not_before_wall_s,
                                        .not_after_wall_s = from->not_after_wall_s,
                                        .renew_at_wall_s = from->renew_at_wall_s};
    }
}

static void reply_status(struct http_exchange *x, const struct report_store *store) {
    const struct api *api = api_of(x);
    const struct provisioning_status *st = provisioning_get_status(api->provisioning);
    const struct pki_status *pki = pki_get_status(api->pki);
    struct report_cert certs[PKI_STATUS_MAX];
    struct edge_error err;
    struct buf out;
    char clock_text[WALL_TEXT_LEN];
    char agent_text[AGENT_LEN] = "";
    const char *agent = NULL;

    if (api->describe_agent != NULL) {
        agent = api->describe_agent(api->describe_agent_data, agent_text, sizeof(agent_text));
    }
    wall_describe(api->wall, clock_text, sizeof(clock_text));
    fill_certs(pki, certs);
    const struct report report = {
        .running = true,
        .now_wall_s = wall_now_s(api->wall),
        .config = api->config,
        .status = st,
        .key_store_state = hsm_state_name(st->key_store),
        .clock_state = wall_state_name(wall_get_state(api->wall)),
        .clock_text = clock_text,
        .agent_state = agent,
        .agent_text = agent_text[0] != '\0' ? agent_text : NULL,
        .certs = certs,
        .cert_cnt = pki->cnt,
        .cert_note = pki->note,
        .store = store,
    };
    buf_init(&out, REPORT_MAX);
    if (report_encode(&report, &out, &err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, STATUS_FAILED, &err);
    }
    buf_clear(&out);
}

static void run_look(void *data) {
    struct status_job *job = data;
    job->code = hsm_store_get_info(job->hsm, &job->info, &job->err);
}

static void on_look(void *data, enum edge_code code) {
    struct status_job *job = data;
    struct http_exchange *x = api_pending_take(job->pending);
    struct report_store store = {.text = "not known: the key store is busy"};

    if (code == EDGE_OK && job->code == EDGE_OK) {
        store = report_store_of(&job->info);
    } else if (code == EDGE_OK) {
        store.text = edge_error_text(&job->err);
    }
    if (x != NULL) {
        reply_status(x, &store);
    }
    free(job);
}

void mgmt_status(struct http_exchange *x) {
    const struct api *api = api_of(x);
    const struct report_store busy = {.text = "not known: the key store is busy"};
    struct op op;
    struct status_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    job->hsm = api->hsm;
    job->pending = api_pending_new(x, NULL);
    if (job->pending == NULL) {
        free(job);
        return;
    }
    const struct worker_job work = {.run = run_look,
                                    .done = on_look,
                                    .data = job,
                                    .queue_timeout_ms = STORE_WAIT_MS,
                                    .urgent = true};
    if (worker_submit(api->worker, &work, &op, NULL) != EDGE_OK) {
        (void)api_pending_take(job->pending);
        free(job);
        reply_status(x, &busy);
        return;
    }
    http_exchange_set_op(x, op);
}
