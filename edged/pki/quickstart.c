/* SPDX-License-Identifier: MIT */
/*
 * A root that takes over is signed by the former ones as well. Served along, these certificates let
 * clients that know only a former root follow, and no client has to be told before.
 */
#include "pki/quickstart.h"

#include "base/buf.h"
#include "pki/ca_make.h"
#include "pki/issue.h"
#include "pki/legacy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_key_lost(enum edge_code code) {
    return code == EDGE_NOT_FOUND || code == EDGE_PARSE;
}

enum edge_code quickstart_has_key(struct hsm *hsm, const struct authority *a, bool *ret,
                                  struct edge_error *err) {
    struct hsm_key key;
    char hash[SHA256_HEX] = "";
    if (!authority_exists(a) || a->key[0] == '\0') {
        *ret = false;
        return EDGE_OK;
    }
    enum edge_code code = hsm_key_get(hsm, a->key, &key, err);
    if (is_key_lost(code)) {
        *ret = false;
        return EDGE_OK;
    }
    code = code != EDGE_OK ? code : sha256_hex(slice_make(key.spki, key.spki_len), hash, err);
    if (code == EDGE_OK) {
        *ret = strcmp(hash, a->cert.key_sha256) == 0;
    }
    return code;
}

static bool is_usable(const struct quickstart *q, const struct authority *a) {
    const struct renew_ca ca = {.exists = authority_exists(a),
                                .not_before_wall_s = a->cert.not_before_wall_s,
                                .not_after_wall_s = a->cert.not_after_wall_s};
    return renew_is_usable(&ca, q->now_wall_s);
}

/* A root stays known as long as it could be verified with, and as long as modules have what was
 * made under it, whatever the clock shows now. */
static int64_t root_until(const struct quickstart *q, const struct authority *owner) {
    int64_t leaves = q->now_wall_s + RENEW_LEAF_MAX_S;
    return owner->cert.not_after_wall_s > leaves ? owner->cert.not_after_wall_s : leaves;
}

static enum edge_code make_owner(const struct quickstart *q, struct authorities *a,
                                 struct edge_error *err) {
    const struct ca_make m = {.hsm = q->hsm,
                              .kind = PROFILE_OWNER_CA,
                              .number = a->next++,
                              .now_wall_s = q->now_wall_s,
                              .not_after_wall_s = q->now_wall_s + RENEW_OWNER_LIFE_S};
    authorities_retire_owner(a, root_until(q, &a->owner), q->now_wall_s);
    return ca_make(&m, &a->owner, err);
}

static enum edge_code make_below(const struct quickstart *q, enum profile_kind kind,
                                 struct authorities *a, struct edge_error *err) {
    bool is_device = kind == PROFILE_DEVICE_CA;
    struct authority *at = is_device ? &a->device : &a->workload;
    const struct ca_make m = {.hsm = q->hsm,
                              .kind = kind,
                              .common_name =
                                  is_device ? QUICKSTART_DEVICE_NAME : QUICKSTART_WORKLOAD_NAME,
                              .issuer = is_device ? &a->owner : &a->device,
                              .number = a->next++,
                              .now_wall_s = q->now_wall_s,
                              .not_after_wall_s = q->now_wall_s + q->life_s};
    struct authority made = {.pem = NULL};
    enum edge_code code = ca_make(&m, &made, err);
    if (code == EDGE_OK) {
        authority_clear(at);
        *at = made;
    }
    return code;
}

static enum edge_code owner_spki(const struct authorities *a, struct buf *ret,
                                 struct edge_error *err) {
    struct chain chain = {.cnt = 0};
    enum edge_code code = chain_read(slice_str(a->owner.pem), "the owner CA", &chain, err);
    code = code != EDGE_OK ? code : buf_append(ret, chain.spki, chain.spki_len, err);
    chain_clear(&chain);
    return code;
}

