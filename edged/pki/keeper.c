/* SPDX-License-Identifier: MIT */
/*
 * One look: load what is kept, take over the operator's files when they have changed, renew what is
 * due. Each change is made in a copy of the authorities, which becomes the present one once it is
 * saved. What is to be renewed is decided in renew.c and made in quickstart.c and operator.c. A
 * failure that leaves something usable becomes a note for the status; retries are spaced in real
 * time, because clocks jump.
 */
#include "pki/keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "pki/authorities.h"
#include "pki/authorities_file.h"
#include "pki/bundle.h"
#include "pki/keeper_keys.h"
#include "pki/keeper_status.h"
#include "pki/quickstart.h"
#include "pki/renew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_RETRY_MS   60000u
#define NEEDED_RETRY_MS  2000u
#define KEYS_ABOVE       3    /* workload, device, owner CA */
#define ISSUER_REFRESH_S 3600 /* certificates over our root end, too */

_Static_assert(AUTHORITIES_BEFORE_MAX <= RENEW_BEFORE_MAX, "each former owner CA has its facts");

struct keeper {
    struct keeper_config config;
    char *dir;
    bool is_loaded;
    bool keys_known;
    bool is_swept;
    bool is_usable;  /* at the last look something could be issued */
    bool is_trusted; /* its time was */
    uint32_t serial; /* grows with each change of what keeper_status tells */
    struct authorities present;
    struct keeper_keys has;
    struct operator_look look; /* at the last reading */
    bool files_read;
    bool files_refused;
    uint64_t files_retry_ms;
    uint64_t files_needed_ms; /* the same, while nothing can be issued without them */
    struct edge_error files_why;
    uint64_t renew_retry_ms;  /* 0: no renewal has failed */
    uint64_t needed_retry_ms; /* the same, of one without which nothing can be issued */
    struct edge_error needed_why;
    struct leaf_issuer *issuer;
    int64_t issuer_wall_s; /* when it was made */
    int64_t days_left;     /* of an operator's CA that cuts what is issued; -1: it does not */
    char note_look[EDGE_ERROR_TEXT_MAX]; /* why the last one did not end well */
    char note_files[EDGE_ERROR_TEXT_MAX];
    char note_renewal[EDGE_ERROR_TEXT_MAX];
    char note_predecessor[EDGE_ERROR_TEXT_MAX];
};

static bool has_operator(const struct keeper *k) {
    return k->config.files.cert != NULL;
}

enum edge_code keeper_new(const struct keeper_config *config, struct keeper **ret,
                          struct edge_error *err) {
    struct keeper *k = calloc(1, sizeof(*k));
    if (k == NULL || asprintf(&k->dir, "%s/" PKI_DIR, config->state_dir) < 0) {
        free(k);
        return edge_set(err, EDGE_NOMEM, "no memory for the authorities");
    }
    k->config = *config;
    k->days_left = -1;
    authorities_init(&k->present);
    *ret = k;
    return EDGE_OK;
}

void keeper_free(struct keeper *k) {
    if (k != NULL) {
        leaf_issuer_free(k->issuer);
        authorities_clear(&k->present);
        free(k->dir);
        free(k);
    }
}

static enum edge_code load(struct keeper *k, struct edge_error *err) {
    char note[EDGE_ERROR_TEXT_MAX];
    if (k->is_loaded) {
        return EDGE_OK;
    }
    struct edge_error why = {0};
    enum edge_code code = authorities_load(k->dir, &k->present, note, &why);
    if (note[0] != '\0') {
        log_error("Certificates: %s", note);
    }
    if (code == EDGE_NOT_FOUND && why.text[0] != '\0' && note[0] != '\0') {
        log_error("Certificates: %s; new authorities will be made", why.text);
    }
    if (code != EDGE_OK && code != EDGE_NOT_FOUND) {
        return edge_set(err, code, "%s", edge_error_text(&why));
    }
    if (k->config.files.bundle == NULL) { /* not configured any more */
        free(k->present.bundle);
        k->present.bundle = NULL;
    }
    k->is_loaded = true;
    k->serial++;
    return EDGE_OK;
}

