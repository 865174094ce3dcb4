/* SPDX-License-Identifier: MIT */
/*
 * Loading and saving, on the worker. Every saving job gets a copy of the loop thread's view, so
 * that the order of jobs is the order of states.
 */
#include "base/log.h"
#include "provisioning/backup.h"
#include "provisioning/external_files.h"
#include "provisioning/internal.h"
#include "provisioning/key_import.h"
#include "provisioning/note.h"
#include "provisioning/takeover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Loading --- */

/* What the daemon before us left, as long as nothing of ours is there. */
static enum edge_code take_over(struct store_job *job) {
    struct takeover t = {0};
    enum edge_code code =
        takeover_run(job->config, job->homedir, job->hsm, job->inputs, &t, &job->err);
    if (code != EDGE_OK) {
        return code;
    }
    if (t.note[0] != '\0') {
        note_add(job->note, sizeof(job->note), t.note, "");
    }
    job->adopted = t.found || t.has_legacy_root;
    if (t.found) {
        state_advance(&job->state, &t.result);
        memcpy(job->state.inputs, job->inputs, sizeof(job->state.inputs));
    }
    if (t.has_legacy_root) {
        job->state.legacy_root = t.legacy_root;
    }
    return EDGE_OK;
}

/* Whether the configured key is another than the one in use shows here, without any network. What
 * fails is tried again, and told, when the source is asked. */
static void look_at_key(struct store_job *job) {
    char target[KEY_LABEL_TARGET_MAX + 1];
    struct edge_error err;
    if (job->key.len == 0 ||
        key_import_target(&job->config->provisioning, target, &err) != EDGE_OK ||
        key_import_ensure(job->hsm, target, &job->key, job->now_wall_s, &job->key_generation,
                          &err) != EDGE_OK ||
        key_import_current(job->hsm, target, &job->key_generation, &job->key_newest, &err) !=
            EDGE_OK) {
        job->key_generation = 0;
    }
}

/* A record that cannot be read must not keep the identity from being used: it counts as absent. */
static enum edge_code load_contact(struct store_job *job) {
    char note[PROVISIONING_NOTE_MAX];
    struct edge_error err;
    enum edge_code code = contact_load(job->dir, &job->contact, note, sizeof(note), &err);
    if (code == EDGE_NOMEM) {
        job->err = err;
        return code;
    }
    if (code != EDGE_OK) {
        (void)snprintf(note, sizeof(note), "%s", edge_error_text(&err));
        memset(&job->contact, 0, sizeof(job->contact));
    }
    if (note[0] != '\0') {
        note_add(job->note, sizeof(job->note), note, "");
    }
    return EDGE_OK;
}

/* What cannot be moved is used from where it is. */
static void move_keys(struct store_job *job) {
    struct state s = job->state;
    struct edge_error err;
    bool changed = false;
    enum edge_code code = external_files_adopt(job->dir, job->hsm, &s, &changed, &err);
    if (code == EDGE_OK && changed) {
        code = state_save(job->dir, &s, &err);
    }
    if (code != EDGE_OK) {
        note_add(job->note, sizeof(job->note), edge_error_text(&err), "");
    } else if (changed) {
        job->state = s;
        external_files_sweep(job->dir, job->hsm, &s);
    }
}

static void run_load(void *data) {
    struct store_job *job = data;
    job->code =
        state_load(job->dir, job->hsm, &job->state, job->note, sizeof(job->note), &job->err);
    if (job->code == EDGE_OK) {
        job->code = load_contact(job);
    }
    if (job->code == EDGE_OK && !job->state.has_current && job->state.seen == 0) {
        job->code = take_over(job);
    }
    if (job->code == EDGE_OK) {
        move_keys(job);
        look_at_key(job);
    }
    job->key_store = hsm_get_state(job->hsm);
}

/* --- Saving --- */

static void publish(struct store_job *job) {
    const struct provisioning_result *r = &job->state.current;
    struct edge_error err;
    if (r->credential == PROVISIONING_KEY) {
        enum edge_code code = hsm_identity_publish(job->hsm, r->key_generation, &err);
        /* An adopted key lives at that handle and nowhere else. */
        if (code != EDGE_OK && code != EDGE_CONFLICT) {
            note_add(job->note, sizeof(job->note),
                     "the handle for other software was not refreshed: ", err.text);
        }
    }
    if (backup_write(job->homedir, r, &err) != EDGE_OK) {
        note_add(job->note, sizeof(job->note), err.text, "");
    }
}