/* The former owner CA signs for the present one. */
static enum edge_code cross_sign(const struct quickstart *q, struct authorities *a,
                                 const struct authority *by, struct slice spki,
                                 struct edge_error *err) {
    char name[CA_MAKE_NAME_MAX];
    struct buf pem EDGE_CLEANUP(buf_clear) = {0};
    const struct issue_signer signer = {.hsm = q->hsm, .key_name = by->key};
    int64_t end = by->cert.not_after_wall_s < a->owner.cert.not_after_wall_s
                      ? by->cert.not_after_wall_s
                      : a->owner.cert.not_after_wall_s;
    int64_t begin = q->now_wall_s - RENEW_BACKDATE_S;
    buf_init(&pem, ISSUE_PEM_MAX);
    enum edge_code code = ca_make_owner_name(spki, name, err);
    if (code != EDGE_OK) {
        return code;
    }
    const struct issue_request r = {.kind = PROFILE_CROSS_CA,
                                    .common_name = slice_str(name),
                                    .spki_der = spki,
                                    .issuer_pem = slice_str(by->pem),
                                    .not_before_wall_s = begin > by->cert.not_before_wall_s
                                                             ? begin
                                                             : by->cert.not_before_wall_s,
                                    .not_after_wall_s = end};
    const struct authority_root_info info = {
        .source = "quickstart", .by_sha256 = by->cert.sha256, .until_wall_s = end};
    code = issue_cert(&r, &signer, &pem, NULL, err);
    return code == EDGE_OK ? authority_roots_add(&a->cross, buf_slice(&pem), &info, err) : code;
}

/* All former owner CAs that can sign for the present one. */
static enum edge_code cross_sign_all(const struct quickstart *q, struct authorities *a,
                                     struct edge_error *err) {
    struct buf spki EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&spki, CHAIN_SPKI_MAX);
    authorities_prune_cross(a);
    enum edge_code code = owner_spki(a, &spki, err);
    for (size_t i = 0; i < a->before_cnt && code == EDGE_OK; i++) {
        const struct authority *by = &a->before[i];
        bool has_key = false;
        if (!is_usable(q, by) || authorities_has_cross(a, by, q->now_wall_s)) {
            continue;
        }
        code = quickstart_has_key(q->hsm, by, &has_key, err);
        if (code == EDGE_OK && has_key) {
            code = cross_sign(q, a, by, buf_slice(&spki), err);
            code = is_key_lost(code) ? EDGE_OK : code;
        }
    }
    return code;
}

static enum edge_code take_predecessor(const struct buf *cross, const struct buf *root,
                                       struct authorities *a, struct edge_error *err) {
    struct chain_cert cert;
    enum edge_code code = chain_read_first(buf_slice(root), "the root of release 1.1", &cert, err);
    if (code != EDGE_OK) {
        return code;
    }
    const struct authority_root_info info = {.source = "predecessor",
                                             .until_wall_s = cert.not_after_wall_s};
    code = authority_roots_add(&a->cross, buf_slice(cross), &info, err);
    return code == EDGE_OK ? authority_roots_add(&a->former, buf_slice(root), &info, err) : code;
}

static bool has_cross_of_predecessor(const struct authorities *a) {
    for (size_t i = 0; i < a->cross.cnt; i++) {
        const struct authority_root *r = &a->cross.items[i];
        if (r->by_sha256[0] == '\0' && strcmp(r->cert.key_sha256, a->owner.cert.key_sha256) == 0) {
            return true;
        }
    }
    return false;
}

/* Another root has taken over, as after a clock that was ahead: release 1.1's signs for it, too, as
 * long as its key is there. */
static void ask_predecessor_again(const struct quickstart *q, struct authorities *a) {
    if (a->predecessor_done && !has_cross_of_predecessor(a) && legacy_exists(q->homedir)) {
        a->predecessor_done = false;
    }
}

/* The root of release 1.1 signs for ours, once. What can never work is noted, not tried again; that
 * the root has expired counts only when somebody vouches for the time. */