static enum edge_code find_keys(struct keeper *k, struct edge_error *err) {
    if (k->keys_known) {
        return EDGE_OK;
    }
    enum edge_code code = keeper_keys_find(k->config.hsm, &k->present, &k->has, err);
    k->keys_known = code == EDGE_OK;
    return code;
}

void keeper_doubt(struct keeper *k) {
    k->keys_known = false;
    k->files_retry_ms = 0;
    k->files_needed_ms = 0;
    k->renew_retry_ms = 0;
    k->needed_retry_ms = 0;
}

static void sweep(struct keeper *k) {
    if (!k->is_swept) {
        k->is_swept = keeper_keys_sweep(k->config.hsm, &k->present);
    }
}

static void drop_unused(struct keeper *k, const struct authorities *from,
                        const struct authorities *kept) {
    if (!keeper_keys_drop(k->config.hsm, from, kept)) {
        k->is_swept = false;
    }
}

static void log_made(const char *what, const struct authority *old, const struct authority *made) {
    char end[CLOCK_RFC3339_LEN];
    if (!authority_exists(made) || strcmp(old->cert.sha256, made->cert.sha256) == 0) {
        return;
    }
    clock_format_rfc3339(made->cert.not_after_wall_s, end);
    log_info("Certificates: the %s is now %s, until %s", what, log_quote_str(made->cert.subject),
             end);
}

/* The commit. On success *next has become the present one. */
static enum edge_code commit(struct keeper *k, struct authorities *next, struct edge_error *err) {
    enum edge_code code = authorities_save(k->dir, next, err);
    if (code != EDGE_OK) {
        drop_unused(k, next, &k->present);
        return edge_wrap(err, code, "saving the authorities in '%s'", k->dir);
    }
    log_made("owner CA", &k->present.owner, &next->owner);
    log_made("device CA", &k->present.device, &next->device);
    log_made("workload CA", &k->present.workload, &next->workload);
    drop_unused(k, &k->present, next);
    authorities_clear(&k->present);
    k->present = *next;
    authorities_init(next);
    k->keys_known = false;
    k->serial++;
    leaf_issuer_free(k->issuer);
    k->issuer = NULL;
    return EDGE_OK;
}

static struct renew_ca ca_of(const struct authority *a, bool has_key, bool fits) {
    return (struct renew_ca){.exists = authority_exists(a),
                             .has_key = has_key,
                             .fits = fits,
                             .not_before_wall_s = a->cert.not_before_wall_s,
                             .not_after_wall_s = a->cert.not_after_wall_s};
}

static struct renew_facts facts_of(const struct keeper *k, int64_t now_wall_s) {
    const struct authorities *a = &k->present;
    struct renew_facts f = {
        .owner = ca_of(&a->owner, k->has.owner, true),
        .device = ca_of(&a->device, k->has.device, authority_is_under(&a->device, &a->owner)),
        .workload =
            ca_of(&a->workload, k->has.workload, authority_is_under(&a->workload, &a->device)),
        .before_cnt = a->before_cnt,
        .life_s = k->config.life_s,
        .now_wall_s = now_wall_s};
    for (size_t i = 0; i < a->before_cnt; i++) {
        f.before[i] = ca_of(&a->before[i], k->has.before[i],
                            authorities_has_cross(a, &a->before[i], now_wall_s));
    }
    return f;
}

/* --- The operator's files --- */

static enum edge_code adopt(struct keeper *k, const struct operator_ca *ca, int64_t now_wall_s,
                            struct edge_error *err) {
    struct authorities next AUTHORITIES_CLEANUP;
    authorities_init(&next);
    if (operator_is_adopted(ca, &k->present)) {
        return EDGE_OK;
    }
    enum edge_code code = find_keys(k, err);
    code = code != EDGE_OK ? code : authorities_copy(&k->present, &next, err);
    code = code != EDGE_OK ? code : operator_adopt(ca, now_wall_s, &next, err);
    if (code == EDGE_OK && ca->chain.cnt > 0 &&
        (!k->has.workload || !authority_is_under(&next.workload, &next.device))) {
        code = operator_make_workload(&k->config.files, k->config.hsm, now_wall_s, &next, err);
    }
    if (code != EDGE_OK) {
        drop_unused(k, &next, &k->present);
        return code;
    }
    return commit(k, &next, err);
}

