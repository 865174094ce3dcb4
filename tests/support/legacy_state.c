/* SPDX-License-Identifier: MIT */
#include "support/legacy_state.h"

#include "base/aead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <openssl/evp.h>

#define TAG_LEN 16

static void fill(uint8_t *bytes, size_t len, uint8_t first) {
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(first + i);
    }
}

void legacy_state_make(const struct tmpdir *home) {
    static const char *const dirs[] = {"cache", "hsm", "hsm/certs", "hsm/cert_keys",
                                       "hsm/enc_keys"};
    uint8_t master[AEAD_KEY_LEN];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(dirs); i++) {
        assert_int_equal(mkdirat(home->fd, dirs[i], 0755), 0);
    }
    fill(master, sizeof(master), 0);
    tmpdir_write(home, LEGACY_MASTER_PATH, master, sizeof(master), 0600);
    static const char digest[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    tmpdir_write(home, LEGACY_DIGEST_PATH, digest, strlen(digest), 0644);
}

void legacy_state_backup(const struct tmpdir *home, const char *hub, const char *device_id) {
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "{\"credentials\":null,\"device_id\":\"%s\",\"hub_name\":\"%s\","
                       "\"sha256_thumbprint\":null}",
                       device_id, hub);
    assert_true(len > 0 && (size_t)len < sizeof(text));
    tmpdir_write(home, LEGACY_BACKUP_PATH, text, (size_t)len, 0644);
}

void legacy_state_hybrid(const struct tmpdir *home) {
    uint8_t master[AEAD_KEY_LEN], hybrid[32], iv[16], blob[LEGACY_HYBRID_LEN];
    fill(master, sizeof(master), 0);
    fill(hybrid, sizeof(hybrid), 0x80);
    fill(iv, sizeof(iv), 0xc0);
    assert_true(legacy_state_seal(slice_make(master, sizeof(master)), slice_make(iv, sizeof(iv)),
                                  SLICE_LIT("$iotedge"), slice_make(hybrid, sizeof(hybrid)), blob));
    assert_int_equal(mkdirat(home->fd, "hybrid_id", 0755), 0);
    tmpdir_write(home, LEGACY_HYBRID_PATH, blob, sizeof(blob), 0644);
    tmpdir_write(home, LEGACY_IV_PATH, iv, sizeof(iv), 0644);
}

bool legacy_state_seal(struct slice key, struct slice iv, struct slice aad, struct slice plain,
                       uint8_t *out) {
    int n = 0;
    uint8_t *text = out + AEAD_V1_EXTRA;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    out[0] = 0x01;
    bool ok =
        ctx != NULL && key.len == AEAD_KEY_LEN &&
        EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) > 0 &&
        EVP_EncryptInit_ex(ctx, NULL, NULL, (const uint8_t *)key.ptr, (const uint8_t *)iv.ptr) &&
        (aad.len == 0 ||
         EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.ptr, (int)aad.len)) &&
        EVP_EncryptUpdate(ctx, text, &n, (const uint8_t *)plain.ptr, (int)plain.len) &&
        EVP_EncryptFinal_ex(ctx, text + n, &n) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, out + 1) > 0;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}
