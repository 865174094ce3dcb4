/* SPDX-License-Identifier: MIT */
/*
 * One function per form of provisioning. A step on files that fails ends in the note; one on the
 * key store does so only when trying again cannot mend it.
 */
#include "provisioning/takeover.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mac.h"
#include "provisioning/key_import.h"
#include "provisioning/key_label.h"
#include "provisioning/state.h"
#include "provisioning/takeover_backup.h"
#include "provisioning/takeover_files.h"

#include <stdio.h>
#include <string.h>

#define ROOT_KIND "legacy-root"

struct run {
    const struct config_provisioning *cfg;
    const char *homedir;
    struct hsm *hsm;
    const char *inputs;
    struct takeover out;
    struct takeover_backup names; /* hub and device */
    struct edge_error why;        /* of the step that failed */
};

static void note(struct run *r, const char *what, const char *detail) {
    size_t used = strlen(r->out.note);
    (void)snprintf(r->out.note + used, sizeof(r->out.note) - used, "%s%s%s", used > 0 ? "; " : "",
                   what, detail);
}

/* Ends a step on files: *ret_ok tells whether it succeeded. Errors that say nothing of the files
 * are passed on: nothing is decided then. */
static enum edge_code settle_files(struct run *r, enum edge_code code, const char *what,
                                   bool *ret_ok) {
    if (code == EDGE_NOMEM || code == EDGE_CRYPTO || code == EDGE_INTERNAL) {
        return code;
    }
    *ret_ok = code == EDGE_OK;
    if (code != EDGE_OK) {
        note(r, what, edge_error_text(&r->why));
    }
    return EDGE_OK;
}

/* The same for a step on the key store, which has been started: what it says while it works will
 * not change. */
static enum edge_code settle_store(struct run *r, enum edge_code code, const char *what,
                                   bool *ret_ok) {
    bool is_final = code == EDGE_NOT_FOUND || code == EDGE_CONFLICT || code == EDGE_UNSUPPORTED ||
                    code == EDGE_RANGE || code == EDGE_CONFIG;
    if (code != EDGE_OK && (!is_final || hsm_get_state(r->hsm) != HSM_STATE_READY)) {
        return code;
    }
    *ret_ok = code == EDGE_OK;
    if (code != EDGE_OK) {
        note(r, what, edge_error_text(&r->why));
    }
    return EDGE_OK;
}

static void found(struct run *r, enum provisioning_credential credential, uint64_t generation) {
    struct provisioning_result *p = &r->out.result;
    memcpy(p->hub, r->names.hub, sizeof(r->names.hub));
    memcpy(p->device_id, r->names.device_id, sizeof(r->names.device_id));
    p->credential = credential;
    p->key_generation = generation;
    p->since_wall_s = clock_wall_s();
    r->out.found = true;
}

static void found_root(struct run *r, uint64_t generation) {
    r->out.has_legacy_root = true;
    r->out.legacy_root = generation;
}

/* Hub and device: of the backup with DPS, else of the configuration. */
static enum edge_code take_names(struct run *r, bool *ret_ok) {
    const struct config_provisioning *p = r->cfg;
    enum edge_code code;
    if (p->source == CONFIG_SOURCE_DPS) {
        code = takeover_files_backup(r->homedir, &r->names, &r->why);
    } else {
        code = takeover_backup_check(slice_str(p->hub_hostname), slice_str(p->device_id), &r->names,
                                     &r->why);
    }
    return settle_files(r, code, "the identity of release 1.1 is not taken over: ", ret_ok);
}

/* Whether an identity key is this one, found by letting both sign. */
static enum edge_code is_key(struct run *r, uint64_t generation, const struct secret *key,
                             bool *ret) {
    static const char text[] = "edged takeover";
    uint8_t have[HSM_MAC_LEN], want[SHA256_LEN];
    enum edge_code code = hmac_sha256(key->data, key->len, text, sizeof(text), want, &r->why);
    if (code != EDGE_OK) {
        return code;
    }
    code = hsm_identity_sign(r->hsm, generation, slice_make(text, sizeof(text)), have, &r->why);
    *ret = code == EDGE_OK && memcmp(have, want, sizeof(want)) == 0;
    return code == EDGE_NOT_FOUND ? EDGE_OK : code;
}

/* Imports the key unless this generation (0: none) is it already. */
static enum edge_code import_once(struct run *r, uint64_t have, const struct secret *key,
                                  struct slice label, uint64_t *ret_generation) {
    bool is_there = false;
    enum edge_code code = have != 0 ? is_key(r, have, key, &is_there) : EDGE_OK;
    if (code != EDGE_OK) {
        return code;
    }
    if (is_there) {
        *ret_generation = have;
        return EDGE_OK;
    }
    return hsm_identity_import_key(r->hsm, key, label, ret_generation, &r->why);
}

/* Label of the root of a device with a certificate; the same each time. */
static enum edge_code root_label(const struct run *r, struct buf *out, struct edge_error *err) {
    char target[KEY_LABEL_TARGET_MAX + 1];
    struct json_writer w;
    enum edge_code code = key_label_target_hub(r->names.hub, r->names.device_id, target, err);
    if (code != EDGE_OK) {
        return code;
    }
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "kind", ROOT_KIND);
    json_add_cstr(&w, "target", target);
    json_object_close(&w);
    return json_end(&w, err);
}

