/* SPDX-License-Identifier: MIT */
/*
 * The file that the key came from may be deleted after this, so the key in the store has to have
 * signed once.
 */
#include "provisioning/ca_key.h"

#include "base/b64.h"
#include "base/json.h"
#include "provisioning/key_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 8

void ca_key_clear(struct ca_key *k) {
    secret_clear(&k->pkcs8);
}

enum edge_code ca_key_encode(const struct ca_key *k, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "name", k->name);
    json_add_b64(&w, "key", k->pkcs8.data, k->pkcs8.len);
    json_object_close(&w);
    return json_end(&w, err);
}

enum edge_code ca_key_decode(struct slice json, struct ca_key *ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct slice name, key;
    enum edge_code code = json_parse_within(json, NODES_MAX, &root, err);
    code = code != EDGE_OK ? code : json_get_str(root, "name", &name, err);
    code = code != EDGE_OK ? code : json_get_str(root, "key", &key, err);
    if (code == EDGE_OK && (name.len != sizeof(ret->name) - 1 ||
                            !slice_to_array(name, ret->name, sizeof(ret->name)))) {
        code = edge_set(err, EDGE_INVALID, "'name' is not that of a CA key");
    }
    code = code != EDGE_OK ? code : b64_decode_secret(key, X509_KEY_DER_MAX, &ret->pkcs8, err);
    if (code == EDGE_OK && ret->pkcs8.len == 0) {
        code = edge_set(err, EDGE_INVALID, "'key' is empty");
    }
    return code;
}

/* A key under another name than its own would never be found again. */
static enum edge_code check_name(struct hsm *h, const struct hsm_key *key, struct edge_error *err) {
    char label[X509_KEY_LABEL];
    struct edge_error ignored;
    enum edge_code code = x509_key_label(slice_make(key->spki, key->spki_len), label, err);
    if (code == EDGE_OK && strcmp(label, key->name) != 0) {
        (void)!hsm_key_drop(h, key->name, &ignored);
        code = edge_set(err, EDGE_INVALID, "the name '%s' belongs to another key", key->name);
    }
    return code;
}

static enum edge_code try_to_sign(struct hsm *h, const struct hsm_key *key,
                                  struct edge_error *err) {
    uint8_t digest[HSM_DIGEST_LEN], signature[HSM_SIGNATURE_MAX];
    size_t len = 0;
    enum edge_code code = hsm_random(h, digest, sizeof(digest), err);
    code = code != EDGE_OK ? code : hsm_key_sign(h, key->name, digest, signature, &len, err);
    code = code != EDGE_OK ? code
                           : x509_key_verify(slice_make(key->spki, key->spki_len), digest,
                                             slice_make(signature, len), err);
    return code == EDGE_OK ? code : edge_wrap(err, code, "trying the imported key");
}

/* The device's own CA keys, which come and go by themselves, must find a place whatever operators
 * have brought in over the years. */
static enum edge_code check_room(struct hsm *h, const char *name, struct edge_error *err) {
    struct hsm_key *keys = calloc(HSM_KEYS_MAX, sizeof(*keys));
    size_t cnt = 0, imported = 0;
    if (keys == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a list of keys");
    }
    enum edge_code code = hsm_key_list(h, keys, &cnt, err);
    for (size_t i = 0; i < cnt && code == EDGE_OK; i++) {
        if (slice_starts_with(slice_str(keys[i].name), X509_KEY_PREFIX) &&
            strcmp(keys[i].name, name) != 0) {
            imported++;
        }
    }
    free(keys);
    return code != EDGE_OK || imported < CA_KEY_CNT_MAX
               ? code
               : edge_set(
                     err, EDGE_CONFLICT,
                     "%d imported CA keys are kept already: remove the file 'key-" X509_KEY_PREFIX
                     "...' of one that is not needed any more from the key store's folder",
                     CA_KEY_CNT_MAX);
}

enum edge_code ca_key_import(struct hsm *h, const struct ca_key *k, struct hsm_key *ret,
                             struct edge_error *err) {
    struct hsm_key key;
    enum edge_code code = check_room(h, k->name, err);
    code = code != EDGE_OK ? code : hsm_key_import(h, k->name, &k->pkcs8, &key, err);
    code = code != EDGE_OK ? code : check_name(h, &key, err);
    code = code != EDGE_OK ? code : hsm_key_get(h, k->name, &key, err);
    code = code != EDGE_OK ? code : try_to_sign(h, &key, err);
    if (code == EDGE_OK) {
        *ret = key;
    }
    return code;
}

static const char *place_name(enum hsm_key_place place) {
    return place == HSM_KEY_IN_TPM   ? KEY_PLACE_TPM
           : place == HSM_KEY_SEALED ? KEY_PLACE_SEALED
                                     : KEY_PLACE_FILE;
}

enum edge_code ca_key_answer(const struct hsm_key *key, struct buf *out, struct edge_error *err) {
    struct json_writer w;
    char kind[24];
    (void)snprintf(kind, sizeof(kind), "%s-%u", key->type == HSM_KEY_RSA ? "RSA" : "P", key->bits);
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "name", key->name);
    json_add_cstr(&w, "kind", kind);
    json_add_cstr(&w, "place", place_name(key->place));
    json_object_close(&w);
    return json_end(&w, err);
}
