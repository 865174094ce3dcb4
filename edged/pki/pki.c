/* SPDX-License-Identifier: MIT */
/*
 * The life of the object, and its looks at the authorities: at the start, when a timer says so, and
 * when something that they depend on has changed. The work is the keeper's, on the worker; what it
 * finds comes back with each job as a copy, which is all that the loop thread reads.
 */
#include "pki/pki.h"

#include "base/clock.h"
#include "base/log.h"
#include "pki/internal.h"
#include "pki/renew.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MS 60000u

static void look(void *data);

static enum edge_code new_parts(struct pki *p, struct edge_error *err) {
    const struct edge_config *c = p->deps.config;
    const struct keeper_config config = {
        .hsm = p->deps.hsm,
        .state_dir = p->state_dir,
        .homedir = c->homedir,
        .files = {.cert = c->device_ca_cert, .key = c->device_ca_pk, .bundle = c->trusted_ca_certs},
        .life_s = (int64_t)c->auto_generated_ca_lifetime_days * RENEW_DAY_S};
    enum leaf_key_type type = c->leaf_key == CONFIG_LEAF_RSA2048 ? LEAF_KEY_RSA2048 : LEAF_KEY_P256;
    enum edge_code code = keeper_new(&config, &p->keeper, err);
    code = code != EDGE_OK ? code : loop_timer_new(p->deps.loop, look, p, &p->timer, err);
    return code != EDGE_OK ? code
                           : leaf_pool_new(p->deps.loop, p->deps.worker, type, &p->pool, err);
}

enum edge_code pki_new(const struct pki_deps *deps, struct pki **ret, struct edge_error *err) {
    struct pki *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the authorities");
    }
    p->deps = *deps;
    list_init(&p->issuing);
    p->state_dir = strdup(deps->state_dir);
    enum edge_code code = p->state_dir != NULL
                              ? new_parts(p, err)
                              : edge_set(err, EDGE_NOMEM, "no memory for the authorities");
    if (code != EDGE_OK) {
        pki_free(p);
        return code;
    }
    *ret = p;
    return EDGE_OK;
}

void pki_free(struct pki *p) {
    if (p != NULL) {
        leaf_pool_free(p->pool);
        loop_timer_free(p->timer);
        keeper_free(p->keeper);
        free(p->state_dir);
        free(p);
    }
}

void pki_report_take(struct pki *p, const struct wall_time *now, struct pki_report *ret) {
    uint32_t serial = keeper_serial(p->keeper);
    ret->is_new = serial != p->reported;
    if (ret->is_new) {
        p->reported = serial;
        keeper_status(p->keeper, &ret->status);
        ret->is_ready = keeper_is_ready(p->keeper);
        ret->pause_ms = keeper_pause_ms(p->keeper, now);
    }
}

/* Daily, of what does not renew itself in time. */
static void tell_days_left(struct pki *p) {
    int64_t now = wall_now_s(p->deps.wall);
    if (now - p->told_wall_s < RENEW_DAY_S && now >= p->told_wall_s) {
        return;
    }
    for (size_t i = 0; i < p->status.cnt; i++) {
        const struct pki_cert_status *c = &p->status.items[i];
        int64_t left = c->not_after_wall_s - now;
        bool is_late = left < (c->not_after_wall_s - c->not_before_wall_s) / 3 &&
                       now > c->renew_at_wall_s + RENEW_DAY_S;
        if (is_late && strcmp(c->name, "former root") != 0) {
            log_warn("Certificates: the %s %s has %lld days left", c->name,
                     log_quote_str(c->subject), (long long)(left > 0 ? left / RENEW_DAY_S : 0));
            p->told_wall_s = now;
        }
    }
}

static void tell_stopped(void *data) {
    struct pki *p = data;
    p->stopped(p->stopped_data);
}

static void maybe_stopped(struct pki *p) {
    if (p->is_stopping && p->in_flight == 0 && p->stopped != NULL &&
        loop_post(p->deps.loop, tell_stopped, p, NULL) != EDGE_OK) {
        tell_stopped(p);
    }
}

void pki_job_ended(struct pki *p, const struct pki_report *report) {
    if (report != NULL && report->is_new) {
        p->status = report->status;
        p->is_ready = report->is_ready;
        if (p->is_started && !p->is_stopping) {
            loop_timer_start(p->timer, report->pause_ms);
        }
    }
    p->in_flight--;
    maybe_stopped(p);
}

struct look_job {
    struct pki *p;
    struct keeper *keeper;
    struct wall_time now;
    bool doubts;
    struct pki_report report;
    uint64_t pause_ms;
};

static void look_run(void *data) {
    struct look_job *job = data;
    struct edge_error err;
    if (job->doubts) {
        keeper_doubt(job->keeper);
    }
    if (keeper_look(job->keeper, &job->now, &err) != EDGE_OK) {
        log_debug("Certificates: %s", edge_error_text(&err)); /* the status has it */
    }
    pki_report_take(job->p, &job->now, &job->report);
    job->pause_ms = keeper_pause_ms(job->keeper, &job->now);
}

static void look_done(void *data, enum edge_code code) {
    struct look_job *job = data;
    struct pki *p = job->p;
    p->is_looking = false;
    pki_job_ended(p, code == EDGE_OK ? &job->report : NULL);
    if (!p->is_stopping) {
        loop_timer_start(p->timer, code == EDGE_OK ? job->pause_ms : RETRY_MS);
        tell_days_left(p);
    }
    free(job);
    if (p->looks_again) {
        look(p);
    }
}

static enum edge_code submit_look(struct pki *p, struct edge_error *err) {
    struct look_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the authorities");
    }
    job->p = p;
    job->keeper = p->keeper;
    job->now = wall_get_time(p->deps.wall);
    job->doubts = p->has_doubts;
    const struct worker_job work = {.run = look_run, .done = look_done, .data = job};
    enum edge_code code = worker_submit(p->deps.worker, &work, NULL, err);
    if (code != EDGE_OK) {
        free(job);
        return code;
    }
    p->is_looking = true;
    p->has_doubts = false;
    p->in_flight++;
    return EDGE_OK;
}

/* For the timer and for changes of the clock. */
static void look(void *data) {
    struct pki *p = data;
    struct edge_error err;
    /* A look under way has another time. */
    p->looks_again = p->is_looking;
    if (p->is_started && !p->is_stopping && !p->is_looking && submit_look(p, &err) != EDGE_OK) {
        loop_timer_start(p->timer, RETRY_MS);
    }
}

void pki_look(struct pki *p) {
    p->has_doubts = true;
    look(p);
}

enum edge_code pki_start(struct pki *p, struct edge_error *err) {
    enum edge_code code =
        p->deps.wall != NULL ? wall_on_change(p->deps.wall, look, p, err) : EDGE_OK;
    code = code != EDGE_OK ? code : submit_look(p, err);
    if (code == EDGE_OK) {
        p->is_started = true;
        leaf_pool_start(p->pool);
    }
    return code;
}

void pki_stop(struct pki *p, void (*stopped)(void *data), void *data) {
    p->is_stopping = true;
    p->stopped = stopped;
    p->stopped_data = data;
    loop_timer_stop(p->timer);
    leaf_pool_free(p->pool);
    p->pool = NULL;
    pki_issue_cancel_all(p);
    maybe_stopped(p);
}

const struct pki_status *pki_get_status(const struct pki *p) {
    return &p->status;
}

bool pki_is_ready(const struct pki *p) {
    return p->is_ready;
}
