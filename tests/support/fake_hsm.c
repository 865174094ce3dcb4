/* SPDX-License-Identifier: MIT */
#include "support/fake_hsm.h"

#include "base/mac.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

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

#define RECORDS_MAX 16

struct record {
    char name[HSM_RECORD_NAME_MAX + 1]; /* empty: free */
    struct secret value;
    bool damaged;
};

struct named {
    struct hsm_key info;
    EVP_PKEY *key;
};

struct hsm {
    struct named named[HSM_KEYS_MAX];
    size_t named_cnt;
    unsigned key_sign_cnt;
    enum hsm_key_place key_place;
    struct record records[RECORDS_MAX];
    struct hsm_store_info store;
    bool store_locked;
    struct secret recovery;
    struct key root;
    struct key challenge;
    struct identity identities[HSM_IDENTITY_MAX];
    size_t identity_cnt;
    uint64_t next_generation;
    unsigned fail_cnt;
    enum edge_code fail_code;
    unsigned derive_cnt;
    unsigned sign_cnt;
    unsigned random;
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

static void records_clear(struct hsm *h) {
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        secret_clear(&h->records[i].value);
        h->records[i].name[0] = '\0';
    }
}

static void named_clear(struct hsm *h) {
    while (h->named_cnt > 0) {
        EVP_PKEY_free(h->named[--h->named_cnt].key);
    }
}

void hsm_close(struct hsm *h) {
    if (h != NULL) {
        records_clear(h);
        named_clear(h);
        secret_clear(&h->recovery);
    }
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
        records_clear(h);
        named_clear(h);
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

/* Other bytes with each call, the same in each run. */
enum edge_code hsm_random(struct hsm *h, uint8_t *ret, size_t len, struct edge_error *err) {
    enum edge_code code = check(h, err);
    for (size_t i = 0; code == EDGE_OK && i < len; i++) {
        ret[i] = (uint8_t)(h->random = h->random * 5 + 3);
    }
    return code;
}

static struct record *find_record(struct hsm *h, const char *name) {
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        if (strcmp(h->records[i].name, name) == 0) {
            return &h->records[i];
        }
    }
    return NULL;
}

void fake_hsm_lock_store(struct hsm *h) {
    h->store_locked = true;
}

size_t fake_hsm_record_cnt(const struct hsm *h) {
    size_t cnt = 0;
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        cnt += h->records[i].name[0] != '\0';
    }
    return cnt;
}

void fake_hsm_damage_record(struct hsm *h, const char *name) {
    struct record *r = find_record(h, name);
    if (r == NULL) {
        abort();
    }
    r->damaged = true;
}

static bool is_unbound(const char *name) {
    return strncmp(name, HSM_RECORD_UNBOUND, sizeof(HSM_RECORD_UNBOUND) - 1) == 0;
}

static enum edge_code check_store(struct hsm *h, const char *name, struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (is_unbound(name)) {
        return code;
    }
    if (code == EDGE_OK && h->store_locked) {
        code = edge_set(err, EDGE_HSM, "the sealed store is locked; run: iotedge tpm reseal");
    }
    h->store.exists = h->store.exists || code == EDGE_OK;
    return code;
}

