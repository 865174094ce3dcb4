/* SPDX-License-Identifier: MIT */
/*
 * One timer whose pauses double: everything here is either due soon after the start or after an
 * event, or not urgent at all.
 */
#include "custody.h"

#include "base/log.h"
#include "provisioning/takeover_clean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct custody {
    struct custody_deps deps;
    struct loop_timer *timer;
    uint64_t pause_ms;
    bool stopped;
    bool opening;
    bool cleaning;
    bool modules_are_ours;
    bool has_cleaned; /* with these facts */
    struct takeover_clean_facts facts;
    char open_failure[EDGE_ERROR_TEXT_MAX];
    char clean_note[TAKEOVER_CLEAN_NOTE_MAX];
};

/* --- The key that modules encrypt with --- */

/* A failure is told once, not at each try. */
static void on_open(void *data, enum edge_code code, const struct edge_error *err) {
    struct custody *c = data;
    c->opening = false;
    if (c->stopped || code == EDGE_CANCELED) {
        return;
    }
    if (code != EDGE_OK) {
        if (strcmp(c->open_failure, edge_error_text(err)) != 0) {
            (void)snprintf(c->open_failure, sizeof(c->open_failure), "%s", edge_error_text(err));
            log_error("Modules cannot encrypt and decrypt: %s", c->open_failure);
        }
        return;
    }
    c->open_failure[0] = '\0';
    const char *note = module_crypt_note(c->deps.crypt);
    if (note[0] != '\0') {
        log_info("The key that modules encrypt with: %s", note);
    }
    custody_poke(c);
}

static void open_crypt(struct custody *c) {
    struct edge_error err;
    if (c->opening || module_crypt_is_open(c->deps.crypt)) {
        return;
    }
    if (module_crypt_open(c->deps.crypt, on_open, c, NULL, &err) == EDGE_OK) {
        c->opening = true;
    } else {
        log_debug("The key that modules encrypt with is not opened now: %s", edge_error_text(&err));
    }
}

/* --- What release 1.1 left --- */

struct clean_job {
    struct custody *custody;
    struct takeover_clean_facts facts;
    struct takeover_clean result;
    enum edge_code code;
    struct edge_error err;
};

static void run_clean(void *data) {
    struct clean_job *job = data;
    const struct custody_deps *d = &job->custody->deps;
    job->code = takeover_clean_run(d->config, d->config->homedir, d->hsm, &job->facts, &job->result,
                                   &job->err);
}

static void on_clean(void *data, enum edge_code code) {
    struct clean_job *job = data;
    struct custody *c = job->custody;
    const char *note = job->result.note;

    c->cleaning = false;
    if (code == EDGE_OK && job->code != EDGE_OK) {
        note = edge_error_text(&job->err);
    }
    if (code == EDGE_OK) {
        c->has_cleaned = job->code == EDGE_OK;
        c->facts = job->facts;
    }
    if (code == EDGE_OK && note[0] != '\0' && strcmp(c->clean_note, note) != 0) {
        (void)snprintf(c->clean_note, sizeof(c->clean_note), "%s", note);
        if (job->code == EDGE_OK && job->result.is_complete) {
            log_info("Secrets of release 1.1: %s", note);
        } else {
            log_warn("Secrets of release 1.1: %s", note);
        }
    }
    free(job);
}

static void get_facts(const struct custody *c, struct takeover_clean_facts *ret) {
    const struct custody_deps *d = &c->deps;
    *ret = (struct takeover_clean_facts){
        .has_identity = provisioning_get_status(d->provisioning)->has_result,
        .legacy_root = provisioning_legacy_root(d->provisioning),
        .modules_are_ours = c->modules_are_ours,
        .chain_is_safe = pki_is_ready(d->pki),
        .master_records = {MODULE_CRYPT_RECORD, MODULE_CRYPT_FORMER}};
}

static bool facts_eq(const struct takeover_clean_facts *a, const struct takeover_clean_facts *b) {
    return a->has_identity == b->has_identity && a->legacy_root == b->legacy_root &&
           a->modules_are_ours == b->modules_are_ours && a->chain_is_safe == b->chain_is_safe;
}

/* It hears when the clock changes, but not when somebody comes to vouch for it. */
static void look_at_chain(struct custody *c) {
    if (!pki_is_ready(c->deps.pki)) {
        pki_look(c->deps.pki);
    }
}

/* Once for each set of facts; the rest of the work is takeover_clean's. */
static void clean(struct custody *c) {
    struct takeover_clean_facts facts;
    struct edge_error err;

    get_facts(c, &facts);
    if (c->cleaning || !module_crypt_is_open(c->deps.crypt) ||
        (c->has_cleaned && facts_eq(&facts, &c->facts))) {
        return;
    }
    struct clean_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return;
    }
    job->custody = c;
    job->facts = facts;
    const struct worker_job work = {.run = run_clean, .done = on_clean, .data = job};
    if (worker_submit(c->deps.worker, &work, NULL, &err) != EDGE_OK) {
        free(job);
        return;
    }
    c->cleaning = true;
}

/* --- Life --- */

static void on_timer(void *data) {
    struct custody *c = data;
    open_crypt(c);
    clean(c);
    look_at_chain(c);
    c->pause_ms = c->pause_ms * 2 < CUSTODY_LAST_MS ? c->pause_ms * 2 : CUSTODY_LAST_MS;
    loop_timer_start(c->timer, c->pause_ms);
}

void custody_poke(struct custody *c) {
    if (c != NULL && !c->stopped) {
        c->pause_ms = CUSTODY_FIRST_MS;
        loop_timer_start(c->timer, c->pause_ms);
    }
}

void custody_modules_are_ours(struct custody *c) {
    if (c != NULL) {
        c->modules_are_ours = true;
        custody_poke(c);
    }
}

enum edge_code custody_start(const struct custody_deps *deps, struct custody **ret,
                             struct edge_error *err) {
    struct custody *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    c->deps = *deps;
    enum edge_code code = loop_timer_new(deps->loop, on_timer, c, &c->timer, err);
    if (code != EDGE_OK) {
        free(c);
        return code;
    }
    open_crypt(c);
    custody_poke(c);
    *ret = c;
    return EDGE_OK;
}

void custody_stop(struct custody *c) {
    if (c != NULL && !c->stopped) {
        c->stopped = true;
        loop_timer_free(c->timer);
        c->timer = NULL;
    }
}

void custody_free(struct custody *c) {
    custody_stop(c);
    free(c);
}
