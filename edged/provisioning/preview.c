/* SPDX-License-Identifier: MIT */
/*
 * The dry run: what the source would assign, beside what is used now.
 */
#include "base/log.h"
#include "provisioning/internal.h"

#include <stdio.h>
#include <string.h>

static void compare(const struct provisioning *p, const struct provisioning_result *r,
                    struct provisioning_preview *pv) {
    const struct provisioning_result *now = &p->state.current;
    memcpy(pv->hub, r->hub, sizeof(pv->hub));
    memcpy(pv->device_id, r->device_id, sizeof(pv->device_id));
    if (!p->state.has_current) {
        pv->changes = true;
        (void)snprintf(pv->text, sizeof(pv->text), "the device would get hub %.120s as %.120s",
                       r->hub, r->device_id);
        return;
    }
    pv->changes = strcmp(now->hub, r->hub) != 0 || strcmp(now->device_id, r->device_id) != 0;
    if (pv->changes) {
        (void)snprintf(pv->text, sizeof(pv->text),
                       "the device would move from hub %.70s as %.60s to hub %.70s as %.60s; its "
                       "modules would be removed once that hub has accepted it",
                       now->hub, now->device_id, r->hub, r->device_id);
    } else {
        (void)snprintf(pv->text, sizeof(pv->text),
                       "hub %.120s and device %.120s stay; modules would not be disturbed", r->hub,
                       r->device_id);
    }
}

static void on_looked(void *data, const struct source_outcome *o) {
    struct provisioning *p = data;
    provisioning_preview_fn *done = p->preview;
    struct provisioning_preview pv;
    memset(&pv, 0, sizeof(pv));
    p->asking = false;
    p->preview = NULL;
    if (o->verdict == SOURCE_ASSIGNED) {
        compare(p, &o->result, &pv);
    } else if (o->verdict == SOURCE_CANCELED) {
        (void)edge_set(&pv.err, EDGE_CANCELED, "the daemon is stopping");
    } else {
        pv.err = o->err;
    }
    done(p->preview_data, &pv);
    provisioning_go_on(p, false);
    provisioning_maybe_stopped(p);
}

enum edge_code provisioning_preview(struct provisioning *p, provisioning_preview_fn *done,
                                    void *data, struct edge_error *err) {
    if (p->asking || p->committing || !p->loaded || p->status.state == PROVISIONING_STOPPED) {
        return edge_set(err, EDGE_BUSY, "provisioning is under way; ask again in a moment");
    }
    enum edge_code code = p->source->ops->begin(p->source, on_looked, p, true, err);
    if (code != EDGE_OK) {
        return code;
    }
    p->asking = true;
    p->preview = done;
    p->preview_data = data;
    return EDGE_OK;
}
