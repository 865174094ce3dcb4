/* SPDX-License-Identifier: MIT */
#include "support/fake_hsm.h"

#include "base/mac.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MAX HSM_BLOB_MAX

struct key {
    uint8_t bytes[KEY_MAX];
    size_t len;
};

struct identity {
    struct hsm_identity info;
    struct key key;
};

struct hsm {
    struct key root;
    struct key challenge;
    struct identity identities[HSM_IDENTITY_MAX];
    size_t identity_cnt;
    uint64_t next_generation;
    unsigned fail_cnt;
    enum edge_code fail_code;
    unsigned derive_cnt;
    unsigned sign_cnt;
    struct key hub_key; /* at the handle; empty: none */
    enum hsm_state state;
};

static void key_fill(struct key *k, uint8_t first_byte) {
    k->len = 32;
    for (size_t i = 0; i < k->len; i++) {
        k->bytes[i] = (uint8_t)(first_byte + i);
    }
}

struct hsm *fake_hsm_new(void) {
    struct hsm *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        abort();
    }
    key_fill(&h->root, 0x60);
    key_fill(&h->challenge, 0x40);
    key_fill(&h->identities[0].key, 0x40);
    h->identities[0].info.generation = 1;
    h->identity_cnt = 1;
    h->next_generation = 2;
    h->state = HSM_STATE_READY;
    return h;
}

void fake_hsm_fail(struct hsm *h, unsigned cnt, enum edge_code code) {
    h->fail_cnt = cnt;
    h->fail_code = code;
}

void fake_hsm_set_root(struct hsm *h, uint8_t first_byte) {
    key_fill(&h->root, first_byte);
}

void fake_hsm_set_hub_key(struct hsm *h, uint8_t first_byte) {
    key_fill(&h->hub_key, first_byte);
}

void fake_hsm_set_state(struct hsm *h, enum hsm_state state) {
    h->state = state;
}

unsigned fake_hsm_derive_cnt(const struct hsm *h) {
    return h->derive_cnt;
}

unsigned fake_hsm_sign_cnt(const struct hsm *h) {
    return h->sign_cnt;
}

static enum edge_code check(struct hsm *h, struct edge_error *err) {
    if (h->fail_cnt == 0) {
        return EDGE_OK;
    }
    h->fail_cnt--;
    return edge_set(err, h->fail_code, "scripted key store failure");
}

void hsm_close(struct hsm *h) {
    free(h);
}

enum edge_code hsm_start(struct hsm *h, struct edge_error *err) {
    if (h->state != HSM_STATE_READY) {
        return edge_set(err, EDGE_HSM, "the TPM is %s", hsm_state_name(h->state));
    }
    return check(h, err);
}

enum edge_code hsm_accept_change(struct hsm *h, struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code == EDGE_OK && (h->state == HSM_STATE_CLEARED || h->state == HSM_STATE_REPLACED)) {
        h->identity_cnt = 0;
        h->state = HSM_STATE_READY;
    }
    return code == EDGE_OK ? hsm_start(h, err) : code;
}

enum hsm_state hsm_get_state(const struct hsm *h) {
    return h->state;
}

const char *hsm_state_name(enum hsm_state state) {
    switch (state) {
    case HSM_STATE_READY:
        return "ready";
    case HSM_STATE_CLEARED:
        return "cleared";
    case HSM_STATE_REPLACED:
        return "replaced";
    default:
        return "failed";
    }
}

enum edge_code hsm_attestation_get(struct hsm *h, struct hsm_attestation *ret,
                                   struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code == EDGE_OK) {
        memset(ret->ek, 0xe1, 32);
        ret->ek_len = 32;
        memset(ret->srk, 0x51, 32);
        ret->srk_len = 32;
    }
    return code;
}

static enum edge_code key_load(struct key *k, struct slice blob, struct edge_error *err) {
    if (blob.len == 0 || blob.len > KEY_MAX) {
        return edge_set(err, EDGE_PARSE, "blob of %zu bytes", blob.len);
    }
    memcpy(k->bytes, blob.ptr, blob.len);
    k->len = blob.len;
    return EDGE_OK;
}

static enum edge_code key_sign(struct hsm *h, const struct key *k, struct slice data,
                               uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code == EDGE_OK) {
        h->sign_cnt++;
        code = hmac_sha256(k->bytes, k->len, data.ptr, data.len, ret_mac, err);
    }
    return code;
}

