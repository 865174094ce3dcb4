/* SPDX-License-Identifier: MIT */
/*
 * A store that does not open is locked for whoever reads this, whatever the reason: the text has
 * it.
 */
#include "provisioning/report_store.h"

struct report_store report_store_of(const struct hsm_store_info *info) {
    const char *state = REPORT_STORE_NONE;
    if (info->exists) {
        state = !info->open   ? REPORT_STORE_LOCKED
                : info->bound ? REPORT_STORE_BOUND
                              : REPORT_STORE_OPEN;
    }
    return (struct report_store){.state = state,
                                 .text = info->text,
                                 .pcrs = info->bound ? info->pcrs : 0,
                                 .has_planned = info->planned};
}

void report_store_add_pcrs(struct json_writer *w, const char *name, uint32_t pcrs) {
    json_array_open(w, name);
    for (unsigned i = 0; i < 32; i++) {
        if ((pcrs >> i & 1) != 0) {
            json_add_i64(w, NULL, i);
        }
    }
    json_array_close(w);
}

void report_store_add(struct json_writer *w, const char *name, const struct report_store *s) {
    if (s == NULL) {
        json_add_null(w, name);
        return;
    }
    json_object_open(w, name);
    json_add_cstr_or_null(w, "state", s->state);
    json_add_cstr_or_null(w, "text", s->text);
    report_store_add_pcrs(w, "pcrs", s->pcrs);
    json_add_bool(w, "hasPlanned", s->has_planned);
    json_object_close(w);
}
