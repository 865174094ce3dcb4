/* SPDX-License-Identifier: MIT */
#include "pki/authorities.h"

#include <stdlib.h>
#include <string.h>

static enum edge_code no_memory(struct edge_error *err) {
    return edge_set(err, EDGE_NOMEM, "no memory for certificates");
}

static enum edge_code copy_text(const char *from, char **ret, struct edge_error *err) {
    if (from == NULL) {
        *ret = NULL;
        return EDGE_OK;
    }
    *ret = strdup(from);
    return *ret != NULL ? EDGE_OK : no_memory(err);
}

bool authority_exists(const struct authority *a) {
    return a->pem != NULL;
}

void authority_clear(struct authority *a) {
    free(a->pem);
    *a = (struct authority){.pem = NULL};
}

enum edge_code authority_set(struct authority *a, const char *key, struct slice pem,
                             const char *issuer_sha256, struct edge_error *err) {
    struct authority made = {.pem = NULL};
    enum edge_code code = chain_read_first(pem, "a certificate of ours", &made.cert, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!slice_to_array(slice_str(key), made.key, sizeof(made.key)) ||
        !slice_to_array(slice_str(issuer_sha256), made.issuer_sha256, sizeof(made.issuer_sha256))) {
        return edge_set(err, EDGE_PARSE, "a name or digest that is too long");
    }
    made.pem = slice_dup(pem);
    if (made.pem == NULL) {
        return no_memory(err);
    }
    *a = made;
    return EDGE_OK;
}

bool authority_is_under(const struct authority *a, const struct authority *issuer) {
    return authority_exists(a) && authority_exists(issuer) &&
           strcmp(a->issuer_sha256, issuer->cert.sha256) == 0;
}

void authority_roots_clear(struct authority_roots *r) {
    for (size_t i = 0; i < r->cnt; i++) {
        free(r->items[i].pem);
    }
    *r = (struct authority_roots){.cnt = 0};
}

static size_t find_first_to_end(const struct authority_roots *r) {
    size_t found = 0;
    for (size_t i = 1; i < r->cnt; i++) {
        if (r->items[i].until_wall_s < r->items[found].until_wall_s) {
            found = i;
        }
    }
    return found;
}

static enum edge_code make_root(struct slice pem, const struct authority_root_info *info,
                                struct authority_root *ret, struct edge_error *err) {
    enum edge_code code = chain_read_first(pem, "a root of ours", &ret->cert, err);
    if (code != EDGE_OK) {
        return code;
    }
    ret->until_wall_s = info->until_wall_s;
    if (!slice_to_array(slice_str(info->source), ret->source, sizeof(ret->source)) ||
        !slice_to_array(slice_str(info->by_sha256), ret->by_sha256, sizeof(ret->by_sha256))) {
        return edge_set(err, EDGE_PARSE, "the origin of a certificate is not known");
    }
    ret->pem = slice_dup(pem);
    return ret->pem != NULL ? EDGE_OK : no_memory(err);
}

enum edge_code authority_roots_add(struct authority_roots *r, struct slice pem,
                                   const struct authority_root_info *info, struct edge_error *err) {
    struct authority_root root = {.pem = NULL};
    enum edge_code code = make_root(pem, info, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; i < r->cnt; i++) {
        struct authority_root *old = &r->items[i];
        if (strcmp(old->cert.sha256, root.cert.sha256) == 0) {
            old->until_wall_s =
                old->until_wall_s > root.until_wall_s ? old->until_wall_s : root.until_wall_s;
            free(root.pem);
            return EDGE_OK;
        }
    }
    if (r->cnt < EDGE_ARRAY_LEN(r->items)) {
        r->items[r->cnt++] = root;
        return EDGE_OK;
    }
    size_t at = find_first_to_end(r);
    free(r->items[at].pem);
    r->items[at] = root;
    return EDGE_OK;
}

void authorities_init(struct authorities *a) {
    *a = (struct authorities){.next = 1};
}

void authorities_clear(struct authorities *a) {
    authority_clear(&a->owner);
    for (size_t i = 0; i < a->before_cnt; i++) {
        authority_clear(&a->before[i]);
    }
    authority_clear(&a->device);
    authority_clear(&a->workload);
    authority_roots_clear(&a->cross);
    authority_roots_clear(&a->former);
    free(a->bundle);
    free(a->anchor);
    authorities_init(a);
}

static enum edge_code copy_authority(const struct authority *from, struct authority *ret,
                                     struct edge_error *err) {
    *ret = *from;
    return copy_text(from->pem, &ret->pem, err);
}