static void note_refused(struct keeper *k, const struct edge_error *why) {
    if (strcmp(k->note_files, why->text) != 0) {
        log_error(
            "Certificates: the files of the operator's CA are not used: %s%s", edge_error_text(why),
            authority_exists(&k->present.workload) ? "; what was made before stays in use" : "");
    }
    memcpy(k->note_files, why->text, sizeof(k->note_files));
}

/* Reads the files when they have changed, and after a refusal now and then, as it may have been for
 * something that is elsewhere: an imported key, the time. */
static enum edge_code look_at_files(struct keeper *k, const struct wall_time *now,
                                    struct edge_error *err) {
    struct operator_look look;
    struct operator_ca ca = {.ends_wall_s = 0};
    struct edge_error why = {0};
    if (k->config.files.bundle == NULL || !now->is_usable) {
        return EDGE_OK;
    }
    operator_look(&k->config.files, &look);
    bool is_new = !k->files_read || !operator_look_eq(&look, &k->look);
    uint64_t retry_ms = k->is_usable ? k->files_retry_ms : k->files_needed_ms;
    if (!is_new && k->files_refused && clock_mono_ms() < retry_ms) {
        return edge_set(err, k->files_why.code, "%s", edge_error_text(&k->files_why));
    }
    if (!is_new && !k->files_refused) {
        return EDGE_OK;
    }
    enum edge_code code = operator_read(&k->config.files, k->config.hsm, now->now_s, &ca, &why);
    code = code != EDGE_OK ? code : adopt(k, &ca, now->now_s, &why);
    operator_ca_clear(&ca);
    k->files_read = true;
    k->files_refused = code != EDGE_OK;
    k->look = look;
    /* An adoption makes keys, too. */
    k->files_retry_ms = clock_mono_ms() + FILES_RETRY_MS;
    k->files_needed_ms = clock_mono_ms() + NEEDED_RETRY_MS;
    k->files_why = why;
    k->serial++;
    if (code == EDGE_OK) {
        k->note_files[0] = '\0';
        return EDGE_OK;
    }
    note_refused(k, &why);
    return edge_set(err, code, "%s", edge_error_text(&why));
}

/* --- Renewal --- */

static enum edge_code carry_out(struct keeper *k, const struct renew_plan *plan, int64_t now_wall_s,
                                struct edge_error *err) {
    const struct quickstart q = {.hsm = k->config.hsm,
                                 .homedir = k->config.homedir,
                                 .life_s = k->config.life_s,
                                 .now_wall_s = now_wall_s,
                                 .clock_is_trusted = k->is_trusted};
    struct authorities next AUTHORITIES_CLEANUP;
    char note[EDGE_ERROR_TEXT_MAX] = "";
    authorities_init(&next);
    enum edge_code code = authorities_copy(&k->present, &next, err);
    if (code == EDGE_OK && has_operator(k)) {
        code = operator_make_workload(&k->config.files, k->config.hsm, now_wall_s, &next, err);
    } else if (code == EDGE_OK) {
        code = quickstart_leave_operator(&q, &next, err);
        code = code != EDGE_OK ? code : quickstart_carry_out(&q, plan, &next, note, err);
    }
    if (code != EDGE_OK) {
        drop_unused(k, &next, &k->present);
        return code;
    }
    code = commit(k, &next, err);
    if (code == EDGE_OK && note[0] != '\0') {
        log_warn("Certificates: %s", note);
        memcpy(k->note_predecessor, note, sizeof(note));
    }
    return code;
}

static bool is_idle(const struct keeper *k, const struct renew_plan *plan) {
    bool predecessor_waits = !has_operator(k) && !k->present.predecessor_done;
    return !plan->swap && !plan->cross && !plan->owner && !plan->device && !plan->workload &&
           !predecessor_waits;
}

static struct renew_plan plan_now(const struct keeper *k, int64_t now_wall_s) {
    struct renew_facts f = facts_of(k, now_wall_s);
    if (has_operator(k)) {
        /* Without the operator's files what was there before goes on, whatever it is. */
        f.workload.fits =
            f.workload.fits || k->present.source != AUTHORITIES_OPERATOR || k->files_refused;
        return renew_operator(&f);
    }
    if (k->present.source == AUTHORITIES_OPERATOR) {
        f.device.has_key = false; /* the operator's, which is not configured any more */
    }
    return renew_quickstart(&f);
}

