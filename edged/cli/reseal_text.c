/* SPDX-License-Identifier: MIT */
/*
 * What has happened, and what the operator has to do or to know next.
 */
#include "cli/reseal_text.h"

#include "provisioning/report_store.h"

#include <stdio.h>

struct reseal_pcrs reseal_pcr_list(const struct cJSON *store) {
    struct reseal_pcrs ret = {""};
    size_t len = 0;
    const struct cJSON *list = NULL;
    if (json_get_array(store, "pcrs", &list, NULL) != EDGE_OK) {
        return ret;
    }
    for (const struct cJSON *n = json_first(list); n != NULL && len < sizeof(ret.text);
         n = json_next(n)) {
        const char *before = len == 0 ? "" : json_next(n) == NULL ? " and " : ", ";
        int added =
            snprintf(ret.text + len, sizeof(ret.text) - len, "%s%d", before, json_int(n, -1));
        len += added > 0 ? (size_t)added : 0;
    }
    return ret;
}

static const char *after(enum store_action action) {
    switch (action) {
    case STORE_BIND:
        return "";
    case STORE_SUSPEND:
        return "It stays so until the next 'iotedge tpm reseal': do the planned change, then run "
               "that.\n";
    case STORE_RECOVER:
        return "The recovery code stays the same.\n";
    case STORE_ABANDON:
        break;
    }
    return "The former store was set aside. The daemon makes a new CA and a new encryption key: "
           "leaf devices have\nto trust the new CA, modules cannot decrypt what was encrypted "
           "before, an imported CA key has to be\nimported again. Identity and keys of device and "
           "modules at the hub stay.\n";
}

static enum edge_code say_state(const struct cJSON *root, struct buf *out, struct edge_error *err) {
    struct slice state, text;
    bool has_planned = false;
    const struct reseal_pcrs pcrs = reseal_pcr_list(root);
    enum edge_code code = json_get_str(root, "state", &state, err);
    code = code != EDGE_OK ? code : json_get_opt_str(root, "text", &text, err);
    code = code != EDGE_OK ? code : json_get_bool(root, "hasPlanned", &has_planned, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (slice_eq_str(state, REPORT_STORE_LOCKED)) {
        return buf_printf(out, err, "The sealed store does not open:\n%.*s\n", (int)text.len,
                          text.ptr != NULL ? text.ptr : "");
    }
    if (slice_eq_str(state, REPORT_STORE_BOUND)) {
        return buf_printf(
            out, err, "The sealed store is open, and bound to the present values of PCR %s%s.\n",
            pcrs.text, has_planned ? " and to planned ones" : "");
    }
    return buf_printf(out, err, "%s\n",
                      slice_eq_str(state, REPORT_STORE_OPEN)
                          ? "The sealed store is open, and bound to no PCR."
                          : "The sealed store is empty.");
}

enum edge_code reseal_text(struct slice answer, const enum store_action *action, struct buf *out,
                           struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    const size_t before = out->len;
    enum edge_code code = json_parse(answer, &root, err);
    code = code != EDGE_OK ? code : say_state(root, out, err);
    if (code == EDGE_OK && action != NULL) {
        code = buf_append_str(out, after(*action), err);
    }
    if (code != EDGE_OK) {
        buf_truncate(out, before);
    }
    return code;
}

enum edge_code reseal_json(struct slice answer, const char *recovery_file, struct buf *out,
                           struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct json_writer w;
    enum edge_code code = json_parse(answer, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    json_begin(&w, out);
    json_object_open(&w, NULL);
    for (const struct cJSON *m = json_first(root); m != NULL; m = json_next(m)) {
        json_add_node(&w, json_name(m), m);
    }
    if (recovery_file != NULL) {
        json_add_cstr(&w, "recoveryFile", recovery_file);
    }
    json_object_close(&w);
    code = json_end(&w, err);
    return code == EDGE_OK ? buf_append_byte(out, '\n', err) : code;
}