static enum edge_code copy_roots(const struct authority_roots *from, struct authority_roots *ret,
                                 struct edge_error *err) {
    for (size_t i = 0; i < from->cnt; i++) {
        ret->items[i] = from->items[i];
        enum edge_code code = copy_text(from->items[i].pem, &ret->items[i].pem, err);
        if (code != EDGE_OK) {
            return code;
        }
        ret->cnt++;
    }
    return EDGE_OK;
}

enum edge_code authorities_copy(const struct authorities *from, struct authorities *ret,
                                struct edge_error *err) {
    struct authorities made AUTHORITIES_CLEANUP = {
        .source = from->source, .next = from->next, .predecessor_done = from->predecessor_done};
    enum edge_code code = copy_authority(&from->owner, &made.owner, err);
    for (size_t i = 0; i < from->before_cnt && code == EDGE_OK; i++) {
        code = copy_authority(&from->before[i], &made.before[i], err);
        made.before_cnt = i + 1;
    }
    code = code != EDGE_OK ? code : copy_authority(&from->device, &made.device, err);
    code = code != EDGE_OK ? code : copy_authority(&from->workload, &made.workload, err);
    code = code != EDGE_OK ? code : copy_roots(&from->cross, &made.cross, err);
    code = code != EDGE_OK ? code : copy_roots(&from->former, &made.former, err);
    code = code != EDGE_OK ? code : copy_text(from->bundle, &made.bundle, err);
    code = code != EDGE_OK ? code : copy_text(from->anchor, &made.anchor, err);
    if (code == EDGE_OK) {
        *ret = made;
        authorities_init(&made);
    }
    return code;
}

void authorities_forget(struct authorities *a, size_t i) {
    authority_clear(&a->before[i]);
    memmove(&a->before[i], &a->before[i + 1], (a->before_cnt - i - 1) * sizeof(a->before[0]));
    a->before_cnt--;
    a->before[a->before_cnt] = (struct authority){.pem = NULL};
}

static bool is_valid(const struct chain_cert *c, int64_t now_wall_s) {
    return c->not_before_wall_s <= now_wall_s && c->not_after_wall_s > now_wall_s;
}

void authorities_retire_owner(struct authorities *a, int64_t until_wall_s, int64_t now_wall_s) {
    if (!authority_exists(&a->owner)) {
        return;
    }
    if (a->before_cnt == AUTHORITIES_BEFORE_MAX) {
        size_t out = a->before_cnt - 1;
        for (size_t i = 0; i < a->before_cnt; i++) {
            out = is_valid(&a->before[i].cert, now_wall_s) ? out : i;
        }
        authorities_forget(a, out);
    }
    memmove(&a->before[1], &a->before[0], a->before_cnt * sizeof(a->before[0]));
    a->before[0] = a->owner;
    a->before[0].until_wall_s = until_wall_s;
    a->before_cnt++;
    a->owner = (struct authority){.pem = NULL};
}

void authorities_swap_owner(struct authorities *a, size_t i, int64_t until_wall_s) {
    struct authority owner = a->owner;
    a->owner = a->before[i];
    a->owner.until_wall_s = 0;
    a->before[i] = owner;
    a->before[i].until_wall_s = until_wall_s;
}

void authorities_prune_cross(struct authorities *a) {
    size_t kept = 0;
    for (size_t i = 0; i < a->cross.cnt; i++) {
        struct authority_root *r = &a->cross.items[i];
        if (r->by_sha256[0] != '\0' && strcmp(r->cert.key_sha256, a->owner.cert.key_sha256) != 0) {
            free(r->pem);
        } else {
            a->cross.items[kept++] = *r;
        }
    }
    a->cross.cnt = kept;
}

bool authorities_has_cross(const struct authorities *a, const struct authority *by,
                           int64_t now_wall_s) {
    for (size_t i = 0; i < a->cross.cnt; i++) {
        const struct authority_root *r = &a->cross.items[i];
        if (strcmp(r->by_sha256, by->cert.sha256) == 0 &&
            strcmp(r->cert.key_sha256, a->owner.cert.key_sha256) == 0 &&
            is_valid(&r->cert, now_wall_s)) {
            return true;
        }
    }
    return false;
}

bool authorities_has_key(const struct authorities *a, const char *name) {
    bool found = strcmp(a->owner.key, name) == 0 || strcmp(a->device.key, name) == 0 ||
                 strcmp(a->workload.key, name) == 0;
    for (size_t i = 0; i < a->before_cnt; i++) {
        found = found || strcmp(a->before[i].key, name) == 0;
    }
    return found;
}

const char *authorities_source_name(enum authorities_source s) {
    static const char *const names[] = {"none", "quickstart", "operator"};
    return names[s];
}