static void run_save(void *data) {
    struct store_job *job = data;
    struct edge_error err;
    if (!job->contact_only) {
        job->code = state_save(job->dir, &job->state, &job->err);
        if (job->code == EDGE_OK && job->sweep) {
            key_import_drop_unused(job->hsm, &job->state, job->note, sizeof(job->note));
            external_files_sweep(job->dir, job->hsm, &job->state);
        }
        if (job->code == EDGE_OK && job->publish && job->state.has_current) {
            publish(job);
        }
    }
    if (contact_save(job->dir, &job->contact, &err) != EDGE_OK) {
        note_add(job->note, sizeof(job->note), err.text, "");
    }
    job->key_store = hsm_get_state(job->hsm);
}

static void job_free(struct store_job *job) {
    secret_clear(&job->key);
    free(job);
}

static void store_done(void *data, enum edge_code code) {
    struct store_job *job = data;
    struct provisioning *p = job->p;
    p->jobs--;
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the key store is stopping");
    } else {
        p->status.key_store = job->key_store;
    }
    if (job->note[0] != '\0' && strcmp(job->note, p->noted) != 0) {
        log_warn("Provisioning: %s", job->note);
    }
    memcpy(p->noted, job->note, sizeof(p->noted));
    if (p->stopped == NULL && job->next != NULL) {
        job->next(p, job);
    } else if (job->code != EDGE_OK) {
        log_error("Provisioning: %s", edge_error_text(&job->err));
    }
    job_free(job);
    provisioning_maybe_stopped(p);
}

static struct store_job *job_new(struct provisioning *p,
                                 void (*next)(struct provisioning *p, struct store_job *job)) {
    struct store_job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        job->p = p;
        job->hsm = p->deps.cloud->hsm;
        job->dir = p->deps.state_dir;
        job->homedir = p->deps.config->homedir;
        job->config = p->deps.config;
        job->inputs = p->inputs;
        job->state = p->state;
        job->contact = p->contact;
        job->now_wall_s = provisioning_now_s(p);
        job->next = next;
    }
    return job;
}

/* Takes ownership of job. */
static enum edge_code submit(struct provisioning *p, struct store_job *job, void (*run)(void *data),
                             struct edge_error *err) {
    const struct worker_job work = {.run = run, .done = store_done, .data = job, .urgent = true};
    enum edge_code code = worker_submit(p->deps.cloud->worker, &work, NULL, err);
    if (code != EDGE_OK) {
        job_free(job);
        return code;
    }
    p->jobs++;
    return EDGE_OK;
}

enum edge_code store_load(struct provisioning *p,
                          void (*next)(struct provisioning *p, struct store_job *job),
                          struct edge_error *err) {
    const struct secret *key = &p->deps.config->provisioning.key;
    struct store_job *job = job_new(p, next);
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    if (key->len > 0) {
        enum edge_code code = secret_copy(&job->key, key->data, key->len, err);
        if (code != EDGE_OK) {
            job_free(job);
            return code;
        }
    }
    return submit(p, job, run_load, err);
}

static bool save(struct provisioning *p, struct store_job *job) {
    struct edge_error err;
    if (job == NULL) {
        log_error("Provisioning: could not save the result: out of memory");
        return false;
    }
    if (submit(p, job, run_save, &err) != EDGE_OK) {
        log_error("Provisioning: could not save the result: %s", edge_error_text(&err));
        return false;
    }
    return true;
}

bool store_save(struct provisioning *p, bool publish_too,
                void (*next)(struct provisioning *p, struct store_job *job)) {
    struct store_job *job = job_new(p, next);
    if (job != NULL) {
        job->publish = publish_too;
        job->sweep = !p->asking;
    }
    return save(p, job);
}

void store_save_contact(struct provisioning *p) {
    struct store_job *job = job_new(p, NULL);
    if (job != NULL) {
        job->contact_only = true;
    }
    (void)save(p, job);
}
