/* SPDX-License-Identifier: MIT */
#include "pki/renew.h"

#define PAUSE_MIN_S 60
#define GAIN_PART   10 /* a renewal that adds less than a tenth of a life is none */

int64_t renew_at(int64_t not_before_wall_s, int64_t not_after_wall_s, int64_t life_s) {
    int64_t made = not_before_wall_s + RENEW_BACKDATE_S;
    int64_t life = not_after_wall_s - made;
    life = life < life_s ? life : life_s;
    return made + life / 3 * 2;
}

int64_t renew_owner_at(int64_t not_after_wall_s) {
    return not_after_wall_s - RENEW_OWNER_OVERLAP_S;
}

bool renew_is_usable(const struct renew_ca *ca, int64_t now_wall_s) {
    return ca->exists && ca->not_before_wall_s <= now_wall_s &&
           ca->not_after_wall_s - RENEW_LEAST_LEFT_S >= now_wall_s;
}

int64_t renew_root_until(int64_t issuer_not_after_wall_s, int64_t now_wall_s) {
    int64_t last_leaf = now_wall_s + RENEW_LEAF_MAX_S;
    return issuer_not_after_wall_s < last_leaf ? issuer_not_after_wall_s : last_leaf;
}

/* Where the issuer cuts a new certificate, too, a renewal may gain nothing. */
static bool is_due(const struct renew_facts *f, const struct renew_ca *ca,
                   const struct renew_ca *issuer) {
    int64_t due = renew_at(ca->not_before_wall_s, ca->not_after_wall_s, f->life_s);
    int64_t gain = issuer->not_after_wall_s - ca->not_after_wall_s;
    bool is_cut = f->now_wall_s + f->life_s > issuer->not_after_wall_s;
    return f->now_wall_s >= due && (!is_cut || gain >= f->life_s / GAIN_PART);
}

/* Plans one CA below an issuer: made when it cannot be used, and when it is due. */
static bool plan_below(const struct renew_facts *f, const struct renew_ca *ca,
                       const struct renew_ca *issuer, bool issuer_is_new, struct renew_plan *plan) {
    bool usable = ca->has_key && renew_is_usable(ca, f->now_wall_s);
    bool stale = issuer_is_new || !ca->fits;
    if (!usable || !ca->fits) {
        plan->is_needed = true;
    }
    return !usable || stale || is_due(f, ca, issuer);
}

static bool is_owner_due(const struct renew_facts *f, const struct renew_ca *owner) {
    return f->now_wall_s >= renew_owner_at(owner->not_after_wall_s);
}

/* Rather one that need not be renewed at once: clients follow only one change of roots at a time.
 */
static size_t find_valid_before(const struct renew_facts *f) {
    size_t found = f->before_cnt;
    for (size_t i = f->before_cnt; i > 0; i--) {
        const struct renew_ca *b = &f->before[i - 1];
        if (b->has_key && renew_is_usable(b, f->now_wall_s) &&
            (found == f->before_cnt || !is_owner_due(f, b) || is_owner_due(f, &f->before[found]))) {
            found = i - 1;
        }
    }
    return found;
}

static bool is_cross_missing(const struct renew_facts *f) {
    bool missing = false;
    for (size_t i = 0; i < f->before_cnt; i++) {
        const struct renew_ca *b = &f->before[i];
        missing = missing || (b->has_key && !b->fits && renew_is_usable(b, f->now_wall_s));
    }
    return missing;
}

struct renew_plan renew_quickstart(const struct renew_facts *f) {
    struct renew_plan plan = {.swap = false};
    struct renew_ca owner = f->owner;
    struct renew_ca device = f->device;
    size_t i = find_valid_before(f);

    /* A clock that jumps there and back must not cost the root that clients know. */
    if (owner.exists && !renew_is_usable(&owner, f->now_wall_s) && i < f->before_cnt) {
        plan.swap = true;
        plan.swap_with = i;
        owner = f->before[i];
        device.fits = false;
    }
    plan.owner = !renew_is_usable(&owner, f->now_wall_s) || is_owner_due(f, &owner);
    plan.device = plan_below(f, &device, &owner, plan.owner, &plan);
    /* An owner CA without its key is missed only when it has to sign. */
    plan.owner = plan.owner || (plan.device && !owner.has_key);
    plan.workload = plan_below(f, &f->workload, &device, plan.device, &plan);
    plan.cross = plan.swap || plan.owner || is_cross_missing(f);
    return plan;
}

struct renew_plan renew_operator(const struct renew_facts *f) {
    struct renew_plan plan = {.swap = false};
    bool usable = f->workload.has_key && renew_is_usable(&f->workload, f->now_wall_s);
    plan.workload = !usable || !f->workload.fits;
    plan.is_needed = !usable;
    return plan;
}

uint64_t renew_pause_ms(const struct renew_facts *f, bool is_quickstart) {
    int64_t next = f->now_wall_s + RENEW_DAY_S;
    if (is_quickstart && f->device.exists) {
        int64_t due = renew_at(f->device.not_before_wall_s, f->device.not_after_wall_s, f->life_s);
        due = due > f->now_wall_s ? due : f->now_wall_s + RENEW_RETRY_S;
        next = due < next ? due : next;
    }
    int64_t pause = next - f->now_wall_s;
    return (uint64_t)(pause > PAUSE_MIN_S ? pause : PAUSE_MIN_S) * 1000;
}
