/* SPDX-License-Identifier: MIT */
#include "identity/module_legacy.h"

#include "base/map.h"

#include <string.h>

void module_legacy_set(struct module_legacy *m, uint64_t generation) {
    module_legacy_clear(m);
    m->generation = generation;
}

void module_legacy_clear(struct module_legacy *m) {
    map_free(m->left);
    m->left = NULL;
    m->generation = 0;
}

enum edge_code module_legacy_leave(struct module_legacy *m, struct slice module,
                                   struct edge_error *err) {
    static char is_in; /* the map holds pointers; any will do */
    enum edge_code code = EDGE_OK;
    if (m->generation == 0) {
        return EDGE_OK;
    }
    if (m->left == NULL) {
        code = map_new(MODULE_LEGACY_LEFT_MAX, NULL, &m->left, err);
    }
    return code == EDGE_OK ? map_put(m->left, module, &is_in, err) : code;
}

uint64_t module_legacy_generation(const struct module_legacy *m, struct slice module) {
    bool has_left = m->left != NULL && map_get(m->left, module) != NULL;
    return has_left ? 0 : m->generation;
}

static void context_add(struct module_legacy_context *c, struct slice part) {
    memcpy(c->bytes + c->len, part.ptr, part.len);
    c->len += part.len;
}

enum edge_code module_legacy_context(const struct module_key_id *id,
                                     struct module_legacy_context *ret, struct edge_error *err) {
    bool is_known = slice_eq_str(id->key_id, "primary") || slice_eq_str(id->key_id, "secondary");
    if (!is_known || id->module.len == 0 || id->module.len > MODULE_KEY_ID_MAX ||
        id->generation.len == 0 || id->generation.len > MODULE_KEY_ID_MAX) {
        return edge_set(err, EDGE_INVALID, "not the id of a module key");
    }
    ret->len = 0;
    context_add(ret, id->module);
    context_add(ret, id->key_id);
    context_add(ret, id->generation);
    return EDGE_OK;
}

enum edge_code module_legacy_sign(struct hsm *h, uint64_t generation,
                                  const struct module_legacy_context *context, struct secret *ret,
                                  struct edge_error *err) {
    uint8_t mac[HSM_MAC_LEN];
    struct slice data = slice_make(context->bytes, context->len);
    enum edge_code code = hsm_identity_sign(h, generation, data, mac, err);
    if (code == EDGE_OK) {
        code = secret_copy(ret, mac, sizeof(mac), err);
    }
    secret_wipe(mac, sizeof(mac));
    return code;
}
