/* SPDX-License-Identifier: MIT */
#include "pki/keeper_status.h"

#include "pki/renew.h"

#include <stdio.h>

static void add(struct pki_status *s, const char *name, const char *source,
                const struct chain_cert *cert, int64_t renew_at_wall_s) {
    if (s->cnt == EDGE_ARRAY_LEN(s->items)) {
        return;
    }
    struct pki_cert_status *item = &s->items[s->cnt++];
    (void)snprintf(item->name, sizeof(item->name), "%s", name);
    (void)snprintf(item->source, sizeof(item->source), "%s", source);
    (void)snprintf(item->subject, sizeof(item->subject), "%s", cert->subject);
    item->not_before_wall_s = cert->not_before_wall_s;
    item->not_after_wall_s = cert->not_after_wall_s;
    item->renew_at_wall_s = renew_at_wall_s;
}

void keeper_status_fill(const struct authorities *a, int64_t life_s, struct pki_status *ret) {
    const char *source = authorities_source_name(a->source);
    bool is_ours = a->source == AUTHORITIES_QUICKSTART;
    int64_t due = is_ours ? renew_at(a->device.cert.not_before_wall_s,
                                     a->device.cert.not_after_wall_s, life_s)
                          : 0;
    *ret = (struct pki_status){.cnt = 0};
    if (is_ours && authority_exists(&a->owner)) {
        add(ret, "owner CA", source, &a->owner.cert,
            renew_owner_at(a->owner.cert.not_after_wall_s));
    }
    if (authority_exists(&a->device)) {
        add(ret, "device CA", source, &a->device.cert, due);
    }
    if (authority_exists(&a->workload)) {
        add(ret, "workload CA", source, &a->workload.cert, due);
    }
    for (size_t i = 0; is_ours && i < a->before_cnt; i++) {
        add(ret, "former root", source, &a->before[i].cert, 0);
    }
    for (size_t i = 0; i < a->former.cnt; i++) {
        add(ret, "former root", a->former.items[i].source, &a->former.items[i].cert, 0);
    }
}