enum edge_code hsm_challenge_load(struct hsm *h, struct slice blob, struct edge_error *err) {
    enum edge_code code = check(h, err);
    return code == EDGE_OK ? key_load(&h->challenge, blob, err) : code;
}

enum edge_code hsm_challenge_sign(struct hsm *h, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                                  struct edge_error *err) {
    return key_sign(h, &h->challenge, data, ret_mac, err);
}

void hsm_challenge_drop(struct hsm *h) {
    h->challenge.len = 0;
}

/* Keeps a key as the next generation. */
static enum edge_code keep(struct hsm *h, struct slice key, struct slice label, bool adopted,
                           uint64_t *ret_generation, struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (h->identity_cnt == HSM_IDENTITY_MAX) {
        return edge_set(err, EDGE_RANGE, "too many identities");
    }
    struct identity *id = &h->identities[h->identity_cnt];
    if (!slice_to_array(label, id->info.label, sizeof(id->info.label))) {
        return edge_set(err, EDGE_INVALID, "label");
    }
    code = key_load(&id->key, key, err);
    if (code == EDGE_OK) {
        id->info.adopted = adopted;
        id->info.generation = h->next_generation++;
        *ret_generation = id->info.generation;
        h->identity_cnt++;
    }
    return code;
}

enum edge_code hsm_identity_import_blob(struct hsm *h, struct slice blob, struct slice label,
                                        uint64_t *ret_generation, struct edge_error *err) {
    return keep(h, blob, label, false, ret_generation, err);
}

enum edge_code hsm_identity_import_key(struct hsm *h, const struct secret *key, struct slice label,
                                       uint64_t *ret_generation, struct edge_error *err) {
    return keep(h, slice_make(key->data, key->len), label, false, ret_generation, err);
}

enum edge_code hsm_identity_adopt(struct hsm *h, struct slice label, uint64_t *ret_generation,
                                  struct edge_error *err) {
    if (h->hub_key.len == 0) {
        return edge_set(err, EDGE_NOT_FOUND, "there is no key at the handle");
    }
    return keep(h, slice_make(h->hub_key.bytes, h->hub_key.len), label, true, ret_generation, err);
}

enum edge_code hsm_identity_list(struct hsm *h, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code == EDGE_OK) {
        for (size_t i = 0; i < h->identity_cnt; i++) {
            ret[i] = h->identities[i].info;
        }
        *ret_cnt = h->identity_cnt;
    }
    return code;
}

enum edge_code hsm_identity_sign(struct hsm *h, uint64_t generation, struct slice data,
                                 uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    for (size_t i = 0; i < h->identity_cnt; i++) {
        if (h->identities[i].info.generation == generation) {
            return key_sign(h, &h->identities[i].key, data, ret_mac, err);
        }
    }
    return edge_set(err, EDGE_NOT_FOUND, "no identity key of this generation");
}

enum edge_code hsm_identity_drop(struct hsm *h, uint64_t generation, struct edge_error *err) {
    enum edge_code code = check(h, err);
    for (size_t i = 0; code == EDGE_OK && i < h->identity_cnt; i++) {
        if (h->identities[i].info.generation == generation) {
            h->identities[i] = h->identities[--h->identity_cnt];
            break;
        }
    }
    return code;
}

enum edge_code hsm_identity_publish(struct hsm *h, uint64_t generation, struct edge_error *err) {
    (void)generation;
    for (size_t i = 0; i < h->identity_cnt; i++) {
        if (h->identities[i].info.adopted) {
            return edge_set(err, EDGE_CONFLICT, "an adopted key is kept");
        }
    }
    return check(h, err);
}

enum edge_code hsm_root_fingerprint(struct hsm *h, uint8_t ret[HSM_FINGERPRINT_LEN],
                                    struct edge_error *err) {
    enum edge_code code = check(h, err);
    return code == EDGE_OK ? sha256(h->root.bytes, h->root.len, ret, err) : code;
}

enum edge_code hsm_root_derive(struct hsm *h, struct slice context, struct secret *ret,
                               struct edge_error *err) {
    uint8_t mac[HSM_MAC_LEN];
    enum edge_code code = check(h, err);
    if (code == EDGE_OK) {
        h->derive_cnt++;
        code = hmac_sha256(h->root.bytes, h->root.len, context.ptr, context.len, mac, err);
    }
    if (code == EDGE_OK) {
        code = secret_copy(ret, mac, sizeof(mac), err);
    }
    secret_wipe(mac, sizeof(mac));
    return code;
}