static void note_renewal(struct keeper *k, const struct edge_error *why) {
    k->renew_retry_ms = clock_mono_ms() + (uint64_t)RENEW_RETRY_S * 1000;
    if (strcmp(k->note_renewal, why->text) != 0) {
        log_error("Certificates: authorities could not be renewed: %s; retrying in %d s",
                  edge_error_text(why), RENEW_RETRY_S);
    }
    memcpy(k->note_renewal, why->text, sizeof(k->note_renewal));
    k->serial++;
}

/* One attempt. ret_needed tells whether anything can be issued without it. */
static enum edge_code renew_once(struct keeper *k, int64_t now_wall_s, bool *ret_needed,
                                 struct edge_error *err) {
    const struct renew_plan plan = plan_now(k, now_wall_s);
    *ret_needed = plan.is_needed;
    if (is_idle(k, &plan) ||
        (!plan.is_needed && k->renew_retry_ms != 0 && clock_mono_ms() < k->renew_retry_ms)) {
        return EDGE_OK;
    }
    if (has_operator(k) && k->present.source != AUTHORITIES_OPERATOR) {
        return edge_set(err, EDGE_CONFIG, "%s", k->note_files);
    }
    enum edge_code code = carry_out(k, &plan, now_wall_s, err);
    if (code == EDGE_OK) {
        k->renew_retry_ms = k->needed_retry_ms = 0;
        k->note_renewal[0] = '\0';
    }
    return code;
}

/* A key may turn out to be lost only when it is to sign: then the CA above has to, up to the root.
 */
static enum edge_code renew(struct keeper *k, int64_t now_wall_s, struct edge_error *err) {
    struct edge_error why = {0};
    bool is_needed = true;
    if (clock_mono_ms() < k->needed_retry_ms && plan_now(k, now_wall_s).is_needed) {
        return edge_set(err, k->needed_why.code, "%s", edge_error_text(&k->needed_why));
    }
    enum edge_code code = renew_once(k, now_wall_s, &is_needed, &why);
    for (int i = 0; i < KEYS_ABOVE && (code == EDGE_NOT_FOUND || code == EDGE_PARSE); i++) {
        k->keys_known = false;
        code = find_keys(k, &why);
        code = code != EDGE_OK ? code : renew_once(k, now_wall_s, &is_needed, &why);
    }
    if (code == EDGE_OK) {
        return EDGE_OK;
    }
    /* Each try makes keys, and modules may ask as fast as they can. */
    k->needed_retry_ms = clock_mono_ms() + NEEDED_RETRY_MS;
    k->needed_why = why;
    note_renewal(k, &why);
    return is_needed ? edge_set(err, code, "%s", edge_error_text(&why)) : EDGE_OK;
}

static enum edge_code look(struct keeper *k, const struct wall_time *now, struct edge_error *err) {
    struct edge_error files = {0};
    k->is_usable = k->is_usable && now->is_usable;
    enum edge_code code = load(k, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!now->is_usable) {
        return edge_set(err, EDGE_RETRY,
                        "the clock is not known to be right, so no certificate is made");
    }
    enum edge_code files_code = look_at_files(k, now, &files);
    code = find_keys(k, err);
    if (code != EDGE_OK) {
        return code;
    }
    sweep(k);
    code = renew(k, now->now_s, err);
    if (code == EDGE_OK) {
        code = find_keys(k, err);
    } else if (files_code != EDGE_OK) {
        code = edge_set(err, files_code, "%s", edge_error_text(&files));
    }
    k->is_usable = code == EDGE_OK;
    return code;
}

/* Our own CAs are renewed early enough; an operator's is his to renew. */
static void note_days_left(struct keeper *k, int64_t now_wall_s) {
    int64_t left = k->present.workload.cert.not_after_wall_s - now_wall_s;
    bool is_cut = k->present.source == AUTHORITIES_OPERATOR && left < RENEW_LEAF_MAX_S;
    int64_t days = is_cut ? left / RENEW_DAY_S : -1;
    k->serial += days != k->days_left ? 1 : 0;
    k->days_left = days;
}