/* The root that an earlier call took, by its label; 0: none. */
static enum edge_code find_root(struct run *r, struct slice label, uint64_t *ret_generation) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    enum edge_code code = hsm_identity_list(r->hsm, keys, &cnt, &r->why);
    for (size_t i = 0; code == EDGE_OK && i < cnt; i++) {
        if (slice_eq_str(label, keys[i].label)) {
            *ret_generation = keys[i].generation;
        }
    }
    return code;
}

/* root empty: r->why tells why it is not in the files; NOT_FOUND when it was not taken before. */
static enum edge_code import_root(struct run *r, const struct secret *root,
                                  uint64_t *ret_generation) {
    struct buf label;
    uint64_t have = 0;
    buf_init(&label, HSM_LABEL_MAX);
    enum edge_code code = root_label(r, &label, &r->why);
    if (code == EDGE_OK) {
        code = find_root(r, buf_slice(&label), &have);
    }
    if (code == EDGE_OK && root->len > 0) {
        code = import_once(r, have, root, buf_slice(&label), ret_generation);
    } else if (code == EDGE_OK) {
        *ret_generation = have;
        code = have != 0 ? EDGE_OK : EDGE_NOT_FOUND; /* r->why tells of the files */
    }
    buf_clear(&label);
    return code;
}

/* --- The forms of provisioning; the names are known --- */

static enum edge_code run_tpm(struct run *r) {
    struct provisioning_result for_label = {.since_wall_s = clock_wall_s()};
    struct buf label;
    uint64_t generation = 0;
    bool ok = false;
    memcpy(for_label.hub, r->names.hub, sizeof(r->names.hub));
    memcpy(for_label.device_id, r->names.device_id, sizeof(r->names.device_id));
    buf_init(&label, HSM_LABEL_MAX);
    enum edge_code code = state_label_encode(&for_label, r->inputs, &label, &r->why);
    if (code == EDGE_OK) {
        code = hsm_identity_adopt(r->hsm, buf_slice(&label), &generation, &r->why);
    }
    buf_clear(&label);
    code = settle_store(r, code, "the hub key of release 1.1 is not taken over: ", &ok);
    if (code == EDGE_OK && ok) {
        found(r, PROVISIONING_KEY, generation);
        found_root(r, generation);
    }
    return code;
}

static enum edge_code run_key(struct run *r) {
    uint64_t generation = 0;
    bool ok = false;
    char target[KEY_LABEL_TARGET_MAX + 1];
    enum edge_code code = key_import_target(r->cfg, target, &r->why);
    if (code == EDGE_OK) {
        code =
            key_import_ensure(r->hsm, target, &r->cfg->key, clock_wall_s(), &generation, &r->why);
    }
    code = settle_store(r, code, "the identity of release 1.1 is not taken over: ", &ok);
    if (code == EDGE_OK && ok) {
        found(r, PROVISIONING_KEY, generation);
        found_root(r, generation);
    }
    return code;
}

static enum edge_code run_cert(struct run *r) {
    static const char what[] = "modules cannot go on with the keys they have at the hub: ";
    struct secret root SECRET_CLEANUP = {0};
    uint64_t generation = 0;
    bool ok = false;
    found(r, PROVISIONING_CERT, 0);
    enum edge_code code =
        takeover_files_root(r->homedir, r->cfg->identity_cert, &r->names, &root, &r->why);
    /* Its files are removed once the key is taken. */
    if (code == EDGE_NOT_FOUND) {
        code = EDGE_OK;
    }
    code = settle_files(r, code, what, &ok);
    if (code != EDGE_OK || !ok) {
        return code;
    }
    code = settle_store(r, import_root(r, &root, &generation), what, &ok);
    if (code == EDGE_OK && ok) {
        found_root(r, generation);
    }
    return code;
}

static enum edge_code run(struct run *r) {
    bool ok = false;
    if (r->cfg->source == CONFIG_SOURCE_EXTERNAL) {
        note(r, "release 1.1 ran here; nothing is taken over with external provisioning", "");
        return EDGE_OK;
    }
    enum edge_code code = take_names(r, &ok);
    if (code != EDGE_OK || !ok) {
        return code;
    }
    code = hsm_start(r->hsm, &r->why);
    if (code != EDGE_OK) {
        return code;
    }
    switch (r->cfg->credential) {
    case CONFIG_CREDENTIAL_TPM:
        return run_tpm(r);
    case CONFIG_CREDENTIAL_KEY:
        return run_key(r);
    case CONFIG_CREDENTIAL_X509:
        return run_cert(r);
    case CONFIG_CREDENTIAL_EXTERNAL:
        break;
    }
    return EDGE_OK;
}

enum edge_code takeover_run(const struct edge_config *cfg, const char *homedir, struct hsm *h,
                            const char *label_inputs, struct takeover *ret,
                            struct edge_error *err) {
    struct run r = {
        .cfg = &cfg->provisioning, .homedir = homedir, .hsm = h, .inputs = label_inputs};
    if (takeover_files_exist(homedir)) {
        enum edge_code code = run(&r);
        if (code != EDGE_OK) {
            if (err != NULL) {
                *err = r.why;
            }
            return edge_wrap(err, code, "taking over what release 1.1 left");
        }
    }
    if (r.out.found) {
        note(&r, "took over the identity of release 1.1, device ", r.out.result.device_id);
        note(&r, "its hub is ", r.out.result.hub);
    }
    *ret = r.out;
    return EDGE_OK;
}