enum edge_code hsm_record_put(struct hsm *h, const char *name, const struct secret *value,
                              struct edge_error *err) {
    struct secret copy SECRET_CLEANUP = {0};
    enum edge_code code = check_store(h, name, err);
    if (code == EDGE_OK) {
        code = secret_copy(&copy, value->data, value->len, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    struct record *r = find_record(h, name);
    r = r != NULL ? r : find_record(h, "");
    if (r == NULL || strlen(name) > HSM_RECORD_NAME_MAX) {
        return edge_set(err, EDGE_RANGE, "too many records, or a long name");
    }
    secret_clear(&r->value);
    memcpy(r->name, name, strlen(name) + 1);
    r->damaged = false;
    r->value = secret_take(&copy);
    return EDGE_OK;
}

enum edge_code hsm_record_get(struct hsm *h, const char *name, struct secret *ret,
                              struct edge_error *err) {
    enum edge_code code = check_store(h, name, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct record *r = find_record(h, name);
    if (r == NULL) {
        return edge_set(err, EDGE_NOT_FOUND, "there is no record '%s'", name);
    }
    if (r->damaged) {
        secret_clear(&r->value);
        r->name[0] = '\0';
        return edge_set(err, EDGE_PARSE, "record '%s' is damaged; it was set aside", name);
    }
    return secret_copy(ret, r->value.data, r->value.len, err);
}

enum edge_code hsm_record_drop(struct hsm *h, const char *name, struct edge_error *err) {
    enum edge_code code = check(h, err);
    struct record *r = find_record(h, name);
    if (code == EDGE_OK && r != NULL) {
        secret_clear(&r->value);
        r->name[0] = '\0';
    }
    return code;
}

enum edge_code hsm_store_get_info(struct hsm *h, struct hsm_store_info *ret,
                                  struct edge_error *err) {
    static const char *const words[] = {"locked", "open"};
    enum edge_code code = check(h, err);
    if (code == EDGE_OK) {
        *ret = h->store;
        ret->open = !h->store_locked;
        memcpy(ret->text, words[ret->open], strlen(words[ret->open]) + 1);
    }
    return code;
}

enum edge_code hsm_store_reseal(struct hsm *h, const struct hsm_reseal *how,
                                struct edge_error *err) {
    enum edge_code code = check_store(h, "", err);
    if (code != EDGE_OK) {
        return code;
    }
    secret_clear(&h->recovery);
    if (how->pcrs != 0) {
        code = secret_copy(&h->recovery, how->recovery->data, how->recovery->len, err);
    }
    h->store.pcrs = how->pcrs;
    h->store.bound = how->pcrs != 0;
    h->store.recoverable = h->store.bound;
    h->store.planned = how->planned_cnt != 0;
    return code;
}

enum edge_code hsm_store_recover(struct hsm *h, const struct secret *recovery,
                                 struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code == EDGE_OK && !h->store.bound) {
        return edge_set(err, EDGE_INVALID, "the store is not bound to PCRs");
    }
    if (code == EDGE_OK && !secret_equal(&h->recovery, recovery)) {
        return edge_set(err, EDGE_DENIED, "this is not the recovery code of the store");
    }
    h->store_locked = h->store_locked && code != EDGE_OK;
    return code;
}

enum edge_code hsm_store_abandon(struct hsm *h, struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code == EDGE_OK) {
        records_clear(h);
        named_clear(h);
        named_clear(h);
        h->store = (struct hsm_store_info){0};
        h->store_locked = false;
    }
    return code;
}

static struct named *named_find(struct hsm *h, const char *name) {
    for (size_t i = 0; i < h->named_cnt; i++) {
        if (strcmp(h->named[i].info.name, name) == 0) {
            return &h->named[i];
        }
    }
    return NULL;
}

static bool describe(EVP_PKEY *key, struct hsm_key *ret) {
    const int bits = EVP_PKEY_get_bits(key);
    uint8_t *end = ret->spki;
    const int len = i2d_PUBKEY(key, NULL);

    if (len <= 0 || len > HSM_SPKI_MAX || i2d_PUBKEY(key, &end) != len) {
        return false;
    }
    ret->spki_len = (size_t)len;
    ret->bits = (unsigned)bits;
    ret->type = EVP_PKEY_is_a(key, "RSA") ? HSM_KEY_RSA
                : bits == 256             ? HSM_KEY_P256
                : bits == 384             ? HSM_KEY_P384
                                          : HSM_KEY_P521;
    return true;
}

/* Takes ownership of the key. */
static enum edge_code named_keep(struct hsm *h, const char *name, EVP_PKEY *key,
                                 struct hsm_key *ret, struct edge_error *err) {
    struct hsm_key info = {.place = HSM_KEY_IN_TPM};
    const struct named *old = named_find(h, name);

    if (key == NULL || !slice_to_array(slice_str(name), info.name, sizeof(info.name)) ||
        !describe(key, &info)) {
        EVP_PKEY_free(key);
        return edge_set(err, EDGE_PARSE, "not a private key");
    }
    if (old != NULL) {
        EVP_PKEY_free(key);
        if (old->info.spki_len != info.spki_len ||
            memcmp(old->info.spki, info.spki, info.spki_len) != 0) {
            return edge_set(err, EDGE_EXISTS, "another key has the name '%s'", name);
        }
        *ret = old->info;
        return EDGE_OK;
    }
    if (h->named_cnt == HSM_KEYS_MAX) {
        EVP_PKEY_free(key);
        return edge_set(err, EDGE_RANGE, "too many keys");
    }
    h->named[h->named_cnt++] = (struct named){.info = info, .key = key};
    *ret = info;
    return EDGE_OK;
}

enum edge_code hsm_key_make(struct hsm *h, const char *name, struct hsm_key *ret,
                            struct edge_error *err) {
    enum edge_code code = check_store(h, "", err);
    return code == EDGE_OK ? named_keep(h, name, EVP_EC_gen("P-256"), ret, err) : code;
}

enum edge_code hsm_key_import(struct hsm *h, const char *name, const struct secret *pkcs8_der,
                              struct hsm_key *ret, struct edge_error *err) {
    const uint8_t *at = pkcs8_der->data;
    enum edge_code code = check_store(h, "", err);
    return code == EDGE_OK
               ? named_keep(h, name, d2i_AutoPrivateKey(NULL, &at, (long)pkcs8_der->len), ret, err)
               : code;
}

static enum edge_code named_missing(const char *name, struct edge_error *err) {
    return edge_set(err, EDGE_NOT_FOUND, "there is no key '%s'", name);
}

enum edge_code hsm_key_get(struct hsm *h, const char *name, struct hsm_key *ret,
                           struct edge_error *err) {
    enum edge_code code = check(h, err);
    const struct named *n = named_find(h, name);
    if (code == EDGE_OK && n == NULL) {
        return named_missing(name, err);
    }
    if (code == EDGE_OK) {
        *ret = n->info;
        ret->place = h->key_place;
    }
    return code;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct hsm_key *)a)->name, ((const struct hsm_key *)b)->name);
}