enum edge_code keeper_look(struct keeper *k, const struct wall_time *now, struct edge_error *err) {
    struct edge_error why = {0};
    bool was_usable = k->is_usable;
    k->serial += k->is_trusted != now->is_trusted ? 1 : 0;
    k->is_trusted = now->is_trusted;
    enum edge_code code = look(k, now, &why);
    if (code == EDGE_OK) {
        note_days_left(k, now->now_s);
        k->serial += was_usable && k->note_look[0] == '\0' ? 0 : 1;
        k->note_look[0] = '\0';
        return EDGE_OK;
    }
    memcpy(k->note_look, why.text, sizeof(k->note_look));
    k->serial++;
    return edge_set(err, code, "%s", edge_error_text(&why));
}

enum edge_code keeper_issuer(struct keeper *k, const struct wall_time *now,
                             struct leaf_issuer **ret, struct edge_error *err) {
    int64_t age = now->now_s - k->issuer_wall_s;
    if (k->issuer != NULL && age >= 0 && age < ISSUER_REFRESH_S) {
        *ret = k->issuer;
        return EDGE_OK;
    }
    struct buf chain EDGE_CLEANUP(buf_clear) = {0};
    struct leaf_issuer *made = NULL;
    buf_init(&chain, X509_PEM_MAX);
    enum edge_code code = bundle_write_chain(&k->present, now->now_s, &chain, err);
    code = code != EDGE_OK ? code
                           : leaf_issuer_new(buf_slice(&chain), k->config.hsm,
                                             k->present.workload.key, &made, err);
    if (code != EDGE_OK) {
        return code;
    }
    leaf_issuer_free(k->issuer);
    k->issuer = made;
    k->issuer_wall_s = now->now_s;
    *ret = made;
    return EDGE_OK;
}

enum edge_code keeper_bundle(struct keeper *k, const struct wall_time *now, struct buf *out,
                             struct edge_error *err) {
    struct edge_error why = {0};
    enum edge_code looked = keeper_look(k, now, &why);
    struct buf own EDGE_CLEANUP(buf_clear) = {0};
    if (!k->is_loaded) {
        return edge_set(err, looked, "%s", edge_error_text(&why));
    }
    enum edge_code code =
        bundle_write(&k->present, now->is_usable ? now->now_s : BUNDLE_TIME_UNKNOWN, out, err);
    if (code != EDGE_NOT_FOUND) {
        return code;
    }
    /* The operator's bundle does not depend on his CA's being usable. */
    if (k->config.files.bundle != NULL) {
        code = operator_read_bundle(&k->config.files, &own, err);
        return code == EDGE_OK ? buf_append_slice(out, buf_slice(&own), err) : code;
    }
    return looked == EDGE_OK ? code : edge_set(err, looked, "%s", edge_error_text(&why));
}

void keeper_status(const struct keeper *k, struct pki_status *ret) {
    const char *notes[] = {k->note_look, k->note_files, k->note_renewal, k->note_predecessor};
    keeper_status_fill(&k->present, k->config.life_s, ret);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(notes) && ret->note[0] == '\0'; i++) {
        (void)snprintf(ret->note, sizeof(ret->note), "%s", notes[i]);
    }
    if (ret->note[0] == '\0' && k->days_left >= 0) {
        (void)snprintf(ret->note, sizeof(ret->note),
                       "certificates of modules are cut to the %lld days that the device CA "
                       "'%.64s' has left: renew it",
                       (long long)k->days_left, k->present.device.cert.subject);
    }
}

uint32_t keeper_serial(const struct keeper *k) {
    return k->serial;
}

bool keeper_is_ready(const struct keeper *k) {
    return k->is_usable && k->is_trusted && (has_operator(k) || k->present.predecessor_done);
}

uint64_t keeper_pause_ms(const struct keeper *k, const struct wall_time *now) {
    const struct renew_facts f = facts_of(k, now->now_s);
    if (!k->is_usable || k->renew_retry_ms != 0 || k->files_refused) {
        return (uint64_t)RENEW_RETRY_S * 1000;
    }
    return renew_pause_ms(&f, !has_operator(k));
}