static enum edge_code follow_predecessor(const struct quickstart *q, struct authorities *a,
                                         char ret_note[EDGE_ERROR_TEXT_MAX],
                                         struct edge_error *err) {
    char name[CA_MAKE_NAME_MAX];
    struct edge_error why = {0};
    struct buf spki EDGE_CLEANUP(buf_clear) = {0};
    struct buf cross EDGE_CLEANUP(buf_clear) = {0};
    struct buf root EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&spki, CHAIN_SPKI_MAX);
    buf_init(&cross, CHAIN_PEM_MAX);
    buf_init(&root, CHAIN_PEM_MAX);
    enum edge_code code = owner_spki(a, &spki, err);
    code = code != EDGE_OK ? code : ca_make_owner_name(buf_slice(&spki), name, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = legacy_cross_sign(q->homedir, buf_slice(&spki), slice_str(name), q->now_wall_s,
                             a->owner.cert.not_after_wall_s, &cross, &root, &why);
    code = code != EDGE_OK ? code : take_predecessor(&cross, &root, a, &why);
    if (code == EDGE_RANGE && !q->clock_is_trusted) {
        return edge_set(err, EDGE_RETRY, "%.180s, or the clock is ahead: nobody vouches for it",
                        edge_error_text(&why));
    }
    switch (code) {
    case EDGE_OK:
    case EDGE_NOT_FOUND:
        break;
    case EDGE_RETRY:
    case EDGE_IO:
    case EDGE_NOMEM:
    case EDGE_CRYPTO:
        return edge_set(err, code, "%s", edge_error_text(&why));
    default:
        (void)snprintf(ret_note, EDGE_ERROR_TEXT_MAX,
                       "devices that trust the root of release 1.1 have to be given the new one: "
                       "%.140s",
                       edge_error_text(&why));
    }
    a->predecessor_done = true;
    return EDGE_OK;
}

enum edge_code quickstart_leave_operator(const struct quickstart *q, struct authorities *a,
                                         struct edge_error *err) {
    if (a->source == AUTHORITIES_OPERATOR && a->anchor != NULL) {
        const struct authority_root_info info = {
            .source = "operator",
            .until_wall_s = renew_root_until(a->workload.cert.not_after_wall_s, q->now_wall_s)};
        enum edge_code code = authority_roots_add(&a->former, slice_str(a->anchor), &info, err);
        if (code != EDGE_OK) {
            return code;
        }
    }
    if (a->source == AUTHORITIES_OPERATOR) {
        authority_clear(&a->device);
        authority_clear(&a->workload);
        free(a->anchor);
        a->anchor = NULL;
    }
    a->source = AUTHORITIES_QUICKSTART;
    return EDGE_OK;
}

/* A clock that is wrong may be so for long; what modules need is made all the same, and the root of
 * release 1.1 and its key wait. */
static bool may_wait(enum edge_code code, const struct renew_plan *plan) {
    return code == EDGE_RETRY && (plan->owner || plan->device || plan->workload);
}

enum edge_code quickstart_carry_out(const struct quickstart *q, const struct renew_plan *plan,
                                    struct authorities *a, char ret_note[EDGE_ERROR_TEXT_MAX],
                                    struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    ret_note[0] = '\0';
    if (plan->swap) {
        authorities_swap_owner(a, plan->swap_with, root_until(q, &a->owner));
    }
    if (plan->owner) {
        code = make_owner(q, a, err);
    }
    if (code == EDGE_OK && plan->cross) {
        code = cross_sign_all(q, a, err);
    }
    if (code == EDGE_OK && (plan->swap || plan->owner)) {
        ask_predecessor_again(q, a);
    }
    if (code == EDGE_OK && !a->predecessor_done) {
        code = follow_predecessor(q, a, ret_note, err);
        code = may_wait(code, plan) ? EDGE_OK : code;
    }
    if (code == EDGE_OK && plan->device) {
        code = make_below(q, PROFILE_DEVICE_CA, a, err);
    }
    if (code == EDGE_OK && plan->workload) {
        code = make_below(q, PROFILE_WORKLOAD_CA, a, err);
    }
    return code;
}