enum edge_code hsm_key_list(struct hsm *h, struct hsm_key ret[HSM_KEYS_MAX], size_t *ret_cnt,
                            struct edge_error *err) {
    enum edge_code code = check(h, err);
    if (code == EDGE_OK) {
        for (size_t i = 0; i < h->named_cnt; i++) {
            ret[i] = h->named[i].info;
        }
        qsort(ret, h->named_cnt, sizeof(ret[0]), by_name);
        *ret_cnt = h->named_cnt;
    }
    return code;
}

enum edge_code hsm_key_sign(struct hsm *h, const char *name, const uint8_t digest[HSM_DIGEST_LEN],
                            uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                            struct edge_error *err) {
    enum edge_code code = check_store(h, "", err);
    const struct named *n = named_find(h, name);
    if (code != EDGE_OK) {
        return code;
    }
    if (n == NULL) {
        return named_missing(name, err);
    }
    size_t len = HSM_SIGNATURE_MAX;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(n->key, NULL);
    bool signed_ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
                     EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
                     EVP_PKEY_sign(ctx, ret_sig, &len, digest, HSM_DIGEST_LEN) == 1 &&
                     len <= HSM_SIGNATURE_MAX;
    EVP_PKEY_CTX_free(ctx);
    if (!signed_ok) {
        return edge_set(err, EDGE_CRYPTO, "signing failed");
    }
    h->key_sign_cnt++;
    *ret_len = len;
    return EDGE_OK;
}

enum edge_code hsm_key_drop(struct hsm *h, const char *name, struct edge_error *err) {
    enum edge_code code = check(h, err);
    struct named *n = named_find(h, name);
    if (code == EDGE_OK && n != NULL) {
        EVP_PKEY_free(n->key);
        *n = h->named[--h->named_cnt];
    }
    return code;
}

void fake_hsm_set_key_place(struct hsm *h, enum hsm_key_place place) {
    h->key_place = place;
}

unsigned fake_hsm_key_sign_cnt(const struct hsm *h) {
    return h->key_sign_cnt;
}
