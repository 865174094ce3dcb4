/* SPDX-License-Identifier: MIT */
/*
 * Start of the key store. Later faults are reported by those who meet them.
 */
#include "key_store.h"

#include "base/fs.h"
#include "base/log.h"
#include "provisioning/hsm_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 256

struct warm_up {
    struct hsm *hsm;
    const struct edge_config *cfg;
    const char *keys_dir;
    char damaged[256]; /* names of files that were set aside */
    struct hsm_store_info store;
    bool has_store;
    enum hsm_state state;
    enum edge_code code;
    struct edge_error err;
};

enum edge_code key_store_open(const struct edge_config *cfg, const char *keys_dir, struct hsm **ret,
                              struct edge_error *err) {
    const struct hsm_config hc = hsm_settings(cfg, keys_dir);
    if (cfg->tpm_allow_emulator) {
        log_warn(
            "tpm.allow_emulator is set: a software TPM protects nothing, use it for tests only");
    }
    return hsm_open(&hc, ret, err);
}

/* The key store sets aside what it cannot read and goes on; an operator should hear of it until the
 * file is gone. */
static void look_for_damage(struct warm_up *job) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    size_t len = 0;
    if (fs_dir_open(job->keys_dir, false, 0, &dirfd, NULL) != EDGE_OK ||
        fs_list(dirfd, "", FILES_MAX, &names, NULL) != EDGE_OK) {
        return;
    }
    for (size_t i = 0; i < names.cnt; i++) {
        if (strstr(names.list[i], ".damaged-") != NULL && len < sizeof(job->damaged)) {
            int n = snprintf(job->damaged + len, sizeof(job->damaged) - len, "%s%s",
                             len > 0 ? ", " : "", names.list[i]);
            len += n > 0 ? (size_t)n : 0;
        }
    }
}

static void run(void *data) {
    struct warm_up *job = data;
    uint8_t fingerprint[HSM_FINGERPRINT_LEN];
    job->code = hsm_start(job->hsm, &job->err);
    if (job->code == EDGE_OK) {
        job->code = hsm_root_fingerprint(job->hsm, fingerprint, &job->err);
    }
    if (job->code == EDGE_OK) {
        job->has_store = hsm_store_get_info(job->hsm, &job->store, NULL) == EDGE_OK;
    }
    job->state = hsm_get_state(job->hsm);
    look_for_damage(job);
}

/* What is bound to nothing, or to other PCRs than the operator thinks, protects less than he
 * thinks. Binding is his act all the same: it hands out a recovery code. */
static void tell_store(const struct edge_config *cfg, const struct hsm_store_info *s) {
    if (s->exists && !s->open) {
        log_error("The sealed store is locked: %s", s->text);
    } else if (cfg->tpm_pcrs != 0 && !s->bound) {
        log_warn("tpm.pcrs is set, but the sealed store is not bound to these PCRs yet: run "
                 "'iotedge tpm reseal'");
    } else if (s->bound && cfg->tpm_pcrs != s->pcrs) {
        log_warn("The sealed store is bound to other PCRs than tpm.pcrs names: run 'iotedge tpm "
                 "reseal' to follow it");
    }
}

static void done(void *data, enum edge_code code) {
    struct warm_up *job = data;
    if (code == EDGE_OK && job->code == EDGE_OK) {
        log_info("The key store is ready");
    } else if (code == EDGE_OK) {
        log_error("The key store is not usable (%s): %s", hsm_state_name(job->state),
                  edge_error_text(&job->err));
    }
    if (code == EDGE_OK && job->has_store) {
        tell_store(job->cfg, &job->store);
    }
    if (job->damaged[0] != '\0') {
        log_warn("Damaged files of the key store were set aside in %s: %s",
                 log_quote_str(job->keys_dir), job->damaged);
    }
    free(job);
}

void key_store_warm_up(struct worker *w, struct hsm *h, const struct edge_config *cfg,
                       const char *keys_dir) {
    struct edge_error err;
    struct warm_up *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return;
    }
    job->hsm = h;
    job->cfg = cfg;
    job->keys_dir = keys_dir;
    const struct worker_job work = {.run = run, .done = done, .data = job};
    if (worker_submit(w, &work, NULL, &err) != EDGE_OK) {
        log_warn("The key store is not warmed up: %s", edge_error_text(&err));
        free(job);
    }
}

/* --- Refreshing the session --- */

struct key_store_refresh {
    struct worker *worker;
    struct hsm *hsm;
    struct loop_timer *timer;
};

static void run_refresh(void *data) {
    struct edge_error err;
    if (hsm_refresh(data, &err) != EDGE_OK) {
        log_debug("The session with the TPM was not refreshed: %s", edge_error_text(&err));
    }
}

static void refreshed(void *data, enum edge_code code) {
    (void)data;
    (void)code;
}

static void on_refresh_timer(void *data) {
    struct key_store_refresh *r = data;
    const struct worker_job work = {.run = run_refresh, .done = refreshed, .data = r->hsm};
    if (worker_submit(r->worker, &work, NULL, NULL) != EDGE_OK) {
        log_debug("The queue of the key store is full: its session is in use anyway");
    }
    loop_timer_start(r->timer, HSM_REFRESH_MS);
}

enum edge_code key_store_refresh_start(struct loop *l, struct worker *w, struct hsm *h,
                                       struct key_store_refresh **ret, struct edge_error *err) {
    struct key_store_refresh *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    r->worker = w;
    r->hsm = h;
    enum edge_code code = loop_timer_new(l, on_refresh_timer, r, &r->timer, err);
    if (code != EDGE_OK) {
        free(r);
        return code;
    }
    loop_timer_start(r->timer, HSM_REFRESH_MS);
    *ret = r;
    return EDGE_OK;
}

void key_store_refresh_stop(struct key_store_refresh *r) {
    if (r != NULL) {
        loop_timer_free(r->timer);
        free(r);
    }
}
